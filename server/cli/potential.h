/* A potential named on the command line: a setfl file, or one that comes with quenchd. */
#ifndef QN_SERVER_CLI_POTENTIAL_H
#define QN_SERVER_CLI_POTENTIAL_H

#include "engine/potential/eam.h"

/* The text of it: malloc'ed, `*size` bytes. What is no built-in name is a path. */
qn_status qn_cli_potential_text(const char *name, char **text, size_t *size, qn_error *error);
/* The same, read. On success the caller owns `potential`: qn_eam_fini. */
qn_status qn_cli_potential(const char *name, qn_eam *potential, qn_error *error);

/* A whole file: malloc'ed, with a NUL after its `*size` bytes. */
qn_status qn_cli_read_file(const char *path, char **text, size_t *size, qn_error *error);

/* The `--threads` of a command: 0 means every core that this process may use. */
int qn_cli_threads(int threads);

#endif

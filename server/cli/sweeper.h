/* A thread that unlinks what retention has marked, apart from all others, as a file system may take its time. */
#ifndef QN_SERVER_CLI_SWEEPER_H
#define QN_SERVER_CLI_SWEEPER_H

#include "engine/base/status.h"

typedef struct qn_sweeper qn_sweeper;

/* Both texts are borrowed. */
qn_status qn_sweeper_start(qn_sweeper **sweeper, const char *database_url, const char *data_directory, qn_error *error);
void qn_sweeper_stop(qn_sweeper *sweeper); /* also fine on NULL */

#endif

/* Settings: one table of everything that can be set, from the environment and from flags.
 *
 * A flag wins over its variable, a variable over the default. `--help` prints the table, and the README's table of settings follows it. */
#ifndef QN_SERVER_CONFIG_CONFIG_H
#define QN_SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/base/status.h"

/* Which commands a setting belongs to. */
enum {
  QN_FOR_SERVE = 1,
  QN_FOR_WORK = 2,
  QN_FOR_MIGRATE = 4,
  QN_FOR_TOKEN = 8,
  QN_FOR_SIMULATE = 16,
  QN_FOR_EVALUATE = 32,
  QN_FOR_ANALYSE = 64,
  QN_FOR_RETAIN = 128,
  QN_FOR_FIT = 256,
  QN_FOR_DATABASE = QN_FOR_SERVE | QN_FOR_WORK | QN_FOR_MIGRATE | QN_FOR_TOKEN | QN_FOR_RETAIN
};

/* Texts point into the arguments, the environment or literals: they live as long as the process. Times in seconds. */
typedef struct qn_config {
  const char *database_url, *data_directory;

  const char *listen;      /* "address:port" */
  int event_threads, handlers, connections, connections_per_address, body_memory_mb;
  double idle_timeout_s, request_timeout_s, event_heartbeat_s, drain_s;
  bool no_worker, no_access_log;

  const char *worker_name; /* "": host and process */
  int jobs, threads;
  double lease_s, heartbeat_s, poll_s, checkpoint_s;

  const char *out, *potential, *precision;
  bool csv;
  const char *species, *frames;                   /* of a trajectory; "": not said */
  double timestep_fs, interval_ps, temperature_k; /* 0: not said */

  const char *token_name, *token_scope;
  double token_days;       /* 0: for ever */

  const char *retain_kinds, *retain_states; /* words with commas between them */
  bool retain_remove;
} qn_config;

/* Fill `config` for one command from the environment, then from `argv` (without the command's own name). What is no flag is a positional
 * argument: at least `least`, at most `most` of them into `positional`, `*count` how many. QN_INVALID says which value is wrong and what is
 * accepted. */
qn_status qn_config_read(qn_config *config, unsigned command, int argc, char **argv, int least, int most, const char **positional,
                         int *count, qn_error *error);

/* Put the settings of `command` into the environment, as a child process that runs this command will read them. Flags can be read by every user
 * of the machine, the environment of a process by its owner alone; a database URL may hold a password. */
qn_status qn_config_export(const qn_config *config, unsigned command, qn_error *error);

/* The table, for `--help`: settings of `command`, with variable, default and meaning. */
void qn_config_print(FILE *file, unsigned command);

#endif

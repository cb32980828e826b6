/* How far a command is, on standard error, and its end by Ctrl-C or SIGTERM. */
#ifndef QN_SERVER_CLI_PROGRESS_H
#define QN_SERVER_CLI_PROGRESS_H

#include <stdatomic.h>

#include "server/job/job.h"

typedef struct qn_cli_progress {
  const char *what;   /* "simulating" */
  double shown, at;   /* the last one shown, and when */
} qn_cli_progress;

/* Watch for SIGINT and SIGTERM: to be called before any thread is started. */
void qn_cli_progress_watch(void);

/* For the jobs of job.h; `progress` lives as long as they run. QN_CANCELLED after a signal. */
qn_job_control qn_cli_progress_control(qn_cli_progress *progress, const char *what, double checkpoint_s);
void qn_cli_progress_end(const qn_cli_progress *progress);

#endif

/* The worker: a pool of threads that claim jobs under a lease, run them, and finish them. */
#ifndef QN_SERVER_WORKER_WORKER_H
#define QN_SERVER_WORKER_WORKER_H

#include <stdatomic.h>

#include "engine/base/status.h"

typedef struct qn_worker_options {
  const char *database_url, *data_directory;
  const char *name;      /* unique among live workers; NULL: "host:pid" */
  int jobs, threads;     /* jobs at once, OpenMP threads of each; 0: 1 thread, and as many jobs as cores allow */
  double lease_s;        /* a job whose worker was silent for so long belongs to whoever claims it; 0: 10 s */
  double heartbeat_s;    /* 0: a fifth of the lease */
  double poll_s;         /* how often the queue is looked at without a NOTIFY; 0: 2 s */
  double checkpoint_s;   /* wall time between checkpoints; 0: 30 s */
} qn_worker_options;

/* Run until *stop is not 0, then drain: claim no more, hand running jobs back to the queue, return. Safe to set `stop` in a signal handler.
 * Lowers the scheduling priority of the calling process. A database that is away is waited for; the only errors are options
 * that can never work, and no memory. */
qn_status qn_worker_run(const qn_worker_options *options, const atomic_int *stop, qn_error *error);

#endif

/* The worker: claims jobs under a lease, runs each in a process of its own, and keeps their leases.
 *
 * Its threads: one starts and watches processes and asks nobody for anything; one talks to the database; one to the file system; one keeps the queue
 * in order (keeper/keeper.h). So neither a database nor a disk that does not answer keeps it from stopping its jobs in time. */
#ifndef QN_SERVER_WORKER_WORKER_H
#define QN_SERVER_WORKER_WORKER_H

#include <stdatomic.h>

#include "engine/base/status.h"

typedef struct qn_worker_options {
  const char *database_url, *data_directory;
  const char *name;      /* unique among live workers; NULL: "host:pid" */
  const char *program;   /* quenchd, for the processes of jobs; NULL: the one that runs */
  int jobs, threads;     /* jobs at once, OpenMP threads of each; 0: 1 thread, and as many jobs as cores allow */
  double lease_s;        /* a job whose worker was silent for so long belongs to whoever claims it; 0: 10 s */
  double heartbeat_s;    /* 0: a fifth of the lease */
  double poll_s;         /* how often the queue is looked at without a NOTIFY; 0: 2 s */
  double checkpoint_s;   /* wall time between checkpoints; 0: 30 s */
  double drain_s;        /* how long jobs have to write a checkpoint and to be handed back once it is to stop; 0: 20 s */
} qn_worker_options;

/* Run until *stop is not 0, then drain: claim no more, have running jobs handed back to the queue, return, after `drain_s` at the latest. Safe to set
 * `stop` in a signal handler. A database or a data directory that is away is waited for; the only errors are options that can never work, and
 * no memory. */
qn_status qn_worker_run(const qn_worker_options *options, const atomic_int *stop, qn_error *error);

#endif

/* One claimed job from its rows to its rows: read the spec, run it, store what came out under the lease. */
#ifndef QN_SERVER_WORKER_WORK_H
#define QN_SERVER_WORKER_WORK_H

#include "server/job/job.h"
#include "server/queue/queue.h"

typedef struct qn_work {
  qn_store *store;
  const qn_claim *claim;
  int threads;
  const qn_job_control *control;
} qn_work;

/* What a job left, to be written in the transaction that ends it. */
typedef struct qn_work_result qn_work_result;

/* Run it. On success `result` (caller: qn_work_result_free) goes as context with qn_work_write to qn_queue_end. QN_UNAVAILABLE: not now, hand it
 * back; QN_CANCELLED, QN_CONFLICT: as `control` said; anything else is the job's failure. */
qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error);
qn_transaction qn_work_write;
void qn_work_result_free(qn_work_result *result);

/* Afterwards: drop what earlier attempts left, and checkpoints or the file that came, once a job has succeeded; everything when it was cancelled. */
void qn_work_tidy(const qn_work *work, qn_ending ending);

#endif

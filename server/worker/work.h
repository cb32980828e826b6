/* One claimed job from its rows to its rows: read what it needs, run it, store what came out under the lease. The connection is wanted only at both
 * ends, so that a job of days holds none. */
#ifndef QN_SERVER_WORKER_WORK_H
#define QN_SERVER_WORKER_WORK_H

#include "server/job/job.h"
#include "server/queue/queue.h"

/* What a job needs from the database. */
typedef struct qn_work_input qn_work_input;

/* QN_CONFLICT: the lease is lost. On success the caller owns `input`: qn_work_input_free. */
qn_status qn_work_read(qn_connection *connection, const qn_claim *claim, qn_work_input **input, qn_error *error);
void qn_work_input_free(qn_work_input *input);

typedef struct qn_work {
  const qn_claim *claim;
  const qn_work_input *input;
  const char *data_directory, *data_id; /* the id that the directory must carry */
  int threads;
  const qn_job_control *control;        /* its `reached` may be NULL */
} qn_work;

/* What a job left, to be written in the transaction that ends it. */
typedef struct qn_work_result qn_work_result;

/* Run it. On success `result` (caller: qn_work_result_free) goes as context with qn_work_write to qn_queue_end. QN_UNAVAILABLE, QN_CANCELLED: as
 * `control` said; QN_CONFLICT: as it said, or another process is at this attempt; QN_NO_STORAGE, QN_NO_MEMORY: not here, not now;
 * anything else is the job's failure. */
qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error);
qn_transaction qn_work_write;
void qn_work_result_free(qn_work_result *result);

/* Afterwards, when the database knows how the job ended: drop the files that nobody needs. Those of simulations are the keeper's. */
void qn_work_tidy(const qn_work *work, qn_ending ending);

#endif

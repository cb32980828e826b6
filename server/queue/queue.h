/* The queue as a worker sees it: claim a job under a lease, keep the lease, end the job, and take up what others lost.
 *
 * A lease is (job, attempt, token). Whoever writes for a job proves its lease in the same statement or transaction, so a worker that
 * stood still past its lease changes nothing when it wakes. All functions run on a connection of the caller's. */
#ifndef QN_SERVER_QUEUE_QUEUE_H
#define QN_SERVER_QUEUE_QUEUE_H

#include "server/store/pool.h"

typedef struct qn_lease {
  int64_t job;
  int attempt;
  char token[40];
} qn_lease;

typedef struct qn_claim {
  qn_lease lease;
  char kind[16];            /* "simulation", "analysis", "fit", "import" */
  int64_t resource;         /* id of the simulation, analysis, fit or trajectory */
} qn_claim;

/* Take the next job in the order of migrations/005: users share, within a share the highest priority, then the oldest. *found is false when
 * none is to be had; `wait_s` then tells when to ask again (for a job that tries again later, or that another transaction holds), NAN when
 * none is queued. */
qn_status qn_queue_claim(qn_connection *connection, const char *worker, double lease_s, qn_claim *claim, bool *found, double *wait_s,
                         qn_error *error);

typedef enum qn_heartbeat {
  QN_HEARTBEAT_KEPT,
  QN_HEARTBEAT_CANCEL,      /* kept, and somebody asked for the end of the job */
  QN_HEARTBEAT_LOST         /* the job belongs to someone else, or has ended */
} qn_heartbeat;

/* One statement: renew the lease, store the progress (NAN: not known yet), read back what became of the job. */
qn_status qn_queue_beat(qn_connection *connection, const qn_lease *lease, double lease_s, double progress, qn_heartbeat *heartbeat,
                        qn_error *error);

typedef enum qn_ending { QN_ENDING_SUCCEEDED, QN_ENDING_FAILED, QN_ENDING_CANCELLED, QN_ENDING_RELEASED } qn_ending;

/* End an attempt: `write` (may be NULL) stores what the job made, in the transaction that ends it, which also brings on or fails its children.
 * Released: back to the queue, as if it had not been claimed. `why`: the error of a failed job, else NULL.
 * QN_CONFLICT: the lease is lost and nothing was written. After QN_UNAVAILABLE call it again: an ending that was committed unseen
 * is recognised, and is QN_OK. */
qn_status qn_queue_end(qn_connection *connection, const qn_lease *lease, qn_ending ending, const char *why, qn_transaction *write,
                       void *context, qn_error *error);

/* Requeue the jobs whose leases have expired, with a growing pause; fail those that were lost too often without getting further, and
 * cancel those that were to be. Any process may do this at any time. */
qn_status qn_queue_reap(qn_connection *connection, int *reaped, qn_error *error);

/* Tell that a worker lives; forget workers that were silent for a day, and Idempotency-Keys older than a week. */
qn_status qn_queue_greet(qn_connection *connection, const char *worker, int jobs, int threads, qn_error *error);
qn_status qn_queue_leave(qn_connection *connection, const char *worker, qn_error *error);

#endif

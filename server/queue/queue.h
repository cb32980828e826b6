/* The queue as a worker sees it: claim a job under a lease, keep the lease, end the job. What becomes of the jobs of those that are gone: loss.h.
 *
 * A lease is (job, attempt, token). Whoever writes for a job proves its lease in the same statement or transaction, so a worker that
 * stood still past its lease changes nothing when it wakes. All functions run on a connection of the caller's. */
#ifndef QN_SERVER_QUEUE_QUEUE_H
#define QN_SERVER_QUEUE_QUEUE_H

#include "server/peer.h"
#include "server/store/pool.h"

typedef struct qn_lease {
  int64_t job;
  int attempt;
  char token[40];           /* a UUID, made by whoever claims */
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

/* After a claim that ended with QN_UNAVAILABLE: was it made, its answer lost on the way? `claim` as that call left it. */
qn_status qn_queue_recall(qn_connection *connection, qn_claim *claim, bool *found, qn_error *error);

typedef enum qn_heartbeat {
  QN_HEARTBEAT_KEPT,
  QN_HEARTBEAT_CANCEL,      /* kept, and somebody asked for the end of the job */
  QN_HEARTBEAT_LOCKED,      /* somebody else holds the row: nothing is known, ask again soon */
  QN_HEARTBEAT_LOST         /* the job belongs to someone else, or has ended */
} qn_heartbeat;

typedef struct qn_beat {
  qn_lease lease;
  double progress;          /* 0 to 1; NAN: not known yet */
  int64_t checkpoint_step;  /* of the newest checkpoint of this attempt, before that where it began; -1: not known yet */
  qn_heartbeat heartbeat;   /* the answer */
} qn_beat;

/* One statement for all leases of a worker: renew them, store how far the jobs are, read back what became of them. A lease that has expired, and
 * whose job nobody took, is renewed too. It waits for no lock. */
qn_status qn_queue_beat(qn_connection *connection, qn_beat *beats, int count, double lease_s, qn_error *error);

typedef enum qn_ending { QN_ENDING_SUCCEEDED, QN_ENDING_FAILED, QN_ENDING_CANCELLED, QN_ENDING_RELEASED } qn_ending;

/* End an attempt: `write` (may be NULL) stores what the job made, in the transaction that ends it, which also brings on or fails its children.
 * Released: back to the queue, as if it had not been claimed. `why`: the error of a failed job, else NULL.
 * QN_CONFLICT: the lease is lost and nothing was written. After QN_UNAVAILABLE call it again: an ending that was committed unseen
 * is recognised, and is QN_OK. Anything else comes from `write`, and nothing was written either. */
qn_status qn_queue_end(qn_connection *connection, const qn_lease *lease, qn_ending ending, const char *why, qn_transaction *write,
                       void *context, qn_error *error);

/* Released, to be claimed again after `pause_s`, by whoever is then able to; `reason` says in a phrase why, to whoever asks what the job waits for. */
qn_status qn_queue_release(qn_connection *connection, const qn_lease *lease, double pause_s, const char *reason, qn_error *error);

typedef struct qn_greeting {
  const char *worker, *trouble; /* `trouble`: why it claims nothing, "" when it does */
  int jobs, threads;
  qn_peer process;
} qn_greeting;

/* Tell that a worker lives; and that it is gone. */
qn_status qn_queue_greet(qn_connection *connection, const qn_greeting *greeting, qn_error *error);
qn_status qn_queue_leave(qn_connection *connection, const char *worker, qn_error *error);

#endif

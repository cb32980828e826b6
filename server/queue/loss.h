/* Attempts that ended without a word of their own: their worker fell silent or died, or their process did.
 *
 * A loss counts as a failure of the job when the attempt wrote no checkpoint beyond those before it (an analysis has none: there progress beyond
 * that of the lost ones before it serves) and no outage explains it. Failures in a row up to max_attempts fail the job, and so do four times as
 * many losses that were explained. Otherwise it is queued again: at once after the first failure, so that no other job takes the place that is
 * free now, then after a pause of 1, 2, 4 ... 60 s, up to a quarter less by chance. A job that was to be cancelled is cancelled. */
#ifndef QN_SERVER_QUEUE_LOSS_H
#define QN_SERVER_QUEUE_LOSS_H

#include "server/peer.h"
#include "server/queue/queue.h"

/* The process of one attempt is gone. `checkpoint_step` as in a heartbeat. `pause_s` 0: nothing explains it. More: the machine had no room for it,
 * which is no failure of the job's, and it is not tried again for so long. *lost is false when the lease was no longer held. */
qn_status qn_loss_attempt(qn_connection *connection, const qn_lease *lease, const char *why, int64_t checkpoint_step, double pause_s, bool *lost,
                          qn_error *error);

/* A worker is known to be gone, with all that it ran. With `process` (may be NULL) only if that is the worker of this name still. */
qn_status qn_loss_worker(qn_connection *connection, const char *worker, const qn_peer *process, const char *why, int *lost, qn_error *error);

/* Why attempts were lost that nothing more is known about. */
#define QN_LOSS_GONE "the process of its worker is gone"

/* Whoever waited for the worker knows how it ended, and may come after one who only found it gone: says so in those attempts. */
qn_status qn_loss_explain(qn_connection *connection, const char *worker, const char *why, qn_error *error);

/* Take the jobs whose leases have expired. Any process may do this at any time, with `up_s`, how long it has been hearing from the database
 * without a gap: leases that are longer than that, or longer than PostgreSQL has been up, are left alone, so that their owners hear from it
 * first; so are all when the database stood still between question and answer. */
qn_status qn_loss_expired(qn_connection *connection, double up_s, int *lost, qn_error *error);

/* Housekeeping, once a minute or so: forget workers that were silent for a day, and Idempotency-Keys older than a week; add up the changes of counts. */
qn_status qn_loss_forget(qn_connection *connection, qn_error *error);

#endif

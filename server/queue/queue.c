#include "server/queue/queue.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const qn_statement claim_next = {
    "queue_claim",
    "WITH next AS MATERIALIZED (SELECT next_job() AS id),"
    " claimed AS (UPDATE jobs j SET state = 'running', attempt = j.attempt + 1, lease_token = gen_random_uuid(),"
    " lease_expires_at = now() + $2::float8 * interval '1 s', heartbeat_at = now(), claimed_at = now(), claimed_progress = j.progress,"
    " started_at = coalesce(j.started_at, now()), worker = $1::text FROM next WHERE j.id = next.id"
    " RETURNING j.id, j.attempt, j.lease_token, j.kind),"
    " history AS (INSERT INTO job_attempts (job_id, attempt, worker, lease_token) SELECT id, attempt, $1::text, lease_token FROM claimed)"
    " SELECT c.id, c.attempt, c.lease_token, c.kind, coalesce(s.id, a.id, f.id, u.id) FROM claimed c"
    " LEFT JOIN simulations s ON s.job_id = c.id LEFT JOIN analyses a ON a.job_id = c.id"
    " LEFT JOIN fits f ON f.job_id = c.id LEFT JOIN uploads u ON u.job_id = c.id"};
/* A ready job that was not to be had was in another transaction's hands, which may well leave it as it is: it is asked for again soon. */
static const qn_statement next_time = {
    "queue_next",
    "SELECT CASE WHEN first IS NOT NULL THEN greatest(extract(epoch FROM first - now()), 0.2) END"
    " FROM (SELECT min(run_after) AS first FROM jobs WHERE state = 'queued') queued"};

/* A resumed attempt begins where its checkpoint was, behind what the lost one had reported: from there the time still needed is counted. */
static const qn_statement beat = {
    "queue_beat",
    "UPDATE jobs SET lease_expires_at = now() + $4::float8 * interval '1 s', heartbeat_at = now(),"
    " progress = coalesce(least(greatest($5::float8, 0), 1), progress),"
    " claimed_progress = least(claimed_progress, coalesce($5::float8, claimed_progress))"
    " WHERE id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid AND state = 'running'"
    " RETURNING cancel_requested_at IS NOT NULL"};

#define LEASE " WHERE id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid AND state = 'running'"
#define FREE "lease_token = NULL, lease_expires_at = NULL"
static const qn_statement hold = {"queue_hold", "SELECT 1 FROM jobs" LEASE " FOR NO KEY UPDATE"};
static const qn_statement succeed = {
    "queue_succeed", "UPDATE jobs SET state = 'succeeded', " FREE ", progress = 1, finished_at = now(), error = ''" LEASE};
static const qn_statement fail = {
    "queue_fail", "UPDATE jobs SET state = 'failed', " FREE ", finished_at = now(), error = $4::text" LEASE};
static const qn_statement cancel = {"queue_cancel", "UPDATE jobs SET state = 'cancelled', " FREE ", finished_at = now()" LEASE};
/* A cancel that came while the worker drained takes effect now. */
static const qn_statement release = {
    "queue_release",
    "UPDATE jobs SET " FREE ", worker = '', run_after = now(),"
    " state = CASE WHEN cancel_requested_at IS NULL THEN 'queued'::job_state ELSE 'cancelled' END,"
    " finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN now() END" LEASE};
static const qn_statement end_attempt = {
    "queue_end_attempt",
    "UPDATE job_attempts SET ended_at = now(), outcome = $4::text, error = $5::text"
    " WHERE job_id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid AND outcome IS NULL"};
static const qn_statement ended_as = {
    "queue_ended_as",
    "SELECT coalesce(outcome, '') FROM job_attempts WHERE job_id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid"};

/* An attempt that got further than any before it, by a hundredth, was worth its while: the count of failures starts anew. So a job that
 * runs for days outlives many reboots, and one that kills its worker at the same place does not live for ever.
 * Pauses are 1, 2, 4 ... 60 s. */
static const qn_statement reap = {
    "queue_reap",
    "WITH expired AS (SELECT id, attempt, progress > progress_peak + 0.01 AS further FROM jobs"
    " WHERE state = 'running' AND lease_expires_at < now() ORDER BY id FOR NO KEY UPDATE SKIP LOCKED),"
    " counted AS (SELECT e.id, e.attempt, CASE WHEN e.further THEN 1 ELSE j.failures + 1 END AS failures, j.max_attempts,"
    " j.cancel_requested_at IS NOT NULL AS cancelled, j.worker FROM expired e JOIN jobs j ON j.id = e.id),"
    " history AS (UPDATE job_attempts h SET ended_at = now(), outcome = 'lost', error = 'the worker fell silent' FROM counted c"
    " WHERE h.job_id = c.id AND h.attempt = c.attempt AND h.outcome IS NULL)"
    " UPDATE jobs j SET " FREE ", failures = c.failures, progress_peak = greatest(j.progress_peak, j.progress),"
    " state = CASE WHEN c.cancelled THEN 'cancelled'::job_state WHEN c.failures >= c.max_attempts THEN 'failed' ELSE 'queued' END,"
    " finished_at = CASE WHEN c.cancelled OR c.failures >= c.max_attempts THEN now() END,"
    " error = CASE WHEN c.cancelled OR c.failures < c.max_attempts THEN ''"
    " ELSE format('given up after %s attempts that were lost without getting further; the last worker was %s', c.failures, c.worker) END,"
    " worker = CASE WHEN c.cancelled OR c.failures >= c.max_attempts THEN j.worker ELSE '' END,"
    " run_after = now() + least(60, power(2, c.failures - 1)) * interval '1 s'"
    " FROM counted c WHERE j.id = c.id RETURNING j.id"};

static const qn_statement greet = {
    "queue_greet",
    "INSERT INTO workers (name, jobs, threads) VALUES ($1, $2::integer, $3::integer)"
    " ON CONFLICT (name) DO UPDATE SET seen_at = now(), jobs = excluded.jobs, threads = excluded.threads"};
static const qn_statement forget_workers = {"queue_forget_workers", "DELETE FROM workers WHERE seen_at < now() - interval '1 day'"};
static const qn_statement forget_keys = {"queue_forget_keys", "DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'"};
static const qn_statement leave = {"queue_leave", "DELETE FROM workers WHERE name = $1"};

static void lease_params(qn_params *params, const qn_lease *lease) {
  qn_params_int(params, lease->job);
  qn_params_int(params, lease->attempt);
  qn_params_text(params, lease->token);
}

qn_status qn_queue_claim(qn_connection *connection, const char *worker, double lease_s, qn_claim *claim, bool *found, double *wait_s,
                         qn_error *error) {
  *found = false;
  *wait_s = (double)NAN;
  qn_params params = {0};
  qn_params_text(&params, worker);
  qn_params_real(&params, lease_s);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &claim_next, &params, &result, error);
  if (status != QN_OK) return status;
  *found = PQntuples(result) == 1;
  if (*found) {
    memset(claim, 0, sizeof *claim);
    claim->lease.job = qn_field_int(result, 0, 0);
    claim->lease.attempt = (int)qn_field_int(result, 0, 1);
    snprintf(claim->lease.token, sizeof claim->lease.token, "%s", qn_field(result, 0, 2));
    snprintf(claim->kind, sizeof claim->kind, "%s", qn_field(result, 0, 3));
    claim->resource = qn_field_int(result, 0, 4);
  }
  PQclear(result);
  if (*found) return QN_OK;
  status = qn_connection_run(connection, &next_time, NULL, &result, error);
  if (status != QN_OK) return status;
  *wait_s = qn_field_real(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

qn_status qn_queue_beat(qn_connection *connection, const qn_lease *lease, double lease_s, double progress, qn_heartbeat *heartbeat,
                        qn_error *error) {
  qn_params params = {0};
  lease_params(&params, lease);
  qn_params_real(&params, lease_s);
  qn_params_real(&params, isfinite(progress) ? progress : (double)NAN);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &beat, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) *heartbeat = QN_HEARTBEAT_LOST;
  else *heartbeat = qn_field_bool(result, 0, 0) ? QN_HEARTBEAT_CANCEL : QN_HEARTBEAT_KEPT;
  PQclear(result);
  return QN_OK;
}

typedef struct ending {
  const qn_lease *lease;
  const qn_statement *change;
  const char *outcome, *why;
  qn_transaction *write;
  void *context;
} ending;

static qn_status end_job(qn_connection *connection, void *opaque, qn_error *error) {
  const ending *e = opaque;
  qn_params lease = {0};
  lease_params(&lease, e->lease);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &hold, &lease, &result, error);
  if (status != QN_OK) return status;
  bool held = PQntuples(result) == 1;
  PQclear(result);
  if (!held) return qn_error_set(error, QN_CONFLICT, "the lease on job %lld is lost", (long long)e->lease->job);

  if (e->write != NULL) status = e->write(connection, e->context, error);
  if (status != QN_OK) return status;
  qn_params params = {0};
  lease_params(&params, e->lease);
  if (e->change == &fail) qn_params_text(&params, e->why);
  status = qn_connection_run(connection, e->change, &params, NULL, error);
  if (status != QN_OK) return status;
  qn_params history = {0};
  lease_params(&history, e->lease);
  qn_params_text(&history, e->outcome);
  qn_params_text(&history, e->why != NULL ? e->why : "");
  return qn_connection_run(connection, &end_attempt, &history, NULL, error);
}

qn_status qn_queue_end(qn_connection *connection, const qn_lease *lease, qn_ending how, const char *why, qn_transaction *write,
                       void *context, qn_error *error) {
  static const struct { const qn_statement *change; const char *outcome; } ways[] = {
      [QN_ENDING_SUCCEEDED] = {&succeed, "succeeded"},
      [QN_ENDING_FAILED] = {&fail, "failed"},
      [QN_ENDING_CANCELLED] = {&cancel, "cancelled"},
      [QN_ENDING_RELEASED] = {&release, "released"},
  };
  ending e = {lease, ways[how].change, ways[how].outcome, why != NULL ? why : "", write, context};
  qn_status status = qn_connection_transact(connection, end_job, &e, NULL, error);
  if (status != QN_CONFLICT || connection->sqlstate[0] != '\0') return status;

  /* Lost, or ended by a call of ours whose answer did not reach us? */
  qn_params params = {0};
  lease_params(&params, lease);
  PGresult *result;
  qn_error ignored;
  if (qn_connection_run(connection, &ended_as, &params, &result, &ignored) != QN_OK) return QN_UNAVAILABLE;
  bool ours = PQntuples(result) == 1 && strcmp(qn_field(result, 0, 0), e.outcome) == 0;
  PQclear(result);
  return ours ? QN_OK : QN_CONFLICT;
}

qn_status qn_queue_reap(qn_connection *connection, int *reaped, qn_error *error) {
  *reaped = 0;
  PGresult *result;
  qn_status status = qn_connection_run(connection, &reap, NULL, &result, error);
  if (status != QN_OK) return status;
  *reaped = PQntuples(result);
  PQclear(result);
  return QN_OK;
}

qn_status qn_queue_greet(qn_connection *connection, const char *worker, int jobs, int threads, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, worker);
  qn_params_int(&params, jobs);
  qn_params_int(&params, threads);
  qn_status status = qn_connection_run(connection, &greet, &params, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &forget_workers, NULL, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &forget_keys, NULL, NULL, error);
  return status;
}

qn_status qn_queue_leave(qn_connection *connection, const char *worker, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, worker);
  return qn_connection_run(connection, &leave, &params, NULL, error);
}

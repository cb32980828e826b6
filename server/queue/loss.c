#include "server/queue/loss.h"

#include <stdio.h>

/* `which` rows, with what kind of `lock`; `why` in words; `step` of the newest checkpoint; whether it `counts` as a failure; the least `pause`, s.
 * Decided on the rows as they were locked, so that a cancel that came a moment before is not overlooked. */
#define LOSE(which, lock, why, step, counts, pause)                                                                               \
  "WITH gone AS (SELECT id, attempt, kind, failures, losses, max_attempts, worker, cancel_requested_at IS NOT NULL AS cancelled," \
  " progress, progress_peak, claimed_checkpoint_step, " step " AS step, " counts " AS counts"                                     \
  " FROM jobs WHERE state = 'running' AND " which " ORDER BY id FOR NO KEY UPDATE " lock "),"                                     \
  " further AS (SELECT id, step > claimed_checkpoint_step OR kind = 'analysis' AND progress > progress_peak + 0.01 AS further FROM gone)," \
  " counted AS (SELECT g.*, CASE WHEN f.further THEN 0 ELSE g.failures + g.counts::integer END AS failed,"                        \
  " CASE WHEN f.further THEN 0 ELSE g.losses + 1 END AS lost FROM gone g JOIN further f USING (id)),"                             \
  " ruled AS (SELECT *, NOT cancelled AND (failed >= max_attempts OR lost >= 4 * max_attempts) AS given_up FROM counted),"        \
  " history AS (UPDATE job_attempts h SET ended_at = now(), outcome = 'lost', error = " why " FROM ruled r"                       \
  " WHERE h.job_id = r.id AND h.attempt = r.attempt AND h.outcome IS NULL)"                                                       \
  " UPDATE jobs j SET lease_token = NULL, lease_expires_at = NULL, failures = r.failed, losses = r.lost, checkpoint_step = r.step," \
  " progress_peak = greatest(r.progress_peak, r.progress),"                                                                       \
  " state = CASE WHEN r.cancelled THEN 'cancelled'::job_state WHEN r.given_up THEN 'failed' ELSE 'queued' END,"                   \
  " finished_at = CASE WHEN r.cancelled OR r.given_up THEN now() END,"                                                            \
  " error = CASE WHEN r.given_up THEN format('given up after %s attempts in a row that were lost without a new checkpoint;"       \
  " the last one, on %s: %s', r.lost, r.worker, " why ") ELSE '' END,"                                                            \
  " hold_reason = CASE WHEN r.cancelled OR r.given_up THEN '' ELSE format('attempt %s was lost: %s', r.attempt, " why ") END,"    \
  " worker = CASE WHEN r.cancelled OR r.given_up THEN r.worker ELSE '' END,"                                                      \
  " run_after = now() + greatest(" pause ", CASE WHEN r.failed < 2 THEN 0 ELSE least(60, power(2, r.failed - 2)) * (0.75 + 0.25 * random()) END)" \
  " * interval '1 s'"                                                                                                             \
  " FROM ruled r WHERE j.id = r.id RETURNING j.id"

static const qn_statement lose_attempt = {
    "loss_attempt", LOSE("id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid", "", "$4::text",
                         "CASE WHEN $5::bigint < 0 THEN checkpoint_step ELSE $5::bigint END", "$6::float8 = 0", "$6::float8")};
/* Of a worker that is known by its process not what one of the same name runs that came after it. */
static const qn_statement lose_worker = {
    "loss_worker", LOSE("worker = $1::text AND ($3::integer IS NULL OR EXISTS (SELECT 1 FROM workers w WHERE w.name = $1::text AND w.pid = $3::integer"
                        " AND w.birth = $4::bigint))", "", "$2::text", "checkpoint_step", "true", "0")};
static const qn_statement forget_worker = {
    "loss_forget_worker", "DELETE FROM workers WHERE name = $1 AND ($2::integer IS NULL OR pid = $2::integer AND birth = $3::bigint)"};
static const qn_statement explain = {"loss_explain", "UPDATE job_attempts SET error = $2::text"
                                                     " WHERE worker = $1::text AND outcome = 'lost' AND error = '" QN_LOSS_GONE "'"};

/* The time of the answer is that of the question in the next statement. `now()` there is when PostgreSQL read it: one that was on its way, or held
 * up, while the database stood still, tells by it. */
static const qn_statement read_clock = {"loss_clock", "SELECT clock_timestamp()"};
static const qn_statement lose_expired = {
    "loss_expired",
    LOSE("lease_expires_at < now() AND lease_s <= $1::float8 AND extract(epoch FROM now() - $2::timestamptz) < lease_s / 2"
         " AND extract(epoch FROM now() - pg_postmaster_start_time()) > lease_s",
         "SKIP LOCKED", "'the worker fell silent'", "checkpoint_step",
         "(extract(epoch FROM now() - heartbeat_at) < $1::float8 AND heartbeat_at > pg_postmaster_start_time())", "0")};

static const qn_statement forget_workers = {"loss_forget_workers", "DELETE FROM workers WHERE seen_at < now() - interval '1 day'"};
static const qn_statement forget_keys = {"loss_forget_keys", "DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'"};

/* Counts are kept as sums of changes (migration 005). As many as a moment allows; others may do the same at once. */
static const qn_statement add_up = {
    "loss_add_up",
    "WITH gone AS (DELETE FROM tallies WHERE ctid = ANY(ARRAY(SELECT ctid FROM tallies LIMIT 50000)) RETURNING name, n)"
    " INSERT INTO tallies SELECT name, sum(n) FROM gone GROUP BY name"};

static qn_status lose(qn_connection *connection, const qn_statement *statement, const qn_params *params, int *lost, qn_error *error) {
  *lost = 0;
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, params, &result, error);
  if (status != QN_OK) return status;
  *lost = PQntuples(result);
  PQclear(result);
  return QN_OK;
}

qn_status qn_loss_attempt(qn_connection *connection, const qn_lease *lease, const char *why, int64_t checkpoint_step, double pause_s, bool *lost,
                          qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, lease->job);
  qn_params_int(&params, lease->attempt);
  qn_params_text(&params, lease->token);
  qn_params_text(&params, why);
  qn_params_int(&params, checkpoint_step);
  qn_params_real(&params, pause_s);
  int count;
  qn_status status = lose(connection, &lose_attempt, &params, &count, error);
  *lost = count > 0;
  return status;
}

static void process_params(qn_params *params, const qn_peer *process) {
  if (process != NULL) {
    qn_params_int(params, process->pid);
    qn_params_int(params, process->birth);
  } else {
    qn_params_text(params, NULL);
    qn_params_text(params, NULL);
  }
}

qn_status qn_loss_worker(qn_connection *connection, const char *worker, const qn_peer *process, const char *why, int *lost, qn_error *error) {
  qn_params params = {0}, which = {0};
  qn_params_text(&params, worker);
  qn_params_text(&params, why);
  process_params(&params, process);
  qn_params_text(&which, worker);
  process_params(&which, process);
  qn_status status = lose(connection, &lose_worker, &params, lost, error);
  return status == QN_OK ? qn_connection_run(connection, &forget_worker, &which, NULL, error) : status;
}

qn_status qn_loss_explain(qn_connection *connection, const char *worker, const char *why, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, worker);
  qn_params_text(&params, why);
  return qn_connection_run(connection, &explain, &params, NULL, error);
}

qn_status qn_loss_expired(qn_connection *connection, double up_s, int *lost, qn_error *error) {
  *lost = 0;
  PGresult *clock;
  qn_status status = qn_connection_run(connection, &read_clock, NULL, &clock, error);
  if (status != QN_OK) return status;
  qn_params params = {0};
  qn_params_real(&params, up_s);
  qn_params_text(&params, qn_field(clock, 0, 0));
  status = lose(connection, &lose_expired, &params, lost, error);
  PQclear(clock);
  return status;
}

qn_status qn_loss_forget(qn_connection *connection, qn_error *error) {
  qn_status status = qn_connection_run(connection, &forget_workers, NULL, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &forget_keys, NULL, NULL, error);
  return status == QN_OK ? qn_connection_run(connection, &add_up, NULL, NULL, error) : status;
}

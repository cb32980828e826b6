#include "server/queue/queue.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const qn_statement claim_next = {
    "queue_claim",
    "WITH next AS MATERIALIZED (SELECT next_job() AS id),"
    " claimed AS (UPDATE jobs j SET state = 'running', attempt = j.attempt + 1, lease_token = $3::uuid, lease_s = $2::float8,"
    " lease_expires_at = clock_timestamp() + $2::float8 * interval '1 s', heartbeat_at = now(), claimed_at = now(),"
    " claimed_progress = j.progress, claimed_checkpoint_step = j.checkpoint_step, hold_reason = '',"
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

static const qn_statement recall = {
    "queue_recall",
    "SELECT j.id, j.attempt, j.lease_token, j.kind, coalesce(s.id, a.id, f.id, u.id) FROM jobs j"
    " LEFT JOIN simulations s ON s.job_id = j.id LEFT JOIN analyses a ON a.job_id = j.id"
    " LEFT JOIN fits f ON f.job_id = j.id LEFT JOIN uploads u ON u.job_id = j.id"
    " WHERE j.state = 'running' AND j.lease_token = $1::uuid"};

/* A resumed attempt begins where its checkpoint was, behind what the lost one had reported: from there the time still needed is counted. It may
 * begin at an older checkpoint than the newest, which was of no use: then what the next one is to get beyond is less, too.
 * A row that is locked is looked up without a lock: as long as it shows our lease, nothing is lost yet. */
static const qn_statement beat = {
    "queue_beat",
    "WITH mine AS (SELECT * FROM unnest($1::bigint[], $2::integer[], $3::uuid[], $4::float8[], $5::bigint[])"
    " WITH ORDINALITY AS m(id, attempt, token, progress, step, place)),"
    " held AS (SELECT j.id FROM jobs j JOIN mine m ON j.id = m.id AND j.attempt = m.attempt AND j.lease_token = m.token"
    " WHERE j.state = 'running' ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED),"
    " beaten AS (UPDATE jobs j SET lease_expires_at = clock_timestamp() + $6::float8 * interval '1 s', lease_s = $6::float8,"
    " heartbeat_at = clock_timestamp(), progress = coalesce(least(greatest(m.progress, 0), 1), j.progress),"
    " claimed_progress = least(j.claimed_progress, coalesce(m.progress, j.claimed_progress)),"
    " checkpoint_step = CASE WHEN m.step < 0 THEN j.checkpoint_step ELSE m.step END"
    " FROM held h JOIN mine m ON m.id = h.id WHERE j.id = h.id RETURNING j.id, j.cancel_requested_at IS NOT NULL AS cancelled)"
    " SELECT CASE WHEN b.id IS NOT NULL THEN CASE WHEN b.cancelled THEN 'cancel' ELSE 'kept' END"
    " WHEN EXISTS (SELECT 1 FROM jobs j WHERE j.id = m.id AND j.attempt = m.attempt AND j.lease_token = m.token AND j.state = 'running')"
    " THEN 'locked' ELSE 'lost' END FROM mine m LEFT JOIN beaten b ON b.id = m.id ORDER BY m.place"};

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
    "UPDATE jobs SET " FREE ", worker = '', run_after = now() + $4::float8 * interval '1 s',"
    " hold_reason = CASE WHEN cancel_requested_at IS NULL THEN $5::text ELSE '' END,"
    " state = CASE WHEN cancel_requested_at IS NULL THEN 'queued'::job_state ELSE 'cancelled' END,"
    " finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN now() END" LEASE};
static const qn_statement end_attempt = {
    "queue_end_attempt",
    "UPDATE job_attempts SET ended_at = now(), outcome = $4::text, error = $5::text"
    " WHERE job_id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid AND outcome IS NULL"};
static const qn_statement ended_as = {
    "queue_ended_as",
    "SELECT coalesce(outcome, '') FROM job_attempts WHERE job_id = $1::bigint AND attempt = $2::integer AND lease_token = $3::uuid"};

static const qn_statement greet = {
    "queue_greet",
    "INSERT INTO workers (name, jobs, threads, trouble, host, pid, birth) VALUES ($1, $2::integer, $3::integer, $4, $5, $6::integer, $7::bigint)"
    " ON CONFLICT (name) DO UPDATE SET seen_at = now(), jobs = excluded.jobs, threads = excluded.threads, trouble = excluded.trouble,"
    " host = excluded.host, pid = excluded.pid, birth = excluded.birth"};
static const qn_statement leave = {"queue_leave", "DELETE FROM workers WHERE name = $1"};

static void lease_params(qn_params *params, const qn_lease *lease) {
  qn_params_int(params, lease->job);
  qn_params_int(params, lease->attempt);
  qn_params_text(params, lease->token);
}

/* A UUID of version 4. */
static qn_status make_token(char token[40], qn_error *error) {
  unsigned char b[16];
  if (RAND_bytes(b, sizeof b) != 1) return qn_error_set(error, QN_INTERNAL, "no random numbers for a lease");
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  snprintf(token, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
           b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  return QN_OK;
}

static bool take_claim(PGresult *result, qn_claim *claim) {
  bool found = PQntuples(result) == 1;
  if (found) {
    claim->lease.job = qn_field_int(result, 0, 0);
    claim->lease.attempt = (int)qn_field_int(result, 0, 1);
    snprintf(claim->lease.token, sizeof claim->lease.token, "%s", qn_field(result, 0, 2));
    snprintf(claim->kind, sizeof claim->kind, "%s", qn_field(result, 0, 3));
    claim->resource = qn_field_int(result, 0, 4);
  }
  PQclear(result);
  return found;
}

qn_status qn_queue_claim(qn_connection *connection, const char *worker, double lease_s, qn_claim *claim, bool *found, double *wait_s,
                         qn_error *error) {
  *found = false;
  *wait_s = (double)NAN;
  memset(claim, 0, sizeof *claim);
  qn_status status = make_token(claim->lease.token, error);
  if (status != QN_OK) return status;
  qn_params params = {0};
  qn_params_text(&params, worker);
  qn_params_real(&params, lease_s);
  qn_params_text(&params, claim->lease.token);
  PGresult *result;
  status = qn_connection_run(connection, &claim_next, &params, &result, error);
  if (status != QN_OK) return status;
  *found = take_claim(result, claim);
  if (*found) return QN_OK;
  status = qn_connection_run(connection, &next_time, NULL, &result, error);
  if (status != QN_OK) return status;
  *wait_s = qn_field_real(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

qn_status qn_queue_recall(qn_connection *connection, qn_claim *claim, bool *found, qn_error *error) {
  *found = false;
  qn_params params = {0};
  qn_params_text(&params, claim->lease.token);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &recall, &params, &result, error);
  if (status == QN_OK) *found = take_claim(result, claim);
  return status;
}

/* Arrays in PostgreSQL's spelling, "{1,2,3}"; our values need no quotes. */
enum { JOBS, ATTEMPTS, TOKENS, PROGRESS, STEPS, ARRAYS };

static bool spell(const qn_beat *beats, int count, char *arrays[ARRAYS]) {
  FILE *out[ARRAYS] = {NULL};
  size_t size[ARRAYS];
  bool whole = true;
  for (int a = 0; a < ARRAYS; a++) {
    arrays[a] = NULL;
    out[a] = open_memstream(&arrays[a], &size[a]);
    whole = whole && out[a] != NULL;
  }
  for (int i = 0; whole && i < count; i++) {
    char before = i == 0 ? '{' : ',';
    fprintf(out[JOBS], "%c%lld", before, (long long)beats[i].lease.job);
    fprintf(out[ATTEMPTS], "%c%d", before, beats[i].lease.attempt);
    fprintf(out[TOKENS], "%c%s", before, beats[i].lease.token);
    fprintf(out[STEPS], "%c%lld", before, (long long)beats[i].checkpoint_step);
    if (isfinite(beats[i].progress)) fprintf(out[PROGRESS], "%c%.17g", before, beats[i].progress);
    else fprintf(out[PROGRESS], "%cNULL", before);
  }
  for (int a = 0; a < ARRAYS; a++) {
    if (out[a] == NULL) continue;
    fputc('}', out[a]);
    whole = fclose(out[a]) == 0 && whole;
  }
  return whole;
}

qn_status qn_queue_beat(qn_connection *connection, qn_beat *beats, int count, double lease_s, qn_error *error) {
  if (count == 0) return QN_OK;
  char *arrays[ARRAYS];
  PGresult *result = NULL;
  qn_status status = QN_NO_MEMORY;
  if (spell(beats, count, arrays)) {
    qn_params params = {0};
    for (int a = 0; a < ARRAYS; a++) qn_params_text(&params, arrays[a]);
    qn_params_real(&params, lease_s);
    status = qn_connection_run(connection, &beat, &params, &result, error);
  } else {
    qn_error_set(error, QN_NO_MEMORY, "no memory for a heartbeat");
  }
  for (int a = 0; a < ARRAYS; a++) free(arrays[a]);
  if (status != QN_OK) return status;
  for (int i = 0; i < count && i < PQntuples(result); i++) {
    const char *word = qn_field(result, i, 0);
    beats[i].heartbeat = strcmp(word, "kept") == 0     ? QN_HEARTBEAT_KEPT
                         : strcmp(word, "cancel") == 0 ? QN_HEARTBEAT_CANCEL
                         : strcmp(word, "locked") == 0 ? QN_HEARTBEAT_LOCKED : QN_HEARTBEAT_LOST;
  }
  PQclear(result);
  return QN_OK;
}

typedef struct ending {
  const qn_lease *lease;
  const qn_statement *change;
  const char *outcome, *why;
  double pause_s;           /* of a release */
  qn_transaction *write;
  void *context;
  bool lost;                /* the answer: the lease is */
} ending;

static qn_status end_job(qn_connection *connection, void *opaque, qn_error *error) {
  ending *e = opaque;
  qn_params lease = {0};
  lease_params(&lease, e->lease);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &hold, &lease, &result, error);
  if (status != QN_OK) return status;
  e->lost = PQntuples(result) == 0;
  PQclear(result);
  if (e->lost) return qn_error_set(error, QN_CONFLICT, "the lease on job %lld is lost", (long long)e->lease->job);

  if (e->write != NULL) status = e->write(connection, e->context, error);
  if (status != QN_OK) return status;
  qn_params params = {0};
  lease_params(&params, e->lease);
  if (e->change == &release) qn_params_real(&params, e->pause_s);
  if (e->change == &release || e->change == &fail) qn_params_text(&params, e->why);
  status = qn_connection_run(connection, e->change, &params, NULL, error);
  if (status != QN_OK) return status;
  qn_params history = {0};
  lease_params(&history, e->lease);
  qn_params_text(&history, e->outcome);
  qn_params_text(&history, e->why);
  return qn_connection_run(connection, &end_attempt, &history, NULL, error);
}

static qn_status end(qn_connection *connection, ending *e, qn_error *error) {
  qn_status status = qn_connection_transact(connection, end_job, e, NULL, error);
  if (status != QN_CONFLICT || !e->lost) return status;
  /* Lost, or ended by a call of ours whose answer did not reach us? */
  qn_params params = {0};
  lease_params(&params, e->lease);
  PGresult *result;
  qn_error ignored;
  if (qn_connection_run(connection, &ended_as, &params, &result, &ignored) != QN_OK) return QN_UNAVAILABLE;
  bool ours = PQntuples(result) == 1 && strcmp(qn_field(result, 0, 0), e->outcome) == 0;
  PQclear(result);
  return ours ? QN_OK : QN_CONFLICT;
}

qn_status qn_queue_end(qn_connection *connection, const qn_lease *lease, qn_ending how, const char *why, qn_transaction *write,
                       void *context, qn_error *error) {
  static const struct { const qn_statement *change; const char *outcome; } ways[] = {
      [QN_ENDING_SUCCEEDED] = {&succeed, "succeeded"},
      [QN_ENDING_FAILED] = {&fail, "failed"},
      [QN_ENDING_CANCELLED] = {&cancel, "cancelled"},
      [QN_ENDING_RELEASED] = {&release, "released"},
  };
  ending e = {.lease = lease, .change = ways[how].change, .outcome = ways[how].outcome, .why = why != NULL ? why : "", .write = write, .context = context};
  return end(connection, &e, error);
}

qn_status qn_queue_release(qn_connection *connection, const qn_lease *lease, double pause_s, const char *reason, qn_error *error) {
  ending e = {.lease = lease, .change = &release, .outcome = "released", .why = reason, .pause_s = pause_s};
  return end(connection, &e, error);
}

qn_status qn_queue_greet(qn_connection *connection, const qn_greeting *greeting, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, greeting->worker);
  qn_params_int(&params, greeting->jobs);
  qn_params_int(&params, greeting->threads);
  qn_params_text(&params, greeting->trouble != NULL ? greeting->trouble : "");
  qn_params_text(&params, greeting->process.host);
  qn_params_int(&params, greeting->process.pid);
  qn_params_int(&params, greeting->process.birth);
  return qn_connection_run(connection, &greet, &params, NULL, error);
}

qn_status qn_queue_leave(qn_connection *connection, const char *worker, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, worker);
  return qn_connection_run(connection, &leave, &params, NULL, error);
}

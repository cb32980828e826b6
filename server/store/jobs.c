#include <math.h>
#include <string.h>

#include "server/store/rows.h"

/* How long a job still needs is read off how far its present attempt came since it was claimed. */
#define COLUMNS(counted)                                                                                                        \
  "j.id, j.kind, coalesce(s.id, a.id), j.state, j.attempt, j.max_attempts, j.priority, j.progress,"                             \
  " CASE WHEN j.state = 'running' AND j.progress > j.claimed_progress + 0.001"                                                  \
  " THEN greatest(extract(epoch FROM j.heartbeat_at - j.claimed_at) * (1 - j.progress) / (j.progress - j.claimed_progress), 0) END," \
  " j.cancel_requested_at IS NOT NULL, job_waiting(j, " counted "), j.error, j.worker, j.submitted_by,"                         \
  " rfc3339(j.created_at), rfc3339(j.started_at), rfc3339(j.finished_at)"
#define FROM " FROM jobs j LEFT JOIN simulations s ON s.job_id = j.id LEFT JOIN analyses a ON a.job_id = j.id"

static const qn_statement list = {
    "job_list", "SELECT " COLUMNS("false") FROM " WHERE j.id < $1::bigint ORDER BY j.id DESC LIMIT $2::integer"};
static const qn_statement list_state = {
    "job_list_state",
    "SELECT " COLUMNS("false") FROM " WHERE j.id < $1::bigint AND j.state = $3::job_state ORDER BY j.id DESC LIMIT $2::integer"};
static const qn_statement get = {"job_get", "SELECT " COLUMNS("true") FROM " WHERE j.id = $1::bigint"};

static const qn_statement lock = {"job_lock", "SELECT state FROM jobs WHERE id = $1::bigint FOR NO KEY UPDATE"};
static const qn_statement cancel_waiting = {
    "job_cancel_waiting",
    "UPDATE jobs SET state = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE id = $1::bigint"};
static const qn_statement cancel_running = {
    "job_cancel_running", "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1::bigint"};

/* Parents before the child, as everywhere. */
static const qn_statement lock_parents = {
    "job_lock_parents",
    "SELECT p.id, p.state FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id WHERE d.job_id = $1::bigint ORDER BY p.id FOR SHARE OF p"};
static const qn_statement requeue = {
    "job_retry",
    "UPDATE jobs SET state = $2::job_state, failures = 0, losses = 0, checkpoint_step = 0, hold_reason = '', run_after = now(),"
    " cancel_requested_at = NULL, progress = 0, progress_peak = 0,"
    " error = '', failed_by = NULL, worker = '', finished_at = NULL WHERE id = $1::bigint"};
/* Those that failed because this one did wait for it again, unless they have another parent that failed. */
static const qn_statement block_children = {
    "job_block_children",
    "WITH RECURSIVE fallen AS (SELECT id FROM jobs WHERE failed_by = $1::bigint AND state = 'failed'"
    " UNION SELECT j.id FROM jobs j JOIN fallen f ON j.failed_by = f.id WHERE j.state = 'failed')"
    " UPDATE jobs SET state = 'blocked', error = '', failed_by = NULL, finished_at = NULL WHERE id IN (SELECT id FROM fallen)"
    " AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id WHERE d.job_id = jobs.id"
    " AND p.state IN ('failed', 'cancelled') AND p.id NOT IN (SELECT id FROM fallen))"};

static const qn_statement note = {
    "job_audit",
    "INSERT INTO audit (principal, token_id, action, resource, resource_id) VALUES ($1, $2::bigint, $3, 'job', $4::bigint)"};

/* The job's state and its events come from one snapshot, so `final` never overtakes the last event. */
static const qn_statement events = {
    "job_events",
    "SELECT e.id, e.kind, e.data, j.state IN ('succeeded', 'failed', 'cancelled') FROM jobs j LEFT JOIN LATERAL"
    " (SELECT id, kind, data FROM job_events WHERE job_id = j.id AND id > $2::bigint ORDER BY id LIMIT $3::integer) e ON true"
    " WHERE j.id = $1::bigint ORDER BY e.id"};

static qn_job_state state_of(const char *name) {
  qn_job_state state = QN_JOB_BLOCKED;
  qn_job_state_parse(name, &state); /* the enum of the schema has the same names */
  return state;
}

static bool fill(const PGresult *result, int row, void *out) {
  qn_job_row *job = out;
  bool whole = true;
  job->id = qn_field_int(result, row, 0);
  job->kind = qn_field_text(result, row, 1, &whole);
  job->resource = qn_field_int(result, row, 2);
  job->state = state_of(qn_field(result, row, 3));
  job->attempt = (int)qn_field_int(result, row, 4);
  job->max_attempts = (int)qn_field_int(result, row, 5);
  job->priority = (int)qn_field_int(result, row, 6);
  job->progress = qn_field_real(result, row, 7);
  job->eta_s = qn_field_real(result, row, 8);
  job->cancel_requested = qn_field_bool(result, row, 9);
  job->waiting = qn_field_text(result, row, 10, &whole);
  job->error = qn_field_text(result, row, 11, &whole);
  job->worker = qn_field_text(result, row, 12, &whole);
  job->submitted_by = qn_field_text(result, row, 13, &whole);
  job->created_at = qn_field_text(result, row, 14, &whole);
  job->started_at = qn_field_text(result, row, 15, &whole);
  job->finished_at = qn_field_text(result, row, 16, &whole);
  return whole;
}

qn_status qn_store_list_jobs(qn_store *store, const char *state, qn_page_query query, qn_job_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_job_state known;
  if (state != NULL && !qn_job_state_parse(state, &known))
    return qn_error_set(error, QN_INVALID, "there is no job state %.32s", state);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  if (state != NULL) qn_params_text(&params, state);
  PGresult *result;
  qn_status status = qn_pool_run(store, state != NULL ? &list_state : &list, &params, &result, error);
  if (status != QN_OK) return status;
  void *rows;
  status = qn_rows_collect(result, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  PQclear(result);
  if (status != QN_OK) qn_job_page_fini(page);
  return status;
}

static qn_status none(int64_t id, qn_error *error) {
  return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
}

static qn_status row_of(const PGresult *result, int64_t id, qn_job_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  if (PQntuples(result) == 0) return none(id, error);
  if (fill(result, 0, row)) return QN_OK;
  qn_job_row_fini(row);
  return qn_error_set(error, QN_NO_MEMORY, "no memory for a job");
}

qn_status qn_store_get_job(qn_store *store, int64_t id, qn_job_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_pool_run(store, &get, &params, &result, error);
  if (status != QN_OK) return status;
  status = row_of(result, id, row, error);
  PQclear(result);
  return status;
}

typedef struct change {
  int64_t id;
  const qn_principal *principal;
  qn_job_row row;
} change;

static qn_status lock_job(qn_connection *connection, int64_t id, qn_job_state *state, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &lock, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(id, error);
  else *state = state_of(qn_field(result, 0, 0));
  PQclear(result);
  return status;
}

/* Keep who did it, and read the row back in the same transaction. */
static qn_status conclude(qn_connection *connection, change *c, const char *action, qn_error *error) {
  qn_params params = {0}, id = {0};
  qn_params_text(&params, c->principal->name);
  qn_params_id(&params, c->principal->token);
  qn_params_text(&params, action);
  qn_params_int(&params, c->id);
  qn_status status = qn_connection_run(connection, &note, &params, NULL, error);
  if (status != QN_OK) return status;
  qn_params_int(&id, c->id);
  PGresult *result;
  status = qn_connection_run(connection, &get, &id, &result, error);
  if (status != QN_OK) return status;
  qn_job_row_fini(&c->row); /* of a call that was repeated */
  status = row_of(result, c->id, &c->row, error);
  PQclear(result);
  return status;
}

static qn_status cancel(qn_connection *connection, void *context, qn_error *error) {
  change *c = context;
  qn_job_state state = QN_JOB_BLOCKED;
  qn_status status = lock_job(connection, c->id, &state, error);
  if (status != QN_OK) return status;
  if (qn_job_state_final(state))
    return qn_error_set(error, QN_CONFLICT, "job %lld has %s already", (long long)c->id,
                        state == QN_JOB_CANCELLED ? "been cancelled" : qn_job_state_name(state));
  qn_params params = {0};
  qn_params_int(&params, c->id);
  status = qn_connection_run(connection, state == QN_JOB_RUNNING ? &cancel_running : &cancel_waiting, &params, NULL, error);
  return status == QN_OK ? conclude(connection, c, "cancel", error) : status;
}

static qn_status retry(qn_connection *connection, void *context, qn_error *error) {
  change *c = context;
  qn_params params = {0};
  qn_params_int(&params, c->id);
  PGresult *parents;
  qn_status status = qn_connection_run(connection, &lock_parents, &params, &parents, error);
  if (status != QN_OK) return status;
  const char *next = "queued";
  int64_t broken = 0;
  for (int i = 0; i < PQntuples(parents); i++) {
    qn_job_state state = state_of(qn_field(parents, i, 1));
    if (state == QN_JOB_FAILED || state == QN_JOB_CANCELLED) broken = qn_field_int(parents, i, 0);
    else if (state != QN_JOB_SUCCEEDED) next = "blocked";
  }
  PQclear(parents);

  qn_job_state state = QN_JOB_BLOCKED;
  status = lock_job(connection, c->id, &state, error);
  if (status != QN_OK) return status;
  if (state != QN_JOB_FAILED && state != QN_JOB_CANCELLED)
    return qn_error_set(error, QN_CONFLICT, "job %lld is %s: only a failed or cancelled job can be retried", (long long)c->id,
                        qn_job_state_name(state));
  if (broken != 0)
    return qn_error_set(error, QN_CONFLICT, "job %lld needs job %lld, which did not succeed: retry that one", (long long)c->id,
                        (long long)broken);
  qn_params both = {0};
  qn_params_int(&both, c->id);
  qn_params_text(&both, next);
  status = qn_connection_run(connection, &requeue, &both, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &block_children, &params, NULL, error);
  return status == QN_OK ? conclude(connection, c, "retry", error) : status;
}

static qn_status change_job(qn_store *store, qn_transaction *work, int64_t id, const qn_principal *principal, qn_job_row *row,
                            qn_error *error) {
  memset(row, 0, sizeof *row);
  change c = {.id = id, .principal = principal};
  qn_status status = qn_pool_transact(store, work, &c, false, error);
  if (status == QN_OK) *row = c.row;
  else qn_job_row_fini(&c.row);
  return status;
}

qn_status qn_store_cancel_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row, qn_error *error) {
  return change_job(store, cancel, id, principal, row, error);
}

qn_status qn_store_retry_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row, qn_error *error) {
  return change_job(store, retry, id, principal, row, error);
}

static bool fill_event(const PGresult *result, int row, void *out) {
  qn_event_row *event = out;
  bool whole = true;
  event->id = qn_field_int(result, row, 0);
  event->kind = qn_field_text(result, row, 1, &whole);
  event->data = qn_field_text(result, row, 2, &whole);
  return whole;
}

qn_status qn_store_list_events(qn_store *store, int64_t job, int64_t after, int limit, qn_event_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  if (limit < 1) limit = 1;
  if (limit > QN_PAGE_LIMIT) limit = QN_PAGE_LIMIT;
  qn_params params = {0};
  qn_params_int(&params, job);
  qn_params_int(&params, after);
  qn_params_int(&params, limit + 1);
  PGresult *result;
  qn_status status = qn_pool_run(store, &events, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(job, error);
  else {
    bool empty = PQgetisnull(result, 0, 0), final = qn_field_bool(result, 0, 3), more = false;
    void *rows = NULL;
    if (!empty) status = qn_rows_collect(result, limit, sizeof *page->rows, fill_event, &rows, &page->count, &more, error);
    page->rows = rows;
    page->final = final && !more;
  }
  PQclear(result);
  if (status != QN_OK) qn_event_page_fini(page);
  return status;
}

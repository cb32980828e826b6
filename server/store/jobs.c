#include <math.h>
#include <string.h>

#include "server/store/jobs.h"
#include "server/store/rows.h"

/* How long a job still needs is read off how far its present attempt came since it was claimed. What it is about is looked up by its kind: outer joins with
 * all four tables would take PostgreSQL longer to plan than all the rest. */
#define COLUMNS(waiting)                                                                                                        \
  "j.id, j.kind, CASE j.kind WHEN 'simulation' THEN (SELECT id FROM simulations WHERE job_id = j.id)"                          \
  " WHEN 'analysis' THEN (SELECT id FROM analyses WHERE job_id = j.id) WHEN 'fit' THEN (SELECT id FROM fits WHERE job_id = j.id)" \
  " ELSE (SELECT id FROM uploads WHERE job_id = j.id) END, j.state, j.attempt, j.max_attempts, j.priority, j.progress,"         \
  " CASE WHEN j.state = 'running' AND j.progress > j.claimed_progress + 0.001"                                                  \
  " THEN greatest(extract(epoch FROM j.heartbeat_at - j.claimed_at) * (1 - j.progress) / (j.progress - j.claimed_progress), 0) END," \
  " rfc3339(j.cancel_requested_at), " waiting ", j.error, j.worker, j.submitted_by,"                                            \
  " rfc3339(j.created_at), rfc3339(j.started_at), rfc3339(j.finished_at), j.failures, coalesce(j.failed_by, 0),"                \
  " coalesce((SELECT json_agg(d.parent_id ORDER BY d.parent_id) FROM job_dependencies d WHERE d.job_id = j.id)::text, '[]')"

/* A page. Jobs that merely wait, nearly all of a long list that wait at all, are spared the function, and nothing is counted. The limit is there twice,
 * above that of the largest page, because the planner, which does not know it, expects a tenth of what there is: of a tenth of the table it would think the worse the larger the table, and
 * plan anew for each request. */
#define PAGE(filter)                                                                                                            \
  "SELECT " COLUMNS("CASE WHEN j.state = 'queued' AND j.run_after <= now()"                                                     \
                    " THEN coalesce(nullif((SELECT workers_trouble()), ''), 'waits for a free worker')"                         \
                    " WHEN j.state IN ('queued', 'blocked', 'running') THEN job_waiting(ROW(j.*)::jobs, '') ELSE '' END") \
  " FROM (SELECT * FROM (SELECT * FROM jobs WHERE id < $1::bigint" filter " ORDER BY id DESC LIMIT 1001) most ORDER BY id DESC LIMIT $2::integer) j"   \
  " ORDER BY j.id DESC LIMIT $2::integer"
_Static_assert(QN_PAGE_LIMIT == 1000, "the inner limit is the largest page and one row more");

static const qn_statement list = {"job_list", PAGE("")};
static const qn_statement list_state = {"job_list_state", PAGE(" AND state = $3::job_state")};
static const qn_statement get = {
    "job_get", "SELECT " COLUMNS("job_waiting(j, (SELECT workers_trouble()))") " FROM jobs j WHERE j.id = $1::bigint"};

static const qn_statement attempts = {
    "job_attempts",
    "SELECT h.attempt, h.worker, rfc3339(h.started_at), rfc3339(h.ended_at), coalesce(h.outcome, ''), h.error FROM jobs j"
    " LEFT JOIN job_attempts h ON h.job_id = j.id AND h.attempt < $1::bigint WHERE j.id = $3::bigint ORDER BY h.attempt DESC LIMIT $2::integer"};

/* The job's state and its events come from one snapshot, so `final` never overtakes the last event. */
static const qn_statement events = {
    "job_events",
    "SELECT e.id, e.kind, e.data, j.state IN ('succeeded', 'failed', 'cancelled') FROM jobs j LEFT JOIN LATERAL"
    " (SELECT id, kind, data FROM job_events WHERE job_id = j.id AND id > $2::bigint ORDER BY id LIMIT $3::integer) e ON true"
    " WHERE j.id = $1::bigint ORDER BY e.id"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_job_row *job = out;
  bool whole = true;
  job->id = qn_field_int(result, row, 0);
  job->kind = qn_field_text(result, row, 1, &whole);
  job->resource = qn_field_int(result, row, 2);
  job->state = qn_rows_state(result, row, 3);
  job->attempt = (int)qn_field_int(result, row, 4);
  job->max_attempts = (int)qn_field_int(result, row, 5);
  job->priority = (int)qn_field_int(result, row, 6);
  job->progress = qn_field_real(result, row, 7);
  job->eta_s = qn_field_real(result, row, 8);
  job->cancel_requested_at = qn_field_text(result, row, 9, &whole);
  job->waiting = qn_field_text(result, row, 10, &whole);
  job->error = qn_field_text(result, row, 11, &whole);
  job->worker = qn_field_text(result, row, 12, &whole);
  job->submitted_by = qn_field_text(result, row, 13, &whole);
  job->created_at = qn_field_text(result, row, 14, &whole);
  job->started_at = qn_field_text(result, row, 15, &whole);
  job->finished_at = qn_field_text(result, row, 16, &whole);
  job->failures = (int)qn_field_int(result, row, 17);
  job->failed_by = qn_field_int(result, row, 18);
  job->parents = qn_field_text(result, row, 19, &whole);
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
  void *rows = NULL;
  qn_status status = qn_rows_many(store, state != NULL ? &list_state : &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more,
                                  error);
  page->rows = rows;
  if (status != QN_OK) qn_job_page_fini(page);
  return status;
}

static qn_status none(int64_t id, qn_error *error) {
  return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)id);
}

qn_status qn_jobs_read(qn_connection *connection, int64_t id, qn_job_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &get, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(id, error);
  else if (!fill(result, 0, row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a job");
  PQclear(result);
  if (status != QN_OK) qn_job_row_fini(row);
  return status;
}

qn_status qn_store_get_job(qn_store *store, int64_t id, qn_job_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = qn_rows_one(store, &get, id, "job", fill, row, error);
  if (status != QN_OK) qn_job_row_fini(row);
  return status;
}

static bool fill_attempt(const PGresult *result, int row, void *out) {
  qn_attempt_row *a = out;
  bool whole = true;
  a->attempt = (int)qn_field_int(result, row, 0);
  a->worker = qn_field_text(result, row, 1, &whole);
  a->started_at = qn_field_text(result, row, 2, &whole);
  a->ended_at = qn_field_text(result, row, 3, &whole);
  a->outcome = qn_field_text(result, row, 4, &whole);
  a->error = qn_field_text(result, row, 5, &whole);
  return whole;
}

qn_status qn_store_list_attempts(qn_store *store, int64_t job, qn_page_query query, qn_attempt_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  qn_params_int(&params, job);
  PGresult *result;
  qn_status status = qn_pool_run(store, &attempts, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(job, error);
  else if (!PQgetisnull(result, 0, 0)) { /* one row of NULLs: a job without attempts */
    void *rows;
    status = qn_rows_collect(result, limit, sizeof *page->rows, fill_attempt, &rows, &page->count, &page->more, error);
    page->rows = rows;
  }
  PQclear(result);
  if (status != QN_OK) qn_attempt_page_fini(page);
  return status;
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

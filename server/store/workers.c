#include <string.h>

#include "api/operations.h"
#include "server/store/rows.h"

/* Fifteen seconds are some heartbeats: the queue's own idea of who is alive (job_waiting). */
static const qn_statement list = {
    "worker_list",
    "SELECT w.name, w.jobs, w.threads, w.seen_at > now() - interval '15 s', rfc3339(w.started_at), rfc3339(w.seen_at),"
    " coalesce((SELECT json_agg(j.id ORDER BY j.id) FROM jobs j WHERE j.state = 'running' AND j.worker = w.name)::text, '[]'), ''"
    " FROM workers w ORDER BY w.name"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_worker_row *w = out;
  bool whole = true;
  w->name = qn_field_text(result, row, 0, &whole);
  w->jobs = (int)qn_field_int(result, row, 1);
  w->threads = (int)qn_field_int(result, row, 2);
  w->alive = qn_field_bool(result, row, 3);
  w->started_at = qn_field_text(result, row, 4, &whole);
  w->seen_at = qn_field_text(result, row, 5, &whole);
  w->running = qn_field_text(result, row, 6, &whole);
  w->trouble = qn_field_text(result, row, 7, &whole);
  return whole;
}

qn_status qn_store_list_workers(qn_store *store, qn_worker_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  PGresult *result;
  qn_status status = qn_pool_run(store, &list, NULL, &result, error);
  if (status != QN_OK) return status;
  void *rows;
  status = qn_rows_collect(result, PQntuples(result), sizeof *page->rows, fill, &rows, &page->count, NULL, error);
  page->rows = rows;
  PQclear(result);
  if (status != QN_OK) qn_worker_page_fini(page);
  return status;
}

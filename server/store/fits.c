#include <string.h>

#include "server/store/rows.h"

#define FIT                                                                                                                      \
  "SELECT f.id, f.job_id, f.name, f.law, f.sha256, f.spec_text, f.outcome, f.result, f.engine_version, rfc3339(f.created_at),"   \
  " j.state FROM fits f JOIN jobs j ON j.id = f.job_id"

static const qn_statement list = {
    "fit_list", FIT " WHERE f.id < $1::bigint AND ($3::text IS NULL OR f.law = $3) AND ($4::text IS NULL OR f.outcome = $4)"
                    " AND ($5::text IS NULL OR f.spec->>'quantity' = $5) AND ($6::text IS NULL OR f.spec->>'species' = $6)"
                    " AND ($7::text IS NULL OR f.spec->>'region' = $7) AND ($8::text IS NULL OR f.spec->>'composition' = $8)"
                    " ORDER BY f.id DESC LIMIT $2::integer"};
static const qn_statement get = {"fit_get", FIT " WHERE f.id = $1::bigint"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_fit_row *f = out;
  bool whole = true;
  f->id = qn_field_int(result, row, 0);
  f->job = qn_field_int(result, row, 1);
  f->name = qn_field_text(result, row, 2, &whole);
  f->law = qn_field_text(result, row, 3, &whole);
  f->sha256 = qn_field_text(result, row, 4, &whole);
  f->spec = qn_field_text(result, row, 5, &whole);
  f->outcome = qn_field_text(result, row, 6, &whole);
  f->result = qn_field_text(result, row, 7, &whole);
  f->engine_version = qn_field_text(result, row, 8, &whole);
  f->created_at = qn_field_text(result, row, 9, &whole);
  f->state = qn_rows_state(result, row, 10);
  return whole;
}

qn_status qn_store_list_fits(qn_store *store, const qn_fit_query *query, qn_fit_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query->page);
  qn_params_text(&params, query->law);
  qn_params_text(&params, query->outcome);
  qn_params_text(&params, query->quantity);
  qn_params_text(&params, query->species);
  qn_params_text(&params, query->region);
  qn_params_text(&params, query->composition);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_fit_page_fini(page);
  return status;
}

qn_status qn_store_get_fit(qn_store *store, int64_t id, qn_fit_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = qn_rows_one(store, &get, id, "fit", fill, row, error);
  if (status != QN_OK) qn_fit_row_fini(row);
  return status;
}

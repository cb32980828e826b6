#include <string.h>

#include "server/store/rows.h"

/* One text, four plans: the narrowest index that the query allows, everything else as a filter on top. */
#define RESULTS(filter)                                                                                                          \
  "SELECT r.id, r.simulation_id, r.analysis_id, r.quantity, r.species, r.region, r.unit, r.status, s.name, r.composition, p.name," \
  " p.sha256, r.engine_version, s.sha256, rfc3339(r.created_at), r.value, r.standard_error, r.temperature_k, r.window_start_ps,"  \
  " r.window_end_ps, r.samples, r.atoms"                                                                                         \
  " FROM results r JOIN simulations s ON s.id = r.simulation_id JOIN potentials p ON p.id = r.potential_id"                      \
  " WHERE r.id < $1::bigint"                                                                                                     \
  " AND ($3::text IS NULL OR r.species = $3) AND ($4::text IS NULL OR r.region = $4) AND ($5::text IS NULL OR r.status = $5)"    \
  " AND ($6::text IS NULL OR p.name = $6) AND ($7::text IS NULL OR r.composition = $7)"                                          \
  " AND ($8::float8 IS NULL OR r.temperature_k >= $8) AND ($9::float8 IS NULL OR r.temperature_k <= $9)" filter                  \
  " ORDER BY r.id DESC LIMIT $2::integer"
#define QUANTITY " AND ($10::text IS NULL OR r.quantity = $10)"
#define SIMULATION " AND ($11::bigint IS NULL OR r.simulation_id = $11)"

static const qn_statement any = {"result_any", RESULTS("")};
static const qn_statement by_quantity = {"result_by_quantity", RESULTS(" AND r.quantity = $10::text")};
static const qn_statement by_simulation = {"result_by_simulation", RESULTS(QUANTITY " AND r.simulation_id = $11::bigint")};
static const qn_statement by_analysis = {"result_by_analysis", RESULTS(QUANTITY SIMULATION " AND r.analysis_id = $12::bigint")};

static bool fill(const PGresult *result, int row, void *out) {
  qn_result_row *r = out;
  bool whole = true;
  r->id = qn_field_int(result, row, 0);
  r->simulation = qn_field_int(result, row, 1);
  r->analysis = qn_field_int(result, row, 2);
  r->quantity = qn_field_text(result, row, 3, &whole);
  r->species = qn_field_text(result, row, 4, &whole);
  r->region = qn_field_text(result, row, 5, &whole);
  r->unit = qn_field_text(result, row, 6, &whole);
  r->status = qn_field_text(result, row, 7, &whole);
  r->simulation_name = qn_field_text(result, row, 8, &whole);
  r->composition = qn_field_text(result, row, 9, &whole);
  r->potential = qn_field_text(result, row, 10, &whole);
  r->potential_sha256 = qn_field_text(result, row, 11, &whole);
  r->engine_version = qn_field_text(result, row, 12, &whole);
  r->spec_sha256 = qn_field_text(result, row, 13, &whole);
  r->created_at = qn_field_text(result, row, 14, &whole);
  r->value = qn_field_real(result, row, 15);
  r->standard_error = qn_field_real(result, row, 16);
  r->temperature_k = qn_field_real(result, row, 17);
  r->window_start_ps = qn_field_real(result, row, 18);
  r->window_end_ps = qn_field_real(result, row, 19);
  r->samples = qn_field_int(result, row, 20);
  r->atoms = qn_field_int(result, row, 21);
  return whole;
}

qn_status qn_store_query_results(qn_store *store, const qn_result_query *query, qn_result_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query->page);
  qn_params_text(&params, query->species);
  qn_params_text(&params, query->region);
  qn_params_text(&params, query->status);
  qn_params_text(&params, query->potential);
  qn_params_text(&params, query->composition);
  qn_params_real(&params, query->temperature_min_k);
  qn_params_real(&params, query->temperature_max_k);
  const qn_statement *statement = &any;
  if (query->quantity != NULL || query->simulation != 0 || query->analysis != 0) {
    qn_params_text(&params, query->quantity);
    statement = &by_quantity;
  }
  if (query->simulation != 0 || query->analysis != 0) {
    qn_params_id(&params, query->simulation);
    statement = &by_simulation;
  }
  if (query->analysis != 0) {
    qn_params_id(&params, query->analysis);
    statement = &by_analysis;
  }
  PGresult *result;
  qn_status status = qn_pool_run(store, statement, &params, &result, error);
  if (status != QN_OK) return status;
  void *rows;
  status = qn_rows_collect(result, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  PQclear(result);
  if (status != QN_OK) qn_result_page_fini(page);
  return status;
}

#include <string.h>

#include "server/store/rows.h"

/* One text, a plan for each index: the narrowest one that the query allows, everything else as a filter on top. */
#define RESULTS(index)                                                                                                              \
  "SELECT r.id, coalesce(r.simulation_id, 0), coalesce(r.trajectory_id, 0), coalesce(r.analysis_id, 0), coalesce(r.fit_id, 0),"     \
  " r.quantity, r.type, r.species, r.region, r.unit, r.status, r.parameters, r.inputs, s.name, u.name, r.composition, p.name,"      \
  " p.sha256, r.engine_version, coalesce(s.sha256, u.sha256, f.sha256), rfc3339(r.created_at), r.value, r.standard_error,"          \
  " r.temperature_k, r.window_start_ps, r.window_end_ps, r.samples, coalesce(r.atoms, 0)"                                           \
  " FROM results r LEFT JOIN simulations s ON s.id = r.simulation_id LEFT JOIN uploads u ON u.id = r.trajectory_id"                 \
  " LEFT JOIN fits f ON f.id = r.fit_id LEFT JOIN potentials p ON p.id = r.potential_id"                                            \
  " WHERE r.id < $1::bigint" index                                                                                                  \
  " AND ($3::text IS NULL OR r.species = $3) AND ($4::text IS NULL OR r.region = $4) AND ($5::text IS NULL OR r.status = $5)"       \
  " AND ($6::text IS NULL OR p.name = $6) AND ($7::text IS NULL OR r.composition = $7)"                                             \
  " AND ($8::float8 IS NULL OR r.temperature_k >= $8) AND ($9::float8 IS NULL OR r.temperature_k <= $9)"                            \
  " AND ($10::text IS NULL OR r.quantity = $10) AND ($11::text IS NULL OR r.type = $11)"                                            \
  " AND ($12::bigint IS NULL OR r.simulation_id = $12) AND ($13::bigint IS NULL OR r.trajectory_id = $13)"                          \
  " AND ($14::bigint IS NULL OR r.analysis_id = $14) AND ($15::bigint IS NULL OR r.fit_id = $15)"                                   \
  " AND ($16::jsonb IS NULL OR r.parameters @> $16) AND ($17::jsonb IS NULL OR r.inputs @> $17)"                                    \
  " ORDER BY r.id DESC LIMIT $2::integer"

static const qn_statement any = {"result_any", RESULTS("")};
static const qn_statement by_quantity = {"result_by_quantity", RESULTS(" AND r.quantity = $10::text")};
static const qn_statement by_type = {"result_by_type", RESULTS(" AND r.type = $11::text")};
static const qn_statement by_simulation = {"result_by_simulation", RESULTS(" AND r.simulation_id = $12::bigint")};
static const qn_statement by_trajectory = {"result_by_trajectory", RESULTS(" AND r.trajectory_id = $13::bigint")};
static const qn_statement by_analysis = {"result_by_analysis", RESULTS(" AND r.analysis_id = $14::bigint")};
static const qn_statement by_fit = {"result_by_fit", RESULTS(" AND r.fit_id = $15::bigint")};

static const qn_statement *choose(const qn_result_query *query) {
  if (query->analysis != 0) return &by_analysis;
  if (query->fit != 0) return &by_fit;
  if (query->simulation != 0) return &by_simulation;
  if (query->trajectory != 0) return &by_trajectory;
  return query->quantity != NULL ? &by_quantity : query->type != NULL ? &by_type : &any;
}

static bool fill(const PGresult *result, int row, void *out) {
  qn_result_row *r = out;
  bool whole = true;
  r->id = qn_field_int(result, row, 0);
  r->simulation = qn_field_int(result, row, 1);
  r->trajectory = qn_field_int(result, row, 2);
  r->analysis = qn_field_int(result, row, 3);
  r->fit = qn_field_int(result, row, 4);
  r->quantity = qn_field_text(result, row, 5, &whole);
  r->type = qn_field_text(result, row, 6, &whole);
  r->species = qn_field_text(result, row, 7, &whole);
  r->region = qn_field_text(result, row, 8, &whole);
  r->unit = qn_field_text(result, row, 9, &whole);
  r->status = qn_field_text(result, row, 10, &whole);
  r->parameters = qn_field_text(result, row, 11, &whole);
  r->inputs = qn_field_text(result, row, 12, &whole);
  r->simulation_name = qn_field_text(result, row, 13, &whole);
  r->trajectory_name = qn_field_text(result, row, 14, &whole);
  r->composition = qn_field_text(result, row, 15, &whole);
  r->potential = qn_field_text(result, row, 16, &whole);
  r->potential_sha256 = qn_field_text(result, row, 17, &whole);
  r->engine_version = qn_field_text(result, row, 18, &whole);
  r->spec_sha256 = qn_field_text(result, row, 19, &whole);
  r->created_at = qn_field_text(result, row, 20, &whole);
  r->value = qn_field_real(result, row, 21);
  r->standard_error = qn_field_real(result, row, 22);
  r->temperature_k = qn_field_real(result, row, 23);
  r->window_start_ps = qn_field_real(result, row, 24);
  r->window_end_ps = qn_field_real(result, row, 25);
  r->samples = qn_field_int(result, row, 26);
  r->atoms = qn_field_int(result, row, 27);
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
  qn_params_text(&params, query->quantity);
  qn_params_text(&params, query->type);
  qn_params_id(&params, query->simulation);
  qn_params_id(&params, query->trajectory);
  qn_params_id(&params, query->analysis);
  qn_params_id(&params, query->fit);
  qn_params_text(&params, query->parameters);
  qn_params_text(&params, query->inputs);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, choose(query), &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_result_page_fini(page);
  return status;
}

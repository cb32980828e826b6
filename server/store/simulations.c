#include <string.h>

#include "server/store/rows.h"

#define SIMULATION                                                                                                            \
  "SELECT s.id, s.job_id, s.name, s.sha256, s.spec_text, p.name, p.sha256, s.engine_version, rfc3339(s.created_at), j.state" \
  " FROM simulations s JOIN jobs j ON j.id = s.job_id JOIN potentials p ON p.id = s.potential_id"
#define ANALYSIS                                                                                                              \
  "SELECT a.id, a.job_id, coalesce(a.simulation_id, 0), coalesce(a.trajectory_id, 0), a.type, a.spec_text, a.sha256, rfc3339(a.created_at), j.state"                    \
  " FROM analyses a JOIN jobs j ON j.id = a.job_id"
#define PAGE(id) " WHERE " id " < $1::bigint ORDER BY " id " DESC LIMIT $2::integer"
#define PAGE_OF(id, filter) " WHERE " filter " AND " id " < $1::bigint ORDER BY " id " DESC LIMIT $2::integer"

static const qn_statement list_simulations = {"simulation_list", SIMULATION PAGE("s.id")};
static const qn_statement get_simulation = {"simulation_get", SIMULATION " WHERE s.id = $1::bigint"};
static const qn_statement list_analyses = {"analysis_list", ANALYSIS PAGE("a.id")};
static const qn_statement list_analyses_of = {"analysis_list_of", ANALYSIS PAGE_OF("a.id", "a.simulation_id = $3::bigint")};
static const qn_statement list_analyses_on = {"analysis_list_on", ANALYSIS PAGE_OF("a.id", "a.trajectory_id = $3::bigint")};
static const qn_statement get_analysis = {"analysis_get", ANALYSIS " WHERE a.id = $1::bigint"};
static const qn_statement get_curves = {
    "curve_list", "SELECT name, species, region, columns, data FROM curves WHERE analysis_id = $1::bigint ORDER BY ordinal"};

static bool fill_simulation(const PGresult *result, int row, void *out) {
  qn_simulation_row *s = out;
  bool whole = true;
  s->id = qn_field_int(result, row, 0);
  s->job = qn_field_int(result, row, 1);
  s->name = qn_field_text(result, row, 2, &whole);
  s->sha256 = qn_field_text(result, row, 3, &whole);
  s->spec = qn_field_text(result, row, 4, &whole);
  s->potential = qn_field_text(result, row, 5, &whole);
  s->potential_sha256 = qn_field_text(result, row, 6, &whole);
  s->engine_version = qn_field_text(result, row, 7, &whole);
  s->created_at = qn_field_text(result, row, 8, &whole);
  s->state = qn_rows_state(result, row, 9);
  return whole;
}

static bool fill_analysis(const PGresult *result, int row, void *out) {
  qn_analysis_row *a = out;
  bool whole = true;
  a->id = qn_field_int(result, row, 0);
  a->job = qn_field_int(result, row, 1);
  a->simulation = qn_field_int(result, row, 2);
  a->trajectory = qn_field_int(result, row, 3);
  a->type = qn_field_text(result, row, 4, &whole);
  a->spec = qn_field_text(result, row, 5, &whole);
  a->sha256 = qn_field_text(result, row, 6, &whole);
  a->created_at = qn_field_text(result, row, 7, &whole);
  a->state = qn_rows_state(result, row, 8);
  return whole;
}

static bool fill_curve(const PGresult *result, int row, void *out) {
  qn_curve_row *c = out;
  bool whole = true;
  c->name = qn_field_text(result, row, 0, &whole);
  c->species = qn_field_text(result, row, 1, &whole);
  c->region = qn_field_text(result, row, 2, &whole);
  c->columns = qn_field_text(result, row, 3, &whole);
  c->data = qn_field_text(result, row, 4, &whole);
  return whole;
}

qn_status qn_store_list_simulations(qn_store *store, qn_page_query query, qn_simulation_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  void *rows = NULL;
  qn_status status =
      qn_rows_many(store, &list_simulations, &params, limit, sizeof *page->rows, fill_simulation, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_simulation_page_fini(page);
  return status;
}

qn_status qn_store_get_simulation(qn_store *store, int64_t id, qn_simulation_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = qn_rows_one(store, &get_simulation, id, "simulation", fill_simulation, row, error);
  if (status != QN_OK) qn_simulation_row_fini(row);
  return status;
}

qn_status qn_store_list_analyses(qn_store *store, int64_t simulation, int64_t trajectory, qn_page_query query, qn_analysis_page *page,
                                 qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  if (simulation != 0 || trajectory != 0) qn_params_int(&params, simulation != 0 ? simulation : trajectory);
  void *rows = NULL;
  const qn_statement *statement = simulation != 0 ? &list_analyses_of : trajectory != 0 ? &list_analyses_on : &list_analyses;
  qn_status status = qn_rows_many(store, statement, &params, limit, sizeof *page->rows, fill_analysis,
                          &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_analysis_page_fini(page);
  return status;
}

qn_status qn_store_get_analysis(qn_store *store, int64_t id, qn_analysis_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = qn_rows_one(store, &get_analysis, id, "analysis", fill_analysis, row, error);
  if (status != QN_OK) qn_analysis_row_fini(row);
  return status;
}

qn_status qn_store_get_curves(qn_store *store, int64_t analysis, qn_curve_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  qn_params_int(&params, analysis);
  void *rows = NULL;
  qn_status status =
      qn_rows_many(store, &get_curves, &params, INT32_MAX - 1, sizeof *page->rows, fill_curve, &rows, &page->count, NULL, error);
  page->rows = rows;
  if (status != QN_OK) qn_curve_page_fini(page);
  return status;
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/rows.h"

#define SIMULATION                                                                                                            \
  "SELECT s.id, s.job_id, s.name, s.sha256, s.spec_text, p.name, p.sha256, s.engine_version, rfc3339(s.created_at), j.state" \
  " FROM simulations s JOIN jobs j ON j.id = s.job_id JOIN potentials p ON p.id = s.potential_id"
#define ANALYSIS                                                                                                              \
  "SELECT a.id, a.job_id, a.simulation_id, a.type, a.spec_text, a.sha256, rfc3339(a.created_at), j.state"                    \
  " FROM analyses a JOIN jobs j ON j.id = a.job_id"
#define ARTIFACT                                                                                                              \
  "SELECT id, simulation_id, kind, stage, temperature_k, path, size, frames, interval_ps, sha256, rfc3339(created_at),"                   \
  " rfc3339(removed_at), removed_by FROM artifacts"
#define PAGE(id) " WHERE " id " < $1::bigint ORDER BY " id " DESC LIMIT $2::integer"
#define PAGE_OF(id, filter) " WHERE " filter " AND " id " < $1::bigint ORDER BY " id " DESC LIMIT $2::integer"

static const qn_statement list_simulations = {"simulation_list", SIMULATION PAGE("s.id")};
static const qn_statement get_simulation = {"simulation_get", SIMULATION " WHERE s.id = $1::bigint"};
static const qn_statement list_analyses = {"analysis_list", ANALYSIS PAGE("a.id")};
static const qn_statement list_analyses_of = {"analysis_list_of", ANALYSIS PAGE_OF("a.id", "a.simulation_id = $3::bigint")};
static const qn_statement get_analysis = {"analysis_get", ANALYSIS " WHERE a.id = $1::bigint"};
static const qn_statement list_artifacts = {"artifact_list", ARTIFACT PAGE_OF("id", "($3::text IS NULL OR kind = $3)")};
static const qn_statement list_artifacts_of = {
    "artifact_list_of", ARTIFACT PAGE_OF("id", "simulation_id = $4::bigint AND ($3::text IS NULL OR kind = $3)")};
static const qn_statement get_artifact = {"artifact_get", ARTIFACT " WHERE id = $1::bigint"};
static const qn_statement get_curves = {
    "curve_list", "SELECT name, species, region, columns, data FROM curves WHERE analysis_id = $1::bigint ORDER BY ordinal"};

static qn_job_state state_of(const PGresult *result, int row, int column) {
  qn_job_state state = QN_JOB_BLOCKED;
  qn_job_state_parse(qn_field(result, row, column), &state);
  return state;
}

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
  s->state = state_of(result, row, 9);
  return whole;
}

static bool fill_analysis(const PGresult *result, int row, void *out) {
  qn_analysis_row *a = out;
  bool whole = true;
  a->id = qn_field_int(result, row, 0);
  a->job = qn_field_int(result, row, 1);
  a->simulation = qn_field_int(result, row, 2);
  a->type = qn_field_text(result, row, 3, &whole);
  a->spec = qn_field_text(result, row, 4, &whole);
  a->sha256 = qn_field_text(result, row, 5, &whole);
  a->created_at = qn_field_text(result, row, 6, &whole);
  a->state = state_of(result, row, 7);
  return whole;
}

static bool fill_artifact(const PGresult *result, int row, void *out) {
  qn_artifact_row *a = out;
  bool whole = true;
  a->id = qn_field_int(result, row, 0);
  a->simulation = qn_field_int(result, row, 1);
  a->kind = qn_field_text(result, row, 2, &whole);
  a->stage = (int)qn_field_int(result, row, 3);
  a->temperature_k = qn_field_real(result, row, 4);
  a->path = qn_field_text(result, row, 5, &whole);
  a->size = qn_field_int(result, row, 6);
  a->frames = qn_field_int(result, row, 7);
  a->interval_ps = qn_field_real(result, row, 8);
  a->sha256 = qn_field_text(result, row, 9, &whole);
  a->created_at = qn_field_text(result, row, 10, &whole);
  a->removed_at = qn_field_text(result, row, 11, &whole);
  a->removed_by = qn_field_text(result, row, 12, &whole);
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

/* One row by its id. On failure `row` may hold texts: the caller releases it. */
static qn_status one(qn_store *store, const qn_statement *statement, int64_t id, const char *what, qn_rows_fill *fill, void *row,
                     qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_pool_run(store, statement, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_NOT_FOUND, "there is no %s %lld", what, (long long)id);
  else if (!fill(result, 0, row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a row");
  PQclear(result);
  return status;
}

static qn_status many(qn_store *store, const qn_statement *statement, const qn_params *params, int limit, size_t size, qn_rows_fill *fill,
                      void **rows, int *count, bool *more, qn_error *error) {
  PGresult *result;
  qn_status status = qn_pool_run(store, statement, params, &result, error);
  if (status != QN_OK) return status;
  status = qn_rows_collect(result, limit, size, fill, rows, count, more, error);
  PQclear(result);
  return status;
}

qn_status qn_store_list_simulations(qn_store *store, qn_page_query query, qn_simulation_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  void *rows = NULL;
  qn_status status =
      many(store, &list_simulations, &params, limit, sizeof *page->rows, fill_simulation, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_simulation_page_fini(page);
  return status;
}

qn_status qn_store_get_simulation(qn_store *store, int64_t id, qn_simulation_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = one(store, &get_simulation, id, "simulation", fill_simulation, row, error);
  if (status != QN_OK) qn_simulation_row_fini(row);
  return status;
}

qn_status qn_store_list_analyses(qn_store *store, int64_t simulation, qn_page_query query, qn_analysis_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  if (simulation != 0) qn_params_int(&params, simulation);
  void *rows = NULL;
  qn_status status = many(store, simulation != 0 ? &list_analyses_of : &list_analyses, &params, limit, sizeof *page->rows, fill_analysis,
                          &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_analysis_page_fini(page);
  return status;
}

qn_status qn_store_get_analysis(qn_store *store, int64_t id, qn_analysis_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = one(store, &get_analysis, id, "analysis", fill_analysis, row, error);
  if (status != QN_OK) qn_analysis_row_fini(row);
  return status;
}

qn_status qn_store_list_artifacts(qn_store *store, int64_t simulation, const char *kind, qn_page_query query, qn_artifact_page *page,
                                  qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  qn_params_text(&params, kind);
  if (simulation != 0) qn_params_int(&params, simulation);
  void *rows = NULL;
  qn_status status = many(store, simulation != 0 ? &list_artifacts_of : &list_artifacts, &params, limit, sizeof *page->rows,
                          fill_artifact, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_artifact_page_fini(page);
  return status;
}

qn_status qn_store_get_artifact(qn_store *store, int64_t id, qn_artifact_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = one(store, &get_artifact, id, "artifact", fill_artifact, row, error);
  if (status != QN_OK) qn_artifact_row_fini(row);
  return status;
}

qn_status qn_store_open_artifact(qn_store *store, const qn_artifact_row *row, int *descriptor, char path[4096], qn_error *error) {
  *descriptor = -1;
  if ((size_t)snprintf(path, 4096, "%s/%s", qn_store_data_directory(store), row->path) >= 4096)
    return qn_error_set(error, QN_IO, "the path of artifact %lld is too long", (long long)row->id);
  int opened = open(path, O_RDONLY | O_CLOEXEC);
  if (opened < 0) {
    qn_status status = errno == ENOENT || errno == ENOTDIR ? QN_NOT_FOUND : QN_IO;
    return qn_error_set(error, status, "the file of artifact %lld cannot be opened: %s", (long long)row->id, strerror(errno));
  }
  struct stat what;
  if (fstat(opened, &what) != 0 || !S_ISREG(what.st_mode) || what.st_size != row->size) {
    close(opened);
    return qn_error_set(error, QN_CORRUPT, "the file of artifact %lld is not the one that was written", (long long)row->id);
  }
  *descriptor = opened;
  return QN_OK;
}

qn_status qn_store_get_curves(qn_store *store, int64_t analysis, qn_curve_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  qn_params_int(&params, analysis);
  void *rows = NULL;
  qn_status status =
      many(store, &get_curves, &params, INT32_MAX - 1, sizeof *page->rows, fill_curve, &rows, &page->count, NULL, error);
  page->rows = rows;
  if (status != QN_OK) qn_curve_page_fini(page);
  return status;
}

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "server/job/durable.h"
#include "server/worker/rows.h"
#include "server/worker/work_parts.h"

static const qn_statement read_analysis = {
    "work_analysis",
    "SELECT a.spec_text, coalesce(a.simulation_id, 0), coalesce(a.trajectory_id, 0), coalesce(s.atoms, 0) FROM analyses a"
    " LEFT JOIN simulations s ON s.id = a.simulation_id WHERE a.id = $1::bigint"};
/* A file of the simulation that the analysis needs: the others lie beside it. */
static const qn_statement find_files = {
    "work_files",
    "SELECT path, temperature_k FROM artifacts WHERE simulation_id = $1::bigint AND kind = $2 AND ($3::integer < 0 OR stage = $3::integer)"
    " ORDER BY id LIMIT 1"};
static const qn_statement find_frames = {"work_frames",
                                         "SELECT path, temperature_k FROM artifacts WHERE id = $1::bigint AND kind = 'trajectory'"};
static const qn_statement find_source = {
    "work_source",
    "SELECT a.id, r.id, r.value, r.standard_error, r.status FROM analyses a LEFT JOIN results r ON r.analysis_id = a.id AND r.quantity = $4::text"
    " AND r.species = 'all' WHERE (a.simulation_id = $1::bigint OR a.trajectory_id = $2::bigint) AND a.sha256 = $3::text ORDER BY r.ordinal LIMIT 1"};

typedef struct analysis {
  qn_analysis_spec spec;
  int64_t simulation, trajectory, atoms;
} analysis;

static qn_status read_spec(const qn_work *work, analysis *at, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, work->claim->resource);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &read_analysis, &params, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  status = qn_work_row(row, "the analysis", error);
  if (status == QN_OK) {
    qn_spec_parse_analysis(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), &at->spec, &faults);
    at->simulation = qn_field_int(row, 0, 1);
    at->trajectory = qn_field_int(row, 0, 2);
    at->atoms = qn_field_int(row, 0, 3);
    status = qn_work_judge(&faults, error);
  }
  PQclear(row);
  qn_faults_fini(&faults);
  return status;
}

/* The folder of the simulation's files, or the file of a trajectory made elsewhere; and the temperature of its frames. */
static qn_status locate(const qn_work *work, const analysis *at, char path[QN_PATH_SIZE], double *temperature_k, qn_error *error) {
  bool thermo = at->spec.type->summarise != NULL;
  qn_params which = {0};
  qn_params_int(&which, at->simulation != 0 ? at->simulation : at->trajectory);
  if (at->simulation != 0) {
    qn_params_text(&which, thermo ? "thermo" : "trajectory");
    qn_params_int(&which, thermo ? -1 : at->spec.stage);
  }
  PGresult *row;
  qn_status status = qn_pool_run(work->store, at->simulation != 0 ? &find_files : &find_frames, &which, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0 && at->simulation != 0) {
    status = thermo ? qn_error_set(error, QN_NOT_FOUND, "the simulation left no thermo series")
                    : qn_error_set(error, QN_NOT_FOUND, "stage %d of the simulation left no trajectory", at->spec.stage);
  } else if (PQntuples(row) == 0) {
    status = qn_error_set(error, QN_NOT_FOUND, "trajectory %lld has no frames", (long long)at->trajectory);
  } else {
    *temperature_k = qn_field_real(row, 0, 1);
    status = qn_durable_join(path, qn_store_data_directory(work->store), qn_field(row, 0, 0), error);
    char *slash = status == QN_OK && at->simulation != 0 ? strrchr(path, '/') : NULL;
    if (slash != NULL) *slash = '\0';
  }
  PQclear(row);
  return status;
}

/* What another analysis measured for one parameter, into the spec and into `inputs`. */
static qn_status take_source(const qn_work *work, analysis *at, const qn_source_spec *fed, json_t *inputs, qn_error *error) {
  const qn_parameter *parameter = &at->spec.type->parameters[fed->parameter];
  qn_params params = {0};
  qn_params_id(&params, at->simulation);
  qn_params_id(&params, at->trajectory);
  qn_params_text(&params, fed->sha256);
  qn_params_text(&params, fed->source->quantity);
  PGresult *row;
  qn_status status = qn_pool_run(work->store, &find_source, &params, &row, error);
  if (status != QN_OK) return status;
  status = qn_work_row(row, "the analysis that gives a parameter", error);
  if (status == QN_OK) {
    double value = qn_field_real(row, 0, 2);
    const long long source = qn_field_int(row, 0, 0), result = qn_field_int(row, 0, 1);
    const char *said = qn_field(row, 0, 4);
    if (result == 0)
      status = qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: it gave no %s", parameter->name, fed->source->type, fed->source->quantity);
    else status = qn_parameter_source_judge(fed->source, parameter, value, said, error);
    if (status != QN_OK) qn_error_prefix(error, "analysis %lld", source);
    at->spec.parameters[fed->parameter] = value;
    json_t *input = json_object();
    json_object_set_new(input, "type", json_string(fed->source->type));
    json_object_set_new(input, "quantity", json_string(fed->source->quantity));
    json_object_set_new(input, "value", qn_json_number(value));
    json_object_set_new(input, "standard_error", qn_json_number(qn_field_real(row, 0, 3)));
    json_object_set_new(input, "analysis", json_integer(source));
    json_object_set_new(input, "result", json_integer(result));
    json_object_set_new(inputs, parameter->name, input);
  }
  PQclear(row);
  return status;
}

/* The parameters as they are used: everything of the spec but its type. */
static qn_status keep_parameters(const analysis *at, const json_t *inputs, qn_work_result *result, qn_error *error) {
  qn_analysis_spec used = at->spec;
  char hash[QN_HASH_SIZE];
  used.source_count = 0;
  char *text = qn_spec_render_analysis(&used, hash);
  json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
  json_object_del(object, "type");
  result->parameters = qn_json_write(object, true);
  result->inputs = qn_json_write(inputs, true);
  json_decref(object);
  free(text);
  return result->parameters != NULL && result->inputs != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for parameters");
}

static qn_status analyse_simulation(const qn_work *work, const analysis *at, const char *folder, qn_job_wanted *wanted, qn_error *error) {
  qn_eam potential = {0};
  qn_simulation_spec *of = calloc(1, sizeof *of);
  qn_status status = of != NULL ? qn_work_load_simulation(work, at->simulation, of, &potential, error)
                                : qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  if (status == QN_OK) {
    const qn_job_simulated simulated = {.spec = of, .directory = folder, .atoms = at->atoms, .potential = &potential};
    status = qn_job_analyse_simulation(&simulated, wanted, 1, work->threads, work->control, error);
  }
  qn_eam_fini(&potential);
  free(of);
  return status;
}

static qn_status analyse_frames(const qn_work *work, const char *path, qn_job_wanted *wanted, qn_error *error) {
  qn_trajectory *trajectory;
  qn_status status = qn_trajectory_open(&trajectory, path, error);
  if (status != QN_OK) return status;
  status = qn_job_analyse_trajectory(trajectory, NULL, wanted, 1, NULL, work->threads, work->control, error);
  qn_trajectory_close(trajectory);
  return status;
}

qn_status qn_work_analyse(const qn_work *work, qn_work_result *result, qn_error *error) {
  analysis at = {0};
  char path[QN_PATH_SIZE];
  json_t *inputs = json_object();
  qn_status status = read_spec(work, &at, error);
  if (status == QN_OK) status = locate(work, &at, path, &result->temperature_k, error);
  for (int i = 0; status == QN_OK && i < at.spec.source_count; i++) status = take_source(work, &at, &at.spec.sources[i], inputs, error);
  if (status == QN_OK) status = keep_parameters(&at, inputs, result, error);
  json_decref(inputs);
  if (status != QN_OK) return status;
  at.spec.source_count = 0;
  qn_job_wanted wanted = {.spec = &at.spec};
  status = at.simulation != 0 ? analyse_simulation(work, &at, path, &wanted, error) : analyse_frames(work, path, &wanted, error);
  if (status == QN_OK && wanted.status != QN_OK) *error = wanted.error;
  if (status == QN_OK) status = wanted.status;
  result->report = wanted.report;
  return status;
}

qn_status qn_work_write_analysis(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  const qn_rows_analysis row = {.id = result->claim->resource,
                                .temperature_k = result->temperature_k,
                                .parameters = result->parameters,
                                .inputs = result->inputs};
  return qn_rows_of_report(connection, &row, &result->report, error);
}

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "server/job/durable.h"
#include "server/worker/rows.h"
#include "server/worker/work_parts.h"

static const qn_statement read_row = {
    "work_analysis",
    "SELECT a.spec_text, coalesce(a.simulation_id, 0), coalesce(a.trajectory_id, 0), coalesce(s.atoms, 0) FROM jobs j"
    " JOIN analyses a ON a.job_id = j.id LEFT JOIN simulations s ON s.id = a.simulation_id" QN_WORK_HELD};
static const qn_statement read_simulation = {
    "work_simulated",
    "SELECT s.spec_text, p.content, p.sha256 FROM simulations s JOIN potentials p ON p.id = s.potential_id WHERE s.id = $1::bigint"};
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

/* Where the frames are from: one of the two is 0. */
typedef struct origin {
  int64_t simulation, trajectory;
} origin;

static qn_status read_spec(qn_connection *connection, const qn_claim *claim, qn_work_input *input, origin *from, qn_error *error) {
  PGresult *row;
  qn_status status = qn_work_ask(connection, &read_row, claim, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  qn_spec_parse_analysis(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), &input->analysis, &faults);
  from->simulation = qn_field_int(row, 0, 1);
  from->trajectory = qn_field_int(row, 0, 2);
  input->atoms = qn_field_int(row, 0, 3);
  status = qn_work_judge(&faults, error);
  PQclear(row);
  qn_faults_fini(&faults);
  return status;
}

/* A file of the simulation, or that of a trajectory made elsewhere; and the temperature of its frames. */
static qn_status locate(qn_connection *connection, qn_work_input *input, const origin *from, qn_error *error) {
  bool thermo = input->analysis.type->summarise != NULL;
  qn_params which = {0};
  qn_params_int(&which, from->simulation != 0 ? from->simulation : from->trajectory);
  if (from->simulation != 0) {
    qn_params_text(&which, thermo ? "thermo" : "trajectory");
    qn_params_int(&which, thermo ? -1 : input->analysis.stage);
  }
  PGresult *row;
  qn_status status = qn_connection_run(connection, from->simulation != 0 ? &find_files : &find_frames, &which, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0 && from->simulation != 0) {
    status = thermo ? qn_error_set(error, QN_NOT_FOUND, "the simulation left no thermo series")
                    : qn_error_set(error, QN_NOT_FOUND, "stage %d of the simulation left no trajectory", input->analysis.stage);
  } else if (PQntuples(row) == 0) {
    status = qn_error_set(error, QN_NOT_FOUND, "trajectory %lld has no frames", (long long)from->trajectory);
  } else {
    input->temperature_k = qn_field_real(row, 0, 1);
    status = qn_work_copy(qn_field(row, 0, 0), &input->path, error);
  }
  PQclear(row);
  return status;
}

/* What another analysis measured for one parameter, into the spec and into `inputs`. */
static qn_status take_source(qn_connection *connection, qn_work_input *input, const origin *from, const qn_source_spec *fed, json_t *inputs,
                             qn_error *error) {
  const qn_parameter *parameter = &input->analysis.type->parameters[fed->parameter];
  qn_params params = {0};
  qn_params_id(&params, from->simulation);
  qn_params_id(&params, from->trajectory);
  qn_params_text(&params, fed->sha256);
  qn_params_text(&params, fed->source->quantity);
  PGresult *row;
  qn_status status = qn_connection_run(connection, &find_source, &params, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0) {
    status = qn_error_set(error, QN_CORRUPT, "the analysis that gives %s is not in the database", parameter->name);
  } else {
    double value = qn_field_real(row, 0, 2);
    const long long source = qn_field_int(row, 0, 0), result = qn_field_int(row, 0, 1);
    const char *said = qn_field(row, 0, 4);
    if (result == 0)
      status = qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: it gave no %s", parameter->name, fed->source->type, fed->source->quantity);
    else status = qn_parameter_source_judge(fed->source, parameter, value, said, error);
    if (status != QN_OK) qn_error_prefix(error, "analysis %lld", source);
    input->analysis.parameters[fed->parameter] = value;
    json_t *given = json_object();
    json_object_set_new(given, "type", json_string(fed->source->type));
    json_object_set_new(given, "quantity", json_string(fed->source->quantity));
    json_object_set_new(given, "value", qn_json_number(value));
    json_object_set_new(given, "standard_error", qn_json_number(qn_field_real(row, 0, 3)));
    json_object_set_new(given, "analysis", json_integer(source));
    json_object_set_new(given, "result", json_integer(result));
    json_object_set_new(inputs, parameter->name, given);
  }
  PQclear(row);
  return status;
}

/* The parameters as they are used: everything of the spec but its type. */
static qn_status keep_parameters(qn_work_input *input, const json_t *inputs, qn_error *error) {
  char hash[QN_HASH_SIZE];
  input->analysis.source_count = 0;
  char *text = qn_spec_render_analysis(&input->analysis, hash);
  json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
  json_object_del(object, "type");
  input->parameters = qn_json_write(object, true);
  input->inputs = qn_json_write(inputs, true);
  json_decref(object);
  free(text);
  return input->parameters != NULL && input->inputs != NULL ? QN_OK : qn_work_no_memory(error);
}

static qn_status read_simulated(qn_connection *connection, int64_t simulation, qn_work_input *input, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, simulation);
  PGresult *row;
  qn_status status = qn_connection_run(connection, &read_simulation, &params, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0) status = qn_error_set(error, QN_CORRUPT, "simulation %lld is not in the database", (long long)simulation);
  else status = qn_work_take_simulation(row, input, error);
  PQclear(row);
  return status;
}

static qn_status read_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  origin from = {0};
  json_t *inputs = json_object();
  qn_status status = read_spec(connection, claim, input, &from, error);
  if (status == QN_OK) status = locate(connection, input, &from, error);
  for (int i = 0; status == QN_OK && i < input->analysis.source_count; i++)
    status = take_source(connection, input, &from, &input->analysis.sources[i], inputs, error);
  if (status == QN_OK) status = keep_parameters(input, inputs, error);
  if (status == QN_OK && from.simulation != 0) status = read_simulated(connection, from.simulation, input, error);
  json_decref(inputs);
  return status;
}

static qn_status analyse_simulation(const qn_work *work, char *path, qn_job_wanted *wanted, qn_error *error) {
  const qn_work_input *input = work->input;
  char *slash = strrchr(path, '/'); /* the simulation's other files lie beside the one that was found */
  if (slash != NULL) *slash = '\0';
  const qn_job_simulated simulated = {.spec = input->simulation, .directory = path, .atoms = input->atoms, .potential = &input->potential};
  return qn_job_analyse_simulation(&simulated, wanted, 1, work->threads, work->control, error);
}

static qn_status analyse_frames(const qn_work *work, const char *path, qn_job_wanted *wanted, qn_error *error) {
  qn_trajectory *trajectory;
  qn_status status = qn_trajectory_open(&trajectory, path, error);
  if (status != QN_OK) return status;
  status = qn_job_analyse_trajectory(trajectory, NULL, wanted, 1, NULL, work->threads, work->control, error);
  qn_trajectory_close(trajectory);
  return status;
}

static qn_status run_it(const qn_work *work, qn_work_result *result, qn_error *error) {
  char path[QN_PATH_SIZE];
  qn_job_wanted wanted = {.spec = &work->input->analysis};
  qn_status status = qn_durable_join(path, work->data_directory, work->input->path, error);
  if (status != QN_OK) return status;
  status = work->input->simulation != NULL ? analyse_simulation(work, path, &wanted, error) : analyse_frames(work, path, &wanted, error);
  if (status == QN_OK && wanted.status != QN_OK) *error = wanted.error;
  if (status == QN_OK) status = wanted.status;
  result->report = wanted.report;
  return status;
}

static qn_status write_rows(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  const qn_rows_analysis row = {.id = result->claim->resource,
                                .temperature_k = result->input->temperature_k,
                                .parameters = result->input->parameters,
                                .inputs = result->input->inputs};
  return qn_rows_of_report(connection, &row, &result->report, error);
}

const qn_work_kind qn_work_analysis = {.name = "analysis", .read = read_input, .run = run_it, .write = write_rows};

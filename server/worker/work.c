#include "server/worker/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/folder.h"
#include "server/worker/rows.h"

struct qn_work_input {
  qn_simulation_spec *simulation;  /* of a simulation, and NULL else */
  qn_eam potential;
  char *snapshot;                  /* to start from, relative to the data directory; NULL: none */
  qn_analysis_spec analysis;
  char *trajectory;                /* to analyse, likewise */
  double temperature_k;            /* of its stage */
};

struct qn_work_result {
  const qn_claim *claim;
  qn_job_output output;      /* of a simulation */
  char folder[128];          /* where its files are, relative to the data directory */
  qn_report report;          /* of an analysis */
  double temperature_k;
};

/* Who lost the lease reads nothing, and so begins nothing. */
#define HELD " WHERE j.id = $1::bigint AND j.attempt = $2::integer AND j.lease_token = $3::uuid AND j.state = 'running'"
static const qn_statement read_simulation = {
    "work_simulation",
    "SELECT s.spec_text, p.content, p.sha256 FROM jobs j JOIN simulations s ON s.job_id = j.id JOIN potentials p ON p.id = s.potential_id" HELD};
static const qn_statement find_snapshot = {
    "work_snapshot",
    "SELECT path FROM artifacts WHERE simulation_id = $1::bigint AND kind = 'snapshot' AND stage = $2::integer"
    " ORDER BY abs(temperature_k - $3::float8), id DESC LIMIT 1"};
static const qn_statement read_analysis = {"work_analysis",
                                           "SELECT a.spec_text, a.simulation_id FROM jobs j JOIN analyses a ON a.job_id = j.id" HELD};
static const qn_statement find_trajectory = {
    "work_trajectory",
    "SELECT path, temperature_k FROM artifacts WHERE simulation_id = $1::bigint AND kind = 'trajectory' AND stage = $2::integer"};

/* ---- reading ---- */

static qn_status no_memory(qn_error *error) { return qn_error_set(error, QN_NO_MEMORY, "no memory for a job"); }

static qn_status ask(qn_connection *connection, const qn_statement *statement, const qn_claim *claim, PGresult **row, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, claim->lease.job);
  qn_params_int(&params, claim->lease.attempt);
  qn_params_text(&params, claim->lease.token);
  qn_status status = qn_connection_run(connection, statement, &params, row, error);
  if (status != QN_OK || PQntuples(*row) > 0) return status;
  PQclear(*row);
  *row = NULL;
  return qn_error_set(error, QN_CONFLICT, "the lease on job %lld is lost", (long long)claim->lease.job);
}

/* The first fault of a stored spec: it was checked when it came in, so this program is another than the one that took it. */
static qn_status judge(const qn_faults *faults, qn_error *error) {
  if (qn_faults_total(faults) == 0) return QN_OK;
  return qn_error_set(error, QN_INVALID, "this quenchd does not take the stored spec: %s: %s", faults->count > 0 ? faults->items[0].pointer : "",
                      faults->count > 0 ? faults->items[0].detail : "no memory");
}

static qn_status copy_text(const char *text, char **copy, qn_error *error) {
  *copy = strdup(text);
  return *copy != NULL ? QN_OK : no_memory(error);
}

static qn_status read_snapshot_row(qn_connection *connection, qn_work_input *input, qn_error *error) {
  const qn_simulation_spec *spec = input->simulation;
  qn_params params = {0};
  qn_params_int(&params, spec->snapshot_simulation);
  qn_params_int(&params, spec->snapshot_stage);
  qn_params_real(&params, spec->snapshot_temperature);
  PGresult *row;
  qn_status status = qn_connection_run(connection, &find_snapshot, &params, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0) status = qn_error_set(error, QN_NOT_FOUND, "the snapshot to start from is not in the database");
  else status = copy_text(qn_field(row, 0, 0), &input->snapshot, error);
  PQclear(row);
  return status;
}

static qn_status parse_simulation(const PGresult *row, qn_work_input *input, qn_error *error) {
  const char *text = qn_field(row, 0, 0);
  qn_faults faults = {0};
  size_t size = 0;
  input->simulation = calloc(1, sizeof *input->simulation);
  if (input->simulation == NULL) return no_memory(error);
  qn_spec_parse_simulation(text, strlen(text), input->simulation, &faults);
  qn_status status = judge(&faults, error);
  qn_faults_fini(&faults);
  if (status == QN_OK && strcmp(input->simulation->potential_sha256, qn_field(row, 0, 2)) != 0)
    status = qn_error_set(error, QN_CORRUPT, "the potential is not the one that the spec was made for");
  if (status != QN_OK) return status;
  unsigned char *setfl = PQunescapeBytea((const unsigned char *)qn_field(row, 0, 1), &size);
  status = setfl != NULL ? qn_eam_parse(&input->potential, (const char *)setfl, size, error) : no_memory(error);
  PQfreemem(setfl);
  return status;
}

static qn_status read_simulation_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  PGresult *row;
  qn_status status = ask(connection, &read_simulation, claim, &row, error);
  if (status != QN_OK) return status;
  status = parse_simulation(row, input, error);
  PQclear(row);
  if (status == QN_OK && input->simulation->initial == QN_INITIAL_SNAPSHOT) status = read_snapshot_row(connection, input, error);
  return status;
}

static qn_status read_analysis_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  PGresult *row;
  qn_faults faults = {0};
  qn_params which = {0};
  qn_status status = ask(connection, &read_analysis, claim, &row, error);
  if (status != QN_OK) return status;
  qn_spec_parse_analysis(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), &input->analysis, &faults);
  status = judge(&faults, error);
  qn_params_int(&which, qn_field_int(row, 0, 1));
  qn_params_int(&which, input->analysis.stage);
  PQclear(row);
  qn_faults_fini(&faults);
  if (status == QN_OK) status = qn_connection_run(connection, &find_trajectory, &which, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0)
    status = qn_error_set(error, QN_NOT_FOUND, "stage %d of the simulation left no trajectory", input->analysis.stage);
  else
    status = copy_text(qn_field(row, 0, 0), &input->trajectory, error);
  if (status == QN_OK) input->temperature_k = qn_field_real(row, 0, 1);
  PQclear(row);
  return status;
}

qn_status qn_work_read(qn_connection *connection, const qn_claim *claim, qn_work_input **out, qn_error *error) {
  *out = NULL;
  qn_work_input *input = calloc(1, sizeof *input);
  if (input == NULL) return no_memory(error);
  qn_status status = claim->analysis ? read_analysis_input(connection, claim, input, error) : read_simulation_input(connection, claim, input, error);
  if (status == QN_OK) *out = input;
  else qn_work_input_free(input);
  return status;
}

void qn_work_input_free(qn_work_input *input) {
  if (input == NULL) return;
  qn_eam_fini(&input->potential);
  free(input->simulation);
  free(input->snapshot);
  free(input->trajectory);
  free(input);
}

/* ---- running ---- */

/* `inner` is the control of whoever called. */
typedef struct simulation_run {
  const qn_job_control *inner;
  const qn_folder *folder;
  bool saved;
} simulation_run;

static qn_status on_check(void *context, double progress, qn_error *error) {
  const qn_job_control *inner = ((simulation_run *)context)->inner;
  return inner->check(inner->context, progress, error);
}

/* With a checkpoint of its own the attempt needs those before it no more. */
static void on_reached(void *context, int64_t step, bool saved) {
  simulation_run *run = context;
  if (run->inner->reached != NULL) run->inner->reached(run->inner->context, step, saved);
  if (saved && !run->saved && run->folder->count > 0) qn_folder_drop_earlier(run->folder);
  run->saved = run->saved || saved;
}

static qn_status simulate(const qn_work *work, qn_work_result *result, qn_error *error) {
  char snapshot[QN_PATH_SIZE];
  qn_folder folder;
  const qn_work_input *input = work->input;
  qn_job_simulation job = {.spec = input->simulation, .potential = &input->potential, .threads = work->threads};
  qn_status status = QN_OK;
  if (input->snapshot != NULL) {
    status = qn_durable_join(snapshot, work->data_directory, input->snapshot, error);
    job.snapshot_path = snapshot;
  }
  if (status != QN_OK) return status;
  status = qn_folder_open(&folder, work->data_directory, work->data_id, work->claim->resource, work->claim->lease.attempt, error);
  if (status != QN_OK) return status;
  snprintf(result->folder, sizeof result->folder, "simulations/%lld/%d", (long long)work->claim->resource, work->claim->lease.attempt);
  simulation_run run = {.inner = work->control, .folder = &folder};
  const qn_job_control control = {.context = &run, .check = on_check, .reached = on_reached, .checkpoint_s = work->control->checkpoint_s};
  job.directory = folder.path;
  job.earlier = (const char *const *)folder.earlier;
  status = qn_job_simulate(&job, &control, &result->output, error);
  qn_folder_close(&folder);
  return status;
}

static qn_status analyse(const qn_work *work, qn_work_result *result, qn_error *error) {
  char path[QN_PATH_SIZE];
  result->temperature_k = work->input->temperature_k;
  qn_status status = qn_durable_join(path, work->data_directory, work->input->trajectory, error);
  return status == QN_OK ? qn_job_analyse(path, &work->input->analysis, work->threads, work->control, &result->report, error) : status;
}

qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error) {
  *result = calloc(1, sizeof **result);
  if (*result == NULL) return no_memory(error);
  (*result)->claim = work->claim;
  qn_status status = work->claim->analysis ? analyse(work, *result, error) : simulate(work, *result, error);
  if (status == QN_OK) return QN_OK;
  qn_work_result_free(*result);
  *result = NULL;
  return status;
}

void qn_work_result_free(qn_work_result *result) {
  if (result == NULL) return;
  qn_job_output_fini(&result->output);
  qn_report_fini(&result->report);
  free(result);
}

qn_status qn_work_write(qn_connection *connection, void *context, qn_error *error) {
  const qn_work_result *result = context;
  int64_t id = result->claim->resource;
  return result->claim->analysis ? qn_rows_of_report(connection, id, &result->report, result->temperature_k, error)
                                 : qn_rows_of_output(connection, id, &result->output, result->folder, error);
}

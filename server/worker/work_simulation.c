#include "server/worker/work_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/storage/folder.h"
#include "server/worker/rows.h"

static const qn_statement read_row = {
    "work_simulation", "SELECT s.spec_text, p.content, p.sha256 FROM jobs j JOIN simulations s ON s.job_id = j.id"
                       " JOIN potentials p ON p.id = s.potential_id" QN_WORK_HELD};
static const qn_statement find_snapshot = {
    "work_snapshot",
    "SELECT path FROM artifacts WHERE simulation_id = $1::bigint AND kind = 'snapshot' AND stage = $2::integer"
    " ORDER BY abs(temperature_k - $3::float8), id DESC LIMIT 1"};
static const qn_statement find_structure = {"work_structure", "SELECT path FROM artifacts WHERE id = $1::bigint AND kind = 'snapshot'"};

static qn_status read_start(qn_connection *connection, qn_work_input *input, qn_error *error) {
  const qn_simulation_spec *spec = input->simulation;
  bool snapshot = spec->initial == QN_INITIAL_SNAPSHOT;
  qn_params params = {0};
  if (snapshot) {
    qn_params_int(&params, spec->snapshot_simulation);
    qn_params_int(&params, spec->snapshot_stage);
    qn_params_real(&params, spec->snapshot_temperature);
  } else {
    qn_params_int(&params, spec->structure);
  }
  PGresult *row;
  qn_status status = qn_connection_run(connection, snapshot ? &find_snapshot : &find_structure, &params, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 0)
    status = qn_error_set(error, QN_NOT_FOUND, "the %s to start from is not in the database", snapshot ? "snapshot" : "structure");
  else status = qn_work_copy(qn_field(row, 0, 0), &input->path, error);
  PQclear(row);
  return status;
}

qn_status qn_work_take_simulation(const PGresult *row, qn_work_input *input, qn_error *error) {
  const char *text = qn_field(row, 0, 0);
  qn_faults faults = {0};
  size_t size = 0;
  input->simulation = calloc(1, sizeof *input->simulation);
  if (input->simulation == NULL) return qn_work_no_memory(error);
  qn_spec_parse_stored(text, strlen(text), input->simulation, &faults);
  qn_status status = qn_work_judge(&faults, error);
  qn_faults_fini(&faults);
  if (status == QN_OK && strcmp(input->simulation->potential_sha256, qn_field(row, 0, 2)) != 0)
    status = qn_error_set(error, QN_CORRUPT, "the potential is not the one that the spec was made for");
  if (status != QN_OK) return status;
  unsigned char *setfl = PQunescapeBytea((const unsigned char *)qn_field(row, 0, 1), &size);
  status = setfl != NULL ? qn_eam_parse(&input->potential, (const char *)setfl, size, error) : qn_work_no_memory(error);
  PQfreemem(setfl);
  return status;
}

static qn_status read_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  PGresult *row;
  qn_status status = qn_work_ask(connection, &read_row, claim, &row, error);
  if (status != QN_OK) return status;
  status = qn_work_take_simulation(row, input, error);
  PQclear(row);
  if (status == QN_OK && input->simulation->initial != QN_INITIAL_LATTICE) status = read_start(connection, input, error);
  return status;
}

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

static void on_beginning(void *context, int64_t step) {
  const qn_job_control *inner = ((simulation_run *)context)->inner;
  if (inner->began != NULL) inner->began(inner->context, step);
}

/* With a checkpoint of its own the attempt needs those before it no more. */
static void on_reached(void *context, int64_t step, bool saved) {
  simulation_run *run = context;
  if (run->inner->reached != NULL) run->inner->reached(run->inner->context, step, saved);
  if (saved && !run->saved && run->folder->count > 0) qn_folder_drop_earlier(run->folder);
  run->saved = run->saved || saved;
}

static qn_status run_it(const qn_work *work, qn_work_result *result, qn_error *error) {
  char start[QN_PATH_SIZE];
  qn_folder folder;
  const qn_work_input *input = work->input;
  qn_job_simulation job = {.spec = input->simulation, .potential = &input->potential, .threads = work->threads};
  qn_status status = QN_OK;
  if (input->path != NULL) {
    status = qn_durable_join(start, work->data_directory, input->path, error);
    job.snapshot_path = start;
  }
  if (status != QN_OK) return status;
  status = qn_folder_open(&folder, work->data_directory, work->data_id, work->claim->resource, work->claim->lease.attempt, error);
  if (status != QN_OK) return status;
  snprintf(result->folder, sizeof result->folder, "simulations/%lld/%d", (long long)work->claim->resource, work->claim->lease.attempt);
  simulation_run run = {.inner = work->control, .folder = &folder};
  const qn_job_control control = {.context = &run, .check = on_check, .began = on_beginning, .reached = on_reached,
                                  .checkpoint_s = work->control->checkpoint_s};
  job.directory = folder.path;
  job.earlier = (const char *const *)folder.earlier;
  status = qn_job_simulate(&job, &control, &result->output, error);
  qn_folder_close(&folder);
  return status;
}

static qn_status write_rows(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  return qn_rows_of_output(connection, result->claim->resource, &result->output, result->folder, error);
}

const qn_work_kind qn_work_simulation = {.name = "simulation", .read = read_input, .run = run_it, .write = write_rows};

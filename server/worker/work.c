#include "server/worker/work_parts.h"

#include <stdlib.h>
#include <string.h>

qn_status qn_work_no_memory(qn_error *error) { return qn_error_set(error, QN_NO_MEMORY, "no memory for a job"); }

qn_status qn_work_copy(const char *text, char **copy, qn_error *error) {
  *copy = strdup(text);
  return *copy != NULL ? QN_OK : qn_work_no_memory(error);
}

qn_status qn_work_ask(qn_connection *connection, const qn_statement *statement, const qn_claim *claim, PGresult **row, qn_error *error) {
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

qn_status qn_work_judge(const qn_faults *faults, qn_error *error) {
  if (qn_faults_total(faults) == 0) return QN_OK;
  return qn_error_set(error, QN_INVALID, "this quenchd does not take the stored spec: %s: %s", faults->count > 0 ? faults->items[0].pointer : "",
                      faults->count > 0 ? faults->items[0].detail : "no memory");
}

static const qn_work_kind *kind_of(const qn_claim *claim) {
  static const qn_work_kind *const kinds[] = {&qn_work_simulation, &qn_work_analysis, &qn_work_fit, &qn_work_import};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i]->name, claim->kind) == 0) return kinds[i];
  return NULL;
}

qn_status qn_work_read(qn_connection *connection, const qn_claim *claim, qn_work_input **out, qn_error *error) {
  *out = NULL;
  const qn_work_kind *kind = kind_of(claim);
  if (kind == NULL) return qn_error_set(error, QN_UNSUPPORTED, "this quenchd knows no jobs of the kind %s", claim->kind);
  qn_work_input *input = calloc(1, sizeof *input);
  if (input == NULL) return qn_work_no_memory(error);
  qn_status status = kind->read(connection, claim, input, error);
  if (status == QN_OK) *out = input;
  else qn_work_input_free(input);
  return status;
}

void qn_work_input_free(qn_work_input *input) {
  if (input == NULL) return;
  qn_eam_fini(&input->potential);
  qn_fit_spec_fini(&input->fit);
  free(input->simulation);
  free(input->path);
  free(input->parameters);
  free(input->inputs);
  free(input);
}

qn_status qn_work_run(const qn_work *work, qn_work_result **result, qn_error *error) {
  *result = calloc(1, sizeof **result);
  if (*result == NULL) return qn_work_no_memory(error);
  (*result)->claim = work->claim;
  (*result)->input = work->input;
  qn_status status = kind_of(work->claim)->run(work, *result, error);
  if (status == QN_OK) return QN_OK;
  qn_work_result_free(*result);
  *result = NULL;
  return status;
}

void qn_work_result_free(qn_work_result *result) {
  if (result == NULL) return;
  qn_job_output_fini(&result->output);
  qn_report_fini(&result->report);
  qn_job_imported_fini(&result->imported);
  free(result);
}

qn_status qn_work_write(qn_connection *connection, void *context, qn_error *error) {
  const qn_work_result *result = context;
  return kind_of(result->claim)->write(connection, result, error);
}

void qn_work_tidy(const qn_work *work, qn_ending ending) {
  const qn_work_kind *kind = kind_of(work->claim);
  if (kind != NULL && kind->tidy != NULL) kind->tidy(work, ending);
}

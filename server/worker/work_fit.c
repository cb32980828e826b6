#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "engine/base/version.h"
#include "server/worker/work_parts.h"

static const qn_statement read_row = {"work_fit", "SELECT f.spec_text FROM jobs j JOIN fits f ON f.job_id = j.id" QN_WORK_HELD};
static const qn_statement describe = {"rows_fit",
                                      "UPDATE fits SET outcome = $2, result = $3::json, engine_version = $4 WHERE id = $1::bigint"};
static const qn_statement insert_value = {
    "rows_fit_value",
    "INSERT INTO results (fit_id, ordinal, type, quantity, species, region, unit, status, value, standard_error, composition, samples, parameters,"
    " engine_version) SELECT f.id, $2::integer, f.law, $3, $4, $5, $6, $7, $8::float8, $9::float8, $10, $11::bigint, $12::jsonb, $13 FROM fits f"
    " WHERE f.id = $1::bigint"};

static qn_status read_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  PGresult *row;
  qn_status status = qn_work_ask(connection, &read_row, claim, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  qn_fit_parse_stored(qn_field(row, 0, 0), strlen(qn_field(row, 0, 0)), &input->fit, &faults);
  status = qn_work_judge(&faults, error);
  PQclear(row);
  qn_faults_fini(&faults);
  return status;
}

static qn_status on_check(void *context, double progress, qn_error *error) {
  const qn_job_control *control = context;
  return control->check(control->context, progress, error);
}

static qn_status run_it(const qn_work *work, qn_work_result *result, qn_error *error) {
  qn_fit_spec spec = work->input->fit;
  spec.options.check = on_check;
  spec.options.context = (void *)work->control;
  return qn_fit_run_spec(&spec, &result->fit, error);
}

static double finite_or_nan(double x) { return isfinite(x) ? x : (double)NAN; }

/* Only a fit that is ok has values. */
static qn_status write_value(qn_connection *connection, const qn_work_result *result, int ordinal, const char *parameters, qn_error *error) {
  const qn_fit_value *value = &result->fit.values[ordinal];
  const qn_fit_spec *spec = &result->input->fit;
  qn_params row = {0};
  qn_params_int(&row, result->claim->resource);
  qn_params_int(&row, ordinal);
  qn_params_text(&row, value->name);
  qn_params_text(&row, spec->species);
  qn_params_text(&row, spec->region);
  qn_params_text(&row, value->unit);
  qn_params_text(&row, qn_fit_outcome_name(result->fit.outcome));
  qn_params_real(&row, finite_or_nan(value->value));
  qn_params_real(&row, finite_or_nan(value->standard_error));
  qn_params_text(&row, spec->composition);
  qn_params_int(&row, result->fit.points);
  qn_params_text(&row, parameters);
  qn_params_text(&row, qn_version());
  return qn_connection_run(connection, &insert_value, &row, NULL, error);
}

static qn_status write_rows(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  json_t *found = qn_fit_json(&result->fit), *about = qn_fit_parameters_json(&result->input->fit, &result->fit);
  char *text = qn_json_write(found, false), *parameters = qn_json_write(about, true);
  json_decref(found);
  json_decref(about);
  qn_params row = {0};
  qn_params_int(&row, result->claim->resource);
  qn_params_text(&row, qn_fit_outcome_name(result->fit.outcome));
  qn_params_text(&row, text);
  qn_params_text(&row, qn_version());
  qn_status status = text != NULL && parameters != NULL ? qn_connection_run(connection, &describe, &row, NULL, error)
                                                         : qn_error_set(error, QN_NO_MEMORY, "no memory for a fit");
  for (int v = 0; status == QN_OK && result->fit.outcome == QN_FIT_OK && v < result->fit.value_count; v++)
    status = write_value(connection, result, v, parameters, error);
  free(text);
  free(parameters);
  return status;
}

const qn_work_kind qn_work_fit = {.name = "fit", .read = read_input, .run = run_it, .write = write_rows};

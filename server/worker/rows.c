#include "server/worker/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/number.h"
#include "engine/base/version.h"

static const qn_statement describe = {
    "rows_simulation",
    "UPDATE simulations SET atoms = $2::bigint, composition = $3, engine_version = $4 WHERE id = $1::bigint"};
static const qn_statement artifact = {
    "rows_artifact",
    "INSERT INTO artifacts (simulation_id, kind, stage, temperature_k, path, size, frames, interval_ps, sha256, sampling)"
    " VALUES ($1::bigint, $2, $3::integer, $4::float8, $5, $6::bigint, $7::bigint, $8::float8, $9, nullif($10::integer, -1))"};
static const qn_statement value = {
    "rows_result",
    "INSERT INTO results (analysis_id, ordinal, simulation_id, trajectory_id, potential_id, type, quantity, species, region, unit, status, value,"
    " standard_error, temperature_k, composition, atoms, window_start_ps, window_end_ps, samples, engine_version, parameters, inputs)"
    " SELECT a.id, $2::integer, a.simulation_id, a.trajectory_id, s.potential_id, a.type, $3, $4, $5, $6, $7, $8::float8, $9::float8, $10::float8,"
    " coalesce(s.composition, u.composition), coalesce(s.atoms, u.atoms), $11::float8, $12::float8, $13::bigint, $14, $15::jsonb, $16::jsonb"
    " FROM analyses a LEFT JOIN simulations s ON s.id = a.simulation_id LEFT JOIN uploads u ON u.id = a.trajectory_id WHERE a.id = $1::bigint"};
static const qn_statement curve = {
    "rows_curve",
    "INSERT INTO curves (analysis_id, ordinal, name, species, region, columns, data)"
    " VALUES ($1::bigint, $2::integer, $3, $4, $5, $6::json, $7::json)"};

qn_status qn_rows_of_output(qn_connection *connection, int64_t simulation, const qn_job_output *output, const char *folder,
                            qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, simulation);
  qn_params_int(&params, output->atoms);
  qn_params_text(&params, output->composition);
  qn_params_text(&params, qn_version());
  qn_status status = qn_connection_run(connection, &describe, &params, NULL, error);
  for (int i = 0; status == QN_OK && i < output->count; i++) {
    const qn_job_artifact *a = &output->artifacts[i];
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, a->path);
    qn_params row = {0};
    qn_params_int(&row, simulation);
    qn_params_text(&row, a->kind);
    qn_params_int(&row, a->stage);
    qn_params_real(&row, a->temperature_k);
    qn_params_text(&row, path);
    qn_params_int(&row, a->size);
    qn_params_int(&row, a->frames);
    qn_params_real(&row, a->interval_ps);
    qn_params_text(&row, a->sha256);
    qn_params_int(&row, a->sampling);
    status = qn_connection_run(connection, &artifact, &row, NULL, error);
  }
  return status;
}

/* null for what JSON cannot say. */
static void put_number(FILE *out, double number) {
  char text[QN_NUMBER_SIZE] = "null";
  if (isfinite(number)) qn_number_spell(number, text);
  fputs(text, out);
}

static char *curve_data(const qn_curve *c) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  fputc('[', out);
  for (int64_t row = 0; row < c->rows; row++) {
    fputs(row > 0 ? ",[" : "[", out);
    for (int column = 0; column < c->columns; column++) {
      if (column > 0) fputc(',', out);
      put_number(out, c->data[row * c->columns + column]);
    }
    fputc(']', out);
  }
  fputc(']', out);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static qn_status write_curve(qn_connection *connection, int64_t analysis, int ordinal, const qn_curve *c, qn_error *error) {
  char columns[QN_CURVE_COLUMNS * 40] = "[";
  for (int i = 0; i < c->columns; i++) { /* keys of our own: letters, digits, underscores */
    size_t used = strlen(columns);
    snprintf(columns + used, sizeof columns - used, "%s\"%s\"", i > 0 ? "," : "", c->column_name[i]);
  }
  strcat(columns, "]");
  char *data = curve_data(c);
  if (data == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a curve");
  qn_params row = {0};
  qn_params_int(&row, analysis);
  qn_params_int(&row, ordinal);
  qn_params_text(&row, c->name);
  qn_params_text(&row, c->species);
  qn_params_text(&row, c->region);
  qn_params_text(&row, columns);
  qn_params_text(&row, data);
  qn_status status = qn_connection_run(connection, &curve, &row, NULL, error);
  free(data);
  return status;
}

static double finite_or_nan(double x) { return isfinite(x) ? x : (double)NAN; }

qn_status qn_rows_of_report(qn_connection *connection, const qn_rows_analysis *analysis, const qn_report *report, qn_error *error) {
  qn_status status = QN_OK;
  for (int i = 0; status == QN_OK && i < report->value_count; i++) {
    const qn_value *v = &report->values[i];
    qn_params row = {0};
    qn_params_int(&row, analysis->id);
    qn_params_int(&row, i);
    qn_params_text(&row, v->quantity);
    qn_params_text(&row, v->species);
    qn_params_text(&row, v->region);
    qn_params_text(&row, v->unit);
    qn_params_text(&row, qn_value_status_name(v->status));
    qn_params_real(&row, finite_or_nan(v->value));
    qn_params_real(&row, finite_or_nan(v->standard_error));
    qn_params_real(&row, isnan(v->temperature_k) ? analysis->temperature_k : v->temperature_k);
    qn_params_real(&row, finite_or_nan(v->window_start_ps));
    qn_params_real(&row, finite_or_nan(v->window_end_ps));
    qn_params_int(&row, v->samples);
    qn_params_text(&row, qn_version());
    qn_params_text(&row, analysis->parameters);
    qn_params_text(&row, analysis->inputs);
    status = qn_connection_run(connection, &value, &row, NULL, error);
  }
  for (int i = 0; status == QN_OK && i < report->curve_count; i++)
    status = write_curve(connection, analysis->id, i, &report->curves[i], error);
  return status;
}

/* What the engine made of a fit, as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/fit/parts.h"
#include "api/json.h"

qn_status qn_fit_run_spec(const qn_fit_spec *spec, qn_fit *fit, qn_error *error) {
  qn_fit_point *points = calloc((size_t)spec->count + 1, sizeof *points);
  if (points == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for %d points", spec->count);
  int count = 0;
  for (int i = 0; i < spec->count; i++)
    if (qn_fit_is_used(&spec->entries[i])) points[count++] = spec->entries[i].point;
  qn_status status = spec->law->fit(points, count, &spec->options, fit, error);
  free(points);
  return status;
}

static json_t *value_json(const qn_fit_value *value) {
  json_t *object = json_object();
  json_object_set_new(object, "quantity", qn_json_text(value->name));
  json_object_set_new(object, "value", qn_json_number(value->value));
  json_object_set_new(object, "standard_error", qn_json_number(value->standard_error));
  json_object_set_new(object, "bootstrap_error", qn_json_number(value->bootstrap_error));
  json_object_set_new(object, "unit", qn_json_text(value->unit));
  return object;
}

json_t *qn_fit_json(const qn_fit *fit) {
  json_t *object = json_object(), *values = json_array(), *covariance = json_object(), *names = json_array(),
         *rows = json_array();
  bool good = fit->outcome == QN_FIT_OK;
  for (int v = 0; good && v < fit->value_count; v++) json_array_append_new(values, value_json(&fit->values[v]));
  for (int a = 0; good && a < fit->parameter_count; a++) {
    json_t *row = json_array();
    json_array_append_new(names, qn_json_text(fit->values[a].name));
    for (int b = 0; b < fit->parameter_count; b++) json_array_append_new(row, qn_json_number(fit->covariance[a][b]));
    json_array_append_new(rows, row);
  }
  json_object_set_new(covariance, "quantities", names);
  json_object_set_new(covariance, "rows", rows);
  json_object_set_new(object, "status", json_string(qn_fit_outcome_name(fit->outcome)));
  json_object_set_new(object, "values", values);
  json_object_set_new(object, "covariance", good ? json_incref(covariance) : json_null());
  json_object_set_new(object, "chi_square", good ? qn_json_number(fit->chi_square) : json_null());
  json_object_set_new(object, "degrees_of_freedom", good ? json_integer(fit->degrees) : json_null());
  json_object_set_new(object, "weighted", json_boolean(fit->weighted));
  json_object_set_new(object, "points_used", json_integer(fit->points));
  json_object_set_new(object, "lowest_k", qn_json_number(fit->lowest_k));
  json_object_set_new(object, "highest_k", qn_json_number(fit->highest_k));
  json_decref(covariance);
  return object;
}

json_t *qn_fit_parameters_json(const qn_fit_spec *spec, const qn_fit *fit) {
  json_t *object = spec->parameters != NULL ? json_deep_copy(spec->parameters) : json_object();
  json_object_set_new(object, "quantity", qn_json_text(spec->quantity));
  if (spec->type[0] != '\0') json_object_set_new(object, "measured_by", qn_json_text(spec->type));
  json_object_set_new(object, "lowest_k", qn_json_number(fit->lowest_k));
  json_object_set_new(object, "highest_k", qn_json_number(fit->highest_k));
  return object;
}

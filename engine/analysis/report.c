#include "engine/analysis/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

const char *qn_value_status_name(qn_value_status status) {
  switch (status) {
    case QN_VALUE_OK: return "ok";
    case QN_VALUE_NOT_DIFFUSIVE: return "not_diffusive";
    case QN_VALUE_NOT_DECAYED: return "not_decayed";
    case QN_VALUE_TOO_FEW_SAMPLES: return "too_few_samples";
    case QN_VALUE_UNRESOLVED: return "unresolved";
    case QN_VALUE_GIVEN: return "given";
  }
  return "unknown";
}

void qn_report_fini(qn_report *report) {
  for (int c = 0; c < report->curve_count; c++) free(report->curves[c].data);
  free(report->curves);
  free(report->values);
  memset(report, 0, sizeof *report);
}

qn_value *qn_report_add_value(qn_report *report, const char *quantity, const char *unit, const char *species, const char *region, qn_error *error) {
  qn_value *larger = realloc(report->values, (size_t)(report->value_count + 1) * sizeof *larger);
  if (larger == NULL) {
    qn_error_set(error, QN_NO_MEMORY, "out of memory");
    return NULL;
  }
  report->values = larger;
  qn_value *value = &larger[report->value_count++];
  memset(value, 0, sizeof *value);
  snprintf(value->quantity, sizeof value->quantity, "%s", quantity);
  snprintf(value->unit, sizeof value->unit, "%s", unit);
  snprintf(value->species, sizeof value->species, "%s", species);
  snprintf(value->region, sizeof value->region, "%s", region);
  value->value = value->standard_error = value->window_start_ps = value->window_end_ps = value->temperature_k = NAN;
  return value;
}

qn_curve *qn_report_add_curve(qn_report *report, const char *name, const char *species, const char *region, const char *const *columns,
                              int64_t rows, qn_error *error) {
  qn_curve *larger = realloc(report->curves, (size_t)(report->curve_count + 1) * sizeof *larger);
  if (larger != NULL) report->curves = larger;
  int count = 0;
  while (columns[count] != NULL && count < QN_CURVE_COLUMNS) count++;
  double *data = qn_memory_alloc((size_t)rows * (size_t)count, sizeof *data);
  if (larger == NULL || data == NULL) {
    free(data);
    qn_error_set(error, QN_NO_MEMORY, "out of memory");
    return NULL;
  }
  qn_curve *curve = &report->curves[report->curve_count++];
  memset(curve, 0, sizeof *curve);
  snprintf(curve->name, sizeof curve->name, "%s", name);
  snprintf(curve->species, sizeof curve->species, "%s", species);
  snprintf(curve->region, sizeof curve->region, "%s", region);
  curve->columns = count;
  for (int c = 0; c < count; c++) snprintf(curve->column_name[c], sizeof curve->column_name[c], "%s", columns[c]);
  curve->rows = rows;
  curve->data = data;
  return curve;
}

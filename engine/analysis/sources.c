#include "engine/analysis/sources.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const qn_parameter_source sources[] = {
    {"q_inv_a", "structure_factor", "structure_factor_peak_wave_number"},
    {"debye_waller_a2", "debye_waller", "debye_waller_factor"},
};

const qn_parameter_source *qn_parameter_source_find(const char *parameter) {
  for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
    if (strcmp(sources[i].parameter, parameter) == 0) return &sources[i];
  return NULL;
}

bool qn_parameter_source_suits(const qn_parameter_source *source, const double *parameters) {
  const qn_analysis_type *type = qn_analysis_find(source->type);
  for (int p = 0; p < type->parameter_count; p++)
    if (strcmp(type->parameters[p].name, "layer_a") == 0 && parameters[p] > 0) return false;
  return true;
}

qn_status qn_parameter_source_judge(const qn_parameter_source *source, const qn_parameter *parameter, double value, const char *status, qn_error *error) {
  if (strcmp(status, qn_value_status_name(QN_VALUE_OK)) != 0)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: its %s has the status %s", parameter->name, source->type, source->quantity, status);
  if (!isfinite(value) || value <= 0 || value < parameter->minimum || value > parameter->maximum)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: its %s is %g, and %g to %g is accepted", parameter->name, source->type,
                        source->quantity, value, parameter->minimum, parameter->maximum);
  return QN_OK;
}

qn_status qn_parameter_source_take(const qn_parameter_source *source, const qn_parameter *parameter, const qn_report *report, const qn_value **value,
                                   qn_error *error) {
  *value = NULL;
  for (int v = 0; v < report->value_count && *value == NULL; v++)
    if (strcmp(report->values[v].quantity, source->quantity) == 0 && strcmp(report->values[v].species, "all") == 0) *value = &report->values[v];
  if (*value == NULL)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: it gave no %s", parameter->name, source->type, source->quantity);
  return qn_parameter_source_judge(source, parameter, (*value)->value, qn_value_status_name((*value)->status), error);
}

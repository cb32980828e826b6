#include "engine/analysis/feeds.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const qn_analysis_feed feeds[] = {
    {"q_inv_a", "structure_factor", "structure_factor_peak_wave_number"},
    {"debye_waller_a2", "debye_waller", "debye_waller_factor"},
};

const qn_analysis_feed *qn_analysis_feed_find(const char *parameter) {
  for (size_t i = 0; i < sizeof feeds / sizeof feeds[0]; i++)
    if (strcmp(feeds[i].parameter, parameter) == 0) return &feeds[i];
  return NULL;
}

qn_status qn_analysis_feed_judge(const qn_analysis_feed *feed, const qn_parameter *parameter, double value, const char *status, qn_error *error) {
  if (strcmp(status, qn_value_status_name(QN_VALUE_OK)) != 0)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: its %s has the status %s", parameter->name, feed->type, feed->quantity, status);
  if (!isfinite(value) || value <= 0 || value < parameter->minimum || value > parameter->maximum)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: its %s is %g, and %g to %g is accepted", parameter->name, feed->type,
                        feed->quantity, value, parameter->minimum, parameter->maximum);
  return QN_OK;
}

qn_status qn_analysis_feed_take(const qn_analysis_feed *feed, const qn_parameter *parameter, const qn_report *report, const qn_value **value,
                                qn_error *error) {
  *value = NULL;
  for (int v = 0; v < report->value_count && *value == NULL; v++)
    if (strcmp(report->values[v].quantity, feed->quantity) == 0 && strcmp(report->values[v].species, "all") == 0) *value = &report->values[v];
  if (*value == NULL)
    return qn_error_set(error, QN_UNSUPPORTED, "%s cannot be taken from %s: it gave no %s", parameter->name, feed->type, feed->quantity);
  return qn_analysis_feed_judge(feed, parameter, (*value)->value, qn_value_status_name((*value)->status), error);
}

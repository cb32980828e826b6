#include "engine/analysis/correlation.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

qn_status qn_correlation_alloc(qn_analysis **analysis, const double *parameters, int parameter_count, const qn_window_options *options,
                               void *context, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  qn_correlation *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) {
    free(context);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  self->context = context;
  memcpy(self->parameter, parameters, (size_t)parameter_count * sizeof *parameters);
  qn_window_options full = *options;
  full.layer = qn_layer_options_of(parameters);
  full.context = context;
  qn_status status = qn_window_init(&self->window, &full, input, error);
  if (status != QN_OK) {
    qn_correlation_free((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

void qn_correlation_free(qn_analysis *analysis) {
  qn_correlation *self = (qn_correlation *)analysis;
  if (self == NULL) return;
  qn_window_fini(&self->window);
  free(self->context);
  free(self);
}

qn_status qn_correlation_begin_reduce(qn_correlation *self, qn_report *report, qn_error *error) {
  memset(report, 0, sizeof *report);
  return qn_window_finish(&self->window, error);
}

const char *qn_correlation_symbol(const qn_window *window, int species) {
  if (species < 0) return "all";
  return window->species_atoms[species] > 0 ? window->species[species].symbol : NULL;
}

qn_status qn_correlation_curve(const qn_window *window, qn_report *report, const char *name, int species, const char *const columns[3],
                               qn_window_quantity quantity, void *context, qn_error *error) {
  const char *const all[] = {columns[0], columns[1], columns[2], "pairs", NULL};
  qn_curve *curve = qn_report_add_curve(report, name, qn_correlation_symbol(window, species), window->region, all, window->lag_count, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (int l = 0; l < window->lag_count; l++) {
    *(int *)context = l;
    curve->data[4 * l] = window->lag_time[l];
    curve->data[4 * l + 1] = quantity(window, context, -1, -1);
    curve->data[4 * l + 2] = qn_window_error(window, quantity, context, qn_window_level(window, window->lag_time[l]), NULL);
    qn_window_average(window, l, species, 0, -1, -1, &curve->data[4 * l + 3]);
  }
  return QN_OK;
}

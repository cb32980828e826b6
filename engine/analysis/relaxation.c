/* Self-intermediate scattering function and relaxation time, by species and for all; their definitions and statuses are in decay.h. */
#include "engine/analysis/correlation.h"
#include "engine/analysis/decay.h"
#include "engine/analysis/types.h"

enum { Q = QN_LAYER_COUNT, MAX_LAG, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"q_inv_a", "wave number, by default the paper's: the maximum of the structure factor of Cu50Zr50", 2.7, 0.01, 100, false, NULL},
    {"max_lag_ps", "longest lag of the scattering function; by default a quarter of the run", 0, 0, 1e9, true, NULL},
};

static qn_window_options options_of(const double *values) {
  return (qn_window_options){
      .longest = values[MAX_LAG], .moments = 1, .kernel = values[QN_LAYER_THICKNESS] > 0 ? qn_decay_in_plane : qn_decay_in_space};
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  qn_window_options options = options_of(values);
  return qn_window_check(&options, prospect, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  qn_decay_wave *wave = qn_decay_wave_alloc(values[Q], values[QN_LAYER_THICKNESS] > 0);
  if (wave == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_window_options options = options_of(values);
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, wave, input, error);
}

typedef struct at {
  int lag, species;
} at;

static double scattering(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, a->lag, a->species, 0, level, without, NULL);
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[3] = {"lag_ps", "f_s", "standard_error"};
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  for (int species = QN_WINDOW_ALL; status == QN_OK && species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol == NULL) continue;
    qn_value *value = qn_report_add_value(report, "relaxation_time", "ps", symbol, window->region, error);
    if (value == NULL) {
      status = QN_NO_MEMORY;
      break;
    }
    qn_decay_measure(window, species, 0, value);
    status = qn_correlation_curve(window, report, "self_intermediate_scattering", species, columns, scattering, &(at){0, species}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"relaxation_time", NULL};

const qn_analysis_type qn_relaxation = {.name = "relaxation",
                                        .meaning = "self-intermediate scattering function and relaxation time, by species and for all",
                                        .parameter_count = PARAMETERS,
                                        .parameters = parameters,
                                        .quantities = quantities,
                                        .sampling = QN_SAMPLING_FINEST,
                                        .displacements = true,
                                        .layered = true,
                                        .check = check,
                                        .alloc = alloc,
                                        .reduce = reduce,
                                        .free = qn_correlation_free};

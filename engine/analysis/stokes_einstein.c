/* Diffusion coefficient, relaxation time and their product from one set of frames, by species and for all: D tau_alpha is constant where the relation of
 * Stokes and Einstein holds, and grows where the motion is heterogeneous (paper, section III.2).
 *
 * D is that of slope.h, tau_alpha that of decay.h; the error of the product is a jackknife of its own, as both come from the same motion.
 * The product has the status of whichever of the two is not ok. */
#include <math.h>
#include <stdlib.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/decay.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { Q = QN_LAYER_COUNT, MAX_LAG, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"q_inv_a", "wave number of the relaxation time", 2.7, 0.01, 100, false, NULL},
    {"max_lag_ps", "longest lag; by default a quarter of the run", 0, 0, 1e9, true, NULL},
};
enum { SQUARE, WAVE, MOMENTS };

static void in_space(const void *context, const double *square, const double *weight, double *sums) {
  qn_slope_kernel(NULL, square, weight, sums + SQUARE);
  qn_decay_in_space(context, square, weight, sums + WAVE);
}

static void in_plane(const void *context, const double *square, const double *weight, double *sums) {
  qn_slope_kernel(NULL, square, weight, sums + SQUARE);
  qn_decay_in_plane(context, square, weight, sums + WAVE);
}

static qn_window_options options_of(const double *values) {
  return (qn_window_options){
      .longest = values[MAX_LAG], .moments = MOMENTS, .kernel = values[QN_LAYER_THICKNESS] > 0 ? in_plane : in_space};
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

typedef struct both {
  qn_slope_line line;
  qn_decay_crossing crossing;
} both;

/* m2: D in m2/s times tau in s. */
static double product(const qn_window *window, const void *context, int level, int without) {
  const both *b = context;
  double d = qn_slope_fit(window, &b->line, level, without) * QN_A2_PS_M2_S / (2 * window->dimensions);
  return d * qn_decay_time(window, &b->crossing, level, without) * 1e-12;
}

static qn_status report_species(const qn_window *window, int species, const char *symbol, qn_report *report, qn_error *error) {
  qn_value *added = qn_report_add_value(report, "diffusion_coefficient", "m2/s", symbol, window->region, error);
  if (added == NULL) return QN_NO_MEMORY;
  qn_slope_options options = {.species = species, .moment = SQUARE, .cage_square = qn_slope_cage(window)};
  both b = {.line = {&options, 0, 0}, .crossing = {species, WAVE, 0}};
  qn_slope_measure(window, &options, added, &b.line);
  qn_value d = *added;
  added = qn_report_add_value(report, "relaxation_time", "ps", symbol, window->region, error);
  if (added == NULL) return QN_NO_MEMORY;
  qn_decay_measure(window, species, WAVE, added);
  qn_value tau = *added;
  added = qn_report_add_value(report, "stokes_einstein_product", "m2", symbol, window->region, error);
  if (added == NULL) return QN_NO_MEMORY;
  added->value = d.value * tau.value * 1e-12;
  added->status = d.status != QN_VALUE_OK ? d.status : tau.status;
  added->window_start_ps = fmin(d.window_start_ps, tau.window_start_ps);
  added->window_end_ps = fmax(d.window_end_ps, tau.window_end_ps);
  if (added->status != QN_VALUE_OK) return QN_OK;
  b.crossing.last = 0;
  while (window->lag_time[b.crossing.last] < tau.window_end_ps) b.crossing.last++;
  added->standard_error = qn_window_error(window, product, &b, qn_window_level(window, added->window_end_ps), &added->samples);
  if (added->samples == 0) added->status = QN_VALUE_TOO_FEW_SAMPLES;
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  for (int species = QN_WINDOW_ALL; status == QN_OK && species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol != NULL) status = report_species(window, species, symbol, report, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"diffusion_coefficient", "relaxation_time", "stokes_einstein_product", NULL};

const qn_analysis_type qn_stokes_einstein = {.name = "stokes_einstein",
                                             .meaning = "diffusion coefficient times relaxation time, by species and for all",
                                             .parameter_count = PARAMETERS,
                                             .parameters = parameters,
                                             .quantities = quantities,
                                             .sampling = QN_SAMPLING_LONGEST,
                                             .displacements = true,
                                             .layered = true,
                                             .check = check,
                                             .alloc = alloc,
                                             .reduce = reduce,
                                             .free = qn_correlation_free};

/* Mean-squared displacement and diffusion coefficient, by species and for all.
 *
 *   MSD(t) = < |r(t0 + t) - r(t0)|^2 >,  D = slope / 6   (paper, equation 1; the fit's rule is in slope.h) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/analysis.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/report.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

typedef struct diffusion {
  qn_window window;
  double fit_start, fit_end; /* ps, 0: by the rule */
  const char *region;
} diffusion;

enum { MAX_LAG, FIT_START, FIT_END, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"max_lag_ps", "longest lag of the mean-squared displacement; by default a quarter of the run", 0, 0, 1e9, true},
    {"fit_start_ps", "first lag of the linear fit; by default the first that is out of the cage and diffusive", 0, 0, 1e9, true},
    {"fit_end_ps", "last lag of the linear fit; by default five times the first, at most 1/16 of the run", 0, 0, 1e9, true},
};

QN_KERNEL static void kernel(const void *context, const double *now, const double *then, const double *weight, double *sums) {
  (void)context;
  double square[QN_WINDOW_CHUNK];
  qn_kernel_square(now, then, square);
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) square[i] *= weight[i];
  sums[0] += qn_kernel_sum(square);
}

static void release(qn_analysis *analysis) {
  diffusion *self = (diffusion *)analysis;
  if (self == NULL) return;
  qn_window_fini(&self->window);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  if (values[FIT_END] > 0 && !(values[FIT_START] < values[FIT_END]))
    return qn_error_set(error, QN_INVALID, "fit_start_ps must lie before fit_end_ps");
  diffusion *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->fit_start = values[FIT_START];
  self->fit_end = values[FIT_END];
  qn_window_options options = {
      .frames = frames, .interval = interval, .longest = values[MAX_LAG], .moments = 1, .kernel = kernel, .threads = threads};
  qn_status status = qn_window_init(&self->window, &options, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  diffusion *self = (diffusion *)analysis;
  if (self->region == NULL) self->region = qn_vacuum_region(frame);
  return qn_window_accumulate(&self->window, frame, error);
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"lag_ps", "msd_a2", "standard_error_a2", NULL};
  diffusion *self = (diffusion *)analysis;
  const qn_window *window = &self->window;
  memset(report, 0, sizeof *report);
  qn_status status = qn_window_finish(&self->window, error);
  if (status != QN_OK) return status;
  for (int species = QN_WINDOW_ALL; species < window->species_count; species++) {
    const char *symbol = species < 0 ? "all" : window->species[species].symbol;
    if (species >= 0 && window->species_atoms[species] == 0) continue;
    qn_value *value = qn_report_add_value(report, "diffusion_coefficient", "m2/s", symbol, self->region, error);
    qn_curve *curve = qn_report_add_curve(report, "mean_squared_displacement", symbol, self->region, columns, window->lag_count, error);
    if (value == NULL || curve == NULL) {
      qn_report_fini(report);
      return QN_NO_MEMORY;
    }
    qn_slope_measure(window,
                     &(qn_slope_options){.species = species,
                                         .dimensions = 3,
                                         .cage_square = qn_slope_cage(window),
                                         .start = self->fit_start,
                                         .end = self->fit_end},
                     value);
    for (int l = 0; l < window->lag_count; l++) {
      curve->data[3 * l] = window->lag_time[l];
      curve->data[3 * l + 1] = qn_window_average(window, l, species, 0, -1, -1, NULL);
      curve->data[3 * l + 2] = qn_window_average_error(window, l, species, 0);
    }
  }
  return QN_OK;
}

const qn_analysis_type qn_diffusion = {
    "diffusion", "mean-squared displacement and diffusion coefficient, by species and for all", PARAMETERS, parameters, alloc, accumulate, reduce, release};

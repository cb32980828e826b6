/* Self-intermediate scattering function and relaxation time, by species and for all.
 *
 *   F_s(q, t) = < sin(q r) / (q r) >,  r = |r(t0 + t) - r(t0)|: the average over all directions of q of the paper's exp(i q r)
 *   F_s(q, tau_alpha) = 1/e, between lags a line in ln(-ln F_s) against ln t (exact for a stretched exponential)
 *
 * Status: ok; not_decayed when F_s stays above 1/e up to the longest lag; unresolved when it is below 1/e at the first lag already;
 * too_few_samples when tau_alpha is longer than 1/16 of the run, so that it has a value but no error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/analysis.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

typedef struct relaxation {
  qn_window window;
  double q; /* 1/A */
  const char *region;
} relaxation;

enum { Q, MAX_LAG, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"q_inv_a", "wave number, by default the paper's: the maximum of the structure factor of Cu50Zr50", 2.7, 0.01, 100, false},
    {"max_lag_ps", "longest lag of the scattering function; by default a quarter of the run", 0, 0, 1e9, true},
};

QN_KERNEL static void kernel(const void *context, const double *now, const double *then, const double *weight, double *sums) {
  double q = *(const double *)context, term[QN_WINDOW_CHUNK];
  qn_kernel_square(now, then, term);
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * qn_kernel_sinc(q * sqrt(term[i]));
  sums[0] += qn_kernel_sum(term);
}

static void release(qn_analysis *analysis) {
  relaxation *self = (relaxation *)analysis;
  if (self == NULL) return;
  qn_window_fini(&self->window);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  relaxation *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->q = values[Q];
  qn_window_options options = {.frames = frames,
                               .interval = interval,
                               .longest = values[MAX_LAG],
                               .moments = 1,
                               .kernel = kernel,
                               .context = &self->q,
                               .threads = threads};
  qn_status status = qn_window_init(&self->window, &options, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  relaxation *self = (relaxation *)analysis;
  if (self->region == NULL) self->region = qn_vacuum_region(frame);
  return qn_window_accumulate(&self->window, frame, error);
}

typedef struct crossing {
  int species;
  int last; /* lag that F_s is followed to */
} crossing;

/* tau_alpha, ps; NAN when F_s does not cross 1/e. Averages can rise above 1/e again by noise: the first crossing counts. */
static double decay_time(const qn_window *window, const void *context, int level, int without) {
  const crossing *c = context;
  double below = exp(-1), before = 1;
  for (int l = 0; l <= c->last; l++) {
    double f = qn_window_average(window, l, c->species, 0, level, without, NULL);
    if (f <= below) {
      if (l == 0) return NAN;
      double t0 = log(window->lag_time[l - 1]), t1 = log(window->lag_time[l]);
      /* F_s <= 0 has no logarithm: then a straight line in F_s. */
      if (!(f > 0)) return window->lag_time[l - 1] + (before - below) / (before - f) * (window->lag_time[l] - window->lag_time[l - 1]);
      double u0 = log(-log(before)), u1 = log(-log(f));
      return exp(t0 + (0 - u0) / (u1 - u0) * (t1 - t0));
    }
    before = f;
  }
  return NAN;
}

static void measure(const qn_window *window, int species, qn_value *value) {
  crossing c = {species, window->lag_count - 1};
  double first = qn_window_average(window, 0, species, 0, -1, -1, NULL);
  value->window_start_ps = window->lag_time[0];
  value->window_end_ps = window->lag_time[c.last];
  value->value = decay_time(window, &c, -1, -1);
  if (!isfinite(value->value)) {
    value->status = first <= exp(-1) ? QN_VALUE_UNRESOLVED : QN_VALUE_NOT_DECAYED;
    return;
  }
  /* One lag further than the crossing: the segments cross a little earlier or later. */
  while (c.last > 0 && window->lag_time[c.last - 1] > value->value) c.last--;
  int level = qn_window_level(window, window->lag_time[c.last]);
  if (c.last + 1 < window->lag_count) c.last++;
  value->window_start_ps = window->lag_time[c.last > 1 ? c.last - 2 : 0];
  value->window_end_ps = window->lag_time[c.last];
  value->standard_error = qn_window_error(window, decay_time, &c, level, &value->samples);
  value->status = value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"lag_ps", "f_s", "standard_error", NULL};
  relaxation *self = (relaxation *)analysis;
  const qn_window *window = &self->window;
  memset(report, 0, sizeof *report);
  qn_status status = qn_window_finish(&self->window, error);
  if (status != QN_OK) return status;
  for (int species = QN_WINDOW_ALL; species < window->species_count; species++) {
    const char *symbol = species < 0 ? "all" : window->species[species].symbol;
    if (species >= 0 && window->species_atoms[species] == 0) continue;
    qn_value *value = qn_report_add_value(report, "relaxation_time", "ps", symbol, self->region, error);
    qn_curve *curve = qn_report_add_curve(report, "self_intermediate_scattering", symbol, self->region, columns, window->lag_count, error);
    if (value == NULL || curve == NULL) {
      qn_report_fini(report);
      return QN_NO_MEMORY;
    }
    measure(window, species, value);
    for (int l = 0; l < window->lag_count; l++) {
      curve->data[3 * l] = window->lag_time[l];
      curve->data[3 * l + 1] = qn_window_average(window, l, species, 0, -1, -1, NULL);
      curve->data[3 * l + 2] = qn_window_average_error(window, l, species, 0);
    }
  }
  return QN_OK;
}

const qn_analysis_type qn_relaxation = {"relaxation", "self-intermediate scattering function and relaxation time, by species and for all",
                                        PARAMETERS,   parameters, alloc, accumulate, reduce, release};

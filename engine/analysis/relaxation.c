/* Self-intermediate scattering function and relaxation time, by species and for all.
 *
 *   F_s(q, t) = < sin(q r) / (q r) >,  r = |r(t0 + t) - r(t0)|: the average over all directions of q of the paper's exp(i q r);
 *   in a layer < J0(q r) >: the average over directions in the plane
 *   F_s(q, tau_alpha) = 1/e, between lags a line in ln(-ln F_s) against ln t (exact for a stretched exponential)
 *
 * Status: ok; not_decayed when F_s stays above 1/e up to the longest lag; unresolved when it is below 1/e at the first lag already;
 * too_few_samples when tau_alpha is longer than 1/16 of the run, so that it has a value but no error. */
#include <math.h>

#include "engine/analysis/bessel.h"
#include "engine/analysis/correlation.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"

enum { Q = QN_LAYER_COUNT, MAX_LAG, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"q_inv_a", "wave number, by default the paper's: the maximum of the structure factor of Cu50Zr50", 2.7, 0.01, 100, false},
    {"max_lag_ps", "longest lag of the scattering function; by default a quarter of the run", 0, 0, 1e9, true},
};

typedef struct wave {
  double q;         /* 1/A */
  qn_bessel bessel; /* filled for layers alone */
} wave;

QN_KERNEL static void in_space(const void *context, const double *now, const double *then, const double *weight, double *sums) {
  double q = ((const wave *)context)->q, term[QN_WINDOW_CHUNK];
  qn_kernel_square(now, then, term);
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * qn_kernel_sinc(q * sqrt(term[i]));
  sums[0] += qn_kernel_sum(term);
}

QN_KERNEL static void in_plane(const void *context, const double *now, const double *then, const double *weight, double *sums) {
  const wave *w = context;
  double term[QN_WINDOW_CHUNK], largest = 0;
  qn_kernel_square(now, then, term);
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] > 0 ? w->q * sqrt(term[i]) : 0;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) largest = term[i] > largest ? term[i] : largest;
  if (largest < QN_BESSEL_END) {
    for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * qn_bessel_j0(&w->bessel, term[i]);
  } else {
    for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * j0(term[i]);
  }
  sums[0] += qn_kernel_sum(term);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  wave *w = qn_memory_alloc(1, sizeof *w);
  if (w == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  w->q = values[Q];
  bool layered = values[QN_LAYER_THICKNESS] > 0;
  if (layered) qn_bessel_fill(&w->bessel);
  qn_window_options options = {.frames = frames,
                               .interval = interval,
                               .longest = values[MAX_LAG],
                               .moments = 1,
                               .kernel = layered ? in_plane : in_space,
                               .threads = threads};
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, w, error);
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

typedef struct at {
  int lag, species;
} at;

static double scattering(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, a->lag, a->species, 0, level, without, NULL);
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"lag_ps", "f_s", "standard_error", NULL};
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
    measure(window, species, value);
    status = qn_correlation_curve(window, report, "self_intermediate_scattering", symbol, columns, scattering, &(at){0, species}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

const qn_analysis_type qn_relaxation = {"relaxation",
                                        "self-intermediate scattering function and relaxation time, by species and for all",
                                        PARAMETERS,
                                        parameters,
                                        alloc,
                                        qn_correlation_accumulate,
                                        reduce,
                                        qn_correlation_free};

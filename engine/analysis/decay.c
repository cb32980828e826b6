#include "engine/analysis/decay.h"

#include <math.h>

#include "engine/analysis/bessel.h"
#include "engine/analysis/kernel.h"
#include "engine/base/memory.h"

struct qn_decay_wave {
  double q;         /* 1/A */
  qn_bessel bessel; /* filled for layers alone */
};

qn_decay_wave *qn_decay_wave_alloc(double q, bool planar) {
  qn_decay_wave *wave = qn_memory_alloc(1, sizeof *wave);
  if (wave == NULL) return NULL;
  wave->q = q;
  if (planar) qn_bessel_fill(&wave->bessel);
  return wave;
}

QN_KERNEL void qn_decay_in_space(const void *context, const double *square, const double *weight, double *sums) {
  double q = ((const qn_decay_wave *)context)->q, term[QN_WINDOW_CHUNK];
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * qn_kernel_sinc(q * sqrt(square[i]));
  sums[0] += qn_kernel_sum(term);
}

QN_KERNEL void qn_decay_in_plane(const void *context, const double *square, const double *weight, double *sums) {
  const qn_decay_wave *w = context;
  double term[QN_WINDOW_CHUNK], largest = 0;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] > 0 ? w->q * sqrt(square[i]) : 0;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) largest = term[i] > largest ? term[i] : largest;
  if (largest < QN_BESSEL_END) {
    for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * qn_bessel_j0(&w->bessel, term[i]);
  } else {
    for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = weight[i] * j0(term[i]);
  }
  sums[0] += qn_kernel_sum(term);
}

/* Averages can rise above 1/e again by noise: the first crossing counts. */
double qn_decay_time(const qn_window *window, const void *crossing, int level, int without) {
  const qn_decay_crossing *c = crossing;
  double below = exp(-1), before = 1;
  for (int l = 0; l <= c->last; l++) {
    double f = qn_window_average(window, l, c->species, c->moment, level, without, NULL);
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

void qn_decay_measure(const qn_window *window, int species, int moment, qn_value *value) {
  qn_decay_crossing c = {species, moment, window->lag_count - 1};
  double first = qn_window_average(window, 0, species, moment, -1, -1, NULL);
  value->window_start_ps = window->lag_time[0];
  value->window_end_ps = window->lag_time[c.last];
  value->value = qn_decay_time(window, &c, -1, -1);
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
  value->standard_error = qn_window_error(window, qn_decay_time, &c, level, &value->samples);
  value->status = value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

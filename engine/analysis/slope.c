#include "engine/analysis/slope.h"

#include <math.h>
#include <stddef.h>

#include "engine/analysis/kernel.h"
#include "engine/base/units.h"

enum { FEWEST_LAGS = 4, SEGMENT_SHARE = 16 };
static const double EXPONENT_BOUND = 0.1, EXPONENT_LIMIT = 0.2, LONGEST_WINDOW = 5;

QN_KERNEL void qn_slope_kernel(const void *context, const double *square, const double *weight, double *sums) {
  (void)context;
  double term[QN_WINDOW_CHUNK];
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) term[i] = square[i] * weight[i];
  sums[0] += qn_kernel_sum(term);
}

double qn_slope_cage(const qn_window *window) {
  double a = cbrt(window->volume / (double)window->atoms);
  return a * a / 4 * window->dimensions / 3;
}

static double msd(const qn_window *window, const qn_slope_options *options, int lag, int level, int without) {
  return qn_window_average(window, lag, options->species, options->moment, level, without, NULL);
}

double qn_slope_fit(const qn_window *window, const void *line, int level, int without) {
  const qn_slope_line *l = line;
  double w = 0, wt = 0, wy = 0, wtt = 0, wty = 0, scale = window->lag_time[l->first];
  for (int i = l->first; i <= l->last; i++) {
    double t = window->lag_time[i] / scale, y = msd(window, l->options, i, level, without), weight = 1 / (t * t * t);
    w += weight;
    wt += weight * t;
    wy += weight * y;
    wtt += weight * t * t;
    wty += weight * t * y;
  }
  return (w * wty - wt * wy) / (w * wtt - wt * wt) / scale;
}

/* The lag nearest to half of lag i. */
static int half_of(const qn_window *window, int i) {
  int h = i - 1;
  while (h > 0 && fabs(window->lag_time[h - 1] - window->lag_time[i] / 2) <= fabs(window->lag_time[h] - window->lag_time[i] / 2)) h--;
  return h;
}

static double exponent(const qn_window *window, const void *context, int level, int without) {
  const qn_slope_line *l = context;
  double ratio = msd(window, l->options, l->last, level, without) / msd(window, l->options, l->first, level, without);
  return log(ratio) / log(window->lag_time[l->last] / window->lag_time[l->first]);
}

/* Is the motion diffusive between two lags? */
static bool diffusive(const qn_window *window, const qn_slope_options *options, int from, int to) {
  qn_slope_line l = {options, from, to};
  double off = fabs(exponent(window, &l, -1, -1) - 1);
  if (off <= EXPONENT_BOUND) return true;
  if (!(off <= EXPONENT_LIMIT)) return false;
  double error = qn_window_error(window, exponent, &l, qn_window_level(window, window->lag_time[to]), NULL);
  return off <= 2 * error;
}

/* First lag from which on all lags up to `last` are out of the cage and diffusive; last + 1 when there is none. */
static int first_diffusive(const qn_window *window, const qn_slope_options *options, int last) {
  int first = last + 1;
  for (int i = last; i >= 1; i--) {
    int half = half_of(window, i);
    if (!(msd(window, options, half, -1, -1) >= options->cage_square) || !diffusive(window, options, half, i)) break;
    first = half;
  }
  return first;
}

/* Did the atoms leave the cage within the last octave of lags? Then no lag tells whether they diffuse. */
static bool left_last(const qn_window *window, const qn_slope_options *options, int last) {
  return last > 0 && msd(window, options, last, -1, -1) >= options->cage_square &&
         !(msd(window, options, half_of(window, last), -1, -1) >= options->cage_square);
}

void qn_slope_measure(const qn_window *window, const qn_slope_options *options, qn_value *value, qn_slope_line *line) {
  double safe = (double)window->frames_seen * window->interval / SEGMENT_SHARE * (1 + 1e-9);
  double end = options->end > 0 ? options->end * (1 + 1e-9) : safe;
  int longest = window->lag_count - 1, last = longest;
  while (longest > 0 && window->lag[longest] >= window->frames_seen) longest--;
  if (last > longest) last = longest;
  while (last > 0 && window->lag_time[last] > end) last--;

  qn_slope_line l = {options, 0, last};
  bool good;
  if (options->start > 0) {
    while (l.first < last && window->lag_time[l.first] < options->start * (1 - 1e-9)) l.first++;
    good = l.first < last && diffusive(window, options, l.first, last);
  } else {
    l.first = first_diffusive(window, options, last);
    while (options->end <= 0 && l.last - l.first >= FEWEST_LAGS && window->lag_time[l.last] > LONGEST_WINDOW * window->lag_time[l.first]) l.last--;
    good = l.first <= last;
  }
  bool wide = good && l.last - l.first + 1 >= FEWEST_LAGS && window->lag_time[l.last] >= 2 * window->lag_time[l.first] * (1 - 1e-9);
  value->status = QN_VALUE_OK;
  if (!wide) {
    /* Say whether a longer run would do: is the motion diffusive at lags too long for an error? */
    int late = first_diffusive(window, options, longest);
    bool longer = late <= longest || left_last(window, options, longest);
    value->status = longer && (good || options->start <= 0) ? QN_VALUE_TOO_FEW_SAMPLES : QN_VALUE_NOT_DIFFUSIVE;
    if (value->status == QN_VALUE_NOT_DIFFUSIVE) return;
    l = (qn_slope_line){options, late, longest};
    if (longest - late + 1 < 2) return;
  }
  double to_d = QN_A2_PS_M2_S / (2 * window->dimensions);
  value->window_start_ps = window->lag_time[l.first];
  value->window_end_ps = window->lag_time[l.last];
  if (line != NULL) *line = l;
  value->value = qn_slope_fit(window, &l, -1, -1) * to_d;
  if (value->status != QN_VALUE_OK) return;
  value->standard_error = qn_window_error(window, qn_slope_fit, &l, qn_window_level(window, value->window_end_ps), &value->samples) * to_d;
  if (value->samples == 0) value->status = QN_VALUE_TOO_FEW_SAMPLES;
}

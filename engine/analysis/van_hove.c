/* Self part of the van Hove function at one lag, by species and for all: the distribution of displacements.
 *
 *   p(r) dr = share of displacements between r and r + dr: 4 pi r^2 G_s(r,t) dr in space, 2 pi r G_s(r,t) dr in the plane of a layer
 *
 * The first minimum parts atoms that stayed from atoms that jumped (paper: 1.8 A). It is the lowest place of p, smoothed over five bins, between
 * its highest maximum and the highest place after it, refined by a parabola; it counts when the maximum after it stands out by
 * more than two standard errors. Status: ok; unresolved when no second maximum stands out; too_few_samples when the lag is longer
 * than 1/16 of the run, so that nothing has an error. */
#include <math.h>
#include <stdlib.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"

enum { LAG = QN_LAYER_COUNT, BIN, LONGEST, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"lag_ps", "the lag; by default 1/16 of the run", 0, 0, 1e9, true},
    {"bin_a", "width of the bins of displacement", 0.05, 0.001, 10, false},
    {"longest_a", "longest displacement that is counted; all count in the normalisation", 10, 0.1, 1000, false},
};
enum { MAX_BINS = 4096, SMOOTH = 2 };

typedef struct bins {
  double width;
  int count;
} bins;

static void kernel(const void *context, const double *now, const double *then, const double *weight, double *sums) {
  const bins *b = context;
  double square[QN_WINDOW_CHUNK], inverse = 1 / b->width;
  qn_kernel_square(now, then, square);
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) square[i] = sqrt(square[i]) * inverse;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++)
    if (square[i] < b->count) sums[(int)square[i]] += weight[i];
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  double lag = values[LAG] > 0 ? round(values[LAG] / interval) : floor((double)frames / 16);
  int64_t samples = lag < 1 ? 1 : lag < (double)frames ? (int64_t)lag : frames;
  if (values[LONGEST] / values[BIN] > MAX_BINS)
    return qn_error_set(error, QN_INVALID, "longest_a / bin_a asks for more than %d bins", MAX_BINS);
  bins *b = qn_memory_alloc(1, sizeof *b);
  if (b == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  *b = (bins){values[BIN], (int)ceil(values[LONGEST] / values[BIN] - 1e-9)};
  qn_window_options options = {.frames = frames,
                               .interval = interval,
                               .lags = &samples,
                               .lag_count = 1,
                               .moments = b->count,
                               .kernel = kernel,
                               .threads = threads};
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, b, error);
}

typedef struct at {
  const bins *bins;
  int species, bin;
  int left, right; /* of the minimum: the maxima on both sides */
} at;

/* 1/A */
static double density(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, 0, a->species, a->bin, level, without, NULL) / a->bins->width;
}

static double smooth(const qn_window *window, const void *context, int level, int without) {
  at a = *(const at *)context;
  double sum = 0;
  int first = a.bin - SMOOTH < 0 ? 0 : a.bin - SMOOTH, last = a.bin + SMOOTH >= a.bins->count ? a.bins->count - 1 : a.bin + SMOOTH;
  for (a.bin = first; a.bin <= last; a.bin++) sum += density(window, &a, level, without);
  return sum / (last - first + 1);
}

static double minimum(const qn_window *window, const void *context, int level, int without) {
  at a = *(const at *)context;
  int lowest = a.left;
  double depth = INFINITY;
  for (a.bin = a.left; a.bin <= a.right; a.bin++) {
    double here = smooth(window, &a, level, without);
    if (here < depth) {
      depth = here;
      lowest = a.bin;
    }
  }
  if (lowest == a.left || lowest == a.right) return NAN;
  /* Over a stencil as wide as the smoothing. */
  double y[3];
  for (int k = 0; k < 3; k++) {
    a.bin = lowest + (k - 1) * SMOOTH;
    y[k] = smooth(window, &a, level, without);
  }
  double curve = y[0] - 2 * y[1] + y[2], shift = curve > 0 ? 0.5 * (y[0] - y[2]) / curve : 0;
  return a.bins->width * (lowest + 0.5 + SMOOTH * fmin(fmax(shift, -1), 1));
}

/* The main maximum, and the deepest valley that has a maximum after it standing out by two errors of their difference. */
static bool find_maxima(const qn_window *window, at *a, int level) {
  int main_bin = SMOOTH, count = a->bins->count;
  double *p = qn_memory_alloc((size_t)count, sizeof *p), *error = qn_memory_alloc((size_t)count, sizeof *error);
  bool found = false;
  if (p != NULL && error != NULL) {
    for (a->bin = 0; a->bin < count; a->bin++) {
      p[a->bin] = smooth(window, a, -1, -1);
      error[a->bin] = qn_window_error(window, smooth, a, level, NULL);
      if (p[a->bin] > p[main_bin]) main_bin = a->bin;
    }
    double best = 0;
    int lowest = main_bin;
    for (int b = main_bin + 1; b < count; b++) {
      if (p[b] < p[lowest]) lowest = b;
      double rise = p[b] - p[lowest];
      if (rise > best && !(rise < 2 * hypot(error[b], error[lowest])) && lowest > main_bin) {
        best = rise;
        a->left = main_bin;
        a->right = b;
        found = true;
      }
    }
  }
  free(p);
  free(error);
  return found;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  const bins *b = self->context;
  const char *columns[] = {"displacement_a", window->dimensions == 3 ? "4_pi_r2_g_s_inv_a" : "2_pi_r_g_s_inv_a", "standard_error_inv_a", NULL};
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  if (status != QN_OK) return status;
  int level = qn_window_level(window, window->lag_time[0]);
  for (int species = QN_WINDOW_ALL; species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol == NULL) continue;
    qn_value *value = qn_report_add_value(report, "van_hove_first_minimum", "A", symbol, window->region, error);
    qn_curve *curve = qn_report_add_curve(report, "van_hove_self", symbol, window->region, columns, b->count, error);
    if (value == NULL || curve == NULL) {
      qn_report_fini(report);
      return QN_NO_MEMORY;
    }
    at a = {.bins = b, .species = species};
    value->window_start_ps = value->window_end_ps = window->lag_time[0];
    value->status = QN_VALUE_UNRESOLVED;
    if (find_maxima(window, &a, level)) {
      value->value = minimum(window, &a, -1, -1);
      value->standard_error = qn_window_error(window, minimum, &a, level, &value->samples);
      value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
    }
    for (a.bin = 0; a.bin < b->count; a.bin++) {
      curve->data[3 * a.bin] = b->width * (a.bin + 0.5);
      curve->data[3 * a.bin + 1] = density(window, &a, -1, -1);
      curve->data[3 * a.bin + 2] = qn_window_error(window, density, &a, level, NULL);
    }
  }
  return QN_OK;
}

static const char *const quantities[] = {"van_hove_first_minimum", NULL};

const qn_analysis_type qn_van_hove = {"van_hove",
                                      "self part of the van Hove function at one lag and its first minimum, by species and for all",
                                      PARAMETERS,
                                      parameters,
                                      alloc,
                                      qn_correlation_accumulate,
                                      reduce,
                                      qn_correlation_free,
                                      .quantities = quantities,
                                      .fixed_box = true};

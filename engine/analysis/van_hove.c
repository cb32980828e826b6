/* Self part of the van Hove function at one lag, by species and for all: the distribution of displacements.
 *
 *   p(r) dr = share of displacements between r and r + dr: 4 pi r^2 G_s(r,t) dr in space, 2 pi r G_s(r,t) dr in the plane of a layer
 *
 * The first minimum parts atoms that stayed from atoms that jumped (paper: 1.8 A). It is the lowest place of p, smoothed over five bins, between
 * its highest maximum and the highest place after it that stands out: by five standard errors of the difference of the two (which must
 * have an error that is not zero: a bin that no segment of the run has seen tells nothing) and by 1e-3 of the maximum. Five, as the place is the
 * best of some dozens: at three, free walkers have a minimum in 2 to 4 of 100 draws, at five in less than one. It is refined by a
 * parabola; where p is lowest over several bins, as where no atom ever is, it is their middle. The width of those bins goes into the error,
 * as width / sqrt(12), beside the jackknife.
 *
 * Status: ok; unresolved when no second maximum stands out; too_few_samples when the lag is longer than 1/16 of the run, so that nothing
 * has an error, and nothing can be said to stand out. */
#include <math.h>
#include <stdlib.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"

enum { LAG = QN_LAYER_COUNT, BIN, LONGEST, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"lag_ps", "the lag; by default 1/16 of the run, or what fits in memory", 0, 0, 1e9, true, NULL},
    {"bin_a", "width of the bins of displacement", 0.05, 0.001, 10, false, NULL},
    {"longest_a", "longest displacement that is counted; all count in the normalisation", 10, 0.1, 1000, false, NULL},
};
enum { MAX_BINS = 4096, SMOOTH = 2 };
static const double STAND_OUT = 5, FLOOR = 1e-3;

typedef struct bins {
  double width;
  int count;
} bins;

static void kernel(const void *context, const double *square, const double *weight, double *sums) {
  const bins *b = context;
  double at[QN_WINDOW_CHUNK], inverse = 1 / b->width;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) at[i] = sqrt(square[i]) * inverse;
  for (int i = 0; i < QN_WINDOW_CHUNK; i++)
    if (at[i] < b->count) sums[(int)at[i]] += weight[i];
}

static bins bins_of(const double *values) { return (bins){values[BIN], (int)fmin(ceil(values[LONGEST] / values[BIN] - 1e-9), 1e9)}; }

static qn_window_options options_of(const double *values, const qn_analysis_prospect *prospect) {
  double samples = floor((double)prospect->frames / 16), reach = prospect->atoms > 0 ? (double)qn_history_reach(prospect->atoms) : samples;
  double usual = fmin(samples, reach) * prospect->interval;
  return (qn_window_options){.single = values[LAG] > 0 ? values[LAG] : fmax(usual, prospect->interval), .moments = bins_of(values).count, .kernel = kernel};
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  if (bins_of(values).count > MAX_BINS) return qn_error_set(error, QN_INVALID, "longest_a / bin_a asks for more than %d bins", MAX_BINS);
  qn_window_options options = options_of(values, prospect);
  return qn_window_check(&options, prospect, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  bins *b = qn_memory_alloc(1, sizeof *b);
  if (b == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  *b = bins_of(values);
  qn_window_options options = options_of(values, &input->prospect);
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, b, input, error);
}

typedef struct at {
  const bins *bins;
  int species, bin;
  int left, right; /* of the minimum: the maxima on both sides; of a rise: its ends */
} at;

/* 1/A */
static double density(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, 0, a->species, a->bin, level, without, NULL) / a->bins->width;
}

static double smooth(const qn_window *window, at a, int bin, int level, int without) {
  double sum = 0;
  int first = bin - SMOOTH < 0 ? 0 : bin - SMOOTH, last = bin + SMOOTH >= a.bins->count ? a.bins->count - 1 : bin + SMOOTH;
  for (a.bin = first; a.bin <= last; a.bin++) sum += density(window, &a, level, without);
  return sum / (last - first + 1);
}

static double rise(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return smooth(window, *a, a->right, level, without) - smooth(window, *a, a->left, level, without);
}

/* Place of the minimum, A; `*width` (may be NULL) gets how far p is lowest, A. */
static double find_minimum(const qn_window *window, const at *a, int level, int without, double *width) {
  int lowest = a->left, last = a->left;
  double depth = INFINITY;
  for (int b = a->left; b <= a->right; b++) {
    double here = smooth(window, *a, b, level, without);
    if (here < depth) {
      depth = here;
      lowest = last = b;
    } else if (here == depth && last == b - 1) {
      last = b;
    }
  }
  if (lowest == a->left || last == a->right) return NAN;
  if (width != NULL) *width = a->bins->width * (last - lowest + 1);
  if (last > lowest) return a->bins->width * (0.5 * (lowest + last) + 0.5);
  /* Over a stencil as wide as the smoothing. */
  double y[3];
  for (int k = 0; k < 3; k++) y[k] = smooth(window, *a, lowest + (k - 1) * SMOOTH, level, without);
  double curve = y[0] - 2 * y[1] + y[2], shift = curve > 0 ? 0.5 * (y[0] - y[2]) / curve : 0;
  return a->bins->width * (lowest + 0.5 + SMOOTH * fmin(fmax(shift, -1), 1));
}

static double minimum(const qn_window *window, const void *context, int level, int without) {
  return find_minimum(window, context, level, without, NULL);
}

static bool stands_out(const qn_window *window, const at *a, int left, int right, double height, double highest, int level) {
  if (!(height >= FLOOR * highest)) return false;
  at ends = *a;
  ends.left = left;
  ends.right = right;
  double error = qn_window_error(window, rise, &ends, level, NULL);
  return error > 0 && height >= STAND_OUT * error;
}

/* The main maximum, and the deepest valley that has a maximum after it standing out. */
static bool find_maxima(const qn_window *window, at *a, int level) {
  int main_bin = SMOOTH, count = a->bins->count;
  double *p = qn_memory_alloc((size_t)count, sizeof *p);
  bool found = false;
  if (p != NULL && level >= 0) {
    for (int b = 0; b < count; b++) {
      p[b] = smooth(window, *a, b, -1, -1);
      if (p[b] > p[main_bin]) main_bin = b;
    }
    double best = 0;
    int lowest = main_bin;
    for (int b = main_bin + 1; b < count; b++) {
      if (p[b] < p[lowest]) lowest = b;
      if (lowest == main_bin || !(p[b] - p[lowest] > best) || !stands_out(window, a, lowest, b, p[b] - p[lowest], p[main_bin], level)) continue;
      best = p[b] - p[lowest];
      a->left = main_bin;
      a->right = b;
      found = true;
    }
  }
  free(p);
  return found;
}

static void measure(const qn_window *window, at *a, int level, qn_value *value) {
  value->window_start_ps = value->window_end_ps = window->lag_time[0];
  value->status = level < 0 ? QN_VALUE_TOO_FEW_SAMPLES : QN_VALUE_UNRESOLVED;
  if (!find_maxima(window, a, level)) return;
  double width = 0, place = find_minimum(window, a, -1, -1, &width), error = qn_window_error(window, minimum, a, level, &value->samples);
  if (isnan(place) || value->samples == 0) return; /* without one of the segments it is gone */
  value->value = place;
  value->standard_error = hypot(error, width / sqrt(12));
  value->status = QN_VALUE_OK;
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
    measure(window, &a, level, value);
    for (a.bin = 0; a.bin < b->count; a.bin++) {
      curve->data[3 * a.bin] = b->width * (a.bin + 0.5);
      curve->data[3 * a.bin + 1] = density(window, &a, -1, -1);
      curve->data[3 * a.bin + 2] = qn_window_error(window, density, &a, level, NULL);
    }
  }
  return QN_OK;
}

static const char *const quantities[] = {"van_hove_first_minimum", NULL};

const qn_analysis_type qn_van_hove = {.name = "van_hove",
                                      .meaning = "self part of the van Hove function at one lag and its first minimum, by species and for all",
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

/* Non-Gaussian parameter, by species and for all, and its peak.
 *
 *   alpha_2(t) = 3 <r^4> / (5 <r^2>^2) - 1 in space,  <r^4> / (2 <r^2>^2) - 1 in the plane of a layer
 *
 * The peak is the highest lag, refined by a parabola in ln t through it and the lags nearest to 1/1.5 and 1.5 times it. Status: ok; not_decayed when alpha_2 is highest at
 * the longest lag, so the peak lies beyond; unresolved when it is highest at the first; too_few_samples when the peak lies beyond 1/16
 * of the run, so that it has no error. */
#include <math.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/kernel.h"
#include "engine/analysis/types.h"

static const double STENCIL = 1.5;

enum { MAX_LAG = QN_LAYER_COUNT, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"max_lag_ps", "longest lag of the non-Gaussian parameter; by default a quarter of the run", 0, 0, 1e9, true, NULL},
};

QN_KERNEL static void kernel(const void *context, const double *square, const double *weight, double *sums) {
  (void)context;
  double second[QN_WINDOW_CHUNK], fourth[QN_WINDOW_CHUNK];
  for (int i = 0; i < QN_WINDOW_CHUNK; i++) {
    fourth[i] = weight[i] * square[i] * square[i];
    second[i] = weight[i] * square[i];
  }
  sums[0] += qn_kernel_sum(second);
  sums[1] += qn_kernel_sum(fourth);
}

static qn_window_options options_of(const double *values) {
  return (qn_window_options){.longest = values[MAX_LAG], .moments = 2, .kernel = kernel};
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  qn_window_options options = options_of(values);
  return qn_window_check(&options, prospect, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  qn_window_options options = options_of(values);
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, NULL, input, error);
}

typedef struct at {
  int lag, species;
  bool time; /* of the peak: its time instead of its height */
} at;

static double alpha(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  double second = qn_window_average(window, a->lag, a->species, 0, level, without, NULL);
  double fourth = qn_window_average(window, a->lag, a->species, 1, level, without, NULL);
  return (window->dimensions == 3 ? 3.0 / 5 : 1.0 / 2) * fourth / (second * second) - 1;
}

/* The lag nearest to `factor` times lag l, but another one. */
static int neighbour(const qn_window *window, int l, double factor) {
  int step = factor < 1 ? -1 : 1, n = l + step;
  double time = factor * window->lag_time[l];
  while (n + step >= 0 && n + step < window->lag_count && fabs(log(window->lag_time[n + step] / time)) < fabs(log(window->lag_time[n] / time))) n += step;
  return n;
}

/* Vertex of the parabola in ln t about a->lag; the point itself where the three do not curve down. */
static double peak(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  const int lag[3] = {neighbour(window, a->lag, 1 / STENCIL), a->lag, neighbour(window, a->lag, STENCIL)};
  double x[3], y[3];
  for (int k = 0; k < 3; k++) {
    x[k] = log(window->lag_time[lag[k]]);
    y[k] = alpha(window, &(at){lag[k], a->species, false}, level, without);
  }
  double left = (y[1] - y[0]) / (x[1] - x[0]), right = (y[2] - y[1]) / (x[2] - x[1]), curve = (right - left) / (x[2] - x[0]);
  double vertex = curve < 0 ? 0.5 * (x[0] + x[1]) - left / (2 * curve) : x[1];
  vertex = fmin(fmax(vertex, x[0]), x[2]);
  double height = y[0] + left * (vertex - x[0]) + curve * (vertex - x[0]) * (vertex - x[1]);
  return a->time ? exp(vertex) : height;
}

static void measure(const qn_window *window, at *a, qn_value *value) {
  int highest = 0, last = 0;
  for (int l = 0; l < window->lag_count; l++) {
    double here = alpha(window, &(at){l, a->species, false}, -1, -1);
    if (isnan(here)) break;
    last = l;
    if (here > alpha(window, &(at){highest, a->species, false}, -1, -1)) highest = l;
  }
  value->window_start_ps = window->lag_time[highest > 0 ? neighbour(window, highest, 1 / STENCIL) : 0];
  value->window_end_ps = window->lag_time[highest < last ? neighbour(window, highest, STENCIL) : last];
  value->status = highest == 0 ? QN_VALUE_UNRESOLVED : highest == last ? QN_VALUE_NOT_DECAYED : QN_VALUE_OK;
  if (value->status != QN_VALUE_OK) return;
  a->lag = highest;
  value->value = peak(window, a, -1, -1);
  value->standard_error = qn_window_error(window, peak, a, qn_window_level(window, value->window_end_ps), &value->samples);
  if (value->samples == 0) value->status = QN_VALUE_TOO_FEW_SAMPLES;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[3] = {"lag_ps", "alpha_2", "standard_error"};
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  for (int species = QN_WINDOW_ALL; status == QN_OK && species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol == NULL) continue;
    for (int time = 0; time < 2; time++) {
      qn_value *value = qn_report_add_value(report, time ? "non_gaussian_peak_time" : "non_gaussian_peak", time ? "ps" : "1", symbol,
                                            window->region, error);
      if (value == NULL) {
        qn_report_fini(report);
        return QN_NO_MEMORY;
      }
      measure(window, &(at){0, species, time}, value);
    }
    status = qn_correlation_curve(window, report, "non_gaussian_parameter", species, columns, alpha, &(at){0, species, false}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"non_gaussian_peak_time", "non_gaussian_peak", NULL};

const qn_analysis_type qn_non_gaussian = {.name = "non_gaussian",
                                          .meaning = "non-Gaussian parameter alpha_2 and its peak, by species and for all",
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

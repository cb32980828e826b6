/* Debye-Waller factor <u^2>: the mean-squared displacement where it bends least steeply, at the minimum of d ln MSD / d ln t (paper, section
 * III.3), by species and for all.
 *
 * The exponent at a lag is taken between the lags nearest to t/1.5 and 1.5 t; its minimum is refined by a parabola in ln t, and the MSD there by
 * a line in ln MSD against ln t. Status: ok; unresolved when the exponent stays above 0.9 (no cage) or is lowest at an end of
 * the lags; too_few_samples when the minimum lies beyond 1/16 of the run. Frames more than 0.05 ps apart are refused: they
 * miss the vibration that makes the minimum. */
#include <math.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"

static const double COARSEST = 0.05, STRETCH = 1.5, NO_CAGE = 0.9;

enum { MAX_LAG = QN_LAYER_COUNT, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"max_lag_ps", "longest lag that the minimum is looked for at; by default a quarter of the run", 0, 0, 1e9, true},
};

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  *analysis = NULL;
  if (interval > COARSEST * 1.01)
    return qn_error_set(error, QN_UNSUPPORTED, "frames every %g ps are too far apart for the Debye-Waller factor: %g ps or less is needed", interval,
                        COARSEST);
  qn_window_options options = {
      .frames = frames, .interval = interval, .longest = values[MAX_LAG], .moments = 1, .kernel = qn_slope_kernel, .threads = threads};
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, NULL, error);
}

typedef struct at {
  int lag, species;
} at;

static double msd(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, a->lag, a->species, 0, level, without, NULL);
}

static int nearest(const qn_window *window, double time) {
  int best = 0;
  for (int l = 1; l < window->lag_count; l++)
    if (fabs(log(window->lag_time[l] / time)) < fabs(log(window->lag_time[best] / time))) best = l;
  return best;
}

/* d ln MSD / d ln t at a lag; NAN where the lags on both sides are missing. */
static double exponent(const qn_window *window, int lag, int species, int level, int without) {
  double time = window->lag_time[lag];
  int before = nearest(window, time / STRETCH), after = nearest(window, time * STRETCH);
  if (before >= lag || after <= lag) return NAN;
  double ratio = msd(window, &(at){after, species}, level, without) / msd(window, &(at){before, species}, level, without);
  return log(ratio) / log(window->lag_time[after] / window->lag_time[before]);
}

static double factor(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  double x[3], y[3], m[3];
  for (int k = 0; k < 3; k++) {
    x[k] = log(window->lag_time[a->lag - 1 + k]);
    y[k] = exponent(window, a->lag - 1 + k, a->species, level, without);
    m[k] = log(msd(window, &(at){a->lag - 1 + k, a->species}, level, without));
  }
  double left = (y[1] - y[0]) / (x[1] - x[0]), right = (y[2] - y[1]) / (x[2] - x[1]), curve = (right - left) / (x[2] - x[0]);
  double vertex = curve > 0 ? 0.5 * (x[0] + x[1]) - left / (2 * curve) : x[1];
  vertex = fmin(fmax(vertex, x[0]), x[2]);
  int k = vertex > x[1];
  return exp(m[k] + (m[k + 1] - m[k]) * (vertex - x[k]) / (x[k + 1] - x[k]));
}

static void measure(const qn_window *window, int species, qn_value *value) {
  int lowest = -1, first = -1, last = -1;
  double depth = INFINITY;
  for (int l = 0; l < window->lag_count; l++) {
    double here = exponent(window, l, species, -1, -1);
    if (isnan(here)) continue;
    if (first < 0) first = l;
    last = l;
    if (here < depth) {
      depth = here;
      lowest = l;
    }
  }
  value->status = QN_VALUE_UNRESOLVED;
  if (lowest <= first || lowest >= last || depth > NO_CAGE) return;
  value->window_start_ps = window->lag_time[lowest - 1];
  value->window_end_ps = window->lag_time[lowest + 1];
  value->value = factor(window, &(at){lowest, species}, -1, -1);
  double longest = window->lag_time[nearest(window, value->window_end_ps * STRETCH)];
  value->standard_error = qn_window_error(window, factor, &(at){lowest, species}, qn_window_level(window, longest), &value->samples);
  value->status = value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"lag_ps", "msd_a2", "standard_error_a2", NULL};
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  for (int species = QN_WINDOW_ALL; status == QN_OK && species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol == NULL) continue;
    qn_value *value = qn_report_add_value(report, "debye_waller_factor", "A2", symbol, window->region, error);
    if (value == NULL) {
      status = QN_NO_MEMORY;
      break;
    }
    measure(window, species, value);
    status = qn_correlation_curve(window, report, "mean_squared_displacement", symbol, columns, msd, &(at){0, species}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"debye_waller_factor", NULL};

const qn_analysis_type qn_debye_waller = {"debye_waller",
                                          "Debye-Waller factor <u^2>, by species and for all",
                                          PARAMETERS,
                                          parameters,
                                          alloc,
                                          qn_correlation_accumulate,
                                          reduce,
                                          qn_correlation_free,
                                          .quantities = quantities,
                                          .fixed_box = true};

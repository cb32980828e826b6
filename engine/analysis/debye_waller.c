/* Debye-Waller factor <u^2>: the mean-squared displacement where it bends least steeply, at the first minimum of d ln MSD / d ln t (paper, section
 * III.3), by species and for all. For all atoms of the system it is the one that cage_jumps wants; in a layer displacements are in the
 * plane and <u^2> is two thirds of what the cage would have in space.
 *
 * The exponent at a lag is the slope of a straight line through ln MSD against ln t over the lags from t/1.5 to 1.5 t; only lags at which it has
 * an error are looked at. The minimum is the first place, coming from short lags, that is
 *   - a local minimum of the exponent that is within two errors of its lowest value: refined by a parabola in ln t through it and the
 *     lags near half and twice its time, the MSD there by a line in ln MSD against ln t; or
 *   - flat: the exponent is within two errors of 0, as in a cold glass, where the MSD stays at its plateau.
 *
 * Status: ok; unresolved when the exponent stays above 0.9 (no cage) or is lowest at the first lag; too_few_samples when it still falls at
 * the longest lag that carries an error. Frames more than 0.05 ps apart are refused: they miss the vibration that makes the minimum. */
#include <math.h>

#include "engine/analysis/correlation.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"

static const double COARSEST = 0.05, STRETCH = 1.5, STENCIL = 2, NO_CAGE = 0.9, NOISE = 2;

enum { MAX_LAG = QN_LAYER_COUNT, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"max_lag_ps", "longest lag that the minimum is looked for at; by default a quarter of the run", 0, 0, 1e9, true, NULL},
};

static qn_window_options options_of(const double *values) {
  return (qn_window_options){.longest = values[MAX_LAG], .moments = 1, .kernel = qn_slope_kernel};
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  if (prospect->interval > COARSEST * 1.01)
    return qn_error_set(error, QN_UNSUPPORTED, "frames every %g ps are too far apart for the Debye-Waller factor: %g ps or less is needed",
                        prospect->interval, COARSEST);
  qn_window_options options = options_of(values);
  return qn_window_check(&options, prospect, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  qn_window_options options = options_of(values);
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, NULL, input, error);
}

typedef struct at {
  int lag, species;
  int first, last; /* of the lags that the exponent is taken over */
  bool flat;
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

/* Set the lags that the exponent at a->lag is taken over; false where those on both sides are missing. */
static bool set_range(const qn_window *window, at *a) {
  a->first = nearest(window, window->lag_time[a->lag] / STRETCH);
  a->last = nearest(window, window->lag_time[a->lag] * STRETCH);
  return a->first < a->lag && a->last > a->lag;
}

/* d ln MSD / d ln t over the range of lags. */
static double exponent(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  double n = a->last - a->first + 1, x = 0, y = 0, xx = 0, xy = 0;
  for (int l = a->first; l <= a->last; l++) {
    double time = log(window->lag_time[l]), square = log(msd(window, &(at){.lag = l, .species = a->species}, level, without));
    x += time;
    y += square;
    xx += time * time;
    xy += time * square;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

/* The MSD at the minimum about a->lag. */
static double factor(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  if (a->flat) return msd(window, a, level, without);
  double time = window->lag_time[a->lag], x[3], y[3], m[3];
  const int lag[3] = {nearest(window, time / STENCIL), a->lag, nearest(window, time * STENCIL)};
  for (int k = 0; k < 3; k++) {
    at here = {.lag = lag[k], .species = a->species};
    bool inside = set_range(window, &here);
    x[k] = log(window->lag_time[lag[k]]);
    y[k] = inside ? exponent(window, &here, level, without) : (double)NAN;
    m[k] = log(msd(window, &here, level, without));
  }
  double left = (y[1] - y[0]) / (x[1] - x[0]), right = (y[2] - y[1]) / (x[2] - x[1]), curve = (right - left) / (x[2] - x[0]);
  double vertex = curve > 0 ? 0.5 * (x[0] + x[1]) - left / (2 * curve) : x[1]; /* also where a side of the stencil is missing */
  vertex = fmin(fmax(vertex, x[0]), x[2]);
  int k = vertex > x[1];
  return exp(m[k] + (m[k + 1] - m[k]) * (vertex - x[k]) / (x[k + 1] - x[k]));
}

typedef struct bend {
  int lag;
  double exponent, error;
} bend;

/* The exponents that have an error, in order of lags. */
static int list_bends(const qn_window *window, int species, bend bends[QN_MAX_LAGS]) {
  int count = 0;
  for (int l = 0; l < window->lag_count; l++) {
    at a = {.lag = l, .species = species};
    if (!set_range(window, &a)) continue;
    double error = qn_window_error(window, exponent, &a, qn_window_level(window, window->lag_time[a.last]), NULL);
    if (isfinite(error)) bends[count++] = (bend){l, exponent(window, &a, -1, -1), error};
  }
  return count;
}

static void measure(const qn_window *window, int species, qn_value *value) {
  bend b[QN_MAX_LAGS];
  int count = list_bends(window, species, b), lowest = 0, chosen = -1;
  value->status = QN_VALUE_TOO_FEW_SAMPLES;
  if (count < 3) return;
  for (int i = 1; i < count; i++)
    if (b[i].exponent < b[lowest].exponent) lowest = i;
  value->status = QN_VALUE_UNRESOLVED;
  if (b[lowest].exponent > NO_CAGE || lowest == 0) return;
  at a = {.species = species};
  for (int i = 1; i < count && chosen < 0; i++) {
    bool dip = i + 1 < count && b[i].exponent <= b[i - 1].exponent && b[i].exponent <= b[i + 1].exponent;
    bool deep = b[i].exponent - b[lowest].exponent <= NOISE * hypot(b[i].error, b[lowest].error);
    a.flat = fabs(b[i].exponent) <= NOISE * b[i].error;
    if ((dip && deep) || a.flat) chosen = i;
  }
  if (chosen < 0) {
    value->status = QN_VALUE_TOO_FEW_SAMPLES;
    return;
  }
  a.lag = b[chosen].lag;
  int before = nearest(window, window->lag_time[a.lag] / STENCIL), after = nearest(window, window->lag_time[a.lag] * STENCIL);
  value->window_start_ps = window->lag_time[a.flat ? a.lag : before];
  value->window_end_ps = window->lag_time[a.flat ? a.lag : after];
  at beside = {.lag = after, .species = species};
  set_range(window, &beside);
  int level = qn_window_level(window, window->lag_time[a.flat ? a.lag : beside.last]);
  if (level < 0) level = qn_window_level(window, window->lag_time[a.lag]); /* the segments hold longer pairs too, if fewer */
  value->value = factor(window, &a, -1, -1);
  value->standard_error = qn_window_error(window, factor, &a, level, &value->samples);
  value->status = value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[3] = {"lag_ps", "msd_a2", "standard_error_a2"};
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
    status = qn_correlation_curve(window, report, "mean_squared_displacement", species, columns, msd, &(at){.species = species}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"debye_waller_factor", NULL};

const qn_analysis_type qn_debye_waller = {.name = "debye_waller",
                                          .meaning = "Debye-Waller factor <u^2>, by species and for all",
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

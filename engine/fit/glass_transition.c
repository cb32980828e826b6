#include "engine/fit/glass_transition.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/fit/least_squares.h"
#include "engine/fit/points.h"

typedef struct profile {
  const qn_fit_data *data;
  bool inverse;
  double *design;  /* [count][4] */
  double line[3];  /* a, slope below x_g, slope above, at the last x_g */
} profile;

static double abscissa(const profile *p, int i) { return p->inverse ? 1 / p->data->temperature[i] : p->data->temperature[i]; }

static double chi_square_at(profile *p, double kink) {
  for (int i = 0; i < p->data->count; i++) {
    double x = abscissa(p, i) - kink;
    p->design[3 * i] = 1;
    p->design[3 * i + 1] = fmin(x, 0);
    p->design[3 * i + 2] = fmax(x, 0);
  }
  double chi_square;
  bool solved = qn_least_squares(p->data->count, 3, p->design, p->data->y, p->data->weight, p->line, &chi_square, NULL);
  return solved ? chi_square : INFINITY;
}

/* The second different abscissa from an end: the kink lies between those of both ends. */
static double second_from(const profile *p, bool end) {
  int count = p->data->count, step = end ? -1 : 1, i = end ? count - 1 : 0;
  double first = abscissa(p, i);
  while (i + step >= 0 && i + step < count && !(fabs(abscissa(p, i) - first) > 0)) i += step;
  return abscissa(p, i);
}

static void report(const qn_fit_data *data, const qn_fit_options *options, profile *p, double kink, double *residual, qn_fit *fit) {
  double chi_square = chi_square_at(p, kink), ignored[4], unused, below = p->line[1], above = p->line[2];
  for (int i = 0; i < data->count; i++) {
    double x = abscissa(p, i) - kink;
    p->design[4 * i] = x < 0 ? -below : -above; /* by x_g */
    p->design[4 * i + 1] = 1;
    p->design[4 * i + 2] = fmin(x, 0);
    p->design[4 * i + 3] = fmax(x, 0);
  }
  fit->outcome = QN_FIT_NOT_CONVERGED;
  if (!qn_least_squares(data->count, 4, p->design, residual, data->weight, ignored, &unused, fit->covariance)) return;
  qn_fit_scale(data, chi_square, 4, fit);
  double (*c)[QN_FIT_PARAMETERS] = fit->covariance;
  double difference = sqrt(fmax(0, c[2][2] + c[3][3] - 2 * c[2][3]));
  if (!(fabs(above - below) > 2 * difference)) return;
  fit->outcome = QN_FIT_OK;
  /* From x_g to T_g: dT = -dx / x^2. */
  double factor = p->inverse ? -1 / (kink * kink) : 1;
  for (int k = 0; k < 4; k++) c[0][k] *= factor;
  for (int k = 0; k < 4; k++) c[k][0] *= factor;
  char unit[24], slope[24];
  snprintf(unit, sizeof unit, options->logarithmic ? "ln(%s)" : "%s", options->unit);
  snprintf(slope, sizeof slope, p->inverse ? "%.20s K" : "%.20s/K", unit);
  qn_fit_add(fit, "glass_transition_temperature", "K", p->inverse ? 1 / kink : kink, sqrt(c[0][0]));
  qn_fit_add(fit, "kink_value", unit, p->line[0], sqrt(c[1][1]));
  /* Against 1/T the lower abscissas are the higher temperatures. */
  qn_fit_add(fit, p->inverse ? "slope_above" : "slope_below", slope, below, sqrt(c[2][2]));
  qn_fit_add(fit, p->inverse ? "slope_below" : "slope_above", slope, above, sqrt(c[3][3]));
}

/* Where the two lines through the points before `split` and from there on meet; NAN when they are parallel. */
static double crossing(profile *p, int split) {
  double line[2][2], unused;
  for (int side = 0; side < 2; side++) {
    int first = side == 0 ? 0 : split, count = side == 0 ? split : p->data->count - split;
    for (int i = 0; i < count; i++) {
      p->design[2 * i] = 1;
      p->design[2 * i + 1] = abscissa(p, first + i);
    }
    if (!qn_least_squares(count, 2, p->design, p->data->y + first, p->data->weight + first, line[side], &unused, NULL)) return NAN;
  }
  return line[0][1] != line[1][1] ? (line[1][0] - line[0][0]) / (line[0][1] - line[1][1]) : NAN;
}

static void try_kink(profile *p, double kink, double *best, double *lowest) {
  double chi_square = chi_square_at(p, kink);
  if (!(chi_square < *lowest)) return;
  *lowest = chi_square;
  *best = kink;
}

/* The kink of the lowest chi^2, exactly: between two neighbouring points chi^2 is that of two free lines plus (their distance at the kink)^2 over its
 * variance, which is lowest where the lines cross, or at an end of the interval when they cross elsewhere. */
static double find_kink(profile *p) {
  double one = second_from(p, false), other = second_from(p, true), low = fmin(one, other), high = fmax(one, other);
  double best = (low + high) / 2, lowest = INFINITY;
  for (int i = 1; i < p->data->count; i++) {
    double from = abscissa(p, i - 1), to = abscissa(p, i), left = fmin(from, to), right = fmax(from, to);
    if (left >= low && left <= high) try_kink(p, left, &best, &lowest);
    if (!(right > left) || left < low || right > high) continue;
    double kink = crossing(p, i);
    if (kink > left && kink < right) try_kink(p, kink, &best, &lowest);
  }
  try_kink(p, high, &best, &lowest);
  return best;
}

static void core(const qn_fit_data *data, const qn_fit_options *options, qn_fit *fit) {
  fit->outcome = QN_FIT_TOO_FEW_POINTS;
  if (data->temperatures < qn_fit_glass_transition.parameters) return;
  profile p = {.data = data, .inverse = options->inverse};
  p.design = qn_memory_alloc((size_t)data->count, 4 * sizeof *p.design);
  double *residual = qn_memory_alloc((size_t)data->count, sizeof *residual);
  if (p.design != NULL && residual != NULL) {
    double best = find_kink(&p);
    report(data, options, &p, best, residual, fit);
  }
  free(p.design);
  free(residual);
}

static qn_status fit_glass_transition(const qn_fit_point *points, int count, const qn_fit_options *options, qn_fit *fit, qn_error *error) {
  qn_fit_data data;
  qn_status status = qn_fit_data_init(&data, points, count, options, options->logarithmic, error);
  if (status == QN_OK) status = qn_fit_run(&data, options, core, fit, error);
  qn_fit_data_fini(&data);
  return status;
}

static const char *const quantities[] = {"glass_transition_temperature", "kink_value", "slope_below", "slope_above", NULL};

const qn_fit_type qn_fit_glass_transition = {"glass_transition", "two lines that meet at the glass transition temperature", 4, false,
                                             quantities, fit_glass_transition};

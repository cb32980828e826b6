#include "engine/potential/spline.h"

/* Slope at knot i, times the step. */
static double slope(int points, const double *f, int i) {
  int last = points - 1;
  if (i == 0) return f[1] - f[0];
  if (i == last) return f[last] - f[last - 1];
  if (i == 1 || i == last - 1) return 0.5 * (f[i + 1] - f[i - 1]);
  return ((f[i - 2] - f[i + 2]) + 8.0 * (f[i + 1] - f[i - 1])) / 12.0;
}

void qn_spline_table(int points, const double *values, double *table) {
  double d0 = slope(points, values, 0);
  for (int i = 0; i < points - 1; i++) {
    double rise = values[i + 1] - values[i], d1 = slope(points, values, i + 1);
    table[4 * i] = values[i];
    table[4 * i + 1] = d0;
    table[4 * i + 2] = 3.0 * rise - 2.0 * d0 - d1;
    table[4 * i + 3] = d0 + d1 - 2.0 * rise;
    d0 = d1;
  }
}

void qn_spline_knots(int points, const double *values, double *knots) {
  for (int i = 0; i < points; i++) {
    knots[2 * i] = values[i];
    knots[2 * i + 1] = slope(points, values, i);
  }
}

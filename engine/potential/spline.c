#include "engine/potential/spline.h"

void qn_spline_knots(int points, const double *values, double *knots) {
  const double *f = values;
  int last = points - 1;
  for (int i = 0; i < points; i++) knots[2 * i] = f[i];
  knots[1] = f[1] - f[0];
  knots[3] = 0.5 * (f[2] - f[0]);
  for (int i = 2; i <= last - 2; i++) knots[2 * i + 1] = ((f[i - 2] - f[i + 2]) + 8.0 * (f[i + 1] - f[i - 1])) / 12.0;
  knots[2 * (last - 1) + 1] = 0.5 * (f[last] - f[last - 2]);
  knots[2 * last + 1] = f[last] - f[last - 1];
}

#include "engine/analysis/jackknife.h"

#include <math.h>

double qn_jackknife_student(int blocks) {
  const double z = 1.959963984540054, n = blocks - 1, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  double t = z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
  return t / z;
}

double qn_jackknife_error(const double *without, int count) {
  if (count < 4) return NAN;
  double mean = 0, square = 0;
  for (int k = 0; k < count; k++) mean += without[k] / count;
  for (int k = 0; k < count; k++) square += (without[k] - mean) * (without[k] - mean);
  double error = sqrt(square * (count - 1) / count) * qn_jackknife_student(count);
  return isfinite(error) ? error : (double)NAN;
}

/* Means with errors from series of correlated samples, and the Boltzmann slope between two ensembles. */
#ifndef QN_TESTS_DYNAMICS_ESTIMATES_H
#define QN_TESTS_DYNAMICS_ESTIMATES_H

#include "engine/check.h"

enum { BLOCKS = 20 };

typedef struct estimate {
  double mean, error;
} estimate;

static inline estimate from_blocks(const double *value, int count) {
  estimate e = {0};
  double square = 0.0;
  for (int i = 0; i < count; i++) e.mean += value[i] / count;
  for (int i = 0; i < count; i++) square += pow(value[i] - e.mean, 2);
  e.error = sqrt(square / (count * (count - 1.0)));
  return e;
}

static inline estimate block_mean(const double *x, int count) {
  double block[BLOCKS] = {0};
  for (int i = 0; i < count; i++) block[i / (count / BLOCKS)] += x[i] / (count / BLOCKS);
  return from_blocks(block, BLOCKS);
}

/* The b of ln(p2(x)/p1(x)) = a + b x by maximum likelihood (Shirts, J. Chem. Theory Comput. 9, 909 (2013)), equal numbers of both. */
static inline double log_ratio_slope(const double *x1, const double *x2, int count) {
  double centre = 0.0, a = 0.0, b = 0.0;
  for (int i = 0; i < count; i++) centre += 0.5 * (x1[i] + x2[i]) / count;
  for (int round = 0; round < 12; round++) {
    double ga = 0.0, gb = 0.0, haa = 0.0, hab = 0.0, hbb = 0.0;
    for (int i = 0; i < 2 * count; i++) {
      double x = (i < count ? x1[i] : x2[i - count]) - centre, p = 1.0 / (1.0 + exp(-a - b * x)), q = p * (1.0 - p);
      double g = (i < count ? 0.0 : 1.0) - p;
      ga += g, gb += g * x, haa += q, hab += q * x, hbb += q * x * x;
    }
    double det = haa * hbb - hab * hab;
    a += (hbb * ga - hab * gb) / det;
    b += (haa * gb - hab * ga) / det;
  }
  return b;
}

/* From all samples, with the error of a jackknife over blocks (small blocks by themselves would be biased). */
static inline estimate boltzmann_slope(const double *x1, const double *x2, int count) {
  int size = count / BLOCKS, left = count - size;
  double *y1 = test_malloc((size_t)left * sizeof(double)), *y2 = test_malloc((size_t)left * sizeof(double)), without[BLOCKS];
  for (int k = 0; k < BLOCKS; k++) {
    for (int i = 0, to = 0; i < count; i++) {
      if (i / size == k) continue;
      y1[to] = x1[i], y2[to++] = x2[i];
    }
    without[k] = log_ratio_slope(y1, y2, left);
  }
  test_free(y1);
  test_free(y2);
  return (estimate){log_ratio_slope(x1, x2, count), (BLOCKS - 1) * from_blocks(without, BLOCKS).error};
}

static inline void check_estimate(const char *what, estimate e, double expected, double worth) {
  print_message("%-44s %.5g +- %.2g, expected %.5g (%+.1f sigma)\n", what, e.mean, e.error, expected, (e.mean - expected) / e.error);
  assert_true(e.error < worth * fabs(expected)); /* else the test could not fail */
  assert_close(e.mean, expected, 5.0 * e.error);
}

#endif

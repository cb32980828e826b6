/* Cubic Hermite interpolation of a table at equal steps, with the slopes of LAMMPS's pair_eam (`interpolate`), so that
 * numbers agree to rounding: one-sided at the ends, central at the second points, five-point between.
 *
 * Between knots k and k+1, with p in [0, 1]:
 *   f(p) = f0 + p (d0 + p (3 (f1-f0) - 2 d0 - d1 + p (d0 + d1 - 2 (f1-f0))))      slopes d per step */
#ifndef QN_POTENTIAL_SPLINE_H
#define QN_POTENTIAL_SPLINE_H

/* `points` >= 5 values into `knots` [points][2]: value and slope times step. */
void qn_spline_knots(int points, const double *values, double *knots);

/* The polynomial of one interval: coefficients of 1, p, p^2, p^3. */
typedef struct qn_cubic {
  double c0, c1, c2, c3;
} qn_cubic;

static inline qn_cubic qn_spline_cubic(const double *knots, int interval) {
  const double *k = knots + 2 * (long)interval;
  double rise = k[2] - k[0];
  return (qn_cubic){k[0], k[1], 3.0 * rise - 2.0 * k[1] - k[3], k[1] + k[3] - 2.0 * rise};
}

static inline double qn_cubic_value(qn_cubic c, double p) { return ((c.c3 * p + c.c2) * p + c.c1) * p + c.c0; }

/* d/dp; divide by the step for the derivative. */
static inline double qn_cubic_slope(qn_cubic c, double p) { return (3.0 * c.c3 * p + 2.0 * c.c2) * p + c.c1; }

#endif

/* Cubic Hermite interpolation of a table at equal steps, with the slopes of LAMMPS's pair_eam (`interpolate`), so that
 * numbers agree to rounding: one-sided at the ends, central at the second points, five-point between.
 *
 * Between knots k and k+1, with p in [0, 1]:
 *   f(p) = f0 + p (d0 + p (3 (f1-f0) - 2 d0 - d1 + p (d0 + d1 - 2 (f1-f0))))      slopes d per step */
#ifndef QN_POTENTIAL_SPLINE_H
#define QN_POTENTIAL_SPLINE_H

/* `points` >= 5 values into `table` [points - 1][4]: for each interval the coefficients of 1, p, p^2, p^3. */
void qn_spline_table(int points, const double *values, double *table);

/* The same as knots: values and slopes per step, into `knots` [points][2]. */
void qn_spline_knots(int points, const double *values, double *knots);

#endif

/* The diffusion coefficient from a mean-squared displacement: D = slope / 2d (paper, equation 1).
 *
 * The window of the fit. It starts at the first lag from which on
 *   - the MSD has left the cage: MSD >= (a/2)^2 d/3 with a = (V/N)^(1/3): about half the distance of neighbours, and
 *   - it is diffusive: d ln MSD / d ln t, taken between lag t and the lag nearest to t/2, is within 0.1 of 1 up to the window's end (within
 *     two standard errors where that is more, but never beyond 0.2).
 * It ends at five times its start, but not beyond 1/16 of the run, so that the error rests on at least 8 segments twice as long as the window.
 * A start or end given by the user replaces that choice.
 *
 * The fit. A straight line with an intercept (the cage's and the ballistic part) through the lags of the window, weights 1/t^3: the variance
 * of an average over overlapping origins of Brownian motion. The full covariance would put nearly all weight on the window's first lags,
 * where the motion is least diffusive; the diagonal costs a quarter more in the error and does not. The error does not rest on these weights:
 * it is the jackknife over segments.
 *
 * Measured on six runs of 500 atoms of Cu50Zr50, 100 ps each: D at 2000 K 5.79e-9 m2/s, scatter of the runs 1.2 %, mean of their errors, before
 * Student's factor, 1.0 %; at 1500 K 2.63e-9, 1.8 %, 2.2 %. Windows that start later (2 ps) give 1 % less at 2000 K and the same at 1500 K.
 *
 * Status: ok; not_diffusive when no lag of the run is both outside the cage and diffusive; too_few_samples when one is, but beyond
 * 1/16 of the run, so the window would hold fewer than four lags or not reach twice its start; too_few_samples too, without a value, when
 * the atoms left the cage within the last octave of lags, which is too late to tell. */
#ifndef QN_ANALYSIS_SLOPE_H
#define QN_ANALYSIS_SLOPE_H

#include "engine/analysis/analysis.h"
#include "engine/analysis/window.h"

typedef struct qn_slope_options {
  int species;          /* or QN_WINDOW_ALL */
  int moment;           /* which of the window's moments is the squared displacement, A^2 */
  double cage_square;   /* A^2 */
  double start, end;    /* ps, 0: by the rule */
} qn_slope_options;

/* The kernel that sums squared displacements, A^2, into one moment. */
void qn_slope_kernel(const void *context, const double *square, const double *weight, double *sums);

/* (a/2)^2 d/3, A^2, of atoms at the density of the first frames, without the vacuum beside a slab. */
double qn_slope_cage(const qn_window *window);

/* Fills value, standard_error (m2/s), window, samples and status of `value`. `*line` (may be NULL) gets the fit that it rests on. */
typedef struct qn_slope_line {
  const qn_slope_options *options;
  int first, last; /* lags */
} qn_slope_line;
void qn_slope_measure(const qn_window *window, const qn_slope_options *options, qn_value *value, qn_slope_line *line);

/* Slope of a line's weighted fit, A^2/ps, at (level, without) of the window. */
double qn_slope_fit(const qn_window *window, const void *line, int level, int without);

#endif

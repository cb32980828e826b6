/* Weighted linear least squares for a few parameters, by Householder QR. */
#ifndef QN_FIT_LEAST_SQUARES_H
#define QN_FIT_LEAST_SQUARES_H

#include "engine/fit/fit.h"

/* y ~ design x parameters, `count` rows of `parameters` columns (row-major, at most QN_FIT_PARAMETERS), rows weighted by `weight` = 1/error.
 * Returns false when the columns are dependent. covariance (may be NULL) is the inverse of the weighted normal matrix. */
bool qn_least_squares(int count, int parameters, const double *design, const double *y, const double *weight, double *solution, double *chi_square,
                      double covariance[QN_FIT_PARAMETERS][QN_FIT_PARAMETERS]);

#endif

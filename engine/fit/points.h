/* What every law does with its points: choose, take logarithms, weigh, resample. */
#ifndef QN_FIT_POINTS_H
#define QN_FIT_POINTS_H

#include "engine/fit/fit.h"

typedef struct qn_fit_data {
  int count;
  bool weighted;
  double *temperature; /* [count], K, ascending */
  double *y;           /* [count] */
  double *weight;      /* [count], 1/error; 1 when unweighted */
  int temperatures;    /* different ones */
} qn_fit_data;

/* The points of the range; y = ln value with error / value as its error when `logarithmic`. Free with qn_fit_data_fini, also after an error. */
qn_status qn_fit_data_init(qn_fit_data *data, const qn_fit_point *points, int count, const qn_fit_options *options, bool logarithmic,
                           qn_error *error);
void qn_fit_data_fini(qn_fit_data *data);

/* A law's core: parameters and values from data, without errors of the bootstrap. Sets outcome and everything that is ok then. */
typedef void (*qn_fit_core)(const qn_fit_data *data, const qn_fit_options *options, qn_fit *fit);

/* Run the core on the data, then on resamples of it for the bootstrap errors. */
qn_status qn_fit_run(const qn_fit_data *data, const qn_fit_options *options, qn_fit_core core, qn_fit *fit, qn_error *error);

/* Multiply the covariance by the scatter, as fit.h says, and take chi^2, points and degrees over. */
void qn_fit_scale(const qn_fit_data *data, double chi_square, int parameters, qn_fit *fit);

void qn_fit_add(qn_fit *fit, const char *name, const char *unit, double value, double standard_error);

#endif

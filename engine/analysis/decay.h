/* The decay of the self-intermediate scattering function.
 *
 *   F_s(q, t) = < sin(q r) / (q r) >,  r = |r(t0 + t) - r(t0)|: the average over all directions of q of the paper's exp(i q r);
 *   in a layer < J0(q r) >: the average over directions in the plane
 *   F_s(q, tau_alpha) = 1/e, between lags a line in ln(-ln F_s) against ln t (exact for a stretched exponential)
 *
 * Status: ok; not_decayed when F_s stays above 1/e up to the longest lag; unresolved when it is below 1/e at the first lag already;
 * too_few_samples when tau_alpha is longer than 1/16 of the run, so that it has a value but no error. */
#ifndef QN_ANALYSIS_DECAY_H
#define QN_ANALYSIS_DECAY_H

#include <stdbool.h>

#include "engine/analysis/analysis.h"
#include "engine/analysis/window.h"

/* Context of the kernels; free with free(). `planar` for qn_decay_in_plane. NULL when memory is out. */
typedef struct qn_decay_wave qn_decay_wave;
qn_decay_wave *qn_decay_wave_alloc(double q, bool planar);

/* Kernels of one moment. */
void qn_decay_in_space(const void *context, const double *square, const double *weight, double *sums);
void qn_decay_in_plane(const void *context, const double *square, const double *weight, double *sums);

/* tau_alpha, ps, at (level, without) of the window, following F_s (the window's moment `moment`) up to lag `last`; NAN when it does not cross 1/e. */
typedef struct qn_decay_crossing {
  int species, moment, last;
} qn_decay_crossing;
double qn_decay_time(const qn_window *window, const void *crossing, int level, int without);

/* Fills value, standard_error (ps), window, samples and status of `value`. */
void qn_decay_measure(const qn_window *window, int species, int moment, qn_value *value);

#endif

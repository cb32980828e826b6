/* Averages of per-frame vectors with errors: the run is cut into 16 equal blocks of frames, and the error of any quantity made of the
 * averages is the jackknife over blocks. For observables of single frames (structure), which need no lags. */
#ifndef QN_ANALYSIS_BLOCKS_H
#define QN_ANALYSIS_BLOCKS_H

#include <stdint.h>

#include "engine/analysis/analysis.h"

enum { QN_BLOCKS = 16 };

typedef struct qn_blocks {
  int64_t frames; /* that will be added */
  int64_t width;  /* doubles a frame */
  int64_t added;
  double first_time, last_time; /* ps, of what was added */
  double *sum;    /* [QN_BLOCKS][width] */
  double count[QN_BLOCKS];
} qn_blocks;

qn_status qn_blocks_init(qn_blocks *blocks, int64_t frames, int64_t width, qn_error *error);
void qn_blocks_fini(qn_blocks *blocks); /* also fine on an all-zero object */
void qn_blocks_add(qn_blocks *blocks, const double *vector, double time);

/* The mean of one element over frames, without one block (-1: over all). */
double qn_blocks_mean(const qn_blocks *blocks, int64_t element, int without);

/* Jackknife error; NAN and 0 samples when fewer than QN_BLOCKS frames were added or a leave-one-out value is NAN. */
typedef double (*qn_blocks_quantity)(const qn_blocks *blocks, const void *context, int without);
double qn_blocks_error(const qn_blocks *blocks, qn_blocks_quantity quantity, const void *context, int64_t *samples);

/* A value whole: value, standard error, the times of the first and last frame as window, samples; status ok, unresolved when it is NAN,
 * too_few_samples without an error. */
void qn_blocks_measure(const qn_blocks *blocks, qn_blocks_quantity quantity, const void *context, qn_value *value);

/* Which of `frames` frames are taken when `wanted` of them are spread evenly over the run: is this one? */
int qn_blocks_takes(int64_t index, int64_t frames, int64_t wanted);

#endif

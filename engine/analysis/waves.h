/* Sums of exp(-i q r) over the atoms of each species, at wave vectors that fit the box: the work under the structure factor. */
#ifndef QN_ANALYSIS_WAVES_H
#define QN_ANALYSIS_WAVES_H

#include "engine/trajectory/frame.h"

typedef struct qn_wave {
  int16_t n[3]; /* q = 2 pi (n_x/L_x, n_y/L_y, n_z/L_z) */
  int16_t bin;  /* of |q| */
  int16_t rank; /* among those of its bin, by a fixed hash of n */
} qn_wave;

typedef struct qn_waves {
  int most[3];           /* largest |n| */
  int species_count;
  int64_t count, rows;   /* waves; runs of waves of the same n_x and n_y */
  qn_wave *wave;         /* [count], ordered by n */
  int64_t *row;          /* [rows + 1], first wave of each run */
  double *rho;           /* [count][species][2], real and imaginary part, of the frame last summed */
  double *phases;        /* workspace */
} qn_waves;

/* The wave vectors of half of space (+q and -q give the same) with |q| < bins * bin, of each bin at most `most`, those of the smallest hashes. `used[bins]` gets how
 * many, `length[bins]` their mean length, 1/A (the middle of the bin without any). QN_UNSUPPORTED when the box is too large for so many. */
qn_status qn_waves_init(qn_waves *waves, const qn_frame *frame, double bin, int bins, int most, double *used, double *length, qn_error *error);
void qn_waves_fini(qn_waves *waves); /* also fine on an all-zero object */

/* rho of a frame of the same species. The bits do not depend on the number of threads. */
qn_status qn_waves_sum(qn_waves *waves, const qn_frame *frame, int threads, qn_error *error);

#endif

/* <u^2> from the frames that jumps are looked for in, when nothing finer is at hand: the mean-squared displacement of all atoms, in space, over one
 * frame interval (the plateau of the MSD in a glass), of the displacements that are no jumps: those below 5 <u^2>, self-consistently. Of a
 * Gaussian cage this cuts 1 %.
 *
 * The error is the jackknife over 16 parts of the frames. */
#ifndef QN_ANALYSIS_CAGE_SIZE_H
#define QN_ANALYSIS_CAGE_SIZE_H

#include <stdint.h>

enum { QN_CAGE_PARTS = 16, QN_CAGE_BINS = 1024 };

/* Begin with an all-zero object. */
typedef struct qn_cage_size {
  double count[QN_CAGE_PARTS][QN_CAGE_BINS], square[QN_CAGE_PARTS][QN_CAGE_BINS]; /* by length, 0.005 A a bin, the last for all above */
} qn_cage_size;

void qn_cage_size_add(qn_cage_size *size, int part, double square); /* of one displacement, A^2 */

/* <u^2>, A^2, and its standard error (NAN with a part that is empty); 0 when nothing moves. */
double qn_cage_size_measure(const qn_cage_size *size, double *standard_error);

#endif

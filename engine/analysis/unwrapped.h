/* Can displacements be told from these frames? Not when the box changes along a periodic axis, when atoms change, and when positions are wrapped: those
 * that the frame says are wrapped, and, where it does not know, those of a run in which an atom moves by more than half a box between two
 * frames while all atoms of all frames so far lie within one box and 4 A (atoms stand out of it by up to half a skin on each side
 * between the rebuilds of a neighbour list), wherever that box lies. */
#ifndef QN_ANALYSIS_UNWRAPPED_H
#define QN_ANALYSIS_UNWRAPPED_H

#include "engine/base/status.h"
#include "engine/trajectory/frame.h"

typedef struct qn_unwrapped {
  int64_t atoms, seen;
  qn_box box;             /* of the first frame */
  double *last[3];        /* [atoms], A, positions of the frame before */
  double low[3], high[3]; /* A, of all positions so far */
} qn_unwrapped;

qn_status qn_unwrapped_init(qn_unwrapped *run, const qn_frame *first, qn_error *error); /* the first frame is checked too */
void qn_unwrapped_fini(qn_unwrapped *run); /* also fine on an all-zero object */

/* The next frame: QN_UNSUPPORTED with its number, from 1, and the reason. */
qn_status qn_unwrapped_check(qn_unwrapped *run, const qn_frame *frame, qn_error *error);

#endif

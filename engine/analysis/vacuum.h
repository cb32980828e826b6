/* Free surfaces: is there an empty slab across the box? */
#ifndef QN_ANALYSIS_VACUUM_H
#define QN_ANALYSIS_VACUUM_H

#include "engine/trajectory/frame.h"

/* The axis with an empty slab at least 6 A thick (no condensed phase has such a gap), or that is not periodic; -1 when there is none. `*middle` (may be
 * NULL) gets the coordinate, A, of the middle of the empty slab (nothing along an axis that is not periodic), `*axes` (may be NULL) on how
 * many axes there is vacuum. */
int qn_vacuum_axis(const qn_frame *frame, double *middle, int *axes);

/* "bulk", or "slab" when there is vacuum: the region of a value over all atoms. */
const char *qn_vacuum_region(const qn_frame *frame);

#endif

/* Free surfaces: is there an empty slab across the box? */
#ifndef QN_ANALYSIS_VACUUM_H
#define QN_ANALYSIS_VACUUM_H

#include "engine/trajectory/frame.h"

/* The axis with an empty slab at least 6 A thick (no condensed phase has such a gap), or -1. `*middle` (may be NULL) gets the coordinate, A, of
 * the middle of the empty slab. */
int qn_vacuum_axis(const qn_frame *frame, double *middle);

/* "bulk", or "slab" when there is vacuum: the region of a value over all atoms. */
const char *qn_vacuum_region(const qn_frame *frame);

#endif

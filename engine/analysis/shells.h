/* Neighbours: who is closer than the first shell's edge.
 *
 * The edge of a pair of species is the first minimum of its g(r) (radial.h) over the first eight frames of a run, unless one is given for all. */
#ifndef QN_ANALYSIS_SHELLS_H
#define QN_ANALYSIS_SHELLS_H

#include "engine/analysis/pairs.h"

typedef struct qn_shells {
  int species_count;
  double cutoff[QN_MAX_SPECIES][QN_MAX_SPECIES]; /* A; 0: g(r) has no minimum */
  double longest;                                /* A, of the cutoffs */
} qn_shells;

/* `given` > 0 (A) for all pairs; 0: from the first of `count` frames. */
qn_status qn_shells_find(qn_shells *shells, double given, const qn_frame *frames, int count, int threads, qn_error *error);

/* Neighbours of every atom by species, number[atoms][species_count]. `pairs` is workspace. */
qn_status qn_shells_count(const qn_shells *shells, qn_pairs *pairs, const qn_frame *frame, int threads, int16_t *number, qn_error *error);

#endif

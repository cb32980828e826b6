/* Jumps counted: over atoms of a species, in 16 parts of the time, for o = 1 and 2 (jumps.h); and the values made of them. */
#ifndef QN_ANALYSIS_JUMP_COUNTS_H
#define QN_ANALYSIS_JUMP_COUNTS_H

#include "engine/analysis/analysis.h"
#include "engine/analysis/jumps.h"
#include "engine/analysis/layer.h"

enum { QN_JUMP_PARTS = 16, QN_JUMP_NUMBERS = 32 };

/* Sums over the jumps of a part of the time; exposure in quarter-windows. */
typedef struct qn_jump_sums {
  double jumps, square, singles, single_length, before, after, exposure;
} qn_jump_sums;

typedef struct qn_jump_counts {
  int species_count;
  int64_t halves;        /* half-windows of the run */
  double half;           /* ps */
  qn_jump_sums *sums;    /* [QN_JUMP_OFFSETS][species][QN_JUMP_PARTS] */
  int64_t *from_to;      /* [species][QN_JUMP_NUMBERS][QN_JUMP_NUMBERS], jumps with o = 2 by coordination number before and after */
} qn_jump_counts;

qn_status qn_jump_counts_init(qn_jump_counts *counts, int species_count, int64_t halves, double half, qn_error *error);
void qn_jump_counts_fini(qn_jump_counts *counts); /* also fine on an all-zero object */

/* An atom that counts was in window `window`: half a window of time. */
void qn_jump_counts_expose(qn_jump_counts *counts, int species, int64_t window);
/* The jumps of an atom that belong to the layer by its method. */
void qn_jump_counts_add(qn_jump_counts *counts, int species, const qn_jump_track *track, qn_layer_method method, int axis);

/* Values for o = 1 and 2 and the curves of a species (-1: all): jumps and exposure by time, and by coordination numbers (when there are any). */
qn_status qn_jump_counts_report(const qn_jump_counts *counts, int species, const char *symbol, const char *region, int dimensions,
                                bool numbers, qn_report *report, qn_error *error);

#endif

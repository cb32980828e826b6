/* Every pair of atoms of one frame closer than a cutoff, with all images along periodic axes, in any box (the cutoff may exceed half its length). */
#ifndef QN_ANALYSIS_PAIRS_H
#define QN_ANALYSIS_PAIRS_H

#include "engine/neighbor/grid.h"
#include "engine/trajectory/frame.h"

typedef struct qn_pairs {
  double cutoff; /* A */
  int64_t atoms, sites, capacity;
  double *r[3];    /* [sites], A: the atoms folded into the box, then their images within the cutoff of it */
  int32_t *atom;   /* [sites] */
  uint8_t *type;   /* [sites] */
  qn_grid grid;
} qn_pairs;

/* Begin with an all-zero object; storage is reused from frame to frame. */
qn_status qn_pairs_build(qn_pairs *pairs, const qn_frame *frame, double cutoff, qn_error *error);
void qn_pairs_fini(qn_pairs *pairs);

typedef struct qn_neighbour {
  int32_t atom;
  uint8_t type;
  double square; /* A^2, distance squared */
} qn_neighbour;

/* Neighbours of atom i (its own images too), in an order that depends on positions alone; returns their number, of which at most `capacity`
 * are written. */
int64_t qn_pairs_of(const qn_pairs *pairs, int64_t i, qn_neighbour *neighbour, int64_t capacity);

#endif

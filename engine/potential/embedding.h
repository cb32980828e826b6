/* The embedding functions F of a system's species, by LAMMPS's spline: a straight line above the last tabulated density, and below the negative of the first
 * step (a density can be negative where its table is; LAMMPS lets the first cubic go on without end). Both kernels share them. */
#ifndef QN_POTENTIAL_EMBEDDING_H
#define QN_POTENTIAL_EMBEDDING_H

#include "engine/potential/kernel.h"

typedef struct qn_embedding {
  int intervals;
  double scale, last;             /* 1/drho, the last tabulated density */
  double *knots;                  /* [species of the atoms][intervals + 1][2], see spline.h */
} qn_embedding;

/* Free with qn_embedding_fini, also after a failure. */
qn_status qn_embedding_init(qn_embedding *embedding, const qn_system *system, qn_error *error);
void qn_embedding_fini(qn_embedding *embedding);

/* [intervals + 1][2] */
static inline const double *qn_embedding_knots(const qn_embedding *embedding, int species) {
  return embedding->knots + 2 * (ptrdiff_t)species * (embedding->intervals + 1);
}

/* F in eV and its slope at a density. */
static inline double qn_embedding_at(const qn_embedding *embedding, int species, double rho, double *slope) {
  double q = rho * embedding->scale;
  int interval = q > 0.0 ? q < embedding->intervals - 1 ? (int)q : embedding->intervals - 1 : 0;
  double p = q - interval < 1.0 ? q - interval > -1.0 ? q - interval : -1.0 : 1.0;
  const double *knot = qn_embedding_knots(embedding, species) + 2 * (ptrdiff_t)interval;
  double rise = knot[2] - knot[0], c2 = 3.0 * rise - 2.0 * knot[1] - knot[3], c3 = knot[1] + knot[3] - 2.0 * rise;
  *slope = ((3.0 * c3 * p + 2.0 * c2) * p + knot[1]) * embedding->scale;
  double energy = ((c3 * p + c2) * p + knot[1]) * p + knot[0];
  if (q < -1.0) return energy + *slope * (rho + 1.0 / embedding->scale);
  return rho > embedding->last ? energy + *slope * (rho - embedding->last) : energy;
}

#endif

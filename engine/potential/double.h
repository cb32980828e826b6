/* Inside of the double kernel: what double.c prepares and the passes (double_passes.h) run on. */
#ifndef QN_POTENTIAL_DOUBLE_H
#define QN_POTENTIAL_DOUBLE_H

#include "engine/potential/kernel.h"

/* The functions of one ordered pair (centre a, neighbour b), as polynomials: [interval][4] coefficients of 1, p, p^2, p^3. */
typedef struct qn_pair_tables {
  const double *pair, *here, *there;  /* r phi; rho at a from b; rho at b from a (`here` itself when they are equal) */
  double pair_square, density_square; /* A^2, ranges of phi and of the longer rho */
  double core_square;                 /* A^2, below it the tables have no answer */
} qn_pair_tables;

/* What one chunk adds to the totals, and the neighbours of its centres that are close enough for a density. */
typedef struct qn_chunk_sum {
  double energy, virial[6];
  int32_t bad;        /* an atom with a neighbour too near or a sum that is not finite; -1 when all is well */
  int32_t *close;     /* sites, from the same starts as the list, padded in the same way */
  int64_t capacity;
  int32_t *count;     /* [QN_CHUNK * species_count], padded */
} qn_chunk_sum;

typedef struct qn_double qn_double;

/* The two passes over chunk `c`, for one instruction set; all with a fused multiply-add give the same bits. */
typedef struct qn_double_passes {
  void (*first)(qn_double *self, const qn_neighbor *neighbor, int64_t c);
  void (*second)(qn_double *self, const qn_neighbor *neighbor, qn_atoms *atoms, int64_t c);
} qn_double_passes;

extern const qn_double_passes qn_double_plain;
#if defined __x86_64__
extern const qn_double_passes qn_double_avx2, qn_double_avx512;
#endif

struct qn_double {
  const qn_double_passes *passes;
  int species_count, threads;
  int r_intervals, rho_intervals;
  double r_scale, r_end;       /* 1/dr; the largest double below the last point, in steps */
  double rho_scale, rho_last;  /* 1/drho, the last tabulated density */
  double *tables;
  qn_pair_tables pair[QN_MAX_SPECIES][QN_MAX_SPECIES];
  const double *embedding[QN_MAX_SPECIES];
  int64_t chunk_count;
  qn_chunk_sum *chunks;
  double *force[3];     /* [atom_count], by centre */
  double *energy;       /* [atom_count], by centre */
  double *sites;        /* [site_capacity][4], x, y, z in A and F' */
  int64_t site_capacity;
};

#endif

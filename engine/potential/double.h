/* The reference kernel: LAMMPS's splines, double throughout. See double_kernel.h for the sums.
 *
 * Positions are first rounded to a grain of 2^-41 A or so (by the size of the box), of which all lengths are whole multiples: differences are exact
 * then, wherever the box is cut. Every term of a sum over neighbours is rounded to a multiple of 2^-43 (eV/A, eV; 1.1e-13) and summed as an integer.
 * So, as with the fast kernel, the result is a function of positions and box alone, and momentum is conserved exactly.
 *
 * One rounding fits terms below 2^8. Where pairs are near enough, or F' steep enough, for larger ones, a term is split first into a multiple of 2^-30 and
 * a rest, and the two are summed apart: the same bits for terms that need no split. No term is larger than 2^21, as pairs that near have no answer, so
 * four thousand neighbours fit 64 bits in either part; the two together, and a virial over all atoms (which passes 2^63 quanta at 40 GPa in 131,072
 * atoms), need more. */
#ifndef QN_POTENTIAL_DOUBLE_H
#define QN_POTENTIAL_DOUBLE_H

#include "engine/base/memory.h"
#include "engine/neighbor/lists.h"
#include "engine/potential/embedding.h"
#include "engine/potential/kernel.h"

/* eV/A or eV: what terms are multiples of, and the number with which rounding to it begins: 1.5 2^52 multiples. The same for the larger part of
 * a split term. */
#define QN_DOUBLE_QUANTUM 0x1p-43
#define QN_DOUBLE_ROUNDER 0x1.8p+9
#define QN_DOUBLE_LARGE_QUANTUM 0x1p-30
#define QN_DOUBLE_LARGE_ROUNDER 0x1.8p+22

__extension__ typedef __int128 qn_double_quanta;

/* Workspace of one thread. */
typedef struct qn_double_scratch {
  _Alignas(QN_MEMORY_APART) double *low, *high; /* [sites][2] of the brick at hand: x, y; z, tag */
  int64_t site_capacity;
  double *stage;           /* what the first stride of a pass leaves for the second, for one atom */
  int64_t stage_capacity;
  qn_double_quanta virial[6]; /* with the sign of its forces turned */
  int32_t bad;             /* an atom with a neighbour too near; INT32_MAX when all is well */
  bool steep;              /* F' of an atom asks for split terms */
  bool crowded;            /* an atom has more neighbours than its sums hold */
  bool failed;             /* no memory */
} qn_double_scratch;

typedef struct qn_double qn_double;

/* One instruction set. Each runs over one brick, for one thread. */
typedef struct qn_double_kernel {
  void (*density)(qn_double *self, int64_t brick, qn_double_scratch *scratch); /* first pass: densities, F, F' */
  void (*force)(qn_double *self, int64_t brick, qn_double_scratch *scratch);   /* second pass */
} qn_double_kernel;

extern const qn_double_kernel qn_double_avx512, qn_double_avx2, qn_double_portable;

struct qn_double {
  const qn_double_kernel *kernel;
  const qn_embedding *embedding; /* borrowed */
  int threads;
  int64_t count;
  /* Knots by r: value, slope times the step; the last of a slot are zero. Pairs (centre a, neighbour b) have slot a * step + b, of `slot`
   * knots; where all functions are the same seen from either side, two species share a slot with step 1. */
  int step, slot, tag_bits;
  bool symmetric;
  double *pair, *here, *there; /* r phi; rho at the centre; rho at the neighbour (NULL when symmetric) */
  double r_scale, r_end;       /* 1/dr; the largest double below the last point, in steps */
  double r_none;               /* steps: inside the zero row */
  double cutoff_square;        /* A^2 */
  double nearest;              /* A: no answer below */
  double near, steepest;       /* A, eV: terms of pairs that are not nearer, of atoms whose F' is not larger, need no split */
  double density_quantum;

  double *low;                 /* [place][2] positions, A: x, y */
  double *high[2];             /* [place][2] z and a tag for the first and for the second pass: its lowest bits are the species, in the second it is F' */
  double *force;               /* [place][4] eV/A: x, y, z and nothing */
  double *energy, *by_atom;    /* eV, [place] and [atom]; when wanted */
  qn_double_scratch *scratch;  /* [threads] */
  /* This evaluation. */
  qn_lists *lists;
  double box[3];               /* A, lengths in whole grains */
  qn_sums sums;
  bool split;                  /* terms, in every brick */
};

/* For `count` atoms; `embedding` must outlive it. */
qn_status qn_double_alloc(qn_double **made, const qn_system *system, const qn_embedding *embedding, int64_t count, qn_instructions instructions,
                          qn_error *error);
void qn_double_free(qn_double *self);

/* Forces over the lists, whose inner ones are chosen first when `prune`, and the sums into *result; `atom_energy` may be NULL. QN_BLOWUP names an atom with a
 * neighbour nearer than the tables can answer. */
qn_status qn_double_compute(qn_double *self, qn_lists *lists, bool prune, qn_sums sums, qn_force_result *result, double *atom_energy, qn_error *error);

#endif

/* Energies, forces and virial of a configuration: one signature over every kernel.
 *
 * A qn_force owns its neighbour lists and tables for one system (number of atoms, types, potential) and makes lists anew when it must. With either
 * precision the result is a function of positions and box alone: the same bits for any number of threads, whenever lists were built, on every
 * instruction set, and after a resume; and the net force is exactly zero. */
#ifndef QN_POTENTIAL_FORCE_H
#define QN_POTENTIAL_FORCE_H

#include <stdint.h>

#include "engine/base/status.h"
#include "engine/model/atoms.h"
#include "engine/potential/eam.h"

typedef enum qn_precision {
  QN_PRECISION_DOUBLE, /* the reference: LAMMPS's splines, double throughout */
  QN_PRECISION_FAST    /* re-tabulated, single precision pair arithmetic, integer sums */
} qn_precision;

typedef struct qn_force_options {
  qn_precision precision;
  int threads; /* OpenMP threads, >= 1 */
  double skin; /* A, > 0; 0 takes the kernel's own default */
  const char *instructions; /* "avx512", "avx2", "portable"; NULL takes the best */
} qn_force_options;

typedef struct qn_force_result {
  double energy;    /* eV, potential */
  double virial[6]; /* eV, sum of r_ij f_ij: xx yy zz xy xz yz; potential part of the pressure = virial / volume */
} qn_force_result;

typedef struct qn_force qn_force;

/* Tables and workspace for `atoms` in `box`. The potential must outlive the force. QN_INVALID when a species has no entry
 * in the potential, or when the box is too small for the cutoff (the message gives the smallest length). */
qn_status qn_force_alloc(qn_force **force, const qn_eam *potential, const qn_atoms *atoms,
                         const qn_box *box, const qn_force_options *options, qn_error *error);
void qn_force_free(qn_force *force);

/* Forces into atoms->f; with `result` energy and virial, with `atom_energy` ([count], eV) the energy of each atom: NULL saves the work. An atom that has
 * left the box is wrapped at once. QN_BLOWUP names an atom whose position is not finite, or which has a neighbour nearer than the potential's tables can
 * answer. */
qn_status qn_force_compute(qn_force *force, const qn_box *box, qn_atoms *atoms,
                           qn_force_result *result, double *atom_energy, qn_error *error);

/* Forces, and the diagonal of the virial alone (xx, yy, zz; eV), to the bit as qn_force_compute gives it, for a barostat. */
qn_status qn_force_compute_pressure(qn_force *force, const qn_box *box, qn_atoms *atoms, double virial[3], qn_error *error);

/* How often lists were built since allocation. */
int64_t qn_force_rebuilds(const qn_force *force);

/* Smallest box length, A, that the potential and skin allow; and the name of the kernel chosen, such as "double" or "fast-avx512". */
double qn_force_smallest_length(const qn_eam *potential, const qn_force_options *options);
const char *qn_force_kernel(const qn_force *force);

#endif

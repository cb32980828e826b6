/* The fast kernel behind qn_force: single-precision pair arithmetic on re-tabulated functions, integer sums. See fast_kernel.h for the method,
 * fast_tables.h for the functions and their error.
 *
 * Its results are a function of positions and box alone: the same bits for any number of threads, whenever lists were built, and on
 * every instruction set. It wraps an atom into the box as soon as it leaves, for the same reason. */
#ifndef QN_POTENTIAL_FAST_H
#define QN_POTENTIAL_FAST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/atoms.h"
#include "engine/model/box.h"
#include "engine/potential/force.h"
#include "engine/potential/kernel.h"

typedef struct qn_fast qn_fast;

/* The kernel for `count` atoms; skin in A, 0 for the default. `instructions` is "avx512", "avx2" or "portable", or NULL for the best that the
 * processor has; QN_UNSUPPORTED when it has not that one. */
qn_status qn_fast_alloc(qn_fast **fast, const qn_system *system, int64_t count, double skin, const char *instructions, qn_error *error);
void qn_fast_free(qn_fast *fast);

/* Forces, and with `result` not NULL energy and virial. `atom_energy` may be NULL. Sets *close, and gives nothing, when two atoms are nearer than
 * the tables can answer: then the reference kernel must. */
qn_status qn_fast_compute(qn_fast *fast, const qn_box *box, qn_atoms *atoms, qn_force_result *result, double *atom_energy, bool *close,
                          qn_error *error);

int64_t qn_fast_builds(const qn_fast *fast);
const char *qn_fast_name(const qn_fast *fast);
/* Largest error of one pair's force by the fits, eV/A. */
double qn_fast_worst(const qn_fast *fast);

#endif

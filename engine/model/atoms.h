/* The atoms as structure-of-arrays, in the order of their identity: atom i is the same atom for ever.
 * Kernels that want another order keep a permutation of their own.
 *
 * Positions are kept near the box together with the count of boxes crossed, so the unwrapped position
 * is exact, r + image * length: whoever wraps an atom changes its image by the same step. */
#ifndef QN_MODEL_ATOMS_H
#define QN_MODEL_ATOMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/model/box.h"

enum { QN_SYMBOL_SIZE = 8, QN_MAX_SPECIES = 16 };

typedef struct qn_species {
  char symbol[QN_SYMBOL_SIZE]; /* chemical symbol, such as "Cu" */
  double mass;                 /* amu */
} qn_species;

typedef struct qn_atoms {
  int64_t count;
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  uint8_t *type;     /* [count], index into species */
  double *r[3];      /* [axis][count], A */
  double *v[3];      /* [axis][count], A/ps */
  double *f[3];      /* [axis][count], eV/A, what the last force evaluation wrote */
  int32_t *image[3]; /* [axis][count], boxes crossed */
} qn_atoms;

/* Arrays for `count` atoms, all zero; the caller fills species and owns the object: qn_atoms_fini. */
qn_status qn_atoms_init(qn_atoms *atoms, int64_t count, qn_error *error);
void qn_atoms_fini(qn_atoms *atoms); /* also fine on an all-zero object */

/* Letters, digits and '_', the first a letter, fewer than QN_SYMBOL_SIZE: what every format can carry. */
bool qn_symbol_is_valid(const char *symbol);

/* Index of a species by symbol, or -1. */
int qn_atoms_find_species(const qn_atoms *atoms, const char *symbol);

/* Bring every position into [origin, origin + length) and correct its image count.
 * QN_BLOWUP naming the first atom whose position is not finite. */
qn_status qn_atoms_wrap(qn_atoms *atoms, const qn_box *box, qn_error *error);
/* The same for atom i alone. */
qn_status qn_atoms_wrap_one(qn_atoms *atoms, const qn_box *box, int64_t i, qn_error *error);

#endif

/* Perfect crystals with chosen species: where a simulation begins.
 *
 * Random species are placed at exact composition: the counts are composition x sites, rounded so that they add up
 * (largest remainder), and shuffled by the seed. */
#ifndef QN_MODEL_LATTICE_H
#define QN_MODEL_LATTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/atoms.h"

typedef enum qn_crystal { QN_CRYSTAL_FCC, QN_CRYSTAL_BCC, QN_CRYSTAL_B2 } qn_crystal;

typedef struct qn_lattice {
  qn_crystal crystal;
  int cells[3];
  double constant;                       /* A, edge of the cubic cell */
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  double fraction[QN_MAX_SPECIES];       /* sums to 1 within 1e-6 */
  bool ordered;                          /* B2: species 0 at the corners, 1 at the centres; fcc, bcc: species fill sites in turn */
} qn_lattice;

/* Sites of the crystal: 4 (fcc) or 2 (bcc, B2) a cell. */
int64_t qn_lattice_sites(const qn_lattice *lattice);

/* Atoms (to be freed by the caller with qn_atoms_fini) at rest on the sites, and their box with its origin at 0. */
qn_status qn_lattice_build(const qn_lattice *lattice, uint64_t seed, qn_atoms *atoms, qn_box *box, qn_error *error);

#endif

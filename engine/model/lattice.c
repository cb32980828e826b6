#include "engine/model/lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

typedef struct qn_basis {
  int sites;
  double at[4][3]; /* fractions of the cubic cell */
} qn_basis;

static const qn_basis FCC = {4, {{0, 0, 0}, {0.5, 0.5, 0}, {0.5, 0, 0.5}, {0, 0.5, 0.5}}};
static const qn_basis BCC = {2, {{0, 0, 0}, {0.5, 0.5, 0.5}}}; /* B2 has the same sites */

static const qn_basis *basis_of(qn_crystal crystal) { return crystal == QN_CRYSTAL_FCC ? &FCC : &BCC; }

int64_t qn_lattice_sites(const qn_lattice *lattice) {
  return (int64_t)basis_of(lattice->crystal)->sites * lattice->cells[0] * lattice->cells[1] * lattice->cells[2];
}

static qn_status check(const qn_lattice *lattice, qn_error *error) {
  for (int axis = 0; axis < 3; axis++)
    if (lattice->cells[axis] < 1 || lattice->cells[axis] > 1000)
      return qn_error_set(error, QN_INVALID, "cells along %c is %d, must lie between 1 and 1000", "xyz"[axis], lattice->cells[axis]);
  if (!(lattice->constant > 0.0 && lattice->constant < 100.0))
    return qn_error_set(error, QN_INVALID, "lattice constant is %g A, must be above 0 and below 100", lattice->constant);
  if (lattice->species_count < 1 || lattice->species_count > QN_MAX_SPECIES)
    return qn_error_set(error, QN_INVALID, "number of species is %d, must lie between 1 and %d", lattice->species_count, QN_MAX_SPECIES);
  double sum = 0.0;
  for (int s = 0; s < lattice->species_count; s++) {
    const qn_species *species = &lattice->species[s];
    if (!(lattice->fraction[s] >= 0.0 && lattice->fraction[s] <= 1.0))
      return qn_error_set(error, QN_INVALID, "fraction of %s is %g, must lie between 0 and 1", species->symbol, lattice->fraction[s]);
    if (!(species->mass > 0.0 && isfinite(species->mass)))
      return qn_error_set(error, QN_INVALID, "mass of %s is %g amu, must be above 0", species->symbol, species->mass);
    for (int t = 0; t < s; t++)
      if (strcmp(species->symbol, lattice->species[t].symbol) == 0)
        return qn_error_set(error, QN_INVALID, "species %s is named twice", species->symbol);
    sum += lattice->fraction[s];
  }
  if (fabs(sum - 1.0) > 1e-6) return qn_error_set(error, QN_INVALID, "the fractions add up to %.9g, must be 1", sum);
  if (lattice->crystal == QN_CRYSTAL_B2 && lattice->ordered && lattice->species_count != 2)
    return qn_error_set(error, QN_INVALID, "ordered B2 has 2 species, not %d", lattice->species_count);
  return QN_OK;
}

/* Largest remainder: floor every share, then give the sites left over to the largest remainders, first species first. */
static void share_out(const qn_lattice *lattice, int64_t sites, int64_t count[QN_MAX_SPECIES]) {
  double remainder[QN_MAX_SPECIES], sum = 0.0;
  int64_t left = sites;
  for (int s = 0; s < lattice->species_count; s++) sum += lattice->fraction[s]; /* 1, but for the user's rounding */
  for (int s = 0; s < lattice->species_count; s++) {
    double share = lattice->fraction[s] / sum * (double)sites;
    count[s] = (int64_t)floor(share + 1e-6); /* a share that is whole but for rounding is whole */
    remainder[s] = share - (double)count[s];
    left -= count[s];
  }
  for (; left > 0; left--) {
    int best = 0;
    for (int s = 1; s < lattice->species_count; s++)
      if (remainder[s] > remainder[best] + 1e-9) best = s;
    count[best]++;
    remainder[best] -= 1.0;
  }
}

/* The order fixes the composition, so the fractions must be the ones it has. */
static qn_status check_ordered(const qn_lattice *lattice, const qn_atoms *atoms, qn_error *error) {
  int64_t asked[QN_MAX_SPECIES], has[QN_MAX_SPECIES] = {0};
  share_out(lattice, atoms->count, asked);
  for (int64_t i = 0; i < atoms->count; i++) has[atoms->type[i]]++;
  for (int s = 0; s < lattice->species_count; s++)
    if (llabs(asked[s] - has[s]) > 1)
      return qn_error_set(error, QN_INVALID, "fraction of %s is %g, but the ordered crystal has %g", lattice->species[s].symbol,
                          lattice->fraction[s], (double)has[s] / (double)atoms->count);
  return QN_OK;
}

static void place_random(const qn_lattice *lattice, uint64_t seed, qn_atoms *atoms) {
  int64_t count[QN_MAX_SPECIES], next = 0;
  share_out(lattice, atoms->count, count);
  for (int s = 0; s < lattice->species_count; s++)
    for (int64_t k = 0; k < count[s]; k++) atoms->type[next++] = (uint8_t)s;
  qn_rng rng;
  qn_rng_init(&rng, seed, QN_RNG_LATTICE, 0);
  for (int64_t i = atoms->count - 1; i > 0; i--) {
    int64_t j = (int64_t)qn_rng_below(&rng, (uint64_t)i + 1);
    uint8_t swap = atoms->type[i];
    atoms->type[i] = atoms->type[j];
    atoms->type[j] = swap;
  }
}

qn_status qn_lattice_build(const qn_lattice *lattice, uint64_t seed, qn_atoms *atoms, qn_box *box, qn_error *error) {
  *atoms = (qn_atoms){0};
  qn_status status = check(lattice, error);
  if (status == QN_OK) status = qn_atoms_init(atoms, qn_lattice_sites(lattice), error);
  if (status != QN_OK) return status;

  atoms->species_count = lattice->species_count;
  memcpy(atoms->species, lattice->species, sizeof atoms->species);
  const qn_basis *basis = basis_of(lattice->crystal);
  int64_t i = 0;
  for (int z = 0; z < lattice->cells[2]; z++)
    for (int y = 0; y < lattice->cells[1]; y++)
      for (int x = 0; x < lattice->cells[0]; x++)
        for (int site = 0; site < basis->sites; site++, i++) {
          const double corner[3] = {x, y, z};
          for (int axis = 0; axis < 3; axis++) atoms->r[axis][i] = (corner[axis] + basis->at[site][axis]) * lattice->constant;
          atoms->type[i] = (uint8_t)(i % lattice->species_count);
        }
  if (lattice->ordered) {
    status = check_ordered(lattice, atoms, error);
    if (status != QN_OK) {
      qn_atoms_fini(atoms);
      return status;
    }
  } else {
    place_random(lattice, seed, atoms);
  }
  for (int axis = 0; axis < 3; axis++) {
    box->origin[axis] = 0.0;
    box->length[axis] = lattice->cells[axis] * lattice->constant;
  }
  return QN_OK;
}

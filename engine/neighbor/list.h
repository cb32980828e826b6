/* Verlet lists: for every atom all neighbours within reach + skin, complete (each pair twice), so that a kernel sums into
 * one atom alone and the bits do not depend on threads.
 *
 * Space is unrolled: the atoms of the box and every periodic image within reach of it are `sites`, sorted by cell; lists
 * name sites, so kernels see plain differences of positions. A list stays valid while
 *   2 max|r - S r0| <= min(S, 1) (reach + skin) - reach,
 * where r0 are the positions it was built from and S scales the old box to the present one (exact for moving atoms and a
 * changing box together). */
#ifndef QN_NEIGHBOR_LIST_H
#define QN_NEIGHBOR_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/model/atoms.h"
#include "engine/model/box.h"
#include "engine/neighbor/grid.h"

enum {
  QN_CHUNK = 64, /* centres a chunk: the unit of work and of every reduction, whatever the number of threads */
  /* More neighbours than this within a few A is no matter that an EAM potential describes; it also bounds the memory of a run gone wrong. */
  QN_MOST_NEIGHBORS = 8192,
  QN_LANES = 8   /* the entries of one species are padded to a multiple of this with the site at infinity */
};

/* The lists of centres first .. first + count - 1. Entries of centre k (from 0) and neighbour species s lie at
 * start[k * species_count + s] up to the next start. */
typedef struct qn_chunk {
  int64_t first;
  int count;
  int32_t *start;   /* [count * species_count + 1] */
  int32_t *entries; /* sites */
  int64_t capacity;
} qn_chunk;

typedef struct qn_neighbor {
  int species_count, threads;
  double skin;                                 /* A */
  double reach[QN_MAX_SPECIES][QN_MAX_SPECIES]; /* A, without skin, by species of the atoms; symmetric */
  double longest;                              /* A, of reach */

  /* Sites in order of cell, [site_count + 1]; the last is at infinity. Centres are the sites that are atoms of the box. */
  int64_t atom_count, site_count, site_capacity;
  double *r[3];       /* A */
  uint8_t *type;
  int32_t *atom;      /* whose image this is */
  int8_t *shift[3];   /* by how many boxes */
  int32_t *centre;    /* [atom_count] site of each centre, ascending */
  int32_t *home;      /* [atom_count] site of each atom itself */
  int64_t chunk_count;
  qn_chunk *chunks;

  bool built;         /* there is a reference */
  bool restored;      /* the reference was given from outside, lists are to be built from it */
  double *reference[3]; /* [atom_count] positions that the lists were built from, A */
  qn_box reference_box;
  int64_t builds;
  qn_grid grid;
} qn_neighbor;

/* Lists for `atoms` (number and types stay). reach[a][b] in A by the species of the atoms, skin > 0. Free with qn_neighbor_fini, also after
 * a failure. */
qn_status qn_neighbor_init(qn_neighbor *neighbor, const qn_atoms *atoms, double reach[QN_MAX_SPECIES][QN_MAX_SPECIES], double skin,
                           int threads, qn_error *error);
void qn_neighbor_fini(qn_neighbor *neighbor);

/* Make lists and site positions fit `atoms` in `box`: rebuild when the list above is no longer valid (positions are wrapped and
 * images corrected then), else move the sites. QN_BLOWUP names an atom that is lost or has more neighbours than matter can. */
qn_status qn_neighbor_update(qn_neighbor *neighbor, const qn_box *box, qn_atoms *atoms, qn_error *error);

/* Build the next lists from these positions and box instead of the current ones. */
void qn_neighbor_restore(qn_neighbor *neighbor, double *const positions[3], const qn_box *box);

#endif

/* Neighbour lists by brick: for every atom all neighbours within range and skin. Complete lists hold each pair twice, so that a kernel sums into one atom
 * alone; half lists hold it once, at the atom that comes first by place, and a kernel sees to the other (engine/potential/shares.h).
 *
 * Atoms are sorted into bricks (bricks.h). The atoms of a brick and all that surrounds them are its sites, some thousand, and lists name sites by
 * 16 bits however large the system is: a kernel copies the sites of a brick to an array that stays in the nearest caches.
 *
 * Two kinds of lists. Outer ones hold everything within reach + outer skin and are searched for in space, now and then. Inner ones are chosen from
 * them at the present positions, more often, with a thin skin, and split in two: the core, pairs near enough for any density, and the shell beyond it,
 * where the pair term alone is left. Either stays valid while no two atoms can have come nearer to each other by more than its skin:
 *   2 max|r - r0| + |L - L0| <= skin.
 *
 * For lists positions are integers, quanta of reach / 2^28 (modulo 2^32): differences are exact, wherever the box is cut. */
#ifndef QN_NEIGHBOR_LISTS_H
#define QN_NEIGHBOR_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/instructions.h"
#include "engine/base/memory.h"
#include "engine/base/turns.h"
#include "engine/model/atoms.h"
#include "engine/model/box.h"
#include "engine/neighbor/bricks.h"

enum {
  QN_LISTS_REACH_BITS = 28, /* log2 of the reach in quanta */
  QN_LISTS_LANES = 8,       /* inner lists of an atom are padded to a multiple of this; outer ones to one of the kernel's lanes */
  QN_LISTS_PAD = 16         /* entries, sites or atoms that a kernel may touch beyond the end */
};

/* How far pairs of species matter, A, by species of the atoms. */
typedef struct qn_lists_ranges {
  double reach;                                 /* the longest of all; 0 < reach */
  double core[QN_MAX_SPECIES][QN_MAX_SPECIES];  /* pairs nearer than this are in the core */
  double shell[QN_MAX_SPECIES][QN_MAX_SPECIES]; /* pairs from there up to this in the shell */
  double near;                                  /* bricks in which a pair may come nearer than this are marked */
} qn_lists_ranges;

/* Position in quanta, and a tag: the species. */
typedef struct qn_site {
  int32_t x, y, z, tag;
} qn_site;

/* The lists of one brick, atom by atom. Entries are twice the index of a site, so that one scaled address reaches a row of 16 bytes. Padding names
 * the site after the last, which is one to five reaches away from every atom of the brick. */
typedef struct qn_brick_lists {
  uint16_t *outer;
  uint16_t *inner;                 /* for each atom the core, and after it the shell */
  int32_t *outer_count;            /* [atoms] without padding */
  uint16_t (*count)[2];            /* [atoms] entries that are to be taken for core, with as many of the shell as fill them up; and the rest, with padding */
  uint16_t *self;                  /* [atoms] the atom's own site */
  int64_t outer_capacity, inner_capacity, atom_capacity;
  int32_t most;                    /* entries of the longest inner list */
  bool near;                       /* a pair may come nearer than ranges.near while the inner lists last */
} qn_brick_lists;

/* Workspace of one thread. */
typedef struct qn_lists_scratch {
  _Alignas(QN_MEMORY_APART) qn_surroundings about;
  qn_site *sites;              /* of the brick at hand; room for those of the largest, the padding and a vector */
  int32_t *place[3];           /* the same positions, by axis */
  int32_t *at;                 /* the place of each site */
  uint16_t *shell;             /* entries of the atom at hand; room for all sites */
  int64_t site_capacity;
  int32_t (*column)[2];        /* first and last + 1 site of the columns around a cell */
  float inner_moved, outer_moved; /* A^2, largest displacement since the lists were made */
  bool failed;                 /* error says why */
  qn_error error;
} qn_lists_scratch;

typedef struct qn_lists qn_lists;

/* What is compiled for each instruction set. Each runs over a part of the work, for one thread. */
typedef struct qn_lists_kernel {
  int lanes;
  /* Positions of places begin .. end - 1 into rows; how far they moved; atoms that left the box are wrapped. */
  void (*place)(qn_lists *lists, int64_t begin, int64_t end, qn_lists_scratch *scratch);
  qn_status (*build)(qn_lists *lists, int64_t brick, qn_lists_scratch *scratch); /* outer lists */
  qn_status (*prune)(qn_lists *lists, int64_t brick, qn_lists_scratch *scratch); /* inner lists from them */
} qn_lists_kernel;

struct qn_lists {
  const qn_lists_kernel *kernel;
  qn_bricks bricks;
  qn_lists_ranges ranges;
  int species_count, threads;
  bool half;                       /* each pair once */
  int64_t count;
  double quantum;                  /* A */
  double outer_skin, inner_skin;   /* A */
  qn_brick_lists *brick;           /* [bricks] */
  int64_t brick_capacity;
  qn_lists_scratch *scratch;       /* [threads] */
  qn_turns *turns;                 /* [threads] at bricks, here and in kernels: who builds a brick's lists goes through them later */
  qn_site *rows;                   /* [place] */
  uint8_t *type;                   /* [place] */
  int32_t *crossed[3];             /* [place] boxes crossed since the outer lists were built */
  float *outer_place[3], *inner_place[3]; /* [place] where the lists were made, A */
  qn_box outer_box, inner_box;
  bool built, pruned;              /* there are outer lists; and inner ones */
  int64_t builds;
  int32_t most_sites;              /* of a brick */
  /* As of the last update. */
  qn_atoms *atoms;
  qn_box box;
  int32_t box_quanta[3];           /* the box length, modulo 2^32 */
};

/* Workspace for `atoms` (number and species stay); skin in A, 0 for the default. Free with qn_lists_fini, also after a failure. Half lists leave out an
 * atom's own images, which are out of reach as long as the box is. */
qn_status qn_lists_init(qn_lists *lists, const qn_atoms *atoms, const qn_lists_ranges *ranges, bool half, double skin, qn_instructions instructions,
                        int threads, qn_error *error);
void qn_lists_fini(qn_lists *lists);

/* Take over the positions of `atoms` in `box` and see to it that outer lists hold for them; *prune when the inner ones have to be chosen anew, which
 * the caller does brick by brick (kernel->prune) before it uses them, and then says so by qn_lists_pruned. Atoms that left the box are wrapped
 * and their images corrected. QN_BLOWUP names an atom that is lost, or a crowd; the box must be at least as long as the reach. */
qn_status qn_lists_update(qn_lists *lists, const qn_box *box, qn_atoms *atoms, bool *prune, qn_error *error);
void qn_lists_pruned(qn_lists *lists, bool success);

/* The first failure that a thread has noted. */
qn_status qn_lists_failure(const qn_lists *lists, qn_error *error);

/* Put values by place in the order of the atoms, which no list changes, and give their sum in that order. */
double qn_lists_by_atom(const qn_lists *lists, const double *by_place, double *by_atom);

/* ---- for the kernels ---- */

extern const qn_lists_kernel qn_lists_avx512, qn_lists_avx2, qn_lists_portable;

/* Room for `needed` entries of a list of which `used` are filled, for the arrays by atom, for the sites of a brick; false when there is no memory. */
bool qn_lists_grow(uint16_t **list, int64_t *capacity, int64_t used, int64_t needed);
bool qn_lists_room(qn_brick_lists *lists, int64_t atoms);
bool qn_lists_site_room(qn_lists_scratch *scratch, int64_t sites);
qn_status qn_lists_no_memory(qn_lists_scratch *scratch);

/* Bring the atom at a place back into the box and count what it crossed; false, with the scratch's error, when it is lost. */
bool qn_lists_wrap(qn_lists *lists, int64_t at, qn_lists_scratch *scratch);

#endif

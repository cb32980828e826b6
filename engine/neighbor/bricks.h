/* Atoms sorted into bricks of space, and what surrounds each brick.
 *
 * A brick is a block of cells some 14 A long. Its atoms stand next to each other in `order`, and so do those of each of its
 * cells. The sites around a brick (its own atoms, and atoms or their periodic images within reach of it) are named by
 * stretches: runs of consecutive atoms of `order`, shifted by whole boxes. A kernel copies the stretches into one small
 * array, which fits the first-level cache and is addressed with 16 bits however large the system is. */
#ifndef QN_NEIGHBOR_BRICKS_H
#define QN_NEIGHBOR_BRICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/model/atoms.h"
#include "engine/model/box.h"

enum { QN_BRICK_SITES = 32000 }; /* most sites around one brick; 16-bit lists hold twice an index */

/* Atoms start .. start + count - 1 of `order`, all of one column of bricks along z, and shifted by the same number of boxes. */
typedef struct qn_stretch {
  int32_t start, count, column;
  int32_t shift[3];
} qn_stretch;

typedef struct qn_brick {
  int32_t first, count; /* its atoms in `order` */
  int32_t site_count;
  int32_t stretch_count, stretch_capacity;
  qn_stretch *stretches;
  double middle[3];     /* A, of its space */
} qn_brick;

typedef struct qn_bricks {
  int64_t atom_count;
  double reach;          /* A: sites within this distance of a brick surround it */
  int bricks[3];         /* along each axis */
  int cells[3];          /* of one brick, along each axis */
  double cell_length[3]; /* A */
  int margin[3];         /* cells that reach spans along each axis */
  int64_t brick_count, brick_capacity;
  qn_brick *brick;
  int32_t *order;        /* [atom_count] atom at each place */
  int32_t *place;        /* [atom_count] and the place of each atom */
  int32_t *cell_start;   /* [cells of all bricks + 1], brick by brick */
  int64_t cell_capacity;
  int32_t *cell_of;      /* [atom_count] */
} qn_bricks;

/* The cells about one brick: site[c] is the first site of cell c, where cells count x, y, z (z fastest) from -margin to
 * cells + margin - 1; the cells of a column along z follow one another. Scratch of whoever builds lists. */
typedef struct qn_surroundings {
  int extent[3];
  int32_t *site; /* [product of extent + 1] */
  int64_t capacity;
} qn_surroundings;

/* Workspace for `atom_count` atoms; reach in A. Free with qn_bricks_fini, also after a failure. */
qn_status qn_bricks_init(qn_bricks *bricks, int64_t atom_count, double reach, qn_error *error);
void qn_bricks_fini(qn_bricks *bricks);

/* Sort the atoms, which must stand inside the box. */
qn_status qn_bricks_sort(qn_bricks *bricks, const qn_atoms *atoms, const qn_box *box, qn_error *error);

/* Find the stretches of brick `b` and the cells about it; when `half`, without those of the bricks before it. QN_BLOWUP when more sites surround it than
 * matter can have. */
qn_status qn_bricks_surround(qn_bricks *bricks, int64_t b, bool half, qn_surroundings *about, qn_error *error);
void qn_surroundings_fini(qn_surroundings *about);

/* Index of a cell in qn_surroundings. */
static inline int64_t qn_surroundings_cell(const qn_bricks *bricks, const qn_surroundings *about, int x, int y, int z) {
  return ((int64_t)(x + bricks->margin[0]) * about->extent[1] + y + bricks->margin[1]) * about->extent[2] + z + bricks->margin[2];
}

/* How many boxes image `n` cells from the origin lies away, and the cell inside the box. */
static inline int qn_cell_wrap(int *cell, int count) {
  int boxes = 0;
  while (*cell < 0) *cell += count, boxes--;
  while (*cell >= count) *cell -= count, boxes++;
  return boxes;
}

#endif

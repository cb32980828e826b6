/* A cell grid over open space: points sorted by the cell they lie in, x fastest, so that the cells next to each other along x
 * are one run of the order. Periodicity is not its business: whoever needs it adds the images as points. */
#ifndef QN_NEIGHBOR_GRID_H
#define QN_NEIGHBOR_GRID_H

#include <stdint.h>

#include "engine/base/status.h"

typedef struct qn_grid {
  double origin[3];        /* A, lower corner */
  double edge[3];          /* A, of one cell */
  double scale[3];         /* 1/A, 1/edge */
  int cells[3];
  int32_t *start;          /* [cells + 1], first place of each cell in the order */
  int32_t *order;          /* [points], index of the point at each place */
  int64_t start_capacity, order_capacity;
} qn_grid;

/* Sort `count` points that lie between `low` and `high` (A; those outside count to the nearest cell) into cells of these edges (A) or
 * somewhat more. Points of one cell keep their order. Storage is reused; begin with an all-zero object, end with qn_grid_fini. */
qn_status qn_grid_sort(qn_grid *grid, const double low[3], const double high[3], const double edge[3], int64_t count, double *const r[3],
                       qn_error *error);
void qn_grid_fini(qn_grid *grid);

/* Cell index along one axis, clamped to the grid. */
static inline int qn_grid_cell(const qn_grid *grid, int axis, double position) {
  double cell = (position - grid->origin[axis]) * grid->scale[axis];
  if (!(cell > 0.0)) return 0;
  return cell < grid->cells[axis] ? (int)cell : grid->cells[axis] - 1;
}

#endif

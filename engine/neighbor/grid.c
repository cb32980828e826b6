#include "engine/neighbor/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

/* `*array` with room for `count` elements of 4 bytes; contents are not kept. */
static int reserve(int32_t **array, int64_t *capacity, int64_t count) {
  if (count <= *capacity) return 1;
  free(*array);
  *capacity = count + count / 8;
  *array = qn_memory_alloc((size_t)*capacity, sizeof **array);
  if (*array == NULL) *capacity = 0;
  return *array != NULL;
}

/* Vacuum is cheap but not free: no more than a few cells a point. */
static void lay_out(qn_grid *grid, const double low[3], const double high[3], const double edge[3], int64_t count) {
  double limit = 8.0 * (double)count + 4096.0, cells[3];
  for (double wider = 1.0;; wider *= 1.25) {
    for (int axis = 0; axis < 3; axis++) cells[axis] = fmax(1.0, floor((high[axis] - low[axis]) / (wider * edge[axis])));
    if (cells[0] * cells[1] * cells[2] <= limit) break;
  }
  for (int axis = 0; axis < 3; axis++) {
    grid->cells[axis] = (int)cells[axis];
    grid->origin[axis] = low[axis];
    grid->edge[axis] = (high[axis] - low[axis]) / cells[axis];
    grid->scale[axis] = 1.0 / grid->edge[axis];
  }
}

qn_status qn_grid_sort(qn_grid *grid, const double low[3], const double high[3], const double edge[3], int64_t count, double *const r[3],
                       qn_error *error) {
  lay_out(grid, low, high, edge, count);
  int64_t cells = (int64_t)grid->cells[0] * grid->cells[1] * grid->cells[2];
  int32_t *cell = qn_memory_alloc((size_t)count, sizeof *cell);
  if (cell == NULL || !reserve(&grid->start, &grid->start_capacity, cells + 2) ||
      !reserve(&grid->order, &grid->order_capacity, count)) {
    free(cell);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for a grid of %lld cells", (long long)cells);
  }
  memset(grid->start, 0, (size_t)(cells + 2) * sizeof *grid->start);
  for (int64_t i = 0; i < count; i++) {
    int x = qn_grid_cell(grid, 0, r[0][i]), y = qn_grid_cell(grid, 1, r[1][i]), z = qn_grid_cell(grid, 2, r[2][i]);
    cell[i] = x + grid->cells[0] * (y + grid->cells[1] * z);
    grid->start[cell[i] + 2]++;
  }
  for (int64_t c = 1; c <= cells; c++) grid->start[c + 1] += grid->start[c];
  for (int64_t i = 0; i < count; i++) grid->order[grid->start[cell[i] + 1]++] = (int32_t)i;
  free(cell);
  return QN_OK;
}

void qn_grid_fini(qn_grid *grid) {
  free(grid->start);
  free(grid->order);
  *grid = (qn_grid){0};
}

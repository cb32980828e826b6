#include "engine/analysis/pairs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

void qn_pairs_fini(qn_pairs *pairs) {
  for (int a = 0; a < 3; a++) free(pairs->r[a]);
  free(pairs->atom);
  free(pairs->type);
  qn_grid_fini(&pairs->grid);
  memset(pairs, 0, sizeof *pairs);
}

static qn_status reserve(qn_pairs *pairs, int64_t capacity, qn_error *error) {
  if (capacity <= pairs->capacity) return QN_OK;
  capacity += capacity / 4;
  bool good = capacity < INT32_MAX;
  for (int a = 0; good && a < 3; a++) {
    double *larger = realloc(pairs->r[a], (size_t)capacity * sizeof *larger);
    good = larger != NULL;
    if (good) pairs->r[a] = larger;
  }
  int32_t *atom = good ? realloc(pairs->atom, (size_t)capacity * sizeof *atom) : NULL;
  if (atom != NULL) pairs->atom = atom;
  uint8_t *type = atom != NULL ? realloc(pairs->type, (size_t)capacity) : NULL;
  if (type == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the neighbours of %lld atoms", (long long)pairs->atoms);
  pairs->type = type;
  pairs->capacity = capacity;
  return QN_OK;
}

/* Copies of all sites shifted by -n .. n boxes along one axis, as far as they lie within the cutoff of the box. */
static qn_status add_images(qn_pairs *pairs, const qn_box *box, int axis, qn_error *error) {
  double length = box->length[axis], low = box->origin[axis] - pairs->cutoff, high = box->origin[axis] + length + pairs->cutoff;
  int64_t boxes = (int64_t)ceil(pairs->cutoff / length), sites = pairs->sites;
  for (int64_t n = -boxes; n <= boxes; n++) {
    if (n == 0) continue;
    qn_status status = reserve(pairs, pairs->sites + sites, error);
    if (status != QN_OK) return status;
    for (int64_t s = 0; s < sites; s++) {
      double x = pairs->r[axis][s] + (double)n * length;
      if (x < low || x > high) continue;
      int64_t added = pairs->sites++;
      for (int a = 0; a < 3; a++) pairs->r[a][added] = a == axis ? x : pairs->r[a][s];
      pairs->atom[added] = pairs->atom[s];
      pairs->type[added] = pairs->type[s];
    }
  }
  return QN_OK;
}

qn_status qn_pairs_build(qn_pairs *pairs, const qn_frame *frame, double cutoff, qn_error *error) {
  pairs->cutoff = cutoff;
  pairs->atoms = pairs->sites = 0;
  qn_status status = reserve(pairs, frame->count, error);
  if (status != QN_OK) return status;
  double low[3], high[3];
  for (int a = 0; a < 3; a++) {
    double origin = frame->box.origin[a], length = frame->box.length[a];
    low[a] = origin - cutoff;
    high[a] = origin + length + cutoff;
    if (!frame->open[a]) {
      for (int64_t i = 0; i < frame->count; i++) pairs->r[a][i] = frame->r[a][i] - length * floor((frame->r[a][i] - origin) / length);
      continue;
    }
    low[a] = high[a] = frame->r[a][0];
    for (int64_t i = 0; i < frame->count; i++) {
      pairs->r[a][i] = frame->r[a][i];
      low[a] = fmin(low[a], frame->r[a][i]);
      high[a] = fmax(high[a], frame->r[a][i]);
    }
    high[a] += cutoff; /* a grid has some width */
  }
  for (int64_t i = 0; i < frame->count; i++) {
    pairs->atom[i] = (int32_t)i;
    pairs->type[i] = frame->type[i];
  }
  pairs->atoms = pairs->sites = frame->count;
  for (int a = 0; a < 3 && status == QN_OK; a++)
    if (!frame->open[a]) status = add_images(pairs, &frame->box, a, error);
  const double edge[3] = {cutoff / 2, cutoff / 2, cutoff / 2};
  return status == QN_OK ? qn_grid_sort(&pairs->grid, low, high, edge, pairs->sites, pairs->r, error) : status;
}

int64_t qn_pairs_of(const qn_pairs *pairs, int64_t i, qn_neighbour *neighbour, int64_t capacity) {
  const qn_grid *grid = &pairs->grid;
  double x = pairs->r[0][i], y = pairs->r[1][i], z = pairs->r[2][i], limit = pairs->cutoff * pairs->cutoff;
  int from[3], to[3];
  for (int a = 0; a < 3; a++) {
    from[a] = qn_grid_cell(grid, a, pairs->r[a][i] - pairs->cutoff);
    to[a] = qn_grid_cell(grid, a, pairs->r[a][i] + pairs->cutoff);
  }
  int64_t count = 0;
  for (int cz = from[2]; cz <= to[2]; cz++)
    for (int cy = from[1]; cy <= to[1]; cy++) {
      int64_t row = ((int64_t)cz * grid->cells[1] + cy) * grid->cells[0];
      for (int64_t k = grid->start[row + from[0]]; k < grid->start[row + to[0] + 1]; k++) {
        int32_t s = grid->order[k];
        double dx = pairs->r[0][s] - x, dy = pairs->r[1][s] - y, dz = pairs->r[2][s] - z, square = dx * dx + dy * dy + dz * dz;
        if (square >= limit || s == i) continue;
        if (count < capacity) neighbour[count] = (qn_neighbour){pairs->atom[s], pairs->type[s], square};
        count++;
      }
    }
  return count;
}

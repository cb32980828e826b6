#include "engine/neighbor/bricks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

/* A: short enough that a brick and its surroundings fit the first-level cache, long enough that sites are few beside atoms. */
#define BRICK_LENGTH 14.0
/* A: cells finer than this make stretches too short to copy quickly, coarser ones hold too many sites out of reach. */
#define CELL_LENGTH 4.2

qn_status qn_bricks_init(qn_bricks *bricks, int64_t atom_count, double reach, qn_error *error) {
  *bricks = (qn_bricks){.atom_count = atom_count, .reach = reach};
  bricks->order = qn_memory_alloc((size_t)atom_count, sizeof *bricks->order);
  bricks->place = qn_memory_alloc((size_t)atom_count, sizeof *bricks->place);
  bricks->cell_of = qn_memory_alloc((size_t)atom_count, sizeof *bricks->cell_of);
  if (bricks->order == NULL || bricks->place == NULL || bricks->cell_of == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "no memory to sort %lld atoms", (long long)atom_count);
  return QN_OK;
}

void qn_bricks_fini(qn_bricks *bricks) {
  for (int64_t b = 0; b < bricks->brick_capacity; b++) free(bricks->brick[b].stretches);
  free(bricks->brick);
  free(bricks->order);
  free(bricks->place);
  free(bricks->cell_start);
  free(bricks->cell_of);
  *bricks = (qn_bricks){0};
}

void qn_surroundings_fini(qn_surroundings *about) {
  free(about->site);
  *about = (qn_surroundings){0};
}

static int cells_of_brick(const qn_bricks *bricks) { return bricks->cells[0] * bricks->cells[1] * bricks->cells[2]; }

static qn_status shape(qn_bricks *bricks, const qn_box *box, qn_error *error) {
  /* Bricks no longer than twice the reach keep every distance about one within a few reaches. */
  double brick = fmin(BRICK_LENGTH, 2.0 * bricks->reach), cell = CELL_LENGTH;
  int64_t cells;
  for (;; cell *= 1.25, brick *= 1.25) { /* an almost empty box */
    cells = 1;
    bricks->brick_count = 1;
    for (int axis = 0; axis < 3; axis++) {
      double length = box->length[axis];
      if (!(length / cell < 1e6)) return qn_error_set(error, QN_BLOWUP, "the box is %g A long along %c", length, "xyz"[axis]);
      bricks->bricks[axis] = (int)fmax(1.0, floor(length / fmin(brick, 2.0 * bricks->reach) + 0.5));
      double one = length / bricks->bricks[axis];
      bricks->cells[axis] = (int)fmax(1.0, floor(one / cell + 0.5));
      bricks->cell_length[axis] = one / bricks->cells[axis];
      bricks->margin[axis] = (int)ceil(bricks->reach / bricks->cell_length[axis]);
      bricks->brick_count *= bricks->bricks[axis];
      cells *= (int64_t)bricks->bricks[axis] * bricks->cells[axis];
    }
    if (cells <= 8 * bricks->atom_count + 4096 || cell > bricks->reach) break;
  }
  if (cells > INT32_MAX) return qn_error_set(error, QN_UNSUPPORTED, "the box is too large for its %lld atoms", (long long)bricks->atom_count);

  if (bricks->brick_capacity < bricks->brick_count) {
    qn_brick *more = qn_memory_alloc((size_t)bricks->brick_count, sizeof *more);
    if (more == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for %lld bricks", (long long)bricks->brick_count);
    if (bricks->brick_capacity > 0) memcpy(more, bricks->brick, (size_t)bricks->brick_capacity * sizeof *more);
    free(bricks->brick);
    bricks->brick = more;
    bricks->brick_capacity = bricks->brick_count;
  }
  if (bricks->cell_capacity < cells) {
    free(bricks->cell_start);
    bricks->cell_start = qn_memory_alloc((size_t)cells + 1, sizeof *bricks->cell_start);
    bricks->cell_capacity = bricks->cell_start == NULL ? 0 : cells;
    if (bricks->cell_start == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for %lld cells", (long long)cells);
  }
  memset(bricks->cell_start, 0, ((size_t)cells + 1) * sizeof *bricks->cell_start);
  return QN_OK;
}

/* Cells are numbered brick by brick, so that the atoms of a brick and of a cell are consecutive. */
static int64_t cell_number(const qn_bricks *bricks, const int cell[3]) {
  int64_t brick = 0, within = 0;
  for (int axis = 0; axis < 3; axis++) {
    brick = brick * bricks->bricks[axis] + cell[axis] / bricks->cells[axis];
    within = within * bricks->cells[axis] + cell[axis] % bricks->cells[axis];
  }
  return brick * cells_of_brick(bricks) + within;
}

qn_status qn_bricks_sort(qn_bricks *bricks, const qn_atoms *atoms, const qn_box *box, qn_error *error) {
  qn_status status = shape(bricks, box, error);
  if (status != QN_OK) return status;
  int64_t cells = bricks->brick_count * cells_of_brick(bricks);
  int32_t *start = bricks->cell_start;
  for (int64_t i = 0; i < atoms->count; i++) {
    int cell[3];
    for (int axis = 0; axis < 3; axis++) {
      int count = bricks->bricks[axis] * bricks->cells[axis];
      cell[axis] = (int)((atoms->r[axis][i] - box->origin[axis]) / bricks->cell_length[axis]);
      if (cell[axis] >= count) cell[axis] = count - 1;
      if (cell[axis] < 0) cell[axis] = 0;
    }
    bricks->cell_of[i] = (int32_t)cell_number(bricks, cell);
    start[bricks->cell_of[i] + 1]++;
  }
  for (int64_t c = 0; c < cells; c++) start[c + 1] += start[c];
  /* Filling from the back moves every start from the end of its cell to the beginning, one slot early. */
  for (int64_t i = atoms->count - 1; i >= 0; i--) {
    bricks->place[i] = --start[bricks->cell_of[i] + 1];
    bricks->order[bricks->place[i]] = (int32_t)i;
  }
  for (int64_t c = 0; c < cells; c++) start[c] = start[c + 1];
  start[cells] = (int32_t)atoms->count;

  for (int64_t b = 0; b < bricks->brick_count; b++) {
    qn_brick *brick = &bricks->brick[b];
    int64_t place[3] = {b / ((int64_t)bricks->bricks[1] * bricks->bricks[2]), b / bricks->bricks[2] % bricks->bricks[1], b % bricks->bricks[2]};
    brick->first = start[b * cells_of_brick(bricks)];
    brick->count = start[(b + 1) * cells_of_brick(bricks)] - brick->first;
    for (int axis = 0; axis < 3; axis++)
      brick->middle[axis] = box->origin[axis] + ((double)place[axis] + 0.5) * box->length[axis] / bricks->bricks[axis];
  }
  return QN_OK;
}

static qn_status append(qn_brick *brick, int32_t start, int32_t count, int32_t column, const int shift[3], qn_error *error) {
  if (brick->stretch_count > 0) {
    qn_stretch *last = &brick->stretches[brick->stretch_count - 1];
    if (last->start + last->count == start && last->column == column && last->shift[0] == shift[0] && last->shift[1] == shift[1] && last->shift[2] == shift[2]) {
      last->count += count;
      return QN_OK;
    }
  }
  if (brick->stretch_count == brick->stretch_capacity) {
    int32_t capacity = brick->stretch_capacity * 2 + 128;
    qn_stretch *more = realloc(brick->stretches, (size_t)capacity * sizeof *more);
    if (more == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the surroundings of a brick");
    brick->stretches = more;
    brick->stretch_capacity = capacity;
  }
  brick->stretches[brick->stretch_count++] = (qn_stretch){start, count, column, {shift[0], shift[1], shift[2]}};
  return QN_OK;
}

qn_status qn_bricks_surround(qn_bricks *bricks, int64_t b, bool half, qn_surroundings *about, qn_error *error) {
  qn_brick *brick = &bricks->brick[b];
  const int *cells = bricks->cells, *margin = bricks->margin;
  int64_t needed = 1;
  for (int axis = 0; axis < 3; axis++) needed *= about->extent[axis] = cells[axis] + 2 * margin[axis];
  if (about->capacity < needed) {
    free(about->site);
    about->site = qn_memory_alloc((size_t)needed + 1, sizeof *about->site);
    about->capacity = about->site == NULL ? 0 : needed;
    if (about->site == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the cells about a brick");
  }
  int home[3] = {(int)(b / ((int64_t)bricks->bricks[1] * bricks->bricks[2])), (int)(b / bricks->bricks[2] % bricks->bricks[1]),
                 (int)(b % bricks->bricks[2])};
  brick->stretch_count = 0;
  int64_t sites = 0, number = 0;
  for (int x = -margin[0]; x < cells[0] + margin[0]; x++)
    for (int y = -margin[1]; y < cells[1] + margin[1]; y++)
      for (int z = -margin[2]; z < cells[2] + margin[2]; z++) {
        about->site[number++] = (int32_t)sites;
        const int offset[3] = {x, y, z};
        int cell[3], shift[3];
        double square = 0.0;
        for (int axis = 0; axis < 3; axis++) {
          int away = offset[axis] < 0 ? -offset[axis] - 1 : offset[axis] >= cells[axis] ? offset[axis] - cells[axis] : 0;
          square += away * bricks->cell_length[axis] * away * bricks->cell_length[axis];
          cell[axis] = home[axis] * cells[axis] + offset[axis];
          shift[axis] = qn_cell_wrap(&cell[axis], bricks->bricks[axis] * cells[axis]);
        }
        if (square >= bricks->reach * bricks->reach) continue;
        int64_t c = cell_number(bricks, cell);
        if (half && c < b * cells_of_brick(bricks)) continue;
        int32_t start = bricks->cell_start[c], count = bricks->cell_start[c + 1] - start;
        if (count == 0) continue;
        qn_status status = append(brick, start, count, (int32_t)(c / cells_of_brick(bricks) / bricks->bricks[2]), shift, error);
        if (status != QN_OK) return status;
        sites += count;
        if (sites > QN_BRICK_SITES)
          return qn_error_set(error, QN_BLOWUP, "more than %d atoms crowd together within %.3g A", QN_BRICK_SITES,
                              2.0 * bricks->reach + bricks->cell_length[0] * cells[0]);
      }
  about->site[number] = (int32_t)sites;
  brick->site_count = (int32_t)sites;
  return QN_OK;
}

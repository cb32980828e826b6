#include "engine/neighbor/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

enum { MOST_SHIFT = 8 /* boxes across the halo */ };

#define AT_INFINITY 1e15 /* A; its square is still an ordinary number */

/* Atoms and images, not sorted yet. */
typedef struct raw_sites {
  int64_t count;
  double *r[3];
  int32_t *atom;
  int8_t *shift[3];
} raw_sites;

static void raw_fini(raw_sites *raw) {
  free(raw->atom);
  for (int axis = 0; axis < 3; axis++) {
    free(raw->r[axis]);
    free(raw->shift[axis]);
  }
}

static qn_status raw_init(raw_sites *raw, int64_t count, qn_error *error) {
  size_t n = (size_t)count;
  raw->count = count;
  bool missing = (raw->atom = qn_memory_alloc(n, sizeof *raw->atom)) == NULL;
  for (int axis = 0; axis < 3; axis++) {
    missing |= (raw->r[axis] = qn_memory_alloc(n, sizeof *raw->r[axis])) == NULL;
    missing |= (raw->shift[axis] = qn_memory_alloc(n, sizeof *raw->shift[axis])) == NULL;
  }
  return missing ? qn_error_set(error, QN_NO_MEMORY, "no memory for %lld atoms and images", (long long)count) : QN_OK;
}

/* By how many boxes an atom may be shifted along one axis and stand in the box or its halo; 0 always comes along. */
static int shifts_of(double place, double length, double halo, int8_t shift[2 * MOST_SHIFT + 1]) {
  int found = 0, most = (int)fmin(ceil(halo / length), MOST_SHIFT);
  for (int n = -most; n <= most; n++) {
    double moved = place + n * length;
    if (n == 0 || (moved >= -halo && moved < length + halo)) shift[found++] = (int8_t)n;
  }
  return found;
}

static qn_status collect(const qn_neighbor *neighbor, double halo, raw_sites *raw, qn_error *error) {
  const qn_box *box = &neighbor->reference_box;
  /* The same rule twice: count, then fill. */
  for (int pass = 0; pass < 2; pass++) {
    int64_t count = 0;
    for (int64_t i = 0; i < neighbor->atom_count; i++) {
      int8_t shift[3][2 * MOST_SHIFT + 1];
      int shifts[3];
      for (int axis = 0; axis < 3; axis++)
        shifts[axis] = shifts_of(neighbor->reference[axis][i] - box->origin[axis], box->length[axis], halo, shift[axis]);
      int total = shifts[0] * shifts[1] * shifts[2];
      for (int k = 0; pass == 1 && k < total; k++) {
        const int8_t by[3] = {shift[0][k % shifts[0]], shift[1][k / shifts[0] % shifts[1]], shift[2][k / shifts[0] / shifts[1]]};
        raw->atom[count + k] = (int32_t)i;
        for (int axis = 0; axis < 3; axis++) {
          raw->shift[axis][count + k] = by[axis];
          raw->r[axis][count + k] = neighbor->reference[axis][i] + by[axis] * box->length[axis];
        }
      }
      count += total;
    }
    if (pass == 1) break;
    if (count > INT32_MAX / 2) return qn_error_set(error, QN_UNSUPPORTED, "%lld atoms and images are too many", (long long)count);
    qn_status status = raw_init(raw, count, error);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

static qn_status reserve_sites(qn_neighbor *neighbor, int64_t count, qn_error *error) {
  if (count <= neighbor->site_capacity) return QN_OK;
  int64_t capacity = count + count / 8;
  size_t n = (size_t)capacity;
  free(neighbor->type);
  free(neighbor->atom);
  bool missing = (neighbor->type = qn_memory_alloc(n, sizeof *neighbor->type)) == NULL;
  missing |= (neighbor->atom = qn_memory_alloc(n, sizeof *neighbor->atom)) == NULL;
  for (int axis = 0; axis < 3; axis++) {
    free(neighbor->r[axis]);
    free(neighbor->shift[axis]);
    missing |= (neighbor->r[axis] = qn_memory_alloc(n, sizeof *neighbor->r[axis])) == NULL;
    missing |= (neighbor->shift[axis] = qn_memory_alloc(n, sizeof *neighbor->shift[axis])) == NULL;
  }
  neighbor->site_capacity = missing ? 0 : capacity;
  return missing ? qn_error_set(error, QN_NO_MEMORY, "no memory for %lld atoms and images", (long long)count) : QN_OK;
}

static qn_status sort_sites(qn_neighbor *neighbor, const qn_atoms *atoms, qn_error *error) {
  double halo = neighbor->longest + neighbor->skin, low[3], high[3];
  /* Cells of one row are one run of sites, so along x they may be thin: fewer candidates, no more rows. */
  const double edge[3] = {halo / 4.0, halo / 1.5, halo / 1.5}; /* measured */
  const qn_box *box = &neighbor->reference_box;
  for (int axis = 0; axis < 3; axis++) {
    low[axis] = box->origin[axis] - halo;
    high[axis] = box->origin[axis] + box->length[axis] + halo;
  }
  raw_sites raw = {0};
  qn_status status = collect(neighbor, halo, &raw, error);
  if (status == QN_OK) status = qn_grid_sort(&neighbor->grid, low, high, edge, raw.count, raw.r, error);
  if (status == QN_OK) status = reserve_sites(neighbor, raw.count + 1, error);
  if (status == QN_OK) {
    int64_t centres = 0;
    neighbor->site_count = raw.count;
    for (int64_t s = 0; s < raw.count; s++) {
      int32_t from = neighbor->grid.order[s], atom = raw.atom[from];
      neighbor->atom[s] = atom;
      neighbor->type[s] = atoms->type[atom];
      int shifted = 0;
      for (int axis = 0; axis < 3; axis++) {
        neighbor->shift[axis][s] = raw.shift[axis][from];
        neighbor->r[axis][s] = raw.r[axis][from];
        shifted |= raw.shift[axis][from];
      }
      if (shifted) continue;
      neighbor->centre[centres++] = (int32_t)s;
      neighbor->home[atom] = (int32_t)s;
    }
    for (int axis = 0; axis < 3; axis++) {
      neighbor->r[axis][raw.count] = AT_INFINITY;
      neighbor->shift[axis][raw.count] = 0;
    }
    neighbor->type[raw.count] = 0;
    neighbor->atom[raw.count] = 0;
  }
  raw_fini(&raw);
  return status;
}

/* How far a position lies outside the layer `cell` of cells along an axis; 0 inside. */
static double outside(const qn_grid *grid, int axis, int cell, double position) {
  double low = grid->origin[axis] + cell * grid->edge[axis], high = low + grid->edge[axis];
  return position < low ? low - position : position > high ? position - high : 0.0;
}

/* Sites within range of one centre, in order of site; -1 when they are too many. Every candidate is written and counted only when it
 * is near, since a branch here would be taken at random. */
static int search(const qn_neighbor *neighbor, int32_t centre, double halo, const double square_range[QN_MAX_SPECIES],
                  int32_t found[2 * QN_MOST_NEIGHBORS]) {
  const qn_grid *grid = &neighbor->grid;
  const double *X = neighbor->r[0], *Y = neighbor->r[1], *Z = neighbor->r[2];
  const double at[3] = {X[centre], Y[centre], Z[centre]};
  const uint8_t *type = neighbor->type;
  int from[3], to[3], count = 0;
  for (int axis = 1; axis < 3; axis++) {
    from[axis] = qn_grid_cell(grid, axis, at[axis] - halo);
    to[axis] = qn_grid_cell(grid, axis, at[axis] + halo);
  }
  for (int cz = from[2]; cz <= to[2]; cz++) {
    double past_z = outside(grid, 2, cz, at[2]);
    for (int cy = from[1]; cy <= to[1]; cy++) {
      double past_y = outside(grid, 1, cy, at[1]);
      double left = 1.0001 * halo * halo - past_y * past_y - past_z * past_z; /* with room for rounding */
      if (left < 0.0) continue;
      double half = sqrt(left);
      int row = grid->cells[0] * (cy + grid->cells[1] * cz);
      int32_t first = grid->start[row + qn_grid_cell(grid, 0, at[0] - half)];
      int32_t end = grid->start[row + qn_grid_cell(grid, 0, at[0] + half) + 1];
      if (end - first > QN_MOST_NEIGHBORS) return -1;
      for (int32_t s = first; s < end; s++) {
        double dx = X[s] - at[0], dy = Y[s] - at[1], dz = Z[s] - at[2];
        found[count] = s;
        count += (dx * dx + dy * dy + dz * dz < square_range[type[s]]) & (s != centre);
      }
      if (count > QN_MOST_NEIGHBORS) return -1;
    }
  }
  return count;
}

static qn_status build_chunk(const qn_neighbor *neighbor, qn_chunk *chunk, int32_t *crowded) {
  int32_t found[2 * QN_MOST_NEIGHBORS];
  double halo = neighbor->longest + neighbor->skin;
  int species = neighbor->species_count;
  int32_t used = 0;
  for (int k = 0; k < chunk->count; k++) {
    int32_t centre = neighbor->centre[chunk->first + k];
    double square_range[QN_MAX_SPECIES];
    for (int s = 0; s < species; s++) {
      double range = neighbor->reach[neighbor->type[centre]][s] + neighbor->skin;
      square_range[s] = range * range;
    }
    int count = search(neighbor, centre, halo, square_range, found);
    if (count < 0) {
      *crowded = neighbor->atom[centre];
      return QN_BLOWUP;
    }
    int64_t needed = (int64_t)used + 2 * count + (int64_t)species * QN_LANES;
    if (needed > chunk->capacity) {
      int64_t capacity = needed + needed / 4 + (chunk->count - k) * (int64_t)(count + QN_LANES);
      int32_t *larger = qn_memory_alloc((size_t)capacity, sizeof *larger);
      if (larger == NULL) return QN_NO_MEMORY;
      if (used > 0) memcpy(larger, chunk->entries, (size_t)used * sizeof *larger);
      free(chunk->entries);
      chunk->entries = larger;
      chunk->capacity = capacity;
    }
    for (int s = 0; s < species; s++) {
      chunk->start[k * species + s] = used;
      int32_t *entries = chunk->entries + used, kept = 0;
      for (int i = 0; i < count; i++) {
        entries[kept] = found[i];
        kept += neighbor->type[found[i]] == s;
      }
      for (; kept % QN_LANES != 0; kept++) entries[kept] = (int32_t)neighbor->site_count;
      used += kept;
    }
  }
  chunk->start[chunk->count * species] = used;
  return QN_OK;
}

qn_status qn_neighbor_build(qn_neighbor *neighbor, const qn_atoms *atoms, qn_error *error) {
  qn_status status = sort_sites(neighbor, atoms, error);
  if (status != QN_OK) return status;
  bool no_memory = false;
  int32_t lost = INT32_MAX;
#pragma omp parallel for num_threads(neighbor->threads) schedule(dynamic, 4) reduction(| : no_memory) reduction(min : lost)
  for (int64_t c = 0; c < neighbor->chunk_count; c++) {
    int32_t crowded = INT32_MAX;
    no_memory |= build_chunk(neighbor, &neighbor->chunks[c], &crowded) == QN_NO_MEMORY;
    lost = crowded < lost ? crowded : lost;
  }
  if (no_memory) return qn_error_set(error, QN_NO_MEMORY, "no memory for neighbour lists");
  if (lost != INT32_MAX)
    return qn_error_set(error, QN_BLOWUP, "atom %d has more than %d atoms within %.3g A", lost, QN_MOST_NEIGHBORS,
                        neighbor->longest + neighbor->skin);
  neighbor->builds++;
  return QN_OK;
}

#include "engine/neighbor/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/neighbor/build.h"

qn_status qn_neighbor_init(qn_neighbor *neighbor, const qn_atoms *atoms, double reach[QN_MAX_SPECIES][QN_MAX_SPECIES], double skin,
                           int threads, qn_error *error) {
  *neighbor = (qn_neighbor){.species_count = atoms->species_count, .threads = threads, .skin = skin, .atom_count = atoms->count};
  memcpy(neighbor->reach, reach, sizeof neighbor->reach);
  for (int a = 0; a < atoms->species_count; a++)
    for (int b = 0; b < atoms->species_count; b++) neighbor->longest = fmax(neighbor->longest, reach[a][b]);

  size_t n = (size_t)atoms->count;
  neighbor->chunk_count = (atoms->count + QN_CHUNK - 1) / QN_CHUNK;
  neighbor->chunks = qn_memory_alloc((size_t)neighbor->chunk_count, sizeof *neighbor->chunks);
  neighbor->centre = qn_memory_alloc(n, sizeof *neighbor->centre);
  neighbor->home = qn_memory_alloc(n, sizeof *neighbor->home);
  bool missing = neighbor->chunks == NULL || neighbor->centre == NULL || neighbor->home == NULL;
  for (int axis = 0; axis < 3; axis++)
    missing |= (neighbor->reference[axis] = qn_memory_alloc(n, sizeof(double))) == NULL;
  for (int64_t c = 0; !missing && c < neighbor->chunk_count; c++) {
    qn_chunk *chunk = &neighbor->chunks[c];
    chunk->first = c * QN_CHUNK;
    chunk->count = (int)(chunk->first + QN_CHUNK <= atoms->count ? QN_CHUNK : atoms->count - chunk->first);
    chunk->start = qn_memory_alloc((size_t)(chunk->count * atoms->species_count + 1), sizeof *chunk->start);
    missing |= chunk->start == NULL;
  }
  return missing ? qn_error_set(error, QN_NO_MEMORY, "no memory for the neighbour lists of %lld atoms", (long long)atoms->count) : QN_OK;
}

void qn_neighbor_fini(qn_neighbor *neighbor) {
  for (int64_t c = 0; neighbor->chunks != NULL && c < neighbor->chunk_count; c++) {
    free(neighbor->chunks[c].start);
    free(neighbor->chunks[c].entries);
  }
  free(neighbor->chunks);
  free(neighbor->centre);
  free(neighbor->home);
  free(neighbor->type);
  free(neighbor->atom);
  for (int axis = 0; axis < 3; axis++) {
    free(neighbor->r[axis]);
    free(neighbor->shift[axis]);
    free(neighbor->reference[axis]);
  }
  qn_grid_fini(&neighbor->grid);
  *neighbor = (qn_neighbor){0};
}

void qn_neighbor_restore(qn_neighbor *neighbor, double *const positions[3], const qn_box *box) {
  for (int axis = 0; axis < 3; axis++)
    memcpy(neighbor->reference[axis], positions[axis], (size_t)neighbor->atom_count * sizeof(double));
  neighbor->reference_box = *box;
  neighbor->built = true;
  neighbor->restored = true;
}

/* The square of the longest displacement from the scaled reference; not-a-number anywhere makes it infinite. */
static double longest_displacement(const qn_neighbor *neighbor, const qn_box *box, const qn_atoms *atoms) {
  const qn_box *old = &neighbor->reference_box;
  double scale[3], longest = 0.0;
  for (int axis = 0; axis < 3; axis++) scale[axis] = box->length[axis] / old->length[axis];
  const double *x = atoms->r[0], *y = atoms->r[1], *z = atoms->r[2];
  const double *x0 = neighbor->reference[0], *y0 = neighbor->reference[1], *z0 = neighbor->reference[2];
  int lost = 0;
#pragma omp parallel for simd num_threads(neighbor->threads) schedule(static) reduction(max : longest) reduction(| : lost) if (atoms->count > 4096)
  for (int64_t i = 0; i < atoms->count; i++) {
    double dx = x[i] - box->origin[0] - scale[0] * (x0[i] - old->origin[0]);
    double dy = y[i] - box->origin[1] - scale[1] * (y0[i] - old->origin[1]);
    double dz = z[i] - box->origin[2] - scale[2] * (z0[i] - old->origin[2]);
    double square = dx * dx + dy * dy + dz * dz;
    lost |= !(square < 1e300);
    longest = square > longest ? square : longest;
  }
  return lost ? (double)INFINITY : longest;
}

static bool still_valid(const qn_neighbor *neighbor, const qn_box *box, const qn_atoms *atoms) {
  double shrink = 1.0;
  for (int axis = 0; axis < 3; axis++) shrink = fmin(shrink, box->length[axis] / neighbor->reference_box.length[axis]);
  double room = shrink * (neighbor->longest + neighbor->skin) - neighbor->longest;
  return room > 0.0 && 4.0 * longest_displacement(neighbor, box, atoms) <= room * room;
}

static void move_sites(qn_neighbor *neighbor, const qn_box *box, const qn_atoms *atoms) {
#pragma omp parallel for num_threads(neighbor->threads) schedule(static) if (neighbor->site_count > 4096)
  for (int64_t s = 0; s < neighbor->site_count; s++) {
    int32_t i = neighbor->atom[s];
    for (int axis = 0; axis < 3; axis++) neighbor->r[axis][s] = atoms->r[axis][i] + neighbor->shift[axis][s] * box->length[axis];
  }
}

static qn_status check_box(const qn_neighbor *neighbor, const qn_box *box, qn_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    double length = box->length[axis];
    if (!(isfinite(box->origin[axis]) && isfinite(length)))
      return qn_error_set(error, QN_BLOWUP, "the box is not finite along %c", "xyz"[axis]);
    if (length < neighbor->longest)
      return qn_error_set(error, QN_BLOWUP, "the box collapsed to %g A along %c, less than the cutoff %g A", length, "xyz"[axis],
                          neighbor->longest);
  }
  return QN_OK;
}

qn_status qn_neighbor_update(qn_neighbor *neighbor, const qn_box *box, qn_atoms *atoms, qn_error *error) {
  qn_status status = check_box(neighbor, box, error);
  if (status == QN_OK && neighbor->restored) {
    status = qn_neighbor_build(neighbor, atoms, error);
    neighbor->restored = status != QN_OK;
  }
  if (status == QN_OK && !(neighbor->built && still_valid(neighbor, box, atoms))) {
    status = qn_atoms_wrap(atoms, box, error);
    if (status != QN_OK) return status;
    for (int axis = 0; axis < 3; axis++)
      memcpy(neighbor->reference[axis], atoms->r[axis], (size_t)atoms->count * sizeof(double));
    neighbor->reference_box = *box;
    neighbor->built = false; /* until it succeeds */
    status = qn_neighbor_build(neighbor, atoms, error);
    neighbor->built = status == QN_OK;
  }
  if (status == QN_OK) move_sites(neighbor, box, atoms);
  return status;
}

/* The reference kernel: LAMMPS's splines, double throughout. Here are its tables and workspace, and the choice of
 * instructions; the sums are in double_passes.h. */
#include "engine/potential/double.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/spline.h"

static const qn_double_passes *passes_for_this_machine(void) {
#if defined __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return &qn_double_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &qn_double_avx2;
#endif
  return &qn_double_plain;
}

static void double_free(void *memory) {
  qn_double *self = memory;
  if (self == NULL) return;
  for (int64_t c = 0; self->chunks != NULL && c < self->chunk_count; c++) {
    free(self->chunks[c].close);
    free(self->chunks[c].count);
  }
  free(self->chunks);
  free(self->tables);
  for (int axis = 0; axis < 3; axis++) free(self->force[axis]);
  free(self->energy);
  free(self->sites);
  free(self);
}

/* Tables made so far; pairs whose functions are equal share them. */
typedef struct table_store {
  int count;
  const double *source[2 * QN_MAX_SPECIES * QN_MAX_SPECIES];
} table_store;

static const double *table_for(qn_double *self, table_store *store, const double *values) {
  size_t intervals = (size_t)self->r_intervals;
  int k = 0;
  while (k < store->count && memcmp(store->source[k], values, (intervals + 1) * sizeof *values) != 0) k++;
  double *table = self->tables + (size_t)k * 4 * intervals;
  if (k == store->count) {
    store->source[store->count++] = values;
    qn_spline_table(self->r_intervals + 1, values, table);
  }
  return table;
}

static qn_status make_tables(qn_double *self, const qn_system *system, qn_error *error) {
  const qn_eam *eam = system->eam;
  const qn_ranges *ranges = system->ranges;
  int n = system->species_count;
  size_t points = (size_t)eam->r_points, of_pairs = (size_t)(2 * n * n) * 4 * (size_t)self->r_intervals;
  self->tables = qn_memory_alloc(of_pairs + (size_t)n * 4 * (size_t)self->rho_intervals, sizeof(double));
  if (self->tables == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  table_store store = {0};
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      int ea = system->species[a], eb = system->species[b];
      size_t ab = (size_t)(ea * eam->species_count + eb) * points, ba = (size_t)(eb * eam->species_count + ea) * points;
      double density = fmax(ranges->density[ea][eb], ranges->density[eb][ea]);
      self->pair[a][b] = (qn_pair_tables){.pair = table_for(self, &store, eam->pair + ab),
                                          .here = table_for(self, &store, eam->density + ab),
                                          .there = table_for(self, &store, eam->density + ba),
                                          .pair_square = ranges->pair[ea][eb] * ranges->pair[ea][eb],
                                          .density_square = density * density,
                                          .core_square = ranges->core[ea][eb] * ranges->core[ea][eb]};
    }
  for (int a = 0; a < n; a++) {
    double *table = self->tables + of_pairs + (size_t)a * 4 * (size_t)self->rho_intervals;
    qn_spline_table(eam->rho_points, eam->embedding + (size_t)system->species[a] * (size_t)eam->rho_points, table);
    self->embedding[a] = table;
  }
  return QN_OK;
}

static qn_status double_alloc(void **memory, const qn_system *system, const qn_neighbor *neighbor, qn_error *error) {
  qn_double *self = qn_memory_alloc(1, sizeof *self);
  *memory = self;
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  *self = (qn_double){.passes = passes_for_this_machine(),
                      .species_count = system->species_count,
                      .threads = system->threads < neighbor->chunk_count ? system->threads : (int)neighbor->chunk_count,
                      .r_intervals = system->eam->r_points - 1,
                      .rho_intervals = system->eam->rho_points - 1,
                      .r_scale = 1.0 / system->eam->r_step,
                      .r_end = nextafter(system->eam->r_points - 1, 0.0),
                      .rho_scale = 1.0 / system->eam->rho_step,
                      .rho_last = (system->eam->rho_points - 1) * system->eam->rho_step,
                      .chunk_count = neighbor->chunk_count};
  size_t n = (size_t)neighbor->atom_count;
  self->chunks = qn_memory_alloc((size_t)self->chunk_count, sizeof *self->chunks);
  self->energy = qn_memory_alloc(n, sizeof *self->energy);
  bool missing = self->chunks == NULL || self->energy == NULL;
  for (int axis = 0; axis < 3; axis++) missing |= (self->force[axis] = qn_memory_alloc(n, sizeof(double))) == NULL;
  for (int64_t c = 0; !missing && c < self->chunk_count; c++) {
    self->chunks[c].count = qn_memory_alloc((size_t)(QN_CHUNK * self->species_count), sizeof *self->chunks[c].count);
    missing = self->chunks[c].count == NULL;
  }
  if (missing) return qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)n);
  return make_tables(self, system, error);
}

/* Workspace whose size follows the lists. */
static qn_status reserve(qn_double *self, const qn_neighbor *neighbor, qn_error *error) {
  bool missing = false;
  if (self->site_capacity < neighbor->site_capacity) {
    free(self->sites);
    self->sites = qn_memory_alloc((size_t)neighbor->site_capacity, 4 * sizeof *self->sites);
    self->site_capacity = self->sites == NULL ? 0 : neighbor->site_capacity;
    missing |= self->sites == NULL;
  }
  for (int64_t c = 0; c < self->chunk_count; c++) {
    qn_chunk_sum *chunk = &self->chunks[c];
    if (chunk->capacity >= neighbor->chunks[c].capacity) continue;
    free(chunk->close);
    chunk->close = qn_memory_alloc((size_t)neighbor->chunks[c].capacity + QN_LANES, sizeof *chunk->close);
    chunk->capacity = chunk->close == NULL ? 0 : neighbor->chunks[c].capacity;
    missing |= chunk->close == NULL;
  }
  return missing ? qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)neighbor->atom_count) : QN_OK;
}

static qn_status double_compute(void *memory, const qn_neighbor *neighbor, qn_atoms *atoms, qn_force_result *result, double *atom_energy,
                                qn_error *error) {
  qn_double *self = memory;
  qn_status status = reserve(self, neighbor, error);
  if (status != QN_OK) return status;
#pragma omp parallel num_threads(self->threads)
  {
#pragma omp for schedule(static)
    for (int64_t s = 0; s <= neighbor->site_count; s++) {
      for (int axis = 0; axis < 3; axis++) self->sites[4 * s + axis] = neighbor->r[axis][s];
      self->sites[4 * s + 3] = 0.0;
    }
#pragma omp for schedule(dynamic, 1)
    for (int64_t c = 0; c < self->chunk_count; c++) self->passes->first(self, neighbor, c);
#pragma omp for schedule(static)
    for (int64_t s = 0; s < neighbor->site_count; s++) {
      int32_t home = neighbor->home[neighbor->atom[s]];
      if (home != s) self->sites[4 * s + 3] = self->sites[4 * (int64_t)home + 3];
    }
#pragma omp for schedule(dynamic, 1)
    for (int64_t c = 0; c < self->chunk_count; c++) self->passes->second(self, neighbor, atoms, c);
  }
  int32_t bad = -1;
  for (int64_t c = 0; c < self->chunk_count; c++) {
    const qn_chunk_sum *chunk = &self->chunks[c];
    result->energy += chunk->energy;
    for (int v = 0; v < 6; v++) result->virial[v] += 0.5 * chunk->virial[v];
    if (bad < 0) bad = chunk->bad;
  }
  if (bad >= 0)
    return qn_error_set(error, QN_BLOWUP,
                        "atom %d has a neighbour nearer than the potential's tables can answer, or a force that is not finite", bad);
  if (atom_energy != NULL)
    for (int64_t k = 0; k < neighbor->atom_count; k++) atom_energy[neighbor->atom[neighbor->centre[k]]] = self->energy[k];
  return QN_OK;
}

const qn_kernel qn_kernel_double = {
    .name = "double", .skin = 0.6, .alloc = double_alloc, .compute = double_compute, .free = double_free};

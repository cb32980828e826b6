/* The reference kernel: LAMMPS's splines, double throughout.
 *
 * Two passes over complete lists. The first sums the pair term and the density of each atom, and keeps the neighbours close
 * enough for any density; then F and F' of each atom; the second adds the embedding forces over the close neighbours.
 *
 *   f_i = sum_j [ phi'_ij + F'_i rho'_ij + F'_j rho'_ji ] (r_j - r_i) / r,   virial = 1/2 sum_ij r_ij f_ij
 *
 * Each sum belongs to one atom, and the totals are added chunk by chunk, so the bits do not depend on threads. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/kernel.h"
#include "engine/potential/spline.h"

/* The functions of one ordered pair (centre a, neighbour b). */
typedef struct pair_tables {
  const double *pair, *here, *there;   /* knots of r phi; rho at a from b; rho at b from a */
  double pair_square, density_square;  /* A^2, ranges of phi and of the longer rho */
  double core_square;                  /* A^2, below it the tables have no answer */
} pair_tables;

/* What one chunk adds to the totals. */
typedef struct chunk_sum {
  double energy, virial[6];
  int32_t bad;    /* an atom with a neighbour too near, or a sum that is not finite; -1 when all is well */
  int32_t *close; /* sites of the close neighbours, at the same starts as the list */
  int64_t capacity;
} chunk_sum;

typedef struct double_state {
  int species_count, r_points, rho_points, threads;
  double r_scale, rho_scale, rho_last; /* 1/dr, 1/drho, the last tabulated density */
  double *tables;
  pair_tables pair[QN_MAX_SPECIES][QN_MAX_SPECIES];
  const double *embedding[QN_MAX_SPECIES];
  int64_t chunk_count;
  chunk_sum *chunks;
  int32_t *close_count; /* [atom_count * species_count], by centre */
  double *force[3];     /* [atom_count], by centre */
  double *energy;       /* [atom_count], by centre */
  double *slope;        /* [site_capacity], F' by site */
  int64_t site_capacity;
} double_state;

static void double_free(void *memory) {
  double_state *self = memory;
  if (self == NULL) return;
  for (int64_t c = 0; self->chunks != NULL && c < self->chunk_count; c++) free(self->chunks[c].close);
  free(self->chunks);
  free(self->tables);
  free(self->close_count);
  for (int axis = 0; axis < 3; axis++) free(self->force[axis]);
  free(self->energy);
  free(self->slope);
  free(self);
}

/* Knots made so far; pairs whose tables are equal share them. */
typedef struct knot_store {
  int count;
  const double *source[2 * QN_MAX_SPECIES * QN_MAX_SPECIES];
} knot_store;

static const double *knots_for(double_state *self, knot_store *store, const double *table) {
  size_t points = (size_t)self->r_points;
  int k = 0;
  while (k < store->count && memcmp(store->source[k], table, points * sizeof *table) != 0) k++;
  double *knots = self->tables + (size_t)k * 2 * points;
  if (k == store->count) {
    store->source[store->count++] = table;
    qn_spline_knots(self->r_points, table, knots);
  }
  return knots;
}

static qn_status make_tables(double_state *self, const qn_system *system, qn_error *error) {
  const qn_eam *eam = system->eam;
  int n = system->species_count;
  size_t r_points = (size_t)eam->r_points, rho_points = (size_t)eam->rho_points;
  size_t most = (size_t)(2 * n * n);
  self->tables = qn_memory_alloc(most * 2 * r_points + (size_t)n * 2 * rho_points, sizeof(double));
  if (self->tables == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  knot_store store = {0};
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      int ea = system->species[a], eb = system->species[b];
      const double *table[3] = {eam->pair + (size_t)(ea * eam->species_count + eb) * r_points,
                                eam->density + (size_t)(ea * eam->species_count + eb) * r_points,
                                eam->density + (size_t)(eb * eam->species_count + ea) * r_points};
      const qn_ranges *ranges = system->ranges;
      double density = fmax(ranges->density[ea][eb], ranges->density[eb][ea]);
      self->pair[a][b] = (pair_tables){.pair = knots_for(self, &store, table[0]),
                                         .here = knots_for(self, &store, table[1]),
                                         .there = knots_for(self, &store, table[2]),
                                         .pair_square = ranges->pair[ea][eb] * ranges->pair[ea][eb],
                                         .density_square = density * density,
                                         .core_square = ranges->core[ea][eb] * ranges->core[ea][eb]};
    }
  for (int a = 0; a < n; a++) {
    double *knots = self->tables + most * 2 * r_points + (size_t)a * 2 * rho_points;
    qn_spline_knots(eam->rho_points, eam->embedding + (size_t)system->species[a] * rho_points, knots);
    self->embedding[a] = knots;
  }
  return QN_OK;
}

static qn_status double_alloc(void **memory, const qn_system *system, const qn_neighbor *neighbor, qn_error *error) {
  double_state *self = qn_memory_alloc(1, sizeof *self);
  *memory = self;
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  *self = (double_state){.species_count = system->species_count,
                         .r_points = system->eam->r_points,
                         .rho_points = system->eam->rho_points,
                         .threads = system->threads,
                         .r_scale = 1.0 / system->eam->r_step,
                         .rho_scale = 1.0 / system->eam->rho_step,
                         .rho_last = (system->eam->rho_points - 1) * system->eam->rho_step,
                         .chunk_count = neighbor->chunk_count};
  size_t n = (size_t)neighbor->atom_count;
  self->chunks = qn_memory_alloc((size_t)self->chunk_count, sizeof *self->chunks);
  self->close_count = qn_memory_alloc(n * (size_t)self->species_count, sizeof *self->close_count);
  self->energy = qn_memory_alloc(n, sizeof *self->energy);
  bool missing = self->chunks == NULL || self->close_count == NULL || self->energy == NULL;
  for (int axis = 0; axis < 3; axis++) missing |= (self->force[axis] = qn_memory_alloc(n, sizeof(double))) == NULL;
  if (missing) return qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)neighbor->atom_count);
  return make_tables(self, system, error);
}

/* The sums of one centre. */
typedef struct centre_sum {
  double f[3], virial[6];
} centre_sum;

static inline void add_pair(centre_sum *sum, double pull, double x, double y, double z) {
  double fx = pull * x, fy = pull * y, fz = pull * z;
  sum->f[0] += fx, sum->f[1] += fy, sum->f[2] += fz;
  sum->virial[0] -= x * fx, sum->virial[1] -= y * fy, sum->virial[2] -= z * fz;
  sum->virial[3] -= x * fy, sum->virial[4] -= x * fz, sum->virial[5] -= y * fz;
}

/* The interval that a distance falls into, and where in it; past the table the last point counts. */
static inline int locate(double r, double scale, int points, double *p) {
  double q = r * scale;
  int interval = q < points - 2 ? (int)q : points - 2;
  *p = fmin(q - interval, 1.0);
  return interval;
}

static void first_pass(double_state *self, const qn_neighbor *neighbor, int64_t c) {
  const qn_chunk *chunk = &neighbor->chunks[c];
  chunk_sum *total = &self->chunks[c];
  int species = self->species_count, points = self->r_points;
  const double *X = neighbor->r[0], *Y = neighbor->r[1], *Z = neighbor->r[2];
  total->energy = 0.0;
  total->bad = -1;
  memset(total->virial, 0, sizeof total->virial);
  for (int k = 0; k < chunk->count; k++) {
    int64_t centre = chunk->first + k;
    int32_t site = neighbor->centre[centre];
    int type = neighbor->type[site];
    double x0 = X[site], y0 = Y[site], z0 = Z[site], phi_sum = 0.0, rho = 0.0;
    centre_sum sum = {0};
    bool near = false;
    for (int s = 0; s < species; s++) {
      const pair_tables *tables = &self->pair[type][s];
      int32_t end = chunk->start[k * species + s + 1], *close = total->close + chunk->start[k * species + s], close_count = 0;
      for (int32_t e = chunk->start[k * species + s]; e < end; e++) {
        int32_t other = chunk->entries[e];
        double x = X[other] - x0, y = Y[other] - y0, z = Z[other] - z0, square = x * x + y * y + z * z;
        if (square >= tables->pair_square && square >= tables->density_square) continue;
        double r = sqrt(square), p;
        int interval = locate(r, self->r_scale, points, &p);
        near |= square < tables->core_square;
        if (square < tables->pair_square) {
          qn_cubic z2 = qn_spline_cubic(tables->pair, interval);
          double phi = qn_cubic_value(z2, p) / r;
          phi_sum += phi;
          add_pair(&sum, (qn_cubic_slope(z2, p) * self->r_scale - phi) / square, x, y, z);
        }
        if (square < tables->density_square) {
          rho += qn_cubic_value(qn_spline_cubic(tables->here, interval), p);
          close[close_count++] = other;
        }
      }
      self->close_count[centre * species + s] = close_count;
    }
    /* F, extended as a straight line above its table. */
    double q = rho * self->rho_scale;
    int interval = q > 0.0 ? q < self->rho_points - 2 ? (int)q : self->rho_points - 2 : 0;
    double p = fmin(q - interval, 1.0);
    qn_cubic f = qn_spline_cubic(self->embedding[type], interval);
    double slope = qn_cubic_slope(f, p) * self->rho_scale, energy = qn_cubic_value(f, p);
    if (rho > self->rho_last) energy += slope * (rho - self->rho_last);
    energy += 0.5 * phi_sum;

    self->slope[site] = slope;
    self->energy[centre] = energy;
    for (int axis = 0; axis < 3; axis++) self->force[axis][centre] = sum.f[axis];
    total->energy += energy;
    for (int v = 0; v < 6; v++) total->virial[v] += sum.virial[v];
    if (total->bad < 0 && (near || !isfinite(energy) || !isfinite(slope))) total->bad = neighbor->atom[site];
  }
}

static void second_pass(double_state *self, const qn_neighbor *neighbor, qn_atoms *atoms, int64_t c) {
  const qn_chunk *chunk = &neighbor->chunks[c];
  chunk_sum *total = &self->chunks[c];
  int species = self->species_count, points = self->r_points;
  const double *X = neighbor->r[0], *Y = neighbor->r[1], *Z = neighbor->r[2];
  for (int k = 0; k < chunk->count; k++) {
    int64_t centre = chunk->first + k;
    int32_t site = neighbor->centre[centre], atom = neighbor->atom[site];
    int type = neighbor->type[site];
    double x0 = X[site], y0 = Y[site], z0 = Z[site], slope = self->slope[site];
    centre_sum sum = {.f = {self->force[0][centre], self->force[1][centre], self->force[2][centre]}};
    for (int s = 0; s < species; s++) {
      const pair_tables *tables = &self->pair[type][s];
      const int32_t *close = total->close + chunk->start[k * species + s];
      int32_t count = self->close_count[centre * species + s];
      for (int32_t e = 0; e < count; e++) {
        int32_t other = close[e];
        double x = X[other] - x0, y = Y[other] - y0, z = Z[other] - z0;
        double r = sqrt(x * x + y * y + z * z), p;
        int interval = locate(r, self->r_scale, points, &p);
        double here = qn_cubic_slope(qn_spline_cubic(tables->here, interval), p), there = here;
        if (tables->there != tables->here) there = qn_cubic_slope(qn_spline_cubic(tables->there, interval), p);
        add_pair(&sum, (slope * here + self->slope[other] * there) * self->r_scale / r, x, y, z);
      }
    }
    for (int axis = 0; axis < 3; axis++) {
      atoms->f[axis][atom] = sum.f[axis];
      if (total->bad < 0 && !isfinite(sum.f[axis])) total->bad = atom;
    }
    for (int v = 0; v < 6; v++) total->virial[v] += sum.virial[v];
  }
}

/* Workspace whose size follows the lists. */
static qn_status reserve(double_state *self, const qn_neighbor *neighbor, qn_error *error) {
  bool missing = false;
  if (self->site_capacity < neighbor->site_capacity) {
    free(self->slope);
    self->slope = qn_memory_alloc((size_t)neighbor->site_capacity, sizeof *self->slope);
    self->site_capacity = self->slope == NULL ? 0 : neighbor->site_capacity;
    missing |= self->slope == NULL;
  }
  for (int64_t c = 0; c < self->chunk_count; c++) {
    chunk_sum *chunk = &self->chunks[c];
    if (chunk->capacity >= neighbor->chunks[c].capacity) continue;
    free(chunk->close);
    chunk->close = qn_memory_alloc((size_t)neighbor->chunks[c].capacity, sizeof *chunk->close);
    chunk->capacity = chunk->close == NULL ? 0 : neighbor->chunks[c].capacity;
    missing |= chunk->close == NULL;
  }
  return missing ? qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)neighbor->atom_count) : QN_OK;
}

static qn_status double_compute(void *memory, const qn_neighbor *neighbor, qn_atoms *atoms, qn_force_result *result, double *atom_energy,
                                qn_error *error) {
  double_state *self = memory;
  qn_status status = reserve(self, neighbor, error);
  if (status != QN_OK) return status;
#pragma omp parallel num_threads(self->threads)
  {
#pragma omp for schedule(dynamic, 1)
    for (int64_t c = 0; c < self->chunk_count; c++) first_pass(self, neighbor, c);
#pragma omp for schedule(static)
    for (int64_t s = 0; s < neighbor->site_count; s++) {
      int32_t home = neighbor->home[neighbor->atom[s]];
      if (home != s) self->slope[s] = self->slope[home];
    }
#pragma omp for schedule(dynamic, 1)
    for (int64_t c = 0; c < self->chunk_count; c++) second_pass(self, neighbor, atoms, c);
  }
  int32_t bad = -1;
  for (int64_t c = 0; c < self->chunk_count; c++) {
    const chunk_sum *chunk = &self->chunks[c];
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
    .name = "double", .skin = 1.0, .alloc = double_alloc, .compute = double_compute, .free = double_free};

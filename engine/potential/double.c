#include "engine/potential/double.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/spline.h"

/* eV/A, eV: half of what a term may be without and with a split; the other half is for the embedding. */
#define USUAL 0x1p+7
#define STRONGEST 0x1p+20

enum {
  STAGE = 7,             /* doubles a neighbour that the stage holds */
  MOST_NEIGHBOURS = 4000 /* of an atom: so many terms of the largest kind fit the sums */
};

/* Room for the tables of `n` species. */
static bool alloc_tables(qn_double *self, int n) {
  size_t knots = (size_t)((n - 1) * self->step + n) * (size_t)self->slot;
  bool there = (self->pair = qn_memory_alloc(2 * knots, sizeof(double))) != NULL;
  there &= (self->here = qn_memory_alloc(2 * knots, sizeof(double))) != NULL;
  there &= self->symmetric || (self->there = qn_memory_alloc(2 * knots, sizeof(double))) != NULL;
  return there;
}

static const double *table_of(const qn_eam *eam, const double *tables, int a, int b) {
  return tables + (size_t)(a * eam->species_count + b) * (size_t)eam->r_points;
}

static bool is_symmetric(const qn_system *system) {
  const qn_eam *eam = system->eam;
  for (int a = 0; a < eam->species_count; a++)
    for (int b = 0; b < a; b++)
      if (memcmp(table_of(eam, eam->density, a, b), table_of(eam, eam->density, b, a), (size_t)eam->r_points * sizeof(double)) != 0) return false;
  return true;
}

/* What no value and no slope (by interval) of a spline exceeds from one knot to the next: its Bezier points. */
static double most_value(const double *knot) {
  return fmax(fmax(fabs(knot[0]), fabs(knot[0] + knot[1] / 3.0)), fmax(fabs(knot[2] - knot[3] / 3.0), fabs(knot[2])));
}
static double most_slope(const double *knot) {
  return fmax(fabs(3.0 * (knot[2] - knot[0]) - knot[1] - knot[3]), fmax(fabs(knot[1]), fabs(knot[3])));
}

/* Of F', which goes on a step below density zero, and straight on from there and from the last knot. */
static double steepest(const qn_embedding *embedding, int species) {
  const double *knot = qn_embedding_knots(embedding, species);
  double below, between = 3.0 * (knot[1] - knot[2] + knot[0]) + knot[3]; /* the other Bezier points of the step below */
  qn_embedding_at(embedding, species, -1.0 / embedding->scale, &below);
  double most = fabs(between);
  for (int k = 0; k < embedding->intervals; k++, knot += 2) most = fmax(most, most_slope(knot));
  return fmax(most * embedding->scale, fabs(below));
}

/* Where interval k of the tables ends, A; the last goes on to the cutoff. */
static double end_of(const qn_eam *eam, int k) { return k + 2 < eam->r_points ? (k + 1) * eam->r_step : fmax(eam->cutoff, (k + 1) * eam->r_step); }

/* What a pair brings about in interval k of the tables: the terms of its phi, and of its densities for each unit of F' at either end. */
static void terms_from(const qn_double *self, const qn_eam *eam, size_t slot, int k, double *of_phi, double *of_density) {
  const double *pair = self->pair + 2 * (slot * (size_t)self->slot + (size_t)k), *here = self->here + 2 * (slot * (size_t)self->slot + (size_t)k);
  double r = k * eam->r_step, phi = most_value(pair) / r, pull = (most_slope(pair) / eam->r_step + phi) / r, arm = fmax(end_of(eam, k), 1.0);
  *of_phi = fmax(phi, pull * arm); /* the virial is f r */
  *of_density = 2.0 * most_slope(here) / eam->r_step * arm;
}

/* Down to which distances every table has an answer and every term fits its integer, and the largest density there. */
static void find_nearest(qn_double *self, const qn_system *system, double *largest_density) {
  const qn_eam *eam = system->eam;
  double steep = 0.0, of_phi, of_density, most_density = 0.0;
  self->nearest = self->near = *largest_density = 0.0;
  for (int a = 0; a < eam->species_count; a++) steep = fmax(steep, steepest(self->embedding, a));
  for (int pass = 0; pass < 2; pass++)
    for (int a = 0; a < eam->species_count; a++)
      for (int b = 0; b < eam->species_count; b++) {
        size_t slot = (size_t)(a * self->step + b);
        self->nearest = fmax(self->nearest, system->ranges->core[a][b]);
        self->near = fmax(self->near, self->nearest);
        for (int k = eam->r_points - 2; k > 0 && end_of(eam, k) > self->nearest; k--) {
          terms_from(self, eam, slot, k, &of_phi, &of_density);
          if (!(of_phi < STRONGEST && steep * of_density < STRONGEST)) self->nearest = end_of(eam, k);
          if (!(of_phi < USUAL)) self->near = fmax(self->near, end_of(eam, k));
          if (pass == 0) continue; /* the distances are known only then */
          *largest_density = fmax(*largest_density, most_value(self->here + 2 * (slot * (size_t)self->slot + (size_t)k)));
          if (end_of(eam, k) > self->near) most_density = fmax(most_density, of_density);
        }
      }
  self->steepest = most_density > 0.0 ? USUAL / most_density : (double)INFINITY;
}

static qn_status make_tables(qn_double *self, const qn_system *system, qn_error *error) {
  const qn_eam *eam = system->eam;
  int n = eam->species_count;
  self->symmetric = is_symmetric(system);
  self->step = self->symmetric && n == 2 ? 1 : n;
  while (1 << self->tag_bits < n) self->tag_bits++;
  self->slot = eam->r_points + 2;
  self->r_scale = 1.0 / eam->r_step;
  self->r_end = nextafter(eam->r_points - 1, 0.0);
  self->r_none = eam->r_points + 0.5;
  self->cutoff_square = eam->cutoff * eam->cutoff;
  if (!alloc_tables(self, n)) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      size_t slot = 2 * (size_t)(a * self->step + b) * (size_t)self->slot;
      qn_spline_knots(eam->r_points, table_of(eam, eam->pair, a, b), self->pair + slot);
      qn_spline_knots(eam->r_points, table_of(eam, eam->density, a, b), self->here + slot);
      if (!self->symmetric) qn_spline_knots(eam->r_points, table_of(eam, eam->density, b, a), self->there + slot);
    }
  double largest;
  int exponent;
  find_nearest(self, system, &largest);
  frexp(largest > 0.0 ? largest : 1.0, &exponent);
  self->density_quantum = ldexp(1.0, exponent - 50);
  return QN_OK;
}

qn_status qn_double_alloc(qn_double **made, const qn_system *system, const qn_embedding *embedding, int64_t count, qn_instructions instructions,
                          qn_error *error) {
  static const qn_double_kernel *const KERNELS[QN_INSTRUCTIONS_COUNT] = {&qn_double_avx512, &qn_double_avx2, &qn_double_portable};
  *made = NULL;
  qn_double *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  self->kernel = KERNELS[instructions];
  self->embedding = embedding;
  self->threads = system->threads;
  self->count = count;
  size_t n = (size_t)count;
  bool there = (self->low = qn_memory_alloc(2 * n, sizeof(double))) != NULL;
  for (int pass = 0; pass < 2; pass++) there &= (self->high[pass] = qn_memory_alloc(2 * n, sizeof(double))) != NULL;
  there &= (self->force = qn_memory_alloc(4 * n, sizeof(double))) != NULL;
  there &= (self->energy = qn_memory_alloc(n, sizeof(double))) != NULL;
  there &= (self->by_atom = qn_memory_alloc(n, sizeof(double))) != NULL;
  there &= (self->scratch = qn_memory_alloc((size_t)system->threads, sizeof *self->scratch)) != NULL;
  qn_status status = there ? make_tables(self, system, error) : qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)count);
  if (status != QN_OK) {
    qn_double_free(self);
    return status;
  }
  *made = self;
  return QN_OK;
}

void qn_double_free(qn_double *self) {
  if (self == NULL) return;
  for (int t = 0; self->scratch != NULL && t < self->threads; t++) {
    free(self->scratch[t].low);
    free(self->scratch[t].high);
    free(self->scratch[t].stage);
  }
  free(self->scratch);
  free(self->pair);
  free(self->here);
  free(self->there);
  free(self->low);
  for (int pass = 0; pass < 2; pass++) free(self->high[pass]);
  free(self->force);
  free(self->energy);
  free(self->by_atom);
  free(self);
}

/* Room for one brick: its sites, and the neighbours of one atom in the stage. */
static bool reserve(qn_double_scratch *scratch, int64_t sites, int64_t neighbours) {
  scratch->crowded |= neighbours > MOST_NEIGHBOURS;
  if (sites > scratch->site_capacity) {
    size_t room = 2 * (size_t)(sites + sites / 8 + QN_LISTS_PAD);
    free(scratch->low);
    free(scratch->high);
    scratch->low = qn_memory_alloc(room, sizeof(double));
    scratch->high = qn_memory_alloc(room, sizeof(double));
    bool there = scratch->low != NULL && scratch->high != NULL;
    scratch->site_capacity = there ? sites + sites / 8 : 0;
    scratch->failed |= !there;
  }
  if (neighbours * STAGE > scratch->stage_capacity) {
    int64_t room = 2 * (neighbours + QN_LISTS_PAD) * STAGE;
    free(scratch->stage);
    scratch->stage = qn_memory_alloc((size_t)room, sizeof *scratch->stage);
    scratch->stage_capacity = scratch->stage == NULL ? 0 : room;
    scratch->failed |= scratch->stage == NULL;
  }
  return !scratch->failed && !scratch->crowded;
}

/* ---- an evaluation ---- */

/* Adding this and taking it away again rounds what is smaller than `largest` to whole grains, of which a double holds sums and differences without
 * error. */
static double rounder_for(double largest) {
  int exponent;
  frexp(largest, &exponent);
  return ldexp(1.5, exponent + 2);
}

static void place_all(qn_double *self) {
  const qn_lists *lists = self->lists;
  double largest = 0.0;
  for (int axis = 0; axis < 3; axis++) largest = fmax(largest, fabs(lists->box.origin[axis]) + 4.0 * lists->box.length[axis]);
  const double rounder = rounder_for(largest);
  for (int axis = 0; axis < 3; axis++) self->box[axis] = (lists->box.length[axis] + rounder) - rounder;
#pragma omp parallel for schedule(static) num_threads(self->threads) if (self->count > 1024)
  for (int64_t at = 0; at < self->count; at++) {
    int32_t id = lists->bricks.order[at];
    double r[3], tag;
    for (int axis = 0; axis < 3; axis++) r[axis] = ((lists->atoms->r[axis][id] + rounder) - rounder) + lists->crossed[axis][at] * self->box[axis];
    uint64_t bits = UINT64_C(0x3FF0000000000000) | lists->type[at];
    memcpy(&tag, &bits, sizeof tag);
    self->low[2 * at] = r[0], self->low[2 * at + 1] = r[1];
    self->high[0][2 * at] = self->high[1][2 * at] = r[2];
    self->high[0][2 * at + 1] = tag;
  }
}

static void first_pass(qn_double *self, bool prune, int thread) {
  qn_lists *lists = self->lists;
  qn_lists_scratch *list = &lists->scratch[thread];
  qn_double_scratch *scratch = &self->scratch[thread];
  for (int64_t b; (b = qn_turns_take(lists->turns, self->threads, thread)) >= 0;) {
    if (list->failed || scratch->failed || lists->bricks.brick[b].count == 0) continue;
    if (prune) list->failed = lists->kernel->prune(lists, b, list) != QN_OK;
    if (!list->failed && reserve(scratch, lists->most_sites, lists->brick[b].most)) self->kernel->density(self, b, scratch);
  }
}

static void second_pass(qn_double *self, int thread) {
  const qn_lists *lists = self->lists;
  qn_double_scratch *scratch = &self->scratch[thread];
  for (int64_t b; (b = qn_turns_take(lists->turns, self->threads, thread)) >= 0;)
    if (lists->bricks.brick[b].count > 0 && reserve(scratch, lists->most_sites, lists->brick[b].most)) self->kernel->force(self, b, scratch);
}

/* Whether a thread could not do its part, or has found two atoms too near. */
static bool stopped(const qn_double *self) {
  bool stop = false;
  for (int t = 0; t < self->threads; t++) {
    const qn_double_scratch *scratch = &self->scratch[t];
    stop |= self->lists->scratch[t].failed | scratch->failed | scratch->crowded | (scratch->bad != INT32_MAX);
  }
  return stop;
}

/* Both passes over all bricks. The second needs F' of all neighbours, so it waits for the first. */
static void evaluate(qn_double *self, bool prune) {
  const int64_t bricks = self->lists->bricks.brick_count;
  bool stop = false;
  qn_turns_deal(self->lists->turns, self->threads, bricks);
#pragma omp parallel num_threads(self->threads) if (bricks > 1)
  {
    first_pass(self, prune, omp_get_thread_num());
#pragma omp barrier
#pragma omp single
    {
      stop = stopped(self);
      self->split = false;
      for (int t = 0; t < self->threads; t++) self->split |= self->scratch[t].steep;
      qn_turns_deal(self->lists->turns, self->threads, bricks);
    }
    if (!stop) second_pass(self, omp_get_thread_num());
  }
}

/* Forces in the order of the atoms. By themselves, because threads that wrote to the same lines of memory would wait for each other. */
static void deliver(const qn_double *self) {
  const int32_t *place = self->lists->bricks.place;
  double *const *f = self->lists->atoms->f;
#pragma omp parallel for schedule(static) num_threads(self->threads) if (self->count > 1024)
  for (int64_t i = 0; i < self->count; i++)
    for (int axis = 0; axis < 3; axis++) f[axis][i] = self->force[4 * (int64_t)place[i] + axis];
}

static qn_status outcome(const qn_double *self, qn_error *error) {
  qn_status status = qn_lists_failure(self->lists, error);
  int32_t bad = INT32_MAX;
  for (int t = 0; t < self->threads && status == QN_OK; t++) {
    if (self->scratch[t].failed) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a brick");
    if (self->scratch[t].crowded) status = qn_error_set(error, QN_BLOWUP, "an atom has more than %d neighbours", MOST_NEIGHBOURS);
    if (self->scratch[t].bad < bad) bad = self->scratch[t].bad;
  }
  if (status == QN_OK && bad != INT32_MAX)
    status = qn_error_set(error, QN_BLOWUP, "atom %d has a neighbour nearer than %.3g A, where the potential's tables have no answer", bad, self->nearest);
  return status;
}

qn_status qn_double_compute(qn_double *self, qn_lists *lists, bool prune, qn_sums sums, qn_force_result *result, double *atom_energy, qn_error *error) {
  self->lists = lists;
  self->sums = sums;
  for (int t = 0; t < self->threads; t++) {
    self->scratch[t].bad = INT32_MAX;
    self->scratch[t].failed = self->scratch[t].steep = self->scratch[t].crowded = false;
    memset(self->scratch[t].virial, 0, sizeof self->scratch[t].virial);
  }
  place_all(self);
  evaluate(self, prune);
  qn_status status = outcome(self, error);
  if (prune) qn_lists_pruned(lists, qn_lists_failure(lists, error) == QN_OK);
  if (status != QN_OK) return status;
  deliver(self);
  if (sums == QN_SUMS_NONE) return QN_OK;

  qn_double_quanta virial[6] = {0};
  for (int t = 0; t < self->threads; t++)
    for (int v = 0; v < 6; v++) virial[v] += self->scratch[t].virial[v];
  for (int v = 0; v < 6; v++) result->virial[v] = -0.5 * (double)virial[v] * QN_DOUBLE_QUANTUM;
  if (sums == QN_SUMS_ALL) result->energy = qn_lists_by_atom(lists, self->energy, self->by_atom);
  if (atom_energy != NULL) memcpy(atom_energy, self->by_atom, (size_t)self->count * sizeof(double));
  return QN_OK;
}

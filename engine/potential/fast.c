#include "engine/potential/fast.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

enum { CHUNK = 1024 /* atoms or places of which one thread takes care at a time */ };

qn_status qn_fast_alloc(qn_fast **fast, const qn_system *system, const qn_embedding *embedding, int64_t count, qn_instructions instructions,
                        qn_error *error) {
  /* Eight lanes: sixteen leave more of theirs empty, and take 1.25 times as long on a Xeon of 2024. */
  static const qn_fast_kernel *const KERNELS[QN_INSTRUCTIONS_COUNT] = {&qn_fast_avx2, &qn_fast_avx2, &qn_fast_portable};
  *fast = NULL;
  qn_fast *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  made->kernel = KERNELS[instructions];
  made->embedding = embedding;
  made->threads = system->threads;
  made->count = count;
  size_t n = (size_t)count + QN_LISTS_PAD;
  made->rows = qn_memory_alloc(n, sizeof *made->rows);
  made->density = qn_memory_alloc(n, sizeof *made->density);
  made->force = qn_memory_alloc(n, sizeof *made->force);
  made->pairs = qn_memory_alloc(n, sizeof *made->pairs);
  made->energy = qn_memory_alloc(n, sizeof(double));
  made->by_atom = qn_memory_alloc(n, sizeof(double));
  made->scratch = qn_memory_alloc((size_t)system->threads, sizeof *made->scratch);
  bool there = made->rows && made->density && made->force && made->pairs && made->energy && made->by_atom && made->scratch;
  qn_status status = there ? qn_fast_tables_init(&made->tables, system, embedding, error)
                           : qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)count);
  if (status != QN_OK) {
    qn_fast_free(made);
    return status;
  }
  *fast = made;
  return QN_OK;
}

void qn_fast_free(qn_fast *fast) {
  if (fast == NULL) return;
  for (int t = 0; fast->scratch != NULL && t < fast->threads; t++) {
    free(fast->scratch[t].stage);
    free(fast->scratch[t].density);
    free(fast->scratch[t].force);
    free(fast->scratch[t].pairs);
  }
  free(fast->scratch);
  free(fast->rows);
  free(fast->force);
  free(fast->energy);
  free(fast->by_atom);
  free(fast->density);
  free(fast->pairs);
  qn_shares_fini(&fast->shares);
  qn_fast_tables_fini(&fast->tables);
  free(fast);
}

/* Room for any brick: the neighbours of one atom in the stage, and the share. */
static bool reserve(qn_fast_scratch *scratch, int64_t neighbours, int64_t sites) {
  if (neighbours * QN_FAST_STAGE > scratch->stage_capacity) {
    int64_t room = 2 * (neighbours + QN_LISTS_PAD) * QN_FAST_STAGE;
    free(scratch->stage);
    scratch->stage = qn_memory_alloc((size_t)room, sizeof *scratch->stage);
    scratch->stage_capacity = scratch->stage == NULL ? 0 : room;
    scratch->failed |= scratch->stage == NULL;
  }
  if (sites + QN_LISTS_PAD > scratch->site_capacity) {
    int64_t room = sites + sites / 8 + QN_LISTS_PAD;
    free(scratch->density);
    free(scratch->force);
    free(scratch->pairs);
    scratch->density = qn_memory_alloc((size_t)room, sizeof *scratch->density);
    scratch->force = qn_memory_alloc((size_t)room, sizeof *scratch->force);
    scratch->pairs = qn_memory_alloc((size_t)room, sizeof *scratch->pairs);
    scratch->site_capacity = scratch->density == NULL || scratch->force == NULL || scratch->pairs == NULL ? 0 : room;
    scratch->failed |= scratch->site_capacity == 0;
  }
  return !scratch->failed;
}

/* ---- what bricks hand over ---- */

/* Where a share is from, and where it goes. */
typedef struct transfer {
  qn_fast *to;
  const qn_fast_scratch *from;
} transfer;

/* What does not overlap the compiler adds by vectors. */
static void add(int64_t count, uint32_t *restrict to, const uint32_t *restrict from) {
  for (int64_t k = 0; k < count; k++) to[k] += from[k];
}

static void add_densities(void *context, const qn_parcel *parcels, int64_t count) {
  const transfer *moves = context;
  for (const qn_parcel *parcel = parcels; parcel < parcels + count; parcel++)
    add(parcel->count, moves->to->density + parcel->place, moves->from->density + parcel->site);
}

static void take_forces(void *context, const qn_parcel *parcels, int64_t count) {
  const transfer *moves = context;
  for (const qn_parcel *parcel = parcels; parcel < parcels + count; parcel++)
    add(4 * (int64_t)parcel->count, moves->to->force[parcel->place], moves->from->force[parcel->site]);
}

static void take_forces_and_add_energies(void *context, const qn_parcel *parcels, int64_t count) {
  const transfer *moves = context;
  take_forces(context, parcels, count);
  for (const qn_parcel *parcel = parcels; parcel < parcels + count; parcel++)
    for (int32_t k = 0; k < parcel->count; k++) moves->to->pairs[parcel->place + k] += moves->from->pairs[parcel->site + k];
}

/* ---- what is done atom by atom ---- */

/* Sums near the limit of their 32 bits, from either side, are told; no atom passes so much in one step. */
static bool near_the_limit(int32_t sum) { return sum >= 0x60000000 || sum <= -0x60000000; }

/* F and F' of some places; makes ready for forces. Returns whether a density is too large. */
static bool embed(qn_fast *fast, int64_t begin, int64_t end) {
  bool beyond = false;
  fast->kernel->embed(fast, begin, end);
  for (int64_t at = begin; at < end; at++) beyond |= near_the_limit((int32_t)fast->density[at]);
  memset(fast->density + begin, 0, (size_t)(end - begin) * sizeof *fast->density);
  memset(fast->force + begin, 0, (size_t)(end - begin) * sizeof *fast->force);
  memset(fast->pairs + begin, 0, (size_t)(fast->sums == QN_SUMS_ALL ? end - begin : 0) * sizeof *fast->pairs);
  return beyond;
}

/* Whether the shadow of a force says that it was too large for its integers. */
static bool off_its_shadow(const int32_t force[4]) {
  const double apart = (double)QN_FAST_APART, all = force[0] + apart * force[1] + apart * apart * force[2];
  return !(fabs(force[3] / (double)QN_FAST_COARSE - all) < 0x1p28);
}

/* Forces of some atoms, in their order, in which threads do not write to the same lines of memory; adds them to `net`. Returns whether one is too large. */
static bool deliver(const qn_fast *fast, int64_t begin, int64_t end, int64_t net[3]) {
  const int32_t *place = fast->lists->bricks.place;
  double *const *f = fast->lists->atoms->f, quantum = fast->tables.force_quantum;
  bool beyond = false;
  for (int64_t i = begin; i < end; i++) {
    const uint32_t *taken = fast->force[place[i]];
    const int32_t force[4] = {(int32_t)-taken[0], (int32_t)-taken[1], (int32_t)-taken[2], (int32_t)-taken[3]};
    for (int axis = 0; axis < 3; axis++) {
      f[axis][i] = (double)force[axis] * quantum;
      net[axis] += force[axis];
      beyond |= near_the_limit(force[axis]);
    }
    if (fast->sums != QN_SUMS_NONE) beyond |= off_its_shadow(force);
  }
  if (fast->sums == QN_SUMS_ALL)
    for (int64_t i = begin; i < end; i++) fast->energy[place[i]] += 0.5 * (double)fast->pairs[place[i]] * fast->tables.energy_quantum;
  return beyond;
}

/* ---- an evaluation ---- */

static int64_t chunk_end(const qn_fast *fast, int64_t begin) { return begin + CHUNK < fast->count ? begin + CHUNK : fast->count; }

static void first_pass(qn_fast *fast, bool prune, int thread) {
  qn_lists *lists = fast->lists;
  qn_lists_scratch *list = &lists->scratch[thread];
  qn_fast_scratch *scratch = &fast->scratch[thread];
  transfer moves = {fast, scratch};
  for (int64_t b; (b = qn_turns_take(lists->turns, fast->threads, thread)) >= 0;) {
    if (list->failed || scratch->failed || lists->bricks.brick[b].count == 0) continue;
    if (prune) list->failed = lists->kernel->prune(lists, b, list) != QN_OK;
    if (list->failed || !reserve(scratch, lists->brick[b].most, lists->most_sites)) continue;
    fast->kernel->density(fast, b, list->sites, scratch);
    qn_shares_hand_over(&fast->shares, b, add_densities, &moves);
  }
}

static void second_pass(qn_fast *fast, int thread) {
  qn_lists *lists = fast->lists;
  qn_fast_scratch *scratch = &fast->scratch[thread];
  transfer moves = {fast, scratch};
  for (int64_t b; (b = qn_turns_take(lists->turns, fast->threads, thread)) >= 0;) {
    if (lists->bricks.brick[b].count == 0 || !reserve(scratch, lists->brick[b].most, lists->most_sites)) continue;
    fast->kernel->force(fast, b, lists->scratch[thread].sites, scratch);
    qn_shares_hand_over(&fast->shares, b, fast->sums == QN_SUMS_ALL ? take_forces_and_add_energies : take_forces, &moves);
  }
}

/* Whether a thread could not do its part, or asks for the reference kernel. */
static bool stopped(const qn_fast *fast) {
  bool stop = false;
  for (int t = 0; t < fast->threads; t++) stop |= fast->lists->scratch[t].failed | fast->scratch[t].failed | fast->scratch[t].beyond;
  return stop;
}

/* Both passes over all bricks, each followed by one over all atoms. The second needs F' of all neighbours. */
static void evaluate(qn_fast *fast, bool prune) {
  const int64_t bricks = fast->lists->bricks.brick_count, count = fast->count;
  bool stop = false;
  qn_turns_deal(fast->lists->turns, fast->threads, bricks);
#pragma omp parallel num_threads(fast->threads) if (bricks > 1)
  {
    const int thread = omp_get_thread_num();
    qn_fast_scratch *scratch = &fast->scratch[thread];
    first_pass(fast, prune, thread);
#pragma omp barrier
#pragma omp master
    {
      stop = stopped(fast);
      qn_turns_deal(fast->lists->turns, fast->threads, bricks);
    }
#pragma omp for schedule(static)
    for (int64_t begin = 0; begin < count; begin += CHUNK) scratch->beyond |= embed(fast, begin, chunk_end(fast, begin));
    if (!stop) {
      second_pass(fast, thread);
#pragma omp barrier
#pragma omp for schedule(static)
      for (int64_t begin = 0; begin < count; begin += CHUNK) scratch->beyond |= deliver(fast, begin, chunk_end(fast, begin), scratch->net);
    }
  }
}

static qn_status outcome(const qn_fast *fast, bool *beyond, qn_error *error) {
  qn_status status = qn_lists_failure(fast->lists, error);
  int64_t net[3] = {0};
  *beyond = false;
  for (int t = 0; t < fast->threads && status == QN_OK; t++) {
    if (fast->scratch[t].failed) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a brick");
    *beyond |= fast->scratch[t].beyond;
    for (int axis = 0; axis < 3; axis++) net[axis] += fast->scratch[t].net[axis];
  }
  *beyond |= net[0] != 0 || net[1] != 0 || net[2] != 0;
  return status;
}

qn_status qn_fast_compute(qn_fast *fast, qn_lists *lists, bool prune, qn_sums sums, qn_force_result *result, double *atom_energy, bool *beyond,
                          qn_error *error) {
  fast->lists = lists;
  fast->sums = sums;
  for (int t = 0; t < fast->threads; t++) {
    fast->scratch[t].beyond = fast->scratch[t].failed = false;
    memset(fast->scratch[t].virial, 0, sizeof fast->scratch[t].virial);
    memset(fast->scratch[t].net, 0, sizeof fast->scratch[t].net);
  }
  qn_status status = qn_shares_follow(&fast->shares, lists, error);
  if (status == QN_OK) {
    evaluate(fast, prune);
    status = outcome(fast, beyond, error);
  }
  if (prune) qn_lists_pruned(lists, status == QN_OK);
  if (status != QN_OK || *beyond) return status;
  if (sums == QN_SUMS_NONE) return QN_OK;

  int64_t virial[6] = {0};
  for (int t = 0; t < fast->threads; t++)
    for (int v = 0; v < 6; v++) virial[v] += fast->scratch[t].virial[v];
  for (int v = 0; v < 6; v++) result->virial[v] = -(double)virial[v] * fast->tables.virial_quantum;
  if (sums == QN_SUMS_ALL) result->energy = qn_lists_by_atom(lists, fast->energy, fast->by_atom);
  if (atom_energy != NULL) memcpy(atom_energy, fast->by_atom, (size_t)fast->count * sizeof(double));
  return QN_OK;
}

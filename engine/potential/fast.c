#include "engine/potential/fast.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

qn_status qn_fast_alloc(qn_fast **fast, const qn_system *system, const qn_embedding *embedding, int64_t count, qn_instructions instructions,
                        qn_error *error) {
  static const qn_fast_kernel *const KERNELS[QN_INSTRUCTIONS_COUNT] = {&qn_fast_avx512, &qn_fast_avx2, &qn_fast_portable};
  *fast = NULL;
  qn_fast *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  made->kernel = KERNELS[instructions];
  made->embedding = embedding;
  made->threads = system->threads;
  made->count = count;
  size_t n = (size_t)count + QN_LISTS_PAD;
  made->rows = qn_memory_alloc(n, sizeof *made->rows);
  made->forces = qn_memory_alloc(n, sizeof *made->forces);
  made->energy = qn_memory_alloc(n, sizeof(double));
  made->by_atom = qn_memory_alloc(n, sizeof(double));
  made->scratch = qn_memory_alloc((size_t)system->threads, sizeof *made->scratch);
  bool there = made->rows && made->forces && made->energy && made->by_atom && made->scratch;
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
  }
  free(fast->scratch);
  free(fast->rows);
  free(fast->forces);
  free(fast->energy);
  free(fast->by_atom);
  qn_fast_tables_fini(&fast->tables);
  free(fast);
}

/* Room for one brick: the neighbours of one atom in the stage, and the densities of its atoms. */
static bool reserve(qn_fast_scratch *scratch, int64_t neighbours, int64_t atoms) {
  if (neighbours * QN_FAST_STAGE > scratch->stage_capacity) {
    int64_t room = 2 * (neighbours + QN_LISTS_PAD) * QN_FAST_STAGE;
    free(scratch->stage);
    scratch->stage = qn_memory_alloc((size_t)room, sizeof *scratch->stage);
    scratch->stage_capacity = scratch->stage == NULL ? 0 : room;
    scratch->failed |= scratch->stage == NULL;
  }
  if (atoms > scratch->atom_capacity) {
    free(scratch->density);
    scratch->density = qn_memory_alloc((size_t)atoms, sizeof *scratch->density);
    scratch->atom_capacity = scratch->density == NULL ? 0 : atoms;
    scratch->failed |= scratch->density == NULL;
  }
  return !scratch->failed;
}

/* Both passes over all bricks. The second needs F' of all neighbours, so it waits for the first. */
static void evaluate(qn_fast *fast, bool prune) {
  qn_lists *lists = fast->lists;
  int64_t bricks = lists->bricks.brick_count;
  bool stop = false;
#pragma omp parallel num_threads(fast->threads) if (bricks > 1)
  {
    qn_lists_scratch *list = &lists->scratch[omp_get_thread_num()];
    qn_fast_scratch *scratch = &fast->scratch[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 1) reduction(| : stop)
    for (int64_t b = 0; b < bricks; b++) {
      if (list->failed || scratch->failed || lists->bricks.brick[b].count == 0) continue;
      if (prune) list->failed = lists->kernel->prune(lists, b, list) != QN_OK;
      if (!list->failed && reserve(scratch, lists->brick[b].most, lists->most_atoms)) fast->kernel->density(fast, b, list->sites, scratch);
      stop |= list->failed | scratch->failed | scratch->beyond;
    }
    if (!stop) {
#pragma omp for schedule(dynamic, 1)
      for (int64_t b = 0; b < bricks; b++)
        if (lists->bricks.brick[b].count > 0 && reserve(scratch, lists->brick[b].most, 0)) fast->kernel->force(fast, b, list->sites, scratch);
    }
  }
}

/* Forces in the order of the atoms. By themselves, because threads that wrote to the same lines of memory would wait for each other. */
static void deliver(const qn_fast *fast) {
  const int32_t *place = fast->lists->bricks.place;
  double *const *f = fast->lists->atoms->f, quantum = fast->tables.force_quantum;
#pragma omp parallel for schedule(static) num_threads(fast->threads) if (fast->count > 1024)
  for (int64_t i = 0; i < fast->count; i++) {
    qn_site force = fast->forces[place[i]];
    f[0][i] = (double)force.x * quantum, f[1][i] = (double)force.y * quantum, f[2][i] = (double)force.z * quantum;
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
  evaluate(fast, prune);
  qn_status status = outcome(fast, beyond, error);
  if (prune) qn_lists_pruned(lists, status == QN_OK);
  if (status != QN_OK || *beyond) return status;
  deliver(fast);
  if (sums == QN_SUMS_NONE) return QN_OK;

  int64_t virial[6] = {0};
  for (int t = 0; t < fast->threads; t++)
    for (int v = 0; v < 6; v++) virial[v] += fast->scratch[t].virial[v];
  for (int v = 0; v < 6; v++) result->virial[v] = -0.5 * (double)virial[v] * fast->tables.virial_quantum;
  if (sums == QN_SUMS_ALL) result->energy = qn_lists_by_atom(lists, fast->energy, fast->by_atom);
  if (atom_energy != NULL) memcpy(atom_energy, fast->by_atom, (size_t)fast->count * sizeof(double));
  return QN_OK;
}

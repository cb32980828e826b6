#include "engine/potential/fast.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/fast_state.h"

/* A. Outer lists are searched for in space and last long; inner ones are chosen from them and hold few pairs in vain. */
#define OUTER_SKIN 1.0
#define INNER_SKIN 0.3
/* A. Displacements are kept in single precision. */
#define SLACK 1e-3

static const qn_fast_kernel *const KERNELS[] = {&qn_fast_avx512, &qn_fast_avx2, &qn_fast_portable};

static const qn_fast_kernel *choose(const char *instructions) {
  for (size_t k = 0; k < sizeof KERNELS / sizeof *KERNELS; k++)
    if (KERNELS[k]->usable() && (instructions == NULL || strcmp(KERNELS[k]->name + strlen("fast-"), instructions) == 0)) return KERNELS[k];
  return NULL;
}

static bool alloc_scratch(qn_fast_scratch *scratch, int species) {
  bool there = (scratch->sites = qn_memory_alloc(QN_BRICK_SITES + 2 * QN_FAST_MOST_LANES, sizeof *scratch->sites)) != NULL;
  for (int axis = 0; axis < 3; axis++)
    there &= (scratch->place[axis] = qn_memory_alloc(QN_BRICK_SITES + 2 * QN_FAST_MOST_LANES, sizeof(int32_t))) != NULL;
  for (int k = 0; k < 2 * species; k++)
    there &= (scratch->split[k] = qn_memory_alloc(QN_BRICK_SITES + 2 * QN_FAST_MOST_LANES, sizeof(uint16_t))) != NULL;
  return there & ((scratch->column = qn_memory_alloc(QN_FAST_COLUMNS, sizeof *scratch->column)) != NULL);
}

qn_status qn_fast_alloc(qn_fast **fast, const qn_system *system, int64_t count, double skin, const char *instructions, qn_error *error) {
  *fast = NULL;
  const qn_fast_kernel *kernel = choose(instructions);
  if (kernel == NULL) return qn_error_set(error, QN_UNSUPPORTED, "this processor has no %s instructions", instructions);
  qn_fast *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  made->kernel = kernel;
  made->threads = system->threads;
  made->count = count;
  made->outer_skin = skin > 0.0 ? skin : OUTER_SKIN;
  made->inner_skin = fmin(INNER_SKIN, 0.4 * made->outer_skin);
  size_t n = (size_t)count + QN_FAST_MOST_LANES;
  made->type = qn_memory_alloc(n, sizeof *made->type);
  made->rows = qn_memory_alloc(n, sizeof *made->rows);
  made->rows2 = qn_memory_alloc(n, sizeof *made->rows2);
  made->density = qn_memory_alloc(n, sizeof(double));
  made->energy = qn_memory_alloc(n, sizeof(double));
  made->by_atom = qn_memory_alloc(n, sizeof(double));
  made->scratch = qn_memory_alloc((size_t)system->threads, sizeof *made->scratch);
  bool there = made->type && made->rows && made->rows2 && made->density && made->energy && made->by_atom && made->scratch;
  for (int axis = 0; axis < 3; axis++) {
    there &= (made->crossed[axis] = qn_memory_alloc(n, sizeof(int32_t))) != NULL;
    there &= (made->inner_place[axis] = qn_memory_alloc(n, sizeof(float))) != NULL;
    there &= (made->outer_place[axis] = qn_memory_alloc(n, sizeof(float))) != NULL;
  }
  for (int t = 0; there && t < system->threads; t++) there &= alloc_scratch(&made->scratch[t], system->species_count);
  qn_status status = there ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for the forces of %lld atoms", (long long)count);
  if (status == QN_OK) status = qn_fast_tables_init(&made->tables, system, error);
  if (status == QN_OK) status = qn_bricks_init(&made->bricks, count, made->tables.reach + made->outer_skin, error);
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
    qn_fast_scratch *scratch = &fast->scratch[t];
    qn_surroundings_fini(&scratch->about);
    free(scratch->sites);
    for (int axis = 0; axis < 3; axis++) free(scratch->place[axis]);
    for (int k = 0; k < 2 * QN_MAX_SPECIES; k++) free(scratch->split[k]);
    free(scratch->column);
    free(scratch->stage);
  }
  free(fast->scratch);
  for (int64_t b = 0; b < fast->list_capacity; b++) {
    qn_fast_lists *lists = &fast->lists[b];
    free(lists->outer);
    free(lists->outer_count);
    free(lists->core);
    free(lists->shell);
    free(lists->vectors);
  }
  free(fast->lists);
  free(fast->type);
  free(fast->rows);
  free(fast->rows2);
  free(fast->density);
  free(fast->energy);
  free(fast->by_atom);
  for (int axis = 0; axis < 3; axis++) {
    free(fast->crossed[axis]);
    free(fast->inner_place[axis]);
    free(fast->outer_place[axis]);
  }
  qn_bricks_fini(&fast->bricks);
  qn_fast_tables_fini(&fast->tables);
  free(fast);
}

/* ---- what kernels call ---- */

bool qn_fast_grow16(uint16_t **list, int64_t *capacity, int64_t used, int64_t needed) {
  if (needed <= *capacity) return true;
  int64_t room = needed + needed / 4 + 64;
  uint16_t *more = qn_memory_alloc((size_t)room, sizeof *more);
  if (more == NULL) return false;
  if (used > 0) memcpy(more, *list, (size_t)used * sizeof *more);
  free(*list);
  *list = more;
  *capacity = room;
  return true;
}

bool qn_fast_room(qn_fast_lists *lists, int64_t atoms, int species) {
  if (atoms <= lists->atom_capacity) return true;
  int64_t room = atoms + atoms / 8 + 8;
  free(lists->outer_count);
  free(lists->vectors);
  lists->outer_count = qn_memory_alloc((size_t)room, sizeof *lists->outer_count);
  lists->vectors = qn_memory_alloc((size_t)(room * species * 2), sizeof *lists->vectors);
  lists->atom_capacity = lists->outer_count == NULL || lists->vectors == NULL ? 0 : room;
  return lists->atom_capacity > 0;
}

bool qn_fast_stage(qn_fast_scratch *scratch, int64_t neighbours) {
  if (neighbours * QN_FAST_STAGE <= scratch->stage_capacity && scratch->stage != NULL) return true;
  int64_t room = 2 * (neighbours + QN_FAST_MOST_LANES) * QN_FAST_STAGE;
  free(scratch->stage);
  scratch->stage = qn_memory_alloc((size_t)room, sizeof *scratch->stage);
  scratch->stage_capacity = scratch->stage == NULL ? 0 : room;
  if (scratch->stage == NULL) qn_fast_no_memory(scratch);
  return scratch->stage != NULL;
}

qn_status qn_fast_no_memory(qn_fast_scratch *scratch) {
  return qn_error_set(&scratch->error, QN_NO_MEMORY, "no memory for the neighbour lists of a brick");
}

bool qn_fast_wrap(qn_fast *fast, int64_t at, qn_fast_scratch *scratch) {
  int32_t atom = fast->bricks.order[at], before[3];
  for (int axis = 0; axis < 3; axis++) before[axis] = fast->atoms->image[axis][atom];
  scratch->failed = qn_atoms_wrap_one(fast->atoms, &fast->box, atom, &scratch->error) != QN_OK;
  for (int axis = 0; axis < 3; axis++) fast->crossed[axis][at] += fast->atoms->image[axis][atom] - before[axis];
  return !scratch->failed;
}

/* ---- an evaluation ---- */

static qn_status check_box(const qn_fast *fast, const qn_box *box, qn_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    double length = box->length[axis];
    if (!(isfinite(box->origin[axis]) && isfinite(length))) return qn_error_set(error, QN_BLOWUP, "the box is not finite along %c", "xyz"[axis]);
    if (length < fast->tables.reach)
      return qn_error_set(error, QN_BLOWUP, "the box collapsed to %g A along %c, less than the cutoff %g A", length, "xyz"[axis], fast->tables.reach);
  }
  return QN_OK;
}

/* Whether atoms that moved by at most `moved` (A) while the box changed may have left or entered more than `room` by now. */
static bool used_up(const qn_box *then, const qn_box *now, float moved_square, double room) {
  double change = 0.0, largest = 0.0;
  for (int axis = 0; axis < 3; axis++) {
    double d = now->length[axis] - then->length[axis];
    change += d * d;
    largest = fmax(largest, fabs(now->origin[axis]) + now->length[axis]);
  }
  return !(2.0 * sqrt((double)moved_square) + sqrt(change) + SLACK + 1e-6 * largest <= room);
}

static qn_status first_failure(const qn_fast *fast, qn_error *error) {
  for (int t = 0; t < fast->threads; t++)
    if (fast->scratch[t].failed) {
      *error = fast->scratch[t].error;
      return error->status;
    }
  return QN_OK;
}

static qn_status place_all(qn_fast *fast, float *inner, float *outer, qn_error *error) {
  int64_t chunks = (fast->count + QN_FAST_CHUNK - 1) / QN_FAST_CHUNK;
#pragma omp parallel num_threads(fast->threads)
  {
    qn_fast_scratch *scratch = &fast->scratch[omp_get_thread_num()];
    scratch->inner_moved = scratch->outer_moved = 0.0f;
    scratch->failed = scratch->close = false;
    memset(scratch->virial, 0, sizeof scratch->virial);
#pragma omp for schedule(static)
    for (int64_t c = 0; c < chunks; c++)
      if (!scratch->failed) fast->kernel->place(fast, c * QN_FAST_CHUNK, c + 1 < chunks ? (c + 1) * QN_FAST_CHUNK : fast->count, scratch);
  }
  *inner = *outer = 0.0f;
  for (int t = 0; t < fast->threads; t++) {
    *inner = fmaxf(*inner, fast->scratch[t].inner_moved);
    *outer = fmaxf(*outer, fast->scratch[t].outer_moved);
  }
  return first_failure(fast, error);
}

/* Remember where atoms are, as the lists' places. */
static void remember(qn_fast *fast, float *place[3]) {
#pragma omp parallel for schedule(static) num_threads(fast->threads)
  for (int64_t at = 0; at < fast->count; at++)
    for (int axis = 0; axis < 3; axis++)
      place[axis][at] = (float)(fast->atoms->r[axis][fast->bricks.order[at]] + fast->crossed[axis][at] * fast->box.length[axis]);
}

static qn_status room_for_bricks(qn_fast *fast, qn_error *error) {
  int64_t count = fast->bricks.brick_count;
  if (count <= fast->list_capacity) return QN_OK;
  qn_fast_lists *more = qn_memory_alloc((size_t)count, sizeof *more);
  if (more == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the lists of %lld bricks", (long long)count);
  if (fast->list_capacity > 0) memcpy(more, fast->lists, (size_t)fast->list_capacity * sizeof *more);
  free(fast->lists);
  fast->lists = more;
  fast->list_capacity = count;
  return QN_OK;
}

/* Sort the atoms into bricks and search their neighbours. */
static qn_status rebuild(qn_fast *fast, qn_error *error) {
  fast->built = false;
  qn_status status = qn_atoms_wrap(fast->atoms, &fast->box, error);
  if (status == QN_OK) status = qn_bricks_sort(&fast->bricks, fast->atoms, &fast->box, error);
  if (status == QN_OK) status = room_for_bricks(fast, error);
  if (status != QN_OK) return status;
  for (int axis = 0; axis < 3; axis++) memset(fast->crossed[axis], 0, (size_t)fast->count * sizeof(int32_t));
  for (int64_t at = 0; at < fast->count; at++) fast->type[at] = fast->atoms->type[fast->bricks.order[at]];
  remember(fast, fast->outer_place);
  fast->outer_box = fast->box;
  float unused;
  status = place_all(fast, &unused, &unused, error);
  if (status != QN_OK) return status;
#pragma omp parallel num_threads(fast->threads)
  {
    qn_fast_scratch *scratch = &fast->scratch[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 1)
    for (int64_t b = 0; b < fast->bricks.brick_count; b++)
      if (!scratch->failed) scratch->failed = fast->kernel->build(fast, b, scratch) != QN_OK;
  }
  status = first_failure(fast, error);
  fast->built = status == QN_OK;
  fast->builds++;
  return status;
}

/* Positions in quanta, and lists that hold for them; *prune when the inner ones are still to be chosen. */
static qn_status prepare(qn_fast *fast, bool *prune, qn_error *error) {
  double scale = 1.0 / fast->tables.quantum;
  for (int axis = 0; axis < 3; axis++) fast->box_quanta[axis] = (int32_t)(uint32_t)(int64_t)llrint(fast->box.length[axis] * scale);
  float inner = 0.0f, outer = 0.0f;
  if (fast->built) {
    qn_status status = place_all(fast, &inner, &outer, error);
    if (status != QN_OK) return status;
    *prune = !fast->pruned || used_up(&fast->inner_box, &fast->box, inner, fast->inner_skin);
    if (!*prune) return QN_OK;
  }
  *prune = true;
  fast->pruned = false;
  if (!fast->built || used_up(&fast->outer_box, &fast->box, outer, fast->outer_skin - fast->inner_skin)) {
    qn_status status = rebuild(fast, error);
    if (status != QN_OK) return status;
  }
  remember(fast, fast->inner_place);
  fast->inner_box = fast->box;
  return QN_OK;
}

static void evaluate(qn_fast *fast, bool prune) {
  const qn_fast_kernel *kernel = fast->kernel;
  int64_t bricks = fast->bricks.brick_count;
  bool close = false, failed = false;
#pragma omp parallel num_threads(fast->threads)
  {
    qn_fast_scratch *scratch = &fast->scratch[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 1) reduction(| : close, failed)
    for (int64_t b = 0; b < bricks; b++) {
      if (scratch->failed || fast->bricks.brick[b].count == 0) continue;
      if (prune) scratch->failed = kernel->prune(fast, b, scratch) != QN_OK;
      if (!scratch->failed) scratch->failed = !qn_fast_stage(scratch, fast->lists[b].most_neighbours);
      if (!scratch->failed) kernel->density(fast, b, scratch);
      close |= scratch->close;
      failed |= scratch->failed;
    }
    if (!close && !failed) {
#pragma omp for schedule(dynamic, 1)
      for (int64_t b = 0; b < bricks; b++) {
        if (scratch->failed || fast->bricks.brick[b].count == 0) continue;
        scratch->failed = !qn_fast_stage(scratch, fast->lists[b].most_neighbours);
        if (!scratch->failed) kernel->force(fast, b, scratch);
      }
    }
  }
}

qn_status qn_fast_compute(qn_fast *fast, const qn_box *box, qn_atoms *atoms, qn_force_result *result, double *atom_energy, bool *close,
                          qn_error *error) {
  *close = false;
  qn_status status = check_box(fast, box, error);
  if (status != QN_OK) return status;
  fast->atoms = atoms;
  fast->box = *box;
  fast->want_sums = result != NULL || atom_energy != NULL;
  bool prune;
  status = prepare(fast, &prune, error);
  if (status == QN_OK) {
    evaluate(fast, prune);
    status = first_failure(fast, error);
  }
  fast->pruned = status == QN_OK;
  if (status != QN_OK) return status;
  for (int t = 0; t < fast->threads; t++) *close |= fast->scratch[t].close;
  if (*close || !fast->want_sums) return QN_OK;

  /* Energies in the order of the atoms, which no list changes. */
  double *by_atom = fast->by_atom;
  for (int64_t at = 0; at < fast->count; at++) by_atom[fast->bricks.order[at]] = fast->energy[at];
  if (atom_energy != NULL) memcpy(atom_energy, by_atom, (size_t)fast->count * sizeof(double));
  if (result == NULL) return QN_OK;
  *result = (qn_force_result){0};
  for (int64_t i = 0; i < fast->count; i++) result->energy += by_atom[i];
  int64_t virial[6] = {0};
  for (int t = 0; t < fast->threads; t++)
    for (int v = 0; v < 6; v++) virial[v] += fast->scratch[t].virial[v];
  for (int v = 0; v < 6; v++) result->virial[v] = -0.5 * (double)virial[v] * fast->tables.virial_quantum;
  return QN_OK;
}

int64_t qn_fast_builds(const qn_fast *fast) { return fast->builds; }
const char *qn_fast_name(const qn_fast *fast) { return fast->kernel->name; }
double qn_fast_worst(const qn_fast *fast) { return fast->tables.worst; }

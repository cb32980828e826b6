#include "engine/neighbor/lists.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

enum {
  CHUNK = 1024,  /* places whose positions one thread takes over at a time */
  COLUMNS = 4096 /* columns of cells about a cell */
};

/* A: measured at 1000 K, where the cost is flat about these. */
#define OUTER_SKIN 1.0
#define INNER_SKIN 0.3
/* A. Displacements are kept in single precision. */
#define SLACK 1e-3

qn_status qn_lists_init(qn_lists *lists, const qn_atoms *atoms, const qn_lists_ranges *ranges, bool half, double skin, qn_instructions instructions,
                        int threads, qn_error *error) {
  static const qn_lists_kernel *const KERNELS[QN_INSTRUCTIONS_COUNT] = {&qn_lists_avx512, &qn_lists_avx2, &qn_lists_portable};
  *lists = (qn_lists){.kernel = KERNELS[instructions],
                      .ranges = *ranges,
                      .species_count = atoms->species_count,
                      .threads = threads,
                      .half = half,
                      .count = atoms->count,
                      .quantum = ldexp(ranges->reach, -QN_LISTS_REACH_BITS),
                      .outer_skin = skin > 0.0 ? skin : OUTER_SKIN};
  lists->inner_skin = fmin(INNER_SKIN, 0.4 * lists->outer_skin);
  size_t n = (size_t)atoms->count + QN_LISTS_PAD;
  bool there = (lists->rows = qn_memory_alloc(n, sizeof *lists->rows)) != NULL;
  there &= (lists->type = qn_memory_alloc(n, sizeof *lists->type)) != NULL;
  there &= (lists->scratch = qn_memory_alloc((size_t)threads, sizeof *lists->scratch)) != NULL;
  there &= (lists->turns = qn_memory_alloc((size_t)threads, sizeof *lists->turns)) != NULL;
  for (int axis = 0; axis < 3; axis++) {
    there &= (lists->crossed[axis] = qn_memory_alloc(n, sizeof(int32_t))) != NULL;
    there &= (lists->inner_place[axis] = qn_memory_alloc(n, sizeof(float))) != NULL;
    there &= (lists->outer_place[axis] = qn_memory_alloc(n, sizeof(float))) != NULL;
  }
  for (int t = 0; there && t < threads; t++) there = (lists->scratch[t].column = qn_memory_alloc(COLUMNS, sizeof *lists->scratch[t].column)) != NULL;
  if (!there) return qn_error_set(error, QN_NO_MEMORY, "no memory for the neighbour lists of %lld atoms", (long long)atoms->count);
  return qn_bricks_init(&lists->bricks, atoms->count, ranges->reach + lists->outer_skin, error);
}

void qn_lists_fini(qn_lists *lists) {
  for (int t = 0; lists->scratch != NULL && t < lists->threads; t++) {
    qn_lists_scratch *scratch = &lists->scratch[t];
    qn_surroundings_fini(&scratch->about);
    free(scratch->sites);
    for (int axis = 0; axis < 3; axis++) free(scratch->place[axis]);
    free(scratch->at);
    free(scratch->shell);
    free(scratch->column);
  }
  free(lists->scratch);
  free(lists->turns);
  for (int64_t b = 0; b < lists->brick_capacity; b++) {
    qn_brick_lists *brick = &lists->brick[b];
    free(brick->outer);
    free(brick->outer_count);
    free(brick->inner);
    free(brick->count);
    free(brick->self);
  }
  free(lists->brick);
  free(lists->type);
  free(lists->rows);
  for (int axis = 0; axis < 3; axis++) {
    free(lists->crossed[axis]);
    free(lists->inner_place[axis]);
    free(lists->outer_place[axis]);
  }
  qn_bricks_fini(&lists->bricks);
  *lists = (qn_lists){0};
}

/* ---- what kernels call ---- */

bool qn_lists_grow(uint16_t **list, int64_t *capacity, int64_t used, int64_t needed) {
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

bool qn_lists_room(qn_brick_lists *lists, int64_t atoms) {
  if (atoms <= lists->atom_capacity) return true;
  int64_t room = atoms + atoms / 8 + 8;
  free(lists->outer_count);
  free(lists->count);
  free(lists->self);
  lists->outer_count = qn_memory_alloc((size_t)room, sizeof *lists->outer_count);
  lists->count = qn_memory_alloc((size_t)room, sizeof *lists->count);
  lists->self = qn_memory_alloc((size_t)room, sizeof *lists->self);
  lists->atom_capacity = lists->outer_count == NULL || lists->count == NULL || lists->self == NULL ? 0 : room;
  return lists->atom_capacity > 0;
}

bool qn_lists_site_room(qn_lists_scratch *scratch, int64_t sites) {
  if (scratch->sites != NULL && sites <= scratch->site_capacity) return true; /* no sites have their padding, too */
  size_t room = (size_t)(sites + sites / 8 + 2 * QN_LISTS_PAD);
  free(scratch->sites);
  free(scratch->at);
  free(scratch->shell);
  bool there = (scratch->sites = qn_memory_alloc(room, sizeof *scratch->sites)) != NULL;
  there &= (scratch->at = qn_memory_alloc(room, sizeof *scratch->at)) != NULL;
  there &= (scratch->shell = qn_memory_alloc(room, sizeof *scratch->shell)) != NULL;
  for (int axis = 0; axis < 3; axis++) {
    free(scratch->place[axis]);
    there &= (scratch->place[axis] = qn_memory_alloc(room, sizeof(int32_t))) != NULL;
  }
  scratch->site_capacity = there ? sites + sites / 8 : 0;
  return there;
}

qn_status qn_lists_no_memory(qn_lists_scratch *scratch) {
  return qn_error_set(&scratch->error, QN_NO_MEMORY, "no memory for the neighbour lists of a brick");
}

bool qn_lists_wrap(qn_lists *lists, int64_t at, qn_lists_scratch *scratch) {
  int32_t atom = lists->bricks.order[at], before[3];
  for (int axis = 0; axis < 3; axis++) before[axis] = lists->atoms->image[axis][atom];
  scratch->failed = qn_atoms_wrap_one(lists->atoms, &lists->box, atom, &scratch->error) != QN_OK;
  for (int axis = 0; axis < 3; axis++) lists->crossed[axis][at] += lists->atoms->image[axis][atom] - before[axis];
  return !scratch->failed;
}

/* ---- an update ---- */

static qn_status check_box(const qn_lists *lists, const qn_box *box, qn_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    double length = box->length[axis];
    if (!(isfinite(box->origin[axis]) && isfinite(length))) return qn_error_set(error, QN_BLOWUP, "the box is not finite along %c", "xyz"[axis]);
    if (length < lists->ranges.reach)
      return qn_error_set(error, QN_BLOWUP, "the box collapsed to %g A along %c, less than the cutoff %g A", length, "xyz"[axis], lists->ranges.reach);
  }
  return QN_OK;
}

/* Whether two atoms that moved by at most the root of `moved_square` (A^2) while the box changed may have come nearer by more than `room`. */
static bool used_up(const qn_box *then, const qn_box *now, float moved_square, double room) {
  double change = 0.0, largest = 0.0;
  for (int axis = 0; axis < 3; axis++) {
    double d = now->length[axis] - then->length[axis];
    change += d * d;
    largest = fmax(largest, fabs(now->origin[axis]) + now->length[axis]);
  }
  return !(2.0 * sqrt((double)moved_square) + sqrt(change) + SLACK + 1e-6 * largest <= room);
}

qn_status qn_lists_failure(const qn_lists *lists, qn_error *error) {
  for (int t = 0; t < lists->threads; t++)
    if (lists->scratch[t].failed) {
      *error = lists->scratch[t].error;
      return error->status;
    }
  return QN_OK;
}

static qn_status place_all(qn_lists *lists, float *inner, float *outer, qn_error *error) {
  int64_t chunks = (lists->count + CHUNK - 1) / CHUNK;
  for (int t = 0; t < lists->threads; t++) {
    lists->scratch[t].inner_moved = lists->scratch[t].outer_moved = 0.0f;
    lists->scratch[t].failed = false;
  }
#pragma omp parallel for schedule(static) num_threads(lists->threads) if (chunks > 1)
  for (int64_t c = 0; c < chunks; c++) {
    qn_lists_scratch *scratch = &lists->scratch[omp_get_thread_num()];
    if (!scratch->failed) lists->kernel->place(lists, c * CHUNK, c + 1 < chunks ? (c + 1) * CHUNK : lists->count, scratch);
  }
  *inner = *outer = 0.0f;
  for (int t = 0; t < lists->threads; t++) {
    *inner = fmaxf(*inner, lists->scratch[t].inner_moved);
    *outer = fmaxf(*outer, lists->scratch[t].outer_moved);
  }
  return qn_lists_failure(lists, error);
}

/* Remember where atoms are, as the lists' places. */
static void remember(qn_lists *lists, float *place[3]) {
#pragma omp parallel for schedule(static) num_threads(lists->threads) if (lists->count > CHUNK)
  for (int64_t at = 0; at < lists->count; at++)
    for (int axis = 0; axis < 3; axis++)
      place[axis][at] = (float)(lists->atoms->r[axis][lists->bricks.order[at]] + lists->crossed[axis][at] * lists->box.length[axis]);
}

static qn_status room_for_bricks(qn_lists *lists, qn_error *error) {
  int64_t count = lists->bricks.brick_count;
  if (count <= lists->brick_capacity) return QN_OK;
  qn_brick_lists *more = qn_memory_alloc((size_t)count, sizeof *more);
  if (more == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the lists of %lld bricks", (long long)count);
  if (lists->brick_capacity > 0) memcpy(more, lists->brick, (size_t)lists->brick_capacity * sizeof *more);
  free(lists->brick);
  lists->brick = more;
  lists->brick_capacity = count;
  return QN_OK;
}

/* Sort the atoms into bricks and search their neighbours. */
static qn_status rebuild(qn_lists *lists, qn_error *error) {
  lists->built = false;
  qn_status status = qn_atoms_wrap(lists->atoms, &lists->box, error);
  if (status == QN_OK) status = qn_bricks_sort(&lists->bricks, lists->atoms, &lists->box, error);
  if (status == QN_OK) status = room_for_bricks(lists, error);
  if (status != QN_OK) return status;
#pragma omp parallel for schedule(static) num_threads(lists->threads) if (lists->count > CHUNK)
  for (int64_t at = 0; at < lists->count; at++) {
    lists->type[at] = lists->atoms->type[lists->bricks.order[at]];
    for (int axis = 0; axis < 3; axis++) lists->crossed[axis][at] = 0;
  }
  remember(lists, lists->outer_place);
  lists->outer_box = lists->box;
  float unused;
  status = place_all(lists, &unused, &unused, error);
  if (status != QN_OK) return status;
  qn_turns_deal(lists->turns, lists->threads, lists->bricks.brick_count);
#pragma omp parallel num_threads(lists->threads) if (lists->bricks.brick_count > 1)
  {
    const int thread = omp_get_thread_num();
    qn_lists_scratch *scratch = &lists->scratch[thread];
    for (int64_t b; (b = qn_turns_take(lists->turns, lists->threads, thread)) >= 0;)
      if (!scratch->failed) scratch->failed = lists->kernel->build(lists, b, scratch) != QN_OK;
  }
  status = qn_lists_failure(lists, error);
  lists->most_sites = 0;
  for (int64_t b = 0; b < lists->bricks.brick_count; b++)
    if (lists->bricks.brick[b].site_count > lists->most_sites) lists->most_sites = lists->bricks.brick[b].site_count;
  for (int t = 0; t < lists->threads && status == QN_OK; t++) /* any thread may be given any brick */
    if (!qn_lists_site_room(&lists->scratch[t], lists->most_sites)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the sites of a brick");
  lists->built = status == QN_OK;
  lists->builds++;
  return status;
}

qn_status qn_lists_update(qn_lists *lists, const qn_box *box, qn_atoms *atoms, bool *prune, qn_error *error) {
  qn_status status = check_box(lists, box, error);
  if (status != QN_OK) return status;
  lists->atoms = atoms;
  lists->box = *box;
  double scale = 1.0 / lists->quantum;
  for (int axis = 0; axis < 3; axis++) lists->box_quanta[axis] = (int32_t)(uint32_t)(int64_t)llrint(box->length[axis] * scale);
  float inner = 0.0f, outer = 0.0f;
  if (lists->built) {
    status = place_all(lists, &inner, &outer, error);
    if (status != QN_OK) return status;
    *prune = !lists->pruned || used_up(&lists->inner_box, box, inner, lists->inner_skin);
    if (!*prune) return QN_OK;
  }
  *prune = true;
  lists->pruned = false;
  if (!lists->built || used_up(&lists->outer_box, box, outer, lists->outer_skin - lists->inner_skin)) {
    status = rebuild(lists, error);
    if (status != QN_OK) return status;
  }
  remember(lists, lists->inner_place);
  lists->inner_box = *box;
  return QN_OK;
}

void qn_lists_pruned(qn_lists *lists, bool success) { lists->pruned = success; }

double qn_lists_by_atom(const qn_lists *lists, const double *by_place, double *by_atom) {
  double sum = 0.0;
  for (int64_t at = 0; at < lists->count; at++) by_atom[lists->bricks.order[at]] = by_place[at];
  for (int64_t i = 0; i < lists->count; i++) sum += by_atom[i];
  return sum;
}

#include "engine/potential/shares.h"

#include <sched.h>
#include <stdlib.h>

#include "engine/base/memory.h"

void qn_shares_fini(qn_shares *shares) {
  free(shares->lock);
  free(shares->begin);
  free(shares->parcel);
  *shares = (qn_shares){0};
}

/* A brick without atoms has no lists, and so no share. */
static int64_t parcels_of(const qn_brick *brick) { return brick->count > 0 ? brick->stretch_count : 0; }

/* By column, and there by place. */
static int by_place(const void *a, const void *b) {
  const qn_parcel *one = a, *other = b;
  return one->place != other->place ? (one->place > other->place) - (one->place < other->place) : (one->site > other->site) - (one->site < other->site);
}

static void fill(qn_parcel *parcel, const qn_brick *brick) {
  const int64_t count = parcels_of(brick);
  int32_t site = 0;
  for (int64_t k = 0; k < count; k++) {
    const qn_stretch *stretch = &brick->stretches[k];
    parcel[k] = (qn_parcel){site, stretch->start, stretch->count, stretch->column};
    site += stretch->count;
  }
  qsort(parcel, (size_t)count, sizeof *parcel, by_place);
}

/* What is to take the place of `array`, whose contents are lost when it grows. */
static void *reserve(void *array, int64_t *capacity, int64_t needed, size_t size) {
  if (needed <= *capacity) return array;
  int64_t room = needed + needed / 8;
  free(array);
  array = qn_memory_alloc((size_t)room, size);
  *capacity = array == NULL ? 0 : room;
  return array;
}

static qn_status no_memory(const qn_bricks *bricks, qn_error *error) {
  return qn_error_set(error, QN_NO_MEMORY, "no memory for the shares of %lld bricks", (long long)bricks->brick_count);
}

qn_status qn_shares_follow(qn_shares *shares, const qn_lists *lists, qn_error *error) {
  if (shares->builds == lists->builds) return QN_OK;
  const qn_bricks *bricks = &lists->bricks;
  int64_t count = bricks->brick_count;
  shares->builds = 0;
  shares->begin = reserve(shares->begin, &shares->begin_capacity, count + 1, sizeof *shares->begin);
  shares->lock = reserve(shares->lock, &shares->lock_capacity, count / bricks->bricks[2], sizeof *shares->lock);
  if (shares->begin == NULL || shares->lock == NULL) return no_memory(bricks, error);
  shares->begin[0] = 0;
  for (int64_t b = 0; b < count; b++) shares->begin[b + 1] = shares->begin[b] + parcels_of(&bricks->brick[b]);
  shares->parcel = reserve(shares->parcel, &shares->parcel_capacity, shares->begin[count], sizeof *shares->parcel);
  if (shares->parcel == NULL) return no_memory(bricks, error);
#pragma omp parallel for schedule(static) num_threads(lists->threads) if (count > 1)
  for (int64_t b = 0; b < count; b++) fill(shares->parcel + shares->begin[b], &bricks->brick[b]);
  shares->builds = lists->builds;
  return QN_OK;
}

/* Threads that share a processor must let one another run. */
static void wait_for(qn_shares_lock *lock) {
  while (atomic_exchange_explicit(&lock->held, true, memory_order_acquire)) sched_yield();
}

void qn_shares_hand_over(qn_shares *shares, int64_t brick, qn_shares_add *add, void *sums) {
  const qn_parcel *end = shares->parcel + shares->begin[brick + 1];
  for (const qn_parcel *first = shares->parcel + shares->begin[brick], *next; first < end; first = next) {
    qn_shares_lock *lock = &shares->lock[first->column];
    for (next = first; next < end && next->column == first->column;) next++;
    wait_for(lock);
    add(sums, first, next - first);
    atomic_store_explicit(&lock->held, false, memory_order_release);
  }
}

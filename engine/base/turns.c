#include "engine/base/turns.h"

#include <sched.h>
#include <time.h>

/* ns: long to the system call, which takes a microsecond, and short to whoever waits. */
static const int64_t STINT_NS = 400000;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void give_way(qn_turns *own) {
  if (now_ns() - own->resumed_ns < STINT_NS) return;
  sched_yield();
  own->resumed_ns = now_ns();
}

void qn_turns_deal(qn_turns *turns, int threads, int64_t pieces) {
  for (int t = 0; t < threads; t++) {
    atomic_store_explicit(&turns[t].next, pieces * t / threads, memory_order_relaxed);
    turns[t].end = pieces * (t + 1) / threads;
  }
}

int64_t qn_turns_take(qn_turns *turns, int threads, int thread) {
  give_way(&turns[thread]);
  for (int k = 0; k < threads; k++) {
    qn_turns *from = &turns[(thread + k) % threads];
    if (atomic_load_explicit(&from->next, memory_order_relaxed) >= from->end) continue;
    int64_t piece = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed);
    if (piece < from->end) return piece;
  }
  return -1;
}

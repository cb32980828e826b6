#include "engine/base/turns.h"

void qn_turns_deal(qn_turns *turns, int threads, int64_t pieces) {
  for (int t = 0; t < threads; t++) {
    atomic_store_explicit(&turns[t].next, pieces * t / threads, memory_order_relaxed);
    turns[t].end = pieces * (t + 1) / threads;
  }
}

int64_t qn_turns_take(qn_turns *turns, int threads, int thread) {
  for (int k = 0; k < threads; k++) {
    qn_turns *from = &turns[(thread + k) % threads];
    if (atomic_load_explicit(&from->next, memory_order_relaxed) >= from->end) continue;
    int64_t piece = atomic_fetch_add_explicit(&from->next, 1, memory_order_relaxed);
    if (piece < from->end) return piece;
  }
  return -1;
}

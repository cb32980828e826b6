/* Parallel work of uneven pieces that come back step after step.
 *
 * Each thread has a range of the pieces, the same every time, so that what belongs to them stays in its caches; who is done with its own takes of what
 * the others have left.
 *
 * Between pieces a thread gives way, some two thousand times a second, to whoever waits for its processor. By itself Linux looks for that at its ticks
 * (4 ms apart at 250 Hz) as long as somebody computes, and a server that asks its database one thing waits for several of them. */
#ifndef QN_BASE_TURNS_H
#define QN_BASE_TURNS_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/base/memory.h"

typedef struct qn_turns {
  _Alignas(QN_MEMORY_APART) _Atomic int64_t next;
  int64_t end;
  int64_t resumed_ns; /* when the thread whose element it is last gave way */
} qn_turns;

/* Deal `pieces` to `threads`, of which each has one element of `turns` (zero at first). */
void qn_turns_deal(qn_turns *turns, int threads, int64_t pieces);

/* The next piece of a thread, or -1 when none is left. */
int64_t qn_turns_take(qn_turns *turns, int threads, int thread);

#endif

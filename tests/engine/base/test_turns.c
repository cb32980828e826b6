/* Pieces dealt to threads: each is taken once, by its own thread first; and between them a thread gives way. */
#include "engine/check.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/turns.h"

/* What the library calls instead of the system's. */
static atomic_int yields;
int sched_yield(void) {
  atomic_fetch_add(&yields, 1);
  return 0;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void own_range_then_the_rest(void **state) {
  (void)state;
  qn_turns *turns = qn_memory_alloc(3, sizeof *turns);
  qn_turns_deal(turns, 3, 8); /* 0 1 | 2 3 4 | 5 6 7 */
  assert_int_equal(qn_turns_take(turns, 3, 0), 0);
  static const int64_t LAST[] = {5, 6, 7, 1, 2, 3, 4, -1, -1};
  for (size_t k = 0; k < sizeof LAST / sizeof *LAST; k++) assert_int_equal(qn_turns_take(turns, 3, 2), LAST[k]);
  assert_int_equal(qn_turns_take(turns, 3, 0), -1);
  qn_turns_deal(turns, 3, 0);
  assert_int_equal(qn_turns_take(turns, 3, 1), -1);
  qn_turns_deal(turns, 3, 1);
  assert_int_equal(qn_turns_take(turns, 3, 1), 0);
  assert_int_equal(qn_turns_take(turns, 3, 2), -1);
  free(turns);
}

static void each_piece_once(void **state) {
  (void)state;
  enum { THREADS = 4, PIECES = 1000 };
  qn_turns *turns = qn_memory_alloc(THREADS, sizeof *turns);
  int taken[PIECES] = {0};
  qn_turns_deal(turns, THREADS, PIECES);
#pragma omp parallel num_threads(THREADS)
  for (int64_t piece; (piece = qn_turns_take(turns, THREADS, omp_get_thread_num())) >= 0;) {
#pragma omp atomic
    taken[piece]++;
  }
  for (int k = 0; k < PIECES; k++) assert_int_equal(taken[k], 1);
  free(turns);
}

/* At the first piece after 0.4 ms, however long the pieces are; so seldom that it costs nothing. */
static void gives_way_now_and_then(void **state) {
  (void)state;
  static const double PIECE_S[] = {0, 20e-6, 100e-6, 1e-3};
  qn_turns *turns = qn_memory_alloc(1, sizeof *turns);
  for (size_t k = 0; k < sizeof PIECE_S / sizeof *PIECE_S; k++) {
    const double piece_s = PIECE_S[k], began = seconds();
    const int pieces = piece_s > 0 ? (int)(40e-3 / piece_s) : 100000, most = piece_s > 0 ? (int)(0.4e-3 / piece_s) + 1 : pieces;
    int since = 0, seen = atomic_load(&yields);
    const int before = seen;
    qn_turns_deal(turns, 1, pieces);
    while (qn_turns_take(turns, 1, 0) >= 0) {
      since = atomic_load(&yields) == seen ? since + 1 : 0;
      seen = atomic_load(&yields);
      assert_in_range(since, 0, most);
      for (double now = seconds(); seconds() < now + piece_s;) continue;
    }
    assert_in_range(seen - before, 1, (int)((seconds() - began) / 0.4e-3) + 2);
  }
  free(turns);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(own_range_then_the_rest),
      cmocka_unit_test(each_piece_once),
      cmocka_unit_test(gives_way_now_and_then),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

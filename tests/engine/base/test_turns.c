/* Pieces dealt to threads: each is taken once, by its own thread first. */
#include "engine/check.h"

#include <omp.h>
#include <stdlib.h>

#include "engine/base/turns.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(own_range_then_the_rest),
      cmocka_unit_test(each_piece_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

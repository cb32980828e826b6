/* The cell grid: every point in its cell, none twice. */
#include "engine/check.h"

#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/neighbor/grid.h"

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static void grid_sorts_by_cell(void **state) {
  (void)state;
  enum { N = 500 };
  double *r[3];
  qn_rng rng;
  qn_rng_init(&rng, 2, QN_RNG_BOOTSTRAP, 0);
  const double low[3] = {-1, 0, 2}, high[3] = {4, 9, 3}, edge[3] = {1.1, 2.0, 1.5};
  for (int axis = 0; axis < 3; axis++) {
    r[axis] = malloc(N * sizeof(double));
    for (int i = 0; i < N; i++) r[axis][i] = low[axis] + (high[axis] - low[axis]) * (1.2 * qn_rng_uniform(&rng) - 0.1); /* some outside */
  }
  r[0][3] = NAN;
  qn_grid grid = {0};
  qn_error error;
  for (int round = 0; round < 2; round++) { /* the second time in the storage of the first */
    check_status(qn_grid_sort(&grid, low, high, edge, round == 0 ? N / 2 : N, r, &error), &error);
    for (int axis = 0; axis < 3; axis++) assert_true(grid.edge[axis] >= edge[axis] || grid.cells[axis] == 1);
    int n = round == 0 ? N / 2 : N, cells = grid.cells[0] * grid.cells[1] * grid.cells[2];
    int seen[N] = {0};
    assert_int_equal(grid.start[0], 0);
    assert_int_equal(grid.start[cells], n);
    for (int c = 0; c < cells; c++)
      for (int place = grid.start[c]; place < grid.start[c + 1]; place++) {
        int i = grid.order[place];
        seen[i]++;
        int cell = qn_grid_cell(&grid, 0, r[0][i]) +
                   grid.cells[0] * (qn_grid_cell(&grid, 1, r[1][i]) + grid.cells[1] * qn_grid_cell(&grid, 2, r[2][i]));
        assert_int_equal(cell, c);
        if (place > grid.start[c]) assert_true(grid.order[place - 1] < i);
      }
    for (int i = 0; i < n; i++) assert_int_equal(seen[i], 1);
  }
  /* Vacuum does not cost cells without end. */
  const double far[3] = {1e5, 1e5, 1e5};
  check_status(qn_grid_sort(&grid, low, far, edge, N, r, &error), &error);
  assert_true((double)grid.cells[0] * grid.cells[1] * grid.cells[2] < 20000);
  qn_grid_fini(&grid);
  for (int axis = 0; axis < 3; axis++) free(r[axis]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(grid_sorts_by_cell)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

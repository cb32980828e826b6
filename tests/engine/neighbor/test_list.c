/* Neighbour lists against a search over all pairs and images, and the grid beneath them. */
#include "engine/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/neighbor/list.h"

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

/* Neighbours of atom i within `range` of their species, counted over images -3..3. */
static int count_naive(const qn_atoms *atoms, const qn_box *box, int64_t i, int species, double range) {
  int count = 0;
  for (int64_t j = 0; j < atoms->count; j++) {
    if (atoms->type[j] != species) continue;
    for (int image = 0; image < 343; image++) {
      const int shift[3] = {image % 7 - 3, image / 7 % 7 - 3, image / 49 - 3};
      double square = 0;
      for (int axis = 0; axis < 3; axis++) {
        double d = atoms->r[axis][j] - atoms->r[axis][i] + shift[axis] * box->length[axis];
        square += d * d;
      }
      count += square < range * range && (j != i || image != 171);
    }
  }
  return count;
}

static void lists_are_complete(void **state) {
  (void)state;
  static const struct {
    double length[3], reach[2][2], skin;
    int64_t count;
  } CASES[] = {{{20, 23, 26}, {{6.0, 7.6}, {7.6, 7.6}}, 1.0, 300},
               {{8, 30, 9}, {{3.0, 4.0}, {4.0, 2.0}}, 0.3, 150},
               {{7.7, 7.7, 7.7}, {{7.6, 6.0}, {6.0, 5.0}}, 2.0, 40}, /* an atom meets images of its own */
               {{60, 60, 200}, {{5.0, 5.0}, {5.0, 5.0}}, 1.0, 70},   /* nearly empty: one chunk and a part of another */
               {{20, 20, 20}, {{6.0, 6.0}, {6.0, 6.0}}, 1.0, 1}};
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
    qn_atoms atoms;
    qn_error error;
    check_status(qn_atoms_init(&atoms, CASES[k].count, &error), &error);
    atoms.species_count = 2;
    qn_box box = {{-5, 1, 0.5}, {CASES[k].length[0], CASES[k].length[1], CASES[k].length[2]}};
    qn_rng rng;
    qn_rng_init(&rng, 4, QN_RNG_BOOTSTRAP, (uint32_t)k);
    for (int64_t i = 0; i < atoms.count; i++) {
      atoms.type[i] = (uint8_t)qn_rng_below(&rng, 2);
      for (int axis = 0; axis < 3; axis++) atoms.r[axis][i] = box.origin[axis] + box.length[axis] * (3 * qn_rng_uniform(&rng) - 1);
    }
    double reach[QN_MAX_SPECIES][QN_MAX_SPECIES] = {{0}};
    for (int a = 0; a < 2; a++)
      for (int b = 0; b < 2; b++) reach[a][b] = CASES[k].reach[a][b];
    qn_neighbor neighbor;
    check_status(qn_neighbor_init(&neighbor, &atoms, reach, CASES[k].skin, 1 + (int)k % 2, &error), &error);
    check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
    assert_int_equal(neighbor.builds, 1);
    int64_t centres = 0;
    for (int64_t c = 0; c < neighbor.chunk_count; c++) {
      const qn_chunk *chunk = &neighbor.chunks[c];
      for (int n = 0; n < chunk->count; n++, centres++) {
        int32_t site = neighbor.centre[chunk->first + n], i = neighbor.atom[site];
        assert_int_equal(neighbor.home[i], site);
        for (int s = 0; s < 2; s++) {
          int start = chunk->start[n * 2 + s], end = chunk->start[n * 2 + s + 1], real = 0;
          assert_int_equal((end - start) % QN_LANES, 0);
          for (int e = start; e < end; e++) {
            int32_t other = chunk->entries[e];
            if (other == neighbor.site_count) continue; /* padding */
            real++;
            assert_int_equal(neighbor.type[other], s);
            for (int f = start; f < e; f++) assert_int_not_equal(chunk->entries[f], other);
            double square = 0;
            for (int axis = 0; axis < 3; axis++) {
              double d = neighbor.r[axis][other] - neighbor.r[axis][site];
              square += d * d;
              assert_close(neighbor.r[axis][other], atoms.r[axis][neighbor.atom[other]] + neighbor.shift[axis][other] * box.length[axis], 0);
            }
            double range = reach[atoms.type[i]][s] + CASES[k].skin;
            assert_true(square < range * range);
          }
          assert_int_equal(real, count_naive(&atoms, &box, i, s, reach[atoms.type[i]][s] + CASES[k].skin));
        }
      }
    }
    assert_int_equal(centres, atoms.count);
    qn_neighbor_fini(&neighbor);
    qn_atoms_fini(&atoms);
  }
}

/* When lists are rebuilt: not for a common drift within half the skin, for one atom beyond it, and for a box that shrinks. */
static void rebuilds_when_it_must(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_error error;
  check_status(qn_atoms_init(&atoms, 20, &error), &error);
  atoms.species_count = 1;
  qn_box box = {{0, 0, 0}, {20, 20, 20}};
  qn_rng rng;
  qn_rng_init(&rng, 4, QN_RNG_BOOTSTRAP, 9);
  for (int axis = 0; axis < 3; axis++)
    for (int i = 0; i < 20; i++) atoms.r[axis][i] = 20 * qn_rng_uniform(&rng);
  double reach[QN_MAX_SPECIES][QN_MAX_SPECIES] = {{5.0}};
  qn_neighbor neighbor;
  check_status(qn_neighbor_init(&neighbor, &atoms, reach, 1.0, 1, &error), &error);
  check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
  atoms.r[1][3] += 0.49;
  check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
  assert_int_equal(neighbor.builds, 1);
  atoms.r[1][3] += 0.02;
  check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
  assert_int_equal(neighbor.builds, 2);
  /* Scaled with its atoms, the box may shrink until its lists reach no farther than the cutoff: 6 x 0.9 > 5 > 6 x 0.8. */
  for (int step = 1; step <= 2; step++) {
    double scale = 1 - 0.1 * step, now = 20 * scale;
    for (int axis = 0; axis < 3; axis++) {
      for (int i = 0; i < 20; i++) atoms.r[axis][i] *= now / box.length[axis];
      box.length[axis] = now;
    }
    check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
    assert_int_equal(neighbor.builds, step == 1 ? 2 : 3);
  }
  box.length[2] = 4.9;
  assert_int_equal(qn_neighbor_update(&neighbor, &box, &atoms, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "collapsed to 4.9 A along z"));
  box.length[2] = 16;
  atoms.r[0][7] = NAN;
  assert_int_equal(qn_neighbor_update(&neighbor, &box, &atoms, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "atom 7 is lost"));
  qn_neighbor_fini(&neighbor);
  qn_atoms_fini(&atoms);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(grid_sorts_by_cell),
      cmocka_unit_test(lists_are_complete),
      cmocka_unit_test(rebuilds_when_it_must),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

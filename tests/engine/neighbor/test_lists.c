/* Neighbour lists against a search over all pairs and images, and when they are made anew. */
#include "engine/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/neighbor/lists.h"

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static qn_lists lists_for(const qn_atoms *atoms, const qn_lists_ranges *ranges, bool half, double skin, const char *name, int threads, bool *usable) {
  qn_lists lists = {0};
  qn_error error;
  qn_instructions instructions;
  *usable = qn_instructions_choose(name, &instructions, &error) == QN_OK;
  if (*usable) check_status(qn_lists_init(&lists, atoms, ranges, half, skin, instructions, threads, &error), &error);
  return lists;
}

/* Tells whether the inner lists were chosen anew. */
static bool update(qn_lists *lists, const qn_box *box, qn_atoms *atoms) {
  qn_error error;
  bool prune;
  check_status(qn_lists_update(lists, box, atoms, &prune, &error), &error);
  for (int64_t b = 0; prune && b < lists->bricks.brick_count; b++)
    if (lists->bricks.brick[b].count > 0) check_status(lists->kernel->prune(lists, b, &lists->scratch[0]), &lists->scratch[0].error);
  if (prune) qn_lists_pruned(lists, true);
  return prune;
}

/* The atom that a site of a brick is an image of, and the vector to it from `centre`. */
static int32_t resolve(const qn_lists *lists, const qn_brick *brick, int32_t site, int32_t centre, double d[3]) {
  for (int32_t k = 0; k < brick->stretch_count; k++) {
    const qn_stretch *stretch = &brick->stretches[k];
    if (site >= stretch->count) {
      site -= stretch->count;
      continue;
    }
    int32_t atom = lists->bricks.order[stretch->start + site];
    for (int axis = 0; axis < 3; axis++)
      d[axis] = lists->atoms->r[axis][atom] + stretch->shift[axis] * lists->box.length[axis] - lists->atoms->r[axis][centre];
    return atom;
  }
  fail_msg("no such site");
  return -1;
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

/* How often lists name a pair of an atom, by its kind, and how often the naive search does: [kind][species of the other]. */
enum { OUTER, CORE, SHELL, KINDS };
typedef int tally[KINDS][2];

/* Entries are within their limits and named once, those of the core first; a half list names atoms of later places alone. Counts them for either atom. */
static void check_list(const qn_lists *lists, const qn_brick *brick, int32_t centre, const uint16_t *entries, int count, const double *core, const double *end,
                       int inside_kind, int outside_kind, tally *found) {
  int first_outside = count, last_inside = -1, type = lists->atoms->type[centre];
  for (int e = 0; e < count; e++) {
    assert_int_equal(entries[e] % 2, 0);
    if (entries[e] == 2 * brick->site_count) continue; /* padding */
    double d[3];
    int32_t atom = resolve(lists, brick, entries[e] / 2, centre, d);
    int species = lists->atoms->type[atom];
    double r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    assert_true(r > 0.0 && r < end[species] + 1e-5);
    bool inside = r < core[species];
    if (inside) last_inside = e;
    if (!inside && e < first_outside) first_outside = e;
    for (int f = 0; f < e; f++) assert_int_not_equal(entries[f], entries[e]);
    found[centre][inside ? inside_kind : outside_kind][species]++;
    if (!lists->half) continue;
    assert_true(lists->bricks.place[atom] > lists->bricks.place[centre]);
    found[atom][inside ? inside_kind : outside_kind][type]++;
  }
  assert_true(last_inside < first_outside);
}

/* Half lists leave out an atom's own images. */
static int own_images(const qn_lists *lists, double range) {
  int count = 0;
  for (int image = 0; image < 343; image++) {
    const int shift[3] = {image % 7 - 3, image / 7 % 7 - 3, image / 49 - 3};
    double square = 0;
    for (int axis = 0; axis < 3; axis++) square += pow(shift[axis] * lists->box.length[axis], 2);
    count += square < range * range && image != 171;
  }
  return count;
}

static int expected(const qn_lists *lists, int64_t i, int species, double range) {
  int images = lists->half && lists->atoms->type[i] == species ? own_images(lists, range) : 0;
  return range > 0.0 ? count_naive(lists->atoms, &lists->box, i, species, range) - images : 0;
}

/* Inner lists that have just been chosen, and outer ones when they are as fresh. */
static void check_lists(const qn_lists *lists, bool outer_too) {
  tally *found = calloc((size_t)lists->count, sizeof *found);
  const double reach = lists->ranges.reach + lists->outer_skin, all[2] = {reach, reach};
  int64_t centres = 0;
  for (int64_t b = 0; b < lists->bricks.brick_count; b++) {
    const qn_brick *brick = &lists->bricks.brick[b];
    const qn_brick_lists *own = &lists->brick[b];
    const uint16_t *outer = own->outer, *inner = own->inner;
    for (int64_t k = 0; k < brick->count; k++, centres++) {
      int32_t centre = lists->bricks.order[brick->first + k];
      int type = lists->atoms->type[centre], padded = (own->outer_count[k] + lists->kernel->lanes - 1) / lists->kernel->lanes * lists->kernel->lanes;
      int core = own->count[k][0], count = core + own->count[k][1];
      double inside[2], beyond[2], d[3];
      for (int s = 0; s < 2; s++) {
        inside[s] = lists->ranges.core[type][s] + lists->inner_skin;
        beyond[s] = lists->ranges.shell[type][s] + lists->inner_skin;
      }
      assert_true(core % QN_LISTS_LANES == 0 && count % QN_LISTS_LANES == 0 && count <= own->most);
      assert_int_equal(resolve(lists, brick, own->self[k], centre, d), centre);
      assert_true(d[0] == 0.0 && d[1] == 0.0 && d[2] == 0.0);
      if (outer_too) check_list(lists, brick, centre, outer, padded, all, all, OUTER, OUTER, found);
      check_list(lists, brick, centre, inner, count, inside, beyond, CORE, SHELL, found);
      for (int e = core; e < count; e++) {
        if (inner[e] == 2 * brick->site_count) continue;
        int species = lists->atoms->type[resolve(lists, brick, inner[e] / 2, centre, d)];
        assert_true(sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) >= inside[species] - 1e-5);
      }
      outer += padded;
      inner += count;
    }
  }
  assert_int_equal(centres, lists->count);
  for (int64_t i = 0; i < lists->count; i++)
    for (int s = 0; s < 2; s++) {
      int type = lists->atoms->type[i];
      double core = lists->ranges.core[type][s] + lists->inner_skin, shell = lists->ranges.shell[type][s] + lists->inner_skin;
      if (outer_too) assert_int_equal(found[i][OUTER][s], expected(lists, i, s, reach));
      assert_int_equal(found[i][CORE][s], expected(lists, i, s, core));
      assert_int_equal(found[i][SHELL][s], shell > core ? expected(lists, i, s, shell) - expected(lists, i, s, core) : 0);
    }
  free(found);
}

static void lists_are_complete(void **state) {
  (void)state;
  static const struct {
    double length[3], core[2][2], shell[2][2], skin;
    int64_t count;
  } CASES[] = {{{20, 23, 26}, {{6.0, 6.0}, {6.0, 5.6}}, {{6.0, 7.6}, {7.6, 7.6}}, 1.0, 300},
               {{8, 30, 9}, {{3.0, 2.5}, {2.5, 2.0}}, {{3.0, 4.0}, {4.0, 2.0}}, 0.3, 150},
               {{7.7, 7.7, 7.7}, {{7.6, 6.0}, {6.0, 5.0}}, {{7.6, 6.0}, {6.0, 5.0}}, 2.0, 40}, /* an atom meets images of its own */
               {{60, 60, 200}, {{5.0, 4.0}, {4.0, 5.0}}, {{5.0, 5.0}, {5.0, 5.0}}, 1.0, 70},   /* nearly empty */
               {{60, 200, 60}, {{6.0, 6.0}, {6.0, 6.0}}, {{6.0, 6.0}, {6.0, 6.0}}, 1.0, 1}}; /* one thread meets bricks with nothing around them first */
  static const char *const INSTRUCTIONS[] = {"avx512", "avx2", "portable"};
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++)
    for (int set = 0; set < 6; set++) {
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
      qn_lists_ranges ranges = {.near = 1.0};
      for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++) {
          ranges.core[a][b] = CASES[k].core[a][b];
          ranges.shell[a][b] = CASES[k].shell[a][b];
          ranges.reach = fmax(ranges.reach, ranges.shell[a][b]);
        }
      bool usable;
      qn_lists lists = lists_for(&atoms, &ranges, set >= 3, CASES[k].skin, INSTRUCTIONS[set % 3], 1 + (int)k % 2, &usable);
      if (usable) {
        assert_true(update(&lists, &box, &atoms));
        assert_int_equal(lists.builds, 1);
        check_lists(&lists, true);
        qn_lists_fini(&lists);
      }
      qn_atoms_fini(&atoms);
    }
}

/* When lists are made anew: not for a drift within half a skin, for one atom beyond it, and for a box that changes by as much. */
static void made_anew_when_they_must(void **state) {
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
  const qn_lists_ranges ranges = {.reach = 5.0, .core = {{4.0}}, .shell = {{5.0}}, .near = 0.5};
  bool prune;
  qn_lists lists = lists_for(&atoms, &ranges, false, 1.0, NULL, 1, &prune);
  update(&lists, &box, &atoms);
  assert_close(lists.inner_skin, 0.3, 1e-12);
  static const struct {
    double move;
    bool prune;
    int builds;
  } STEPS[] = {{0.145, false, 1}, {0.01, true, 1}, /* beyond half the inner skin */
               {0.19, true, 1},   {0.16, true, 2}}; /* 0.345 in all; the outer lists hold for half of 1.0 - 0.3 */
  for (int k = 0; k < 4; k++) {
    atoms.r[1][3] = fmod(atoms.r[1][3] + STEPS[k].move, 20.0);
    assert_true(update(&lists, &box, &atoms) == STEPS[k].prune);
    assert_int_equal(lists.builds, STEPS[k].builds);
    if (STEPS[k].prune) check_lists(&lists, k == 3);
  }
  /* A box that changes with its atoms uses up the skin too: 0.25 A inside, 0.3 A more without, 0.7 A in all. */
  static const double SHRINK[] = {0.993, 0.990, 0.978};
  for (int k = 0; k < 3; k++) {
    for (int axis = 0; axis < 3; axis++) {
      for (int i = 0; i < 20; i++) atoms.r[axis][i] *= SHRINK[k] * 20.0 / box.length[axis];
      box.length[axis] = SHRINK[k] * 20.0;
    }
    update(&lists, &box, &atoms);
    assert_int_equal(lists.builds, k < 2 ? 2 : 3);
    check_lists(&lists, k == 2);
  }
  box.length[2] = 4.9;
  assert_int_equal(qn_lists_update(&lists, &box, &atoms, &prune, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "collapsed to 4.9 A along z"));
  box.length[2] = 16;
  atoms.r[0][7] = NAN;
  assert_int_equal(qn_lists_update(&lists, &box, &atoms, &prune, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "atom 7 is lost"));
  qn_lists_fini(&lists);
  qn_atoms_fini(&atoms);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_complete),
      cmocka_unit_test(made_anew_when_they_must),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "engine/check.h"

#include <string.h>

#include "engine/model/lattice.h"

static qn_lattice cuzr(qn_crystal crystal, int cells, double copper) {
  return (qn_lattice){.crystal = crystal,
                      .cells = {cells, cells, cells},
                      .constant = 4.0,
                      .species_count = 2,
                      .species = {{"Cu", 63.546}, {"Zr", 91.224}},
                      .fraction = {copper, 1.0 - copper}};
}

/* Neighbours of every atom at the distance given, by minimum image. */
static int coordination(const qn_atoms *atoms, const qn_box *box, int64_t i, double distance, int type) {
  int found = 0;
  for (int64_t j = 0; j < atoms->count; j++) {
    double sum = 0;
    for (int axis = 0; axis < 3; axis++) {
      double d = atoms->r[axis][j] - atoms->r[axis][i];
      d -= box->length[axis] * nearbyint(d / box->length[axis]);
      sum += d * d;
    }
    if (j != i && fabs(sqrt(sum) - distance) < 1e-9 && (type < 0 || atoms->type[j] == type)) found++;
  }
  return found;
}

static void geometry(void **state) {
  (void)state;
  static const struct {
    qn_crystal crystal;
    int sites;
    double nearest; /* in lattice constants */
    int neighbours;
  } cases[] = {{QN_CRYSTAL_FCC, 4, 0.70710678118654757, 12}, {QN_CRYSTAL_BCC, 2, 0.86602540378443865, 8}, {QN_CRYSTAL_B2, 2, 0.86602540378443865, 8}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    qn_lattice lattice = cuzr(cases[k].crystal, 3, 0.5);
    lattice.cells[2] = 4;
    qn_atoms atoms;
    qn_box box;
    qn_error error;
    assert_int_equal(qn_lattice_build(&lattice, 1, &atoms, &box, &error), QN_OK);
    assert_int_equal(atoms.count, cases[k].sites * 36);
    assert_close(box.length[2], 16.0, 0);
    for (int64_t i = 0; i < atoms.count; i++)
      assert_int_equal(coordination(&atoms, &box, i, cases[k].nearest * 4.0, -1), cases[k].neighbours);
    qn_atoms_fini(&atoms);
  }
}

static void ordered_b2_has_unlike_neighbours(void **state) {
  (void)state;
  qn_lattice lattice = cuzr(QN_CRYSTAL_B2, 3, 0.5);
  lattice.ordered = true;
  qn_atoms atoms;
  qn_box box;
  qn_error error;
  assert_int_equal(qn_lattice_build(&lattice, 1, &atoms, &box, &error), QN_OK);
  for (int64_t i = 0; i < atoms.count; i++)
    assert_int_equal(coordination(&atoms, &box, i, sqrt(0.75) * 4.0, 1 - atoms.type[i]), 8);
  assert_true(atoms.type[0] == 0 && atoms.r[0][0] == 0.0);
  qn_atoms_fini(&atoms);
}

static void compositions_are_exact(void **state) {
  (void)state;
  static const struct {
    double fraction[3];
    int64_t count[3]; /* of 4 x 5 x 5 x 5 = 500 sites */
  } cases[] = {{{0.5, 0.5, 0}, {250, 250, 0}},
               {{0.645, 0.355, 0}, {323, 177, 0}},
               {{1, 0, 0}, {500, 0, 0}},
               {{0.1, 0.2, 0.7}, {50, 100, 350}},
               {{1.0 / 3, 1.0 / 3, 1.0 / 3}, {167, 167, 166}},
               {{0.46, 0.46, 0.08}, {230, 230, 40}},
               {{0, 0.001, 0.999}, {0, 1, 499}},
               {{0.5000004, 0.5000004, 0}, {250, 250, 0}},
               {{0.4999997, 0.4999997, 0}, {250, 250, 0}}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    qn_lattice lattice = cuzr(QN_CRYSTAL_FCC, 5, 0.5);
    lattice.species_count = 3;
    lattice.species[2] = (qn_species){"Al", 26.982};
    memcpy(lattice.fraction, cases[k].fraction, sizeof cases[k].fraction);
    qn_atoms atoms;
    qn_box box;
    qn_error error;
    assert_int_equal(qn_lattice_build(&lattice, 1, &atoms, &box, &error), QN_OK);
    int64_t count[3] = {0};
    for (int64_t i = 0; i < atoms.count; i++) count[atoms.type[i]]++;
    for (int s = 0; s < 3; s++) assert_int_equal(count[s], cases[k].count[s]);
    qn_atoms_fini(&atoms);
  }
}

/* Same seed, same alloy; another seed, another; and unlike neighbours as often as chance has it. */
static void random_species(void **state) {
  (void)state;
  qn_lattice lattice = cuzr(QN_CRYSTAL_FCC, 8, 0.5);
  qn_atoms a, b, c;
  qn_box box;
  qn_error error;
  assert_int_equal(qn_lattice_build(&lattice, 1, &a, &box, &error), QN_OK);
  assert_int_equal(qn_lattice_build(&lattice, 1, &b, &box, &error), QN_OK);
  assert_int_equal(qn_lattice_build(&lattice, 2, &c, &box, &error), QN_OK);
  assert_memory_equal(a.type, b.type, (size_t)a.count);
  assert_memory_not_equal(a.type, c.type, (size_t)a.count);
  int unlike = 0;
  for (int64_t i = 0; i < 500; i++) unlike += coordination(&a, &box, i, 4.0 * sqrt(0.5), 1 - a.type[i]);
  assert_true(fabs(unlike / 6000.0 - 0.5) < 0.04);
  qn_atoms_fini(&a);
  qn_atoms_fini(&b);
  qn_atoms_fini(&c);
}

static void refusals(void **state) {
  (void)state;
  qn_lattice good = cuzr(QN_CRYSTAL_B2, 2, 0.5), bad[11];
  for (int k = 0; k < 11; k++) bad[k] = good;
  bad[0].cells[1] = 0;
  bad[1].cells[0] = 1 << 20;
  bad[2].constant = 0;
  bad[3].constant = NAN;
  bad[4].species_count = 0;
  bad[5].fraction[0] = 0.4;
  bad[6].fraction[0] = -0.5, bad[6].fraction[1] = 1.5;
  bad[7].species[1].mass = 0;
  strcpy(bad[8].species[1].symbol, "Cu");
  bad[9].ordered = true, bad[9].fraction[0] = 0.75, bad[9].fraction[1] = 0.25;
  bad[10].ordered = true, bad[10].species_count = 1, bad[10].fraction[0] = 1;
  for (int k = 0; k < 11; k++) {
    qn_atoms atoms;
    qn_box box;
    qn_error error = {0};
    assert_int_equal(qn_lattice_build(&bad[k], 1, &atoms, &box, &error), QN_INVALID);
    assert_true(error.message[0] != '\0');
    qn_atoms_fini(&atoms);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(geometry),         cmocka_unit_test(ordered_b2_has_unlike_neighbours),
      cmocka_unit_test(compositions_are_exact), cmocka_unit_test(random_species),
      cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

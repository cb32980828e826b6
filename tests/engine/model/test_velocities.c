#include "engine/check.h"

#include "engine/base/units.h"
#include "engine/model/lattice.h"
#include "engine/model/velocities.h"

static void build(qn_atoms *atoms, int cells) {
  const qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC,
                              .cells = {cells, cells, cells},
                              .constant = 4.0,
                              .species_count = 2,
                              .species = {{"Cu", 63.546}, {"Zr", 91.224}},
                              .fraction = {0.5, 0.5}};
  qn_box box;
  assert_int_equal(qn_lattice_build(&lattice, 3, atoms, &box, NULL), QN_OK);
}

static void exact_temperature_and_no_momentum(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_error error;
  build(&atoms, 4);
  assert_int_equal(qn_velocities_maxwell(&atoms, 1500.0, 9, &error), QN_OK);
  double drift[3], energy = 0;
  qn_velocities_drift(&atoms, drift);
  for (int axis = 0; axis < 3; axis++) assert_true(fabs(drift[axis]) < 1e-13);
  for (int64_t i = 0; i < atoms.count; i++)
    for (int axis = 0; axis < 3; axis++) energy += 0.5 * QN_MVV_EV * atoms.species[atoms.type[i]].mass * atoms.v[axis][i] * atoms.v[axis][i];
  assert_close(2 * energy / (QN_BOLTZMANN * (3.0 * 256 - 3)), 1500.0, 1e-9);
  assert_close(qn_velocities_kinetic_energy(&atoms), energy, 1e-10);
  assert_close(qn_velocities_temperature(&atoms), 1500.0, 1e-9);
  assert_int_equal(qn_velocities_maxwell(&atoms, 0.0, 9, &error), QN_OK);
  assert_close(qn_velocities_temperature(&atoms), 0.0, 0);
  assert_int_equal(qn_velocities_maxwell(&atoms, -1.0, 9, &error), QN_INVALID);
  assert_int_equal(qn_velocities_maxwell(&atoms, NAN, 9, &error), QN_INVALID);
  qn_atoms_fini(&atoms);
}

/* Each species' components against the normal law of its own width: the fraction within one and two widths, and equipartition. */
static void maxwell_distribution(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_error error;
  build(&atoms, 16);
  const double temperature = 900.0;
  assert_int_equal(qn_velocities_maxwell(&atoms, temperature, 1, &error), QN_OK);
  for (int s = 0; s < 2; s++)
    for (int axis = 0; axis < 3; axis++) {
      double width = sqrt(QN_BOLTZMANN * temperature / (QN_MVV_EV * atoms.species[s].mass)), square = 0, fourth = 0;
      int64_t n = 0, within[2] = {0};
      for (int64_t i = 0; i < atoms.count; i++) {
        if (atoms.type[i] != s) continue;
        double x = atoms.v[axis][i] / width;
        n++;
        square += x * x;
        fourth += x * x * x * x;
        for (int k = 0; k < 2; k++) within[k] += fabs(x) < k + 1;
      }
      double root = sqrt((double)n);
      assert_true(fabs(square / (double)n - 1) < 5 * sqrt(2.0) / root);
      assert_true(fabs(fourth / (double)n - 3) < 5 * sqrt(96.0) / root);
      for (int k = 0; k < 2; k++) {
        double p = erf((k + 1) / sqrt(2.0));
        assert_true(fabs((double)within[k] / (double)n - p) < 5 * sqrt(p * (1 - p)) / root);
      }
    }
  qn_atoms_fini(&atoms);
}

static void seeds(void **state) {
  (void)state;
  qn_atoms a, b;
  build(&a, 2);
  build(&b, 2);
  assert_int_equal(qn_velocities_maxwell(&a, 300, 5, NULL), QN_OK);
  assert_int_equal(qn_velocities_maxwell(&b, 300, 5, NULL), QN_OK);
  assert_memory_equal(a.v[1], b.v[1], (size_t)a.count * sizeof(double));
  assert_int_equal(qn_velocities_maxwell(&b, 300, 6, NULL), QN_OK);
  assert_memory_not_equal(a.v[1], b.v[1], (size_t)a.count * sizeof(double));
  qn_atoms_fini(&a);
  qn_atoms_fini(&b);
  assert_int_equal(qn_atoms_init(&a, 1, NULL), QN_OK);
  a.species_count = 1;
  a.species[0].mass = 1;
  assert_int_equal(qn_velocities_maxwell(&a, 300, 5, NULL), QN_INVALID);
  qn_atoms_fini(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_temperature_and_no_momentum),
      cmocka_unit_test(maxwell_distribution),
      cmocka_unit_test(seeds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The double kernel against LAMMPS (tests/data/README.md). */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/units.h"
#include "engine/potential/force.h"
#include "engine/trajectory/extxyz.h"

static int setup(void **state) {
  static qn_eam eam;
  qn_error error;
  if (qn_eam_read(&eam, QN_POTENTIALS "/Cu-Zr_2.eam.fs", &error) != QN_OK) {
    print_error("%s\n", error.message);
    return -1;
  }
  *state = &eam;
  return 0;
}

static int teardown(void **state) {
  qn_eam_fini(*state);
  return 0;
}

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static void structures(void **state) {
  const qn_eam *eam = *state;
  static const char *const FILES[] = {"liquid-1500K-2048", "glass-300K-2048", "b2-perturbed-432", "slab-1500K-2048"};
  for (size_t k = 0; k < sizeof FILES / sizeof *FILES; k++)
    for (int threads = 1; threads <= 2; threads++) {
      char path[512];
      snprintf(path, sizeof path, "%s/%s.xyz", QN_TEST_DATA, FILES[k]);
      qn_error error;
      qn_extxyz structure;
      check_status(qn_extxyz_read(&structure, path, eam->species, eam->species_count, &error), &error);
      qn_atoms *atoms = &structure.atoms;
      size_t n = (size_t)atoms->count;
      double *expected[3], energy, pressure[6], *local = calloc(n, sizeof *local);
      assert_true(qn_extxyz_numbers(&structure, "energy", 1, &energy));
      assert_true(qn_extxyz_numbers(&structure, "virial_pressure_bar_xx_yy_zz_xy_xz_yz", 6, pressure));
      assert_true(structure.has_forces && structure.local_energy != NULL);
      for (int axis = 0; axis < 3; axis++) {
        expected[axis] = malloc(n * sizeof(double));
        memcpy(expected[axis], atoms->f[axis], n * sizeof(double));
        memset(atoms->f[axis], 0, n * sizeof(double));
      }
      const qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = threads};
      qn_force *force;
      qn_force_result result;
      check_status(qn_force_alloc(&force, eam, atoms, &structure.box, &options, &error), &error);
      check_status(qn_force_compute(force, &structure.box, atoms, &result, local, &error), &error);
      assert_close(result.energy / (double)n, energy / (double)n, 1e-9);
      for (int v = 0; v < 6; v++)
        assert_close(result.virial[v] / qn_box_volume(&structure.box) * QN_EV_A3_BAR, pressure[v], 1e-3);
      for (size_t i = 0; i < n; i++) {
        assert_close(local[i], structure.local_energy[i], 1e-9);
        for (int axis = 0; axis < 3; axis++) assert_close(atoms->f[axis][i], expected[axis][i], 1e-8);
      }
      for (int axis = 0; axis < 3; axis++) free(expected[axis]);
      free(local);
      qn_force_free(force);
      qn_extxyz_fini(&structure);
    }
}

static void dimers(void **state) {
  const qn_eam *eam = *state;
  FILE *file = fopen(QN_TEST_DATA "/dimers.txt", "r");
  assert_non_null(file);
  char line[256];
  assert_non_null(fgets(line, sizeof line, file));
  int rows = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    char a[3] = "", b[3] = "";
    double distance, energy, pull;
    assert_int_equal(sscanf(line, "%2s-%2s %lf %lf %lf", a, b, &distance, &energy, &pull), 5);
    qn_error error;
    qn_atoms atoms;
    check_status(qn_atoms_init(&atoms, 2, &error), &error);
    atoms.species_count = 2;
    strcpy(atoms.species[0].symbol, "Zr"); /* not the order of the file */
    strcpy(atoms.species[1].symbol, "Cu");
    atoms.type[0] = (uint8_t)qn_atoms_find_species(&atoms, a);
    atoms.type[1] = (uint8_t)qn_atoms_find_species(&atoms, b);
    const qn_box box = {{0, 0, 0}, {60, 60, 60}};
    for (int axis = 0; axis < 3; axis++) atoms.r[axis][0] = atoms.r[axis][1] = 58.0; /* the second lies beyond the edge */
    atoms.r[0][1] += distance;
    const qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = 1};
    qn_force *force;
    qn_force_result result;
    check_status(qn_force_alloc(&force, eam, &atoms, &box, &options, &error), &error);
    check_status(qn_force_compute(force, &box, &atoms, &result, NULL, &error), &error);
    assert_close(result.energy / 2, energy / 2, 1e-9);
    assert_close(atoms.f[0][1], pull, 1e-8);
    assert_close(atoms.f[0][0], -pull, 1e-8);
    assert_close(result.virial[0], distance * pull, 1e-7);
    for (int axis = 1; axis < 3; axis++) assert_close(atoms.f[axis][0], 0, 1e-12);
    qn_force_free(force);
    qn_atoms_fini(&atoms);
    rows++;
  }
  fclose(file);
  assert_int_equal(rows, 60);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(structures),
      cmocka_unit_test(dimers),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

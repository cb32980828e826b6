/* The double kernel against LAMMPS (tests/data/README.md). */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/units.h"
#include "engine/model/lattice.h"
#include "engine/potential/force.h"
#include "engine/trajectory/extxyz.h"

#define CUZR QN_POTENTIALS "/Cu-Zr_2.eam.fs"

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static void structures(void **state) {
  (void)state;
  static const struct {
    const char *structure, *potential;
  } FILES[] = {{"liquid-1500K-2048", CUZR},
               {"glass-300K-2048", CUZR},
               {"b2-perturbed-432", CUZR},
               {"slab-1500K-2048", CUZR},
               {"made-fs-160", QN_TEST_DATA "/made.eam.fs"},
               {"made-alloy-160", QN_TEST_DATA "/made.eam.alloy"}};
  for (size_t k = 0; k < sizeof FILES / sizeof *FILES; k++)
    for (int threads = 1; threads <= 2; threads++) {
      char path[512];
      snprintf(path, sizeof path, "%s/%s.xyz", QN_TEST_DATA, FILES[k].structure);
      qn_error error;
      qn_eam eam;
      check_status(qn_eam_read(&eam, FILES[k].potential, &error), &error);
      qn_extxyz structure;
      check_status(qn_extxyz_read(&structure, path, k % 2 == 0 ? eam.species : NULL, eam.species_count, &error), &error);
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
      check_status(qn_force_alloc(&force, &eam, atoms, &structure.box, &options, &error), &error);
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
      qn_eam_fini(&eam);
    }
}

static void dimers(void **state) {
  (void)state;
  qn_eam eam;
  assert_int_equal(qn_eam_read(&eam, CUZR, NULL), QN_OK);
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
    check_status(qn_force_alloc(&force, &eam, &atoms, &box, &options, &error), &error);
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
  qn_eam_fini(&eam);
  assert_int_equal(rows, 60);
}

/* METHOD "Potential": the minimum of the energy of fcc copper. */
static void fcc_copper(void **state) {
  (void)state;
  qn_eam eam;
  assert_int_equal(qn_eam_read(&eam, CUZR, NULL), QN_OK);
  const double constant = 3.639085, step = 2e-3;
  double energy[3];
  for (int k = 0; k < 3; k++) {
    qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC, .cells = {5, 5, 5}, .constant = constant + (k - 1) * step, .species_count = 1, .fraction = {1}};
    lattice.species[0] = eam.species[0];
    qn_error error;
    qn_atoms atoms;
    qn_box box;
    qn_force *force;
    qn_force_result result;
    const qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = 1};
    check_status(qn_lattice_build(&lattice, 1, &atoms, &box, &error), &error);
    check_status(qn_force_alloc(&force, &eam, &atoms, &box, &options, &error), &error);
    check_status(qn_force_compute(force, &box, &atoms, &result, NULL, &error), &error);
    energy[k] = result.energy / (double)atoms.count;
    if (k == 1) {
      double pressure = (result.virial[0] + result.virial[1] + result.virial[2]) / (3 * qn_box_volume(&box));
      assert_close(pressure * QN_EV_A3_GPA, 0, 1e-3);
      for (int64_t i = 0; i < atoms.count; i++)
        for (int axis = 0; axis < 3; axis++) assert_close(atoms.f[axis][i], 0, 1e-12);
    }
    qn_force_free(force);
    qn_atoms_fini(&atoms);
  }
  assert_close(energy[1], -3.283116, 1e-6);
  double minimum = constant - step / 2 * (energy[2] - energy[0]) / (energy[2] - 2 * energy[1] + energy[0]);
  assert_close(minimum, constant, 2e-5);
  qn_eam_fini(&eam);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(structures),
      cmocka_unit_test(dimers),
      cmocka_unit_test(fcc_copper),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

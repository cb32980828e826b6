/* The engine's own kernel and integrator together, against LAMMPS: 200 steps of 1 fs of liquid Cu50Zr50, 2048 atoms. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/units.h"
#include "engine/dynamics/run.h"
#include "engine/trajectory/extxyz.h"

enum { ROWS = 11 };

typedef struct liquid {
  qn_eam potential;
  qn_extxyz start;
  qn_run *run;
  int rows;
  qn_thermo row[1024];
} liquid;

static qn_status keep_row(void *context, const qn_thermo *row, qn_error *error) {
  liquid *l = context;
  if (l->rows == 1024) return qn_error_set(error, QN_INTERNAL, "too many rows");
  l->row[l->rows++] = *row;
  return QN_OK;
}

static void read_structure(qn_extxyz *structure, const qn_eam *potential, const char *path) {
  qn_error error = {0};
  if (qn_extxyz_read(structure, path, potential->species, potential->species_count, &error) != QN_OK) fail_msg("%s", error.message);
}

static void liquid_run(liquid *l, double timestep, double duration, double thermo_every, qn_precision precision, int threads) {
  qn_error error = {0};
  *l = (liquid){0};
  if (qn_eam_read(&l->potential, QN_POTENTIALS "/Cu-Zr_2.eam.fs", &error) != QN_OK) fail_msg("%s", error.message);
  read_structure(&l->start, &l->potential, QN_TEST_DATA "/nve-liquid-step0.xyz");
  qn_protocol protocol = {
      .timestep = timestep,
      .precision = precision,
      .stage_count = 1,
      .stages = {{.kind = QN_STAGE_HOLD, .ensemble = QN_ENSEMBLE_NVE, .duration = duration, .thermo_every = thermo_every}}};
  qn_run_callbacks callbacks = {.context = l, .thermo = keep_row};
  if (qn_run_alloc(&l->run, &protocol, &l->potential, &l->start.atoms, &l->start.box, NULL, 0.0, threads, &callbacks, &error) != QN_OK ||
      qn_run_advance(l->run, INT64_MAX, &error) != QN_OK)
    fail_msg("%s", error.message);
  assert_true(qn_run_done(l->run));
}

static void liquid_fini(liquid *l) {
  qn_run_free(l->run);
  qn_extxyz_fini(&l->start);
  qn_eam_fini(&l->potential);
}

static void same_path_as_lammps(void **state) {
  (void)state;
  liquid l;
  qn_extxyz end;
  liquid_run(&l, 0.001, 0.2, 0.02, QN_PRECISION_DOUBLE, 2);
  read_structure(&end, &l.potential, QN_TEST_DATA "/nve-liquid-step200.xyz");
  double worst = 0.0, fastest = 0.0;
  for (int a = 0; a < 3; a++)
    for (int64_t i = 0; i < end.atoms.count; i++) {
      double here = l.start.atoms.r[a][i] + l.start.atoms.image[a][i] * l.start.box.length[a];
      double there = end.atoms.r[a][i] + end.atoms.image[a][i] * end.box.length[a];
      worst = fmax(worst, fabs(here - there));
      fastest = fmax(fastest, fabs(l.start.atoms.v[a][i] - end.atoms.v[a][i]));
    }
  print_message("largest difference after 200 steps: %.2e A, %.2e A/ps\n", worst, fastest);
  assert_true(worst < 1e-6);

  FILE *file = fopen(QN_TEST_DATA "/nve-liquid-thermo.txt", "r");
  char line[256];
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  assert_int_equal(l.rows, ROWS);
  for (int k = 0; k < ROWS; k++) {
    double step, temperature, potential, kinetic, total, pressure;
    assert_int_equal(fscanf(file, "%lf %lf %lf %lf %lf %lf", &step, &temperature, &potential, &kinetic, &total, &pressure), 6);
    assert_int_equal(l.row[k].step, (int64_t)step);
    /* LAMMPS's constants differ from CODATA's by 6e-8 (energy) and 1e-6 (Boltzmann, which it has as 8.617343e-5). */
    assert_close(l.row[k].temperature, temperature, 3e-6 * temperature);
    assert_close(l.row[k].potential_energy, potential, 1e-4);
    assert_close(l.row[k].kinetic_energy, kinetic, 2e-4);
    assert_close(l.row[k].conserved, total, 2e-4);
    assert_close(l.row[k].pressure * 1e4, pressure, 0.05);
  }
  fclose(file);
  qn_extxyz_fini(&end);
  liquid_fini(&l);
}

/* Root mean square error of the total energy over 0.2 ps: second order at 1, 2 and 4 fs. */
static void energy_error_falls_as_the_square_of_the_step(void **state) {
  (void)state;
  double error[3] = {0};
  for (int k = 0; k < 3; k++) {
    liquid l;
    double timestep = 0.001 * (1 << k);
    liquid_run(&l, timestep, 0.2, timestep, QN_PRECISION_DOUBLE, 2);
    for (int i = 1; i < l.rows; i++) error[k] += pow(l.row[i].conserved - l.row[0].conserved, 2) / (l.rows - 1);
    error[k] = sqrt(error[k]);
    liquid_fini(&l);
  }
  print_message("%.3e %.3e %.3e eV at 1, 2, 4 fs: order %.3f %.3f\n", error[0], error[1], error[2], log2(error[1] / error[0]),
                log2(error[2] / error[1]));
  assert_close(log2(error[1] / error[0]), 2.0, 0.1);
  assert_close(log2(error[2] / error[1]), 2.0, 0.1);
}

static void threads_change_no_bit(void **state) {
  (void)state;
  liquid one, two;
  liquid_run(&one, 0.001, 0.05, 0.01, QN_PRECISION_DOUBLE, 1);
  liquid_run(&two, 0.001, 0.05, 0.01, QN_PRECISION_DOUBLE, 2);
  size_t bytes = (size_t)one.start.atoms.count * sizeof(double);
  for (int a = 0; a < 3; a++) {
    assert_memory_equal(one.start.atoms.r[a], two.start.atoms.r[a], bytes);
    assert_memory_equal(one.start.atoms.v[a], two.start.atoms.v[a], bytes);
  }
  assert_memory_equal(one.row, two.row, sizeof one.row);
  liquid_fini(&one);
  liquid_fini(&two);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_path_as_lammps),
      cmocka_unit_test(energy_error_falls_as_the_square_of_the_step),
      cmocka_unit_test(threads_change_no_bit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

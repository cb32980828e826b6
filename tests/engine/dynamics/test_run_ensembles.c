/* The ensembles of whole runs: the run loop, the thermo series that it gives, and the kernels with the real potential, on a liquid of 256
 * atoms at 2000 K, by what statistical mechanics says of the fluctuations. QN_TEST_LONG: ten times the time, and the double kernel too. */
#include <stdlib.h>

#include "engine/base/units.h"
#include "engine/dynamics/estimates.h"
#include "engine/dynamics/run.h"
#include "engine/model/lattice.h"
#include "engine/model/velocities.h"

static const double TEMPERATURE = 2000.0; /* K */
static const double LEAD_IN = 4.0;        /* ps, to melt and to forget the lattice */
static qn_eam potential;

typedef struct series {
  int count, most;
  double freedom;
  double *kinetic, *volume, *pressure; /* eV, A^3, GPa */
} series;

static qn_status keep(void *context, const qn_thermo *row, qn_error *error) {
  (void)error;
  series *s = context;
  if (row->stage == 0 || s->count == s->most) return QN_OK;
  s->kinetic[s->count] = row->kinetic_energy;
  s->volume[s->count] = row->volume;
  s->pressure[s->count++] = row->pressure;
  return QN_OK;
}

/* A hold of `duration` ps behind the lead-in, with a row every 0.1 ps. */
static series run_hold(qn_ensemble ensemble, double pressure, qn_precision precision, double duration) {
  qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC,
                        .cells = {4, 4, 4},
                        .constant = 4.25,
                        .species_count = 2,
                        .species = {potential.species[0], potential.species[1]},
                        .fraction = {0.5, 0.5}};
  qn_stage hold = {.kind = QN_STAGE_HOLD,
                   .ensemble = ensemble,
                   .temperature = TEMPERATURE,
                   .pressure = pressure,
                   .thermostat_time = 0.1,
                   .barostat_time = 0.3,
                   .duration = LEAD_IN};
  qn_protocol protocol = {.timestep = 0.002, .precision = precision, .stage_count = 2, .stages = {hold, hold}};
  protocol.stages[1].duration = duration;
  protocol.stages[1].thermo_every = 0.1;
  series s = {.most = (int)(duration / 0.1 + 0.5)};
  double **columns[] = {&s.kinetic, &s.volume, &s.pressure};
  for (int c = 0; c < 3; c++) *columns[c] = test_malloc((size_t)s.most * sizeof(double));

  qn_error error;
  qn_atoms atoms;
  qn_box box;
  qn_run *run;
  qn_run_callbacks callbacks = {.context = &s, .thermo = keep};
  assert_int_equal(qn_lattice_build(&lattice, 1, &atoms, &box, &error), QN_OK);
  assert_int_equal(qn_velocities_maxwell(&atoms, 2.0 * TEMPERATURE, 1, &error), QN_OK);
  s.freedom = 3.0 * (double)atoms.count - 3.0;
  qn_status status = qn_run_alloc(&run, &protocol, &potential, &atoms, &box, NULL, TEMPERATURE, 1, &callbacks, &error);
  while (status == QN_OK && !qn_run_done(run)) status = qn_run_advance(run, 1000, &error);
  if (status != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(s.count, s.most);
  qn_run_free(run);
  qn_atoms_fini(&atoms);
  return s;
}

static void series_fini(series *s) {
  test_free(s->kinetic);
  test_free(s->volume);
  test_free(s->pressure);
}

static double length_of_run(void) { return getenv("QN_TEST_LONG") != NULL ? 250.0 : 25.0; }

static void check_kinetic(series *s, double worth) {
  double kt = QN_BOLTZMANN * TEMPERATURE, mean = 0.5 * s->freedom * kt;
  check_estimate("kinetic energy, eV", block_mean(s->kinetic, s->count), mean, 0.01);
  for (int i = 0; i < s->count; i++) s->kinetic[i] = pow(s->kinetic[i] - mean, 2);
  check_estimate("its variance, eV^2", block_mean(s->kinetic, s->count), 0.5 * s->freedom * kt * kt, worth);
}

static void check_canonical(qn_precision precision) {
  series s = run_hold(QN_ENSEMBLE_NVT, 0.0, precision, length_of_run());
  check_kinetic(&s, 0.2);
  series_fini(&s);
}

/* NPT at two pressures: ln p2(V)/p1(V) has the slope (P1 - P2)/kT; each run has its pressure on average. */
static void check_volumes(qn_precision precision) {
  static const double pressure[2] = {0.0, 1.0}; /* GPa */
  double kt = QN_BOLTZMANN * TEMPERATURE;
  series s[2];
  for (int k = 0; k < 2; k++) {
    s[k] = run_hold(QN_ENSEMBLE_NPT, pressure[k], precision, 1.2 * length_of_run());
    estimate mean = block_mean(s[k].pressure, s[k].count), volume = block_mean(s[k].volume, s[k].count);
    print_message("%g GPa: %.2f +- %.2f GPa, %.0f +- %.0f A^3\n", pressure[k], mean.mean, mean.error, volume.mean, volume.error);
    assert_true(mean.error < 0.2);
    assert_close(mean.mean, pressure[k], 5.0 * mean.error);
    check_kinetic(&s[k], 0.2);
  }
  double expected = (pressure[0] - pressure[1]) / QN_EV_A3_GPA / kt;
  check_estimate("slope in volume, 1/A^3", boltzmann_slope(s[0].volume, s[1].volume, s[0].count), expected, 0.12);
  for (int k = 0; k < 2; k++) series_fini(&s[k]);
}

static void kinetic_energies_are_canonical(void **state) {
  (void)state;
  check_canonical(QN_PRECISION_FAST);
  if (getenv("QN_TEST_LONG") != NULL) check_canonical(QN_PRECISION_DOUBLE);
}

static void volumes_have_the_boltzmann_slope(void **state) {
  (void)state;
  check_volumes(QN_PRECISION_FAST);
  if (getenv("QN_TEST_LONG") != NULL) check_volumes(QN_PRECISION_DOUBLE);
}

static int set_up(void **state) {
  (void)state;
  qn_error error;
  return qn_eam_read(&potential, QN_POTENTIALS "/Cu-Zr_2.eam.fs", &error) == QN_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  qn_eam_fini(&potential);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinetic_energies_are_canonical),
      cmocka_unit_test(volumes_have_the_boltzmann_slope),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

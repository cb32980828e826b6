/* Energy that the integrator makes ends a run: in every ensemble, in each step of a quench, with rows of a thermo series or without. A linear
 * ramp, whose conserved quantity is none, is left alone. The same stages at a usual timestep go through, on the real potential. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/dynamics/run.h"
#include "engine/model/lattice.h"
#include "engine/model/velocities.h"

static qn_eam potential;

/* A lattice of 256 atoms at 3000 K that melts at once, in one stage; gives how it ended. */
static qn_status run_stage(const qn_stage *stage, double timestep, qn_precision precision, qn_error *error) {
  qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC,
                        .cells = {4, 4, 4},
                        .constant = 4.1,
                        .species_count = 2,
                        .species = {potential.species[0], potential.species[1]},
                        .fraction = {0.5, 0.5}};
  qn_protocol protocol = {.timestep = timestep, .precision = precision, .stage_count = 1, .stages = {*stage}};
  qn_atoms atoms;
  qn_box box;
  qn_run *run;
  assert_int_equal(qn_lattice_build(&lattice, 1, &atoms, &box, error), QN_OK);
  assert_int_equal(qn_velocities_maxwell(&atoms, 3000.0, 1, error), QN_OK);
  qn_status status = qn_run_alloc(&run, &protocol, &potential, &atoms, &box, NULL, 3000.0, 1, NULL, error);
  if (status != QN_OK) fail_msg("%s", error->message);
  while (status == QN_OK && !qn_run_done(run)) status = qn_run_advance(run, 100, error);
  qn_run_free(run);
  qn_atoms_fini(&atoms);
  return status;
}

static qn_stage stage_of(qn_stage_kind kind, qn_ensemble ensemble) {
  qn_stage stage = {.kind = kind, .ensemble = ensemble, .thermostat_time = 0.1, .barostat_time = 1.0};
  if (kind == QN_STAGE_HOLD) stage.temperature = 3000.0, stage.duration = 1.0;
  else stage.to = 2500.0, stage.rate = 500e3; /* 1 ps */
  return stage;
}

static void expect(const char *name, const qn_stage *stage, double timestep, qn_precision precision, const char *says) {
  qn_error error = {0};
  qn_status status = run_stage(stage, timestep, precision, &error);
  print_message("%s at %g fs: %s\n", name, timestep * 1e3, status == QN_OK ? "kept" : error.message);
  assert_int_equal(status, says != NULL ? QN_BLOWUP : QN_OK);
  if (says != NULL && strstr(error.message, says) == NULL) fail_msg("'%s' lacks '%s'", error.message, says);
}

static void a_long_timestep_ends_a_hold(void **state) {
  (void)state;
  static const struct {
    const char *name;
    qn_ensemble ensemble;
    const char *says;
  } cases[] = {{"nvt", QN_ENSEMBLE_NVT, "and 0.1 % of it more for each ps): a timestep shorter than 10 fs"},
               {"npt", QN_ENSEMBLE_NPT, "the conserved quantity drifted by"},
               {"nve", QN_ENSEMBLE_NVE, "2 % of the thermal energy 3/2 kT): a timestep shorter than 10 fs"}};
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
    for (int rows = 0; rows < 2; rows++) { /* without rows the end of the stage is looked at */
      qn_stage stage = stage_of(QN_STAGE_HOLD, cases[c].ensemble);
      stage.thermo_every = rows ? 0.05 : 0.0;
      expect(cases[c].name, &stage, 0.010, QN_PRECISION_DOUBLE, cases[c].says);
      if (rows) expect(cases[c].name, &stage, 0.003, QN_PRECISION_DOUBLE, NULL);
      if (rows) expect(cases[c].name, &stage, 0.003, QN_PRECISION_FAST, NULL);
    }
}

static void steps_of_a_quench_are_watched_and_ramps_are_not(void **state) {
  (void)state;
  qn_stage stage = stage_of(QN_STAGE_QUENCH, QN_ENSEMBLE_NVT);
  stage.step = 250.0;
  expect("steps", &stage, 0.010, QN_PRECISION_DOUBLE, "stages[0] (quench nvt)");
  expect("steps", &stage, 0.003, QN_PRECISION_DOUBLE, NULL);
  stage.step = 0.0;
  expect("ramp", &stage, 0.010, QN_PRECISION_DOUBLE, NULL);
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
      cmocka_unit_test(a_long_timestep_ends_a_hold),
      cmocka_unit_test(steps_of_a_quench_are_watched_and_ramps_are_not),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

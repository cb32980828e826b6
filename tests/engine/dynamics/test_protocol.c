#include "engine/check.h"

#include <string.h>

#include "engine/dynamics/protocol.h"

static qn_stage hold(qn_ensemble ensemble, double temperature, double duration) {
  return (qn_stage){.kind = QN_STAGE_HOLD,
                    .ensemble = ensemble,
                    .temperature = temperature,
                    .duration = duration,
                    .thermostat_time = 0.1,
                    .barostat_time = 1.0,
                    .sampling_count = 1,
                    .samplings = {{.every = 0.05}},
                    .thermo_every = 0.1};
}

static qn_stage quench(double to, double step, double rate) {
  return (qn_stage){.kind = QN_STAGE_QUENCH,
                    .ensemble = QN_ENSEMBLE_NPT,
                    .to = to,
                    .step = step,
                    .rate = rate,
                    .thermostat_time = 0.1,
                    .barostat_time = 1.0};
}

static void times_become_steps(void **state) {
  (void)state;
  assert_int_equal(qn_interval_steps(0.0, 0.001), 0);
  assert_int_equal(qn_interval_steps(0.05, 0.001), 50);
  assert_int_equal(qn_interval_steps(0.05, 0.003), 17); /* 16.7 */
  assert_int_equal(qn_interval_steps(1e-9, 0.001), 1);
  qn_stage stage = hold(QN_ENSEMBLE_NVT, 1000.0, 20.0);
  assert_int_equal(qn_stage_steps(&stage, 300.0, 0.001), 20000);
  assert_int_equal(qn_stage_steps(&stage, 300.0, 0.003), 6667); /* 6666.7 */
  assert_int_equal(qn_stage_levels(&stage, 300.0), 1);
  assert_close(qn_stage_final_target(&stage, 300.0), 1000.0, 0.0);
  stage = hold(QN_ENSEMBLE_NVE, 0.0, 1.0);
  assert_close(qn_stage_final_target(&stage, 300.0), 300.0, 0.0);
}

/* The paper's quench: 2000 K to 1000 K in 50 K steps at 100 K per 6 ns, to 500 K in 20 K steps at 100 K per 60 ns. */
static void the_papers_quench(void **state) {
  (void)state;
  qn_stage fast = quench(1000.0, 50.0, 100.0 / 6.0), slow = quench(500.0, 20.0, 100.0 / 60.0);
  assert_int_equal(qn_stage_levels(&fast, 2000.0), 20);
  assert_close(qn_stage_level_target(&fast, 2000.0, 0), 1950.0, 0.0);
  assert_close(qn_stage_level_target(&fast, 2000.0, 19), 1000.0, 0.0);
  assert_int_equal(qn_stage_level_end(&fast, 2000.0, 0.001, 0), 3000000);
  assert_int_equal(qn_stage_steps(&fast, 2000.0, 0.001), 60000000);
  assert_int_equal(qn_stage_levels(&slow, 1000.0), 25);
  assert_int_equal(qn_stage_steps(&slow, 1000.0, 0.001), 300000000);
  qn_protocol protocol = {.timestep = 0.001, .stage_count = 2, .stages = {fast, slow}};
  assert_int_equal(qn_protocol_steps(&protocol, 2000.0), 360000000); /* the 3.6e8 steps that the method speaks of */
  assert_int_equal(qn_protocol_check(&protocol, 2000.0, false, NULL), QN_OK);
}

static void uneven_quenches(void **state) {
  (void)state;
  qn_stage last_smaller = quench(1510.0, 50.0, 1e5);
  assert_int_equal(qn_stage_levels(&last_smaller, 1670.0), 4);
  assert_close(qn_stage_level_target(&last_smaller, 1670.0, 2), 1520.0, 0.0);
  assert_close(qn_stage_level_target(&last_smaller, 1670.0, 3), 1510.0, 0.0);
  assert_int_equal(qn_stage_level_end(&last_smaller, 1670.0, 0.001, 2), 1500);
  assert_int_equal(qn_stage_steps(&last_smaller, 1670.0, 0.001), 1600);

  qn_stage heating = quench(500.0, 100.0, 1e5);
  assert_int_equal(qn_stage_levels(&heating, 300.0), 2);
  assert_close(qn_stage_level_target(&heating, 300.0, 0), 400.0, 0.0);

  /* 7 fs of steps of 3 fs each: rounded from the start, not one by one (2.33 would make 14 of seven). */
  qn_stage uneven = quench(930.0, 10.0, 10.0 / 0.007 * 1e3);
  assert_int_equal(qn_stage_steps(&uneven, 1000.0, 0.003), 16);

  qn_stage ramp = quench(500.0, 0.0, 1e5);
  assert_int_equal(qn_stage_levels(&ramp, 1000.0), 1);
  assert_int_equal(qn_stage_steps(&ramp, 1000.0, 0.002), 2500);
  assert_int_equal(qn_stage_levels(&ramp, 500.0), 0);
  assert_int_equal(qn_stage_steps(&ramp, 500.0, 0.002), 0);
}

static void refuse(qn_protocol protocol, const char *word) {
  qn_error error = {0};
  assert_int_equal(qn_protocol_check(&protocol, 1000.0, false, &error), QN_INVALID);
  if (strstr(error.message, word) == NULL) fail_msg("'%s' does not speak of %s", error.message, word);
}

static void faults_are_named(void **state) {
  (void)state;
  const qn_protocol good = {.timestep = 0.001, .stage_count = 2, .stages = {hold(QN_ENSEMBLE_NPT, 1000.0, 1.0), quench(500.0, 50.0, 1e5)}};
  assert_int_equal(qn_protocol_check(&good, 0.0, false, NULL), QN_OK);
  qn_protocol p;
#define REFUSE(change, word) p = good, change, refuse(p, word)
  REFUSE(p.timestep = 0.0, "timestep");
  REFUSE(p.timestep = NAN, "timestep");
  REFUSE(p.stage_count = 0, "stages");
  REFUSE(p.stage_count = QN_MAX_STAGES + 1, "stages");
  REFUSE(p.stages[1].kind = (qn_stage_kind)7, "stages[1]: unknown kind");
  REFUSE(p.stages[0].duration = -1.0, "stages[0].duration");
  REFUSE(p.stages[0].duration = INFINITY, "stages[0].duration");
  REFUSE(p.stages[0].duration = 1e13, "more than");
  REFUSE(p.stages[0].temperature = 0.0, "stages[0].temperature");
  REFUSE(p.stages[0].pressure = NAN, "stages[0].pressure");
  REFUSE(p.stages[0].thermostat_time = 0.0, "stages[0].thermostat_time");
  REFUSE(p.stages[0].barostat_time = -1.0, "stages[0].barostat_time");
  REFUSE(p.stages[0].samplings[0].every = -1.0, "samplings[0]");
  REFUSE(p.stages[0].samplings[0].every = 0.0, "samplings[0]");
  REFUSE(p.stages[0].samplings[0].duration = -1.0, "samplings[0]");
  REFUSE(p.stages[0].sampling_count = QN_MAX_SAMPLINGS + 1, "0 to 4");
  REFUSE(p.stages[0].thermo_every = NAN, "thermo_every");
  REFUSE(p.stages[0].mean_volume = true, "stages[0].mean_volume");
  REFUSE(p.stages[1].ensemble = QN_ENSEMBLE_NVE, "stages[1].ensemble");
  REFUSE(p.stages[1].to = 0.0, "stages[1].to");
  REFUSE(p.stages[1].rate = 0.0, "stages[1].rate");
  REFUSE(p.stages[1].step = -1.0, "stages[1].step");
  REFUSE(p.stages[1].step = 1e-9, "stages[1].step");
  REFUSE((p.stages[1].kind = QN_STAGE_SURFACE, p.stages[1].axis = 3), "stages[1].axis");
  REFUSE((p.stages[1].kind = QN_STAGE_SURFACE, p.stages[1].vacuum = 0.0), "stages[1].vacuum");
  REFUSE((p.stages[0].ensemble = QN_ENSEMBLE_NVT, p.stages[0].mean_volume = true), "mean lengths");
#undef REFUSE
}

/* Mean lengths come from an npt stage, a quench or the start, and a surface ends them. */
static void where_mean_lengths_come_from(void **state) {
  (void)state;
  qn_protocol p = {.timestep = 0.001, .stage_count = 2, .stages = {hold(QN_ENSEMBLE_NPT, 1000.0, 1.0), hold(QN_ENSEMBLE_NVT, 1000.0, 1.0)}};
  p.stages[1].mean_volume = true;
  assert_int_equal(qn_protocol_check(&p, 0.0, false, NULL), QN_OK);
  p.stages[0] = hold(QN_ENSEMBLE_NVT, 1000.0, 1.0);
  refuse(p, "stages[1].mean_volume");
  assert_int_equal(qn_protocol_check(&p, 0.0, true, NULL), QN_OK);
  p.stages[0] = (qn_stage){.kind = QN_STAGE_SURFACE, .axis = 2, .vacuum = 10.0};
  qn_error error;
  assert_int_equal(qn_protocol_check(&p, 0.0, true, &error), QN_INVALID);
  p = (qn_protocol){.timestep = 0.001, .stage_count = 1, .stages = {quench(500.0, 50.0, 1e5)}};
  assert_int_equal(qn_protocol_check(&p, 0.0, true, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "temperature to begin at"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(times_become_steps),
      cmocka_unit_test(the_papers_quench),
      cmocka_unit_test(uneven_quenches),
      cmocka_unit_test(faults_are_named),
      cmocka_unit_test(where_mean_lengths_come_from),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Analyses of a simulation's files: which stream of frames each takes, and what one feeds another. The files are made here, with known answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/analysis/synthetic.h"
#include "engine/trajectory/netcdf.h"
#include "server/job/durable.h"
#include "server/job/job.h"

enum { COUNT = 120 };
static const double SIGMA = 0.16, TAU = 0.1;
static char base[64];
static qn_simulation_spec spec;

static const char TEXT[] =
    "{\"potential\": \"p\", \"initial\": {\"type\": \"snapshot\", \"simulation\": 3, \"temperature_k\": 700},"
    " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 700, \"duration_ps\": 1000,"
    "  \"sampling\": [{\"every_ps\": 5}, {\"every_ps\": 0.05, \"duration_ps\": 40}]}]}";

/* Cages (Ornstein-Uhlenbeck) about sites that stand still, as an AMBER file. */
static void write_frames(const char *name, double interval, int64_t frames) {
  char path[QN_PATH_SIZE];
  qn_error error;
  synthetic s = synthetic_make(1, COUNT, interval, 13);
  random_source random = random_seeded(7);
  double (*site)[3] = calloc(COUNT, sizeof *site), (*x)[3] = calloc(COUNT, sizeof *x), keep = exp(-interval / TAU);
  for (int i = 0; i < COUNT; i++)
    for (int a = 0; a < 3; a++) {
      site[i][a] = 13 * random_uniform(&random);
      x[i][a] = SIGMA * random_normal(&random);
    }
  assert_int_equal(qn_durable_join(path, base, name, &error), QN_OK);
  qn_netcdf_writer *writer = NULL;
  for (int64_t f = 0; f < frames; f++) {
    for (int i = 0; i < COUNT; i++)
      for (int a = 0; a < 3; a++) {
        if (f > 0) x[i][a] = keep * x[i][a] + sqrt(1 - keep * keep) * SIGMA * random_normal(&random);
        *synthetic_at(&s, 0, a, i) = site[i][a] + x[i][a];
      }
    qn_frame frame = synthetic_frame(&s, 0);
    frame.step = f;
    frame.time = interval * (double)f;
    if (f == 0) assert_int_equal(qn_netcdf_create(&writer, path, &(qn_provenance){.title = "made"}, &frame, &error), QN_OK);
    assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  }
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
  free(site);
  free(x);
  synthetic_free(&s);
}

static int setup(void **state) {
  (void)state;
  qn_error error;
  qn_faults faults = {0};
  snprintf(base, sizeof base, "/tmp/quenchd-analyse.%d", (int)getpid());
  qn_spec_parse_simulation(TEXT, strlen(TEXT), &spec, &faults);
  if (faults.count != 0 || qn_durable_make(base, &error) != QN_OK) return -1;
  write_frames("trajectory-0-0.nc", 5, 201);
  write_frames("trajectory-0-1.nc", 0.05, 801);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  qn_error error;
  return qn_durable_remove(base, &error) == QN_OK ? 0 : -1;
}

static qn_analysis_spec asked(const char *type, const char *parameter, double value) {
  qn_analysis_spec made = {.type = qn_analysis_find(type), .stage = 0, .sampling = -1};
  for (int i = 0; i < made.type->parameter_count; i++) made.parameters[i] = made.type->parameters[i].fallback;
  if (parameter != NULL) made.parameters[qn_analysis_parameter(made.type, parameter)] = value;
  return made;
}

static const qn_value *used_in(const qn_job_wanted *wanted) {
  if (wanted->status != QN_OK) fail_msg("%s", wanted->error.message);
  return value_of(&wanted->report, "debye_waller_factor_used", "all");
}

static void test_cages_are_measured_on_the_fine_stream(void **state) {
  (void)state;
  const double truth = 6 * SIGMA * SIGMA;
  qn_analysis_spec specs[] = {asked("cage_jumps", NULL, 0), asked("cage_jumps", "debye_waller_a2", 0.2), asked("debye_waller", NULL, 0),
                              asked("diffusion", NULL, 0)};
  qn_job_wanted wanted[4];
  for (int i = 0; i < 4; i++) wanted[i].spec = &specs[i];
  qn_job_simulated simulated = {.spec = &spec, .directory = base, .atoms = COUNT};
  qn_error error;
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 4, 2, NULL, &error), QN_OK);
  const qn_value *fed = used_in(&wanted[0]), *given = used_in(&wanted[1]), *measured = value_of(&wanted[2].report, "debye_waller_factor", "all");
  assert_int_equal(fed->status, QN_VALUE_OK);
  assert_true(fed->value == measured->value && fed->standard_error == measured->standard_error && fed->samples == measured->samples);
  assert_true(fed->window_end_ps < 3);
  assert_near(fed->value, truth, 0.03 * truth);
  assert_true(given->status == QN_VALUE_GIVEN && given->value == 0.2);
  assert_near(curve_at(curve_of(&wanted[3].report, "mean_squared_displacement", "all"), 0, 0), 5, 1e-9); /* the long stream */
  for (int i = 0; i < 4; i++) qn_report_fini(&wanted[i].report);

  /* Without the fine file, and for a trajectory by itself: the displacement over one interval. */
  char path[QN_PATH_SIZE], away[QN_PATH_SIZE];
  assert_int_equal(qn_durable_join(path, base, "trajectory-0-1.nc", &error), QN_OK);
  assert_int_equal(qn_durable_join(away, base, "away.nc", &error), QN_OK);
  assert_int_equal(rename(path, away), 0);
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 1, 1, NULL, &error), QN_OK);
  assert_true(used_in(&wanted[0])->window_end_ps == 5);
  assert_near(used_in(&wanted[0])->value, truth, 0.03 * truth);
  qn_report_fini(&wanted[0].report);
  assert_int_equal(rename(away, path), 0);

  qn_trajectory *trajectory;
  assert_int_equal(qn_durable_join(path, base, "trajectory-0-0.nc", &error), QN_OK);
  assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_OK);
  qn_analysis_spec thermo = {.type = qn_analysis_find("thermodynamics"), .stage = -1, .sampling = -1};
  wanted[1].spec = &thermo;
  assert_int_equal(qn_job_analyse_trajectory(trajectory, NULL, wanted, 2, NULL, 1, NULL, &error), QN_OK);
  assert_true(used_in(&wanted[0])->window_end_ps == 5);
  assert_int_equal(wanted[1].status, QN_UNSUPPORTED);
  assert_non_null(strstr(wanted[1].error.message, "thermo series"));
  qn_report_fini(&wanted[0].report);
  qn_trajectory_close(trajectory);
}

static void test_what_is_not_there(void **state) {
  (void)state;
  qn_analysis_spec specs[] = {asked("diffusion", NULL, 0), asked("thermodynamics", NULL, 0)};
  specs[1].stage = -1;
  qn_job_wanted wanted[2] = {{.spec = &specs[0]}, {.spec = &specs[1]}};
  qn_job_simulated simulated = {.spec = &spec, .directory = base, .atoms = COUNT};
  qn_error error;
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 2, 1, NULL, &error), QN_OK);
  assert_int_equal(wanted[0].status, QN_OK);
  assert_int_equal(wanted[1].status, QN_IO); /* no thermo.csv */
  qn_report_fini(&wanted[0].report);
  specs[0].sampling = 2;
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 1, 1, NULL, &error), QN_INVALID);
  specs[0].sampling = -1;
  specs[0].stage = 1;
  assert_int_equal(qn_job_analyse_simulation(&simulated, wanted, 1, 1, NULL, &error), QN_INVALID);
}

/* A run that started from a slab has no volume, though its spec does not say that there is a surface. */
static void test_a_start_with_a_surface(void **state) {
  (void)state;
  char path[QN_PATH_SIZE];
  qn_error error;
  qn_analysis_spec thermo = asked("thermodynamics", NULL, 0);
  qn_job_wanted wanted = {.spec = &thermo};
  qn_job_simulated simulated = {.spec = &spec, .directory = base, .atoms = COUNT};
  assert_int_equal(qn_durable_join(path, base, "thermo.csv", &error), QN_OK);
  FILE *file = fopen(path, "w");
  fputs("stage,step,time_ps,temperature_k,potential_energy_ev,kinetic_energy_ev,pressure_gpa,volume_a3\n", file);
  for (int k = 1; k <= 100; k++) fprintf(file, "0,%d,%d,%d,-600,10.5,0.1,2197\n", 10000 * k, 10 * k, 690 + k % 20);
  fclose(file);
  thermo.stage = -1;
  assert_int_equal(qn_job_analyse_simulation(&simulated, &wanted, 1, 1, NULL, &error), QN_OK);
  if (wanted.status != QN_OK) fail_msg("%s", wanted.error.message);
  assert_near(value_of(&wanted.report, "volume_per_atom", "all")->value, 2197.0 / COUNT, 1e-9);
  assert_true(value_of(&wanted.report, "volume_per_atom", "all")->temperature_k == 700);
  qn_report_fini(&wanted.report);

  assert_int_equal(qn_durable_join(path, base, "trajectory-0-0.nc", &error), QN_OK);
  assert_int_equal(unlink(path), 0);
  synthetic s = synthetic_make(1, COUNT, 5, 13);
  random_source random = random_seeded(7);
  scatter(&s, &random);
  s.box.length[2] = 33;
  qn_frame frame = synthetic_frame(&s, 0);
  qn_netcdf_writer *writer;
  assert_int_equal(qn_netcdf_create(&writer, path, &(qn_provenance){.title = "slab"}, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
  assert_int_equal(qn_job_analyse_simulation(&simulated, &wanted, 1, 1, NULL, &error), QN_OK);
  assert_int_equal(wanted.status, QN_OK);
  for (int v = 0; v < wanted.report.value_count; v++) {
    assert_string_equal(wanted.report.values[v].region, "slab");
    assert_true(strcmp(wanted.report.values[v].quantity, "volume_per_atom") != 0);
  }
  qn_report_fini(&wanted.report);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cages_are_measured_on_the_fine_stream), cmocka_unit_test(test_what_is_not_there),
                                     cmocka_unit_test(test_a_start_with_a_surface)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

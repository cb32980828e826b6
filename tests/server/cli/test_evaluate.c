/* quenchd evaluate against LAMMPS: every reference structure, the dimer table, any number of threads, and files that are not what they say. */
#include "server/cli/program.h"

#include <math.h>

#include "engine/trajectory/extxyz.h"

#define POTENTIAL " --potential " QN_POTENTIALS "/Cu-Zr_2.eam.fs"

static void read_text(qn_extxyz *frame, const char *text) {
  qn_error error = {0};
  memset(frame, 0, sizeof *frame);
  if (qn_extxyz_parse(frame, text, strlen(text), NULL, 0, &error) != QN_OK) fail_msg("%s", error.message);
}

static void compare(const char *name) {
  char line[512], path[256];
  snprintf(path, sizeof path, "%s/%s.xyz", QN_TEST_DATA, name);
  snprintf(line, sizeof line, "evaluate %s" POTENTIAL " --precision double --threads 1", path);
  program run;
  program_run(&run, line);
  if (run.code != 0) fail_msg("%s", run.err);

  qn_error error = {0};
  qn_extxyz ours, theirs = {0};
  read_text(&ours, run.out);
  assert_int_equal(qn_extxyz_read(&theirs, path, NULL, 0, &error), QN_OK);
  assert_int_equal(ours.atoms.count, theirs.atoms.count);
  double energy[2], pressure[2][6], count = (double)ours.atoms.count;
  static const char virial[] = "virial_pressure_bar_xx_yy_zz_xy_xz_yz";
  assert_true(qn_extxyz_numbers(&ours, "energy", 1, &energy[0]) && qn_extxyz_numbers(&theirs, "energy", 1, &energy[1]));
  assert_true(qn_extxyz_numbers(&ours, virial, 6, pressure[0]) && qn_extxyz_numbers(&theirs, virial, 6, pressure[1]));
  double worst_force = 0, worst_energy = 0, worst_pressure = 0, moved = 0;
  for (int64_t i = 0; i < ours.atoms.count; i++) {
    worst_energy = fmax(worst_energy, fabs(ours.local_energy[i] - theirs.local_energy[i]));
    for (int axis = 0; axis < 3; axis++) {
      worst_force = fmax(worst_force, fabs(ours.atoms.f[axis][i] - theirs.atoms.f[axis][i]));
      moved = fmax(moved, fabs(ours.atoms.r[axis][i] - theirs.atoms.r[axis][i]));
    }
  }
  for (int k = 0; k < 6; k++) worst_pressure = fmax(worst_pressure, fabs(pressure[0][k] - pressure[1][k]));
  printf("%-20s energy %.1e eV/atom, per atom %.1e eV, force %.1e eV/A, pressure %.1e bar\n", name, fabs(energy[0] - energy[1]) / count,
         worst_energy, worst_force, worst_pressure);
  assert_true(fabs(energy[0] - energy[1]) / count < 1e-9);
  assert_true(worst_energy < 1e-9);
  assert_true(worst_force < 1e-8);
  assert_true(worst_pressure < 1e-3);
  assert_true(moved < 1e-12);

  /* The same bytes for any number of threads, and with the potential by name. */
  for (int threads = 2; threads <= 3; threads++) {
    program again;
    snprintf(line, sizeof line, "evaluate --threads=%d %s --potential %s", threads, path,
             threads == 2 ? "mendelev-2009-cuzr" : QN_POTENTIALS "/Cu-Zr_2.eam.fs");
    program_run(&again, line);
    assert_int_equal(again.code, 0);
    assert_string_equal(run.out, again.out);
    program_fini(&again);
  }
  qn_extxyz_fini(&ours);
  qn_extxyz_fini(&theirs);
  program_fini(&run);
}

static void test_references(void **state) {
  (void)state;
  compare("liquid-1500K-2048");
  compare("glass-300K-2048");
  compare("b2-perturbed-432");
  compare("slab-1500K-2048");
}

static void test_dimers(void **state) {
  (void)state;
  FILE *table = fopen(QN_TEST_DATA "/dimers.txt", "r");
  char path[] = "/tmp/quenchd-dimers.XXXXXX", line[256];
  assert_non_null(table);
  int descriptor = mkstemp(path);
  FILE *structures = fdopen(descriptor, "w");
  assert_non_null(structures);
  static double expected[128][2];
  int count = 0;
  while (fgets(line, sizeof line, table) != NULL && count < 128) {
    char first[3], second[3];
    double distance;
    if (sscanf(line, "%2[A-Za-z]-%2[A-Za-z] %lf %lf %lf", first, second, &distance, &expected[count][0], &expected[count][1]) != 5) continue;
    fprintf(structures, "2\nLattice=\"60 0 0 0 60 0 0 0 60\" Properties=species:S:1:pos:R:3\n%s 20 30 30\n%s %.17g 30 30\n", first, second,
            20 + distance);
    count++;
  }
  fclose(table);
  fclose(structures);
  assert_true(count >= 30);

  program run;
  char command[256];
  snprintf(command, sizeof command, "evaluate %s" POTENTIAL, path);
  program_run(&run, command);
  assert_int_equal(run.code, 0);
  qn_extxyz_reader *reader;
  qn_error error;
  assert_int_equal(qn_extxyz_open_text(&reader, run.out, strlen(run.out), NULL, 0, &error), QN_OK);
  for (int i = 0; i < count; i++) {
    qn_extxyz frame = {0};
    bool found = false;
    double energy;
    assert_int_equal(qn_extxyz_next(reader, &frame, &found, &error), QN_OK);
    assert_true(found && qn_extxyz_numbers(&frame, "energy", 1, &energy));
    assert_true(fabs(energy - expected[i][0]) < 2e-9);
    assert_true(fabs(frame.atoms.f[0][1] - expected[i][1]) < 1e-8);
    qn_extxyz_fini(&frame);
  }
  qn_extxyz_close(reader);
  program_fini(&run);
  unlink(path);
}

/* What the file says of the structure goes through; what another calculation said of its energy does not. */
static void test_keys_go_through(void **state) {
  (void)state;
  char path[] = "/tmp/quenchd-keys.XXXXXX", command[256];
  FILE *file = fdopen(mkstemp(path), "w");
  assert_non_null(file);
  fputs("2\nLattice=[[60, 0, 0], [0, 60, 0], [0, 0, 60]] Time_ps=12.5 energy=7 stress=\"1 2 3\" said=\"a \\\"word\\\"\" list=[1, 2] comment=\"two atoms\"\n"
        "Cu 20 30 30\nZr 22.5 30 30\n", file);
  fclose(file);
  program run;
  snprintf(command, sizeof command, "evaluate %s" POTENTIAL, path);
  program_run(&run, command);
  if (run.code != 0) fail_msg("%s", run.err);
  qn_extxyz frame;
  read_text(&frame, run.out);
  assert_string_equal(qn_extxyz_value(&frame, "Time_ps"), "12.5");
  assert_string_equal(qn_extxyz_value(&frame, "said"), "a \"word\"");
  assert_string_equal(qn_extxyz_value(&frame, "list"), "[1, 2]");
  assert_string_equal(qn_extxyz_value(&frame, "comment"), "two atoms");
  assert_null(qn_extxyz_value(&frame, "stress"));
  assert_string_not_equal(qn_extxyz_value(&frame, "energy"), "7");
  assert_true(frame.time == 12.5);
  qn_extxyz_fini(&frame);
  program_fini(&run);
  unlink(path);
}

static void expect_failure(const char *line, int code, const char *said) {
  program run;
  program_run(&run, line);
  if (run.code != code || strstr(run.err, said) == NULL) fail_msg("%s: exit %d, %s", line, run.code, run.err);
  assert_string_equal(run.out, "");
  program_fini(&run);
}

static void test_failures(void **state) {
  (void)state;
  expect_failure("evaluate /nowhere.xyz" POTENTIAL, 1, "/nowhere.xyz");
  expect_failure("evaluate " QN_TEST_DATA "/dimers.txt" POTENTIAL, 1, "dimers.txt");
  expect_failure("evaluate " QN_TEST_DATA "/glass-300K-2048.xyz --potential /nowhere.fs", 1, "/nowhere.fs");
  expect_failure("evaluate " QN_TEST_DATA "/glass-300K-2048.xyz --potential no-such-name", 1, "mendelev-2009-cuzr");
  expect_failure("evaluate " QN_TEST_DATA "/glass-300K-2048.xyz --potential " QN_TEST_DATA "/dimers.txt", 1, "line");
  expect_failure("evaluate " QN_TEST_DATA "/made-fs-160.xyz" POTENTIAL, 1, "made-fs-160.xyz"); /* species it does not know */
  expect_failure("evaluate " QN_TEST_DATA "/glass-300K-2048.xyz", 2, "--potential");
  expect_failure("evaluate " QN_TEST_DATA "/glass-300K-2048.xyz" POTENTIAL " --precision half", 2, "double|fast");
  expect_failure("evaluate", 2, "argument is missing");

  /* Output that cannot be written is a failure too. */
  int code = system(QN_PROGRAM " evaluate " QN_TEST_DATA "/glass-300K-2048.xyz" POTENTIAL " --threads 1 >/dev/full 2>/dev/null");
  assert_int_equal(WEXITSTATUS(code), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_references), cmocka_unit_test(test_dimers), cmocka_unit_test(test_keys_go_through), cmocka_unit_test(test_failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

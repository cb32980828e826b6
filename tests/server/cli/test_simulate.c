/* quenchd simulate and analyse: the same files for any number of threads and after an interruption, and the same numbers from the stored
 * trajectory. */
#include "server/cli/program.h"

#include "engine/base/version.h"

static char folder[] = "/tmp/quenchd-simulate.XXXXXX";

/* 256 atoms, just above what the cutoff allows. */
static const char spec[] =
    "{\"name\":\"batch\",\"potential\":\"mendelev-2009-cuzr\",\"initial\":{\"type\":\"lattice\",\"structure\":\"fcc\",\"cells\":[4,4,4],"
    "\"composition\":{\"Cu\":0.5,\"Zr\":0.5}},\"seed\":3,\"timestep_fs\":2,\"stages\":["
    "{\"type\":\"hold\",\"ensemble\":\"npt\",\"temperature_k\":2000,\"pressure_gpa\":0,\"duration_ps\":0.4},"
    "{\"type\":\"hold\",\"ensemble\":\"nvt\",\"temperature_k\":2000,\"duration_ps\":%s,\"sample_every_ps\":0.05,\"snapshot\":true}],"
    "\"analyses\":[{\"type\":\"diffusion\"},{\"type\":\"relaxation\",\"q_inv_a\":2.7}]}";

static void write_spec(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void write_run(const char *name, const char *duration) {
  char text[1024];
  snprintf(text, sizeof text, spec, duration);
  write_spec(name, text);
}

static void run(program *at, const char *format, const char *a, const char *b) {
  char line[512];
  snprintf(line, sizeof line, format, folder, a, folder, b);
  program_run(at, line);
}

/* The hash that results.json gives for the first artifact of a kind. */
static char *sha256_of(const char *json, const char *kind) {
  char key[64];
  snprintf(key, sizeof key, "{\"kind\":\"%s\"", kind);
  const char *line = strstr(json, key), *at = line != NULL ? strstr(line, "\"sha256\":\"") : NULL;
  if (at == NULL) fail_msg("no %s in %.300s", kind, json);
  return strndup(at + 10, 64);
}

static char *results(const char *name, const char *file) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return program_read(path, file);
}

static void test_same_bits(void **state) {
  (void)state;
  program one, two;
  write_run("short.json", "1");
  run(&one, "simulate %s/%s --out %s/%s --threads 1", "short.json", "one");
  if (one.code != 0) fail_msg("%s", one.err);
  run(&two, "simulate %s/%s --out %s/%s --threads 2 --potential " QN_POTENTIALS "/Cu-Zr_2.eam.fs", "short.json", "two");
  assert_int_equal(two.code, 0);
  assert_string_equal(one.out, two.out);
  assert_non_null(strstr(one.out, "relaxation,relaxation_time,"));
  static const char *kinds[] = {"trajectory", "thermo", "snapshot"};
  char *first = results("one", "results.json"), *second = results("two", "results.json"), *csv = results("one", "results.csv");
  for (int i = 0; i < 3; i++) {
    char *a = sha256_of(first, kinds[i]), *b = sha256_of(second, kinds[i]);
    assert_string_equal(a, b);
    free(a);
    free(b);
  }
  assert_string_equal(csv, one.out);
  /* Times are decimals: no 0.30000000000000004. */
  char *thermo = results("one", "thermo.csv");
  assert_non_null(strstr(thermo, ",0.3,"));
  assert_null(strstr(thermo, "0000000000"));
  assert_null(strstr(csv, "0000000000"));
  assert_non_null(strstr(first, "\"interval_ps\":0.05"));
  free(thermo);
  /* Every number says what made it, and so do the files. */
  char *hash = strstr(first, "\"spec_sha256\": \"") + strlen("\"spec_sha256\": \""), *potential = strstr(first, "\"potential_sha256\": \"") + strlen("\"potential_sha256\": \"");
  char tail[400];
  snprintf(tail, sizeof tail, ",mendelev-2009-cuzr,%.64s,%.64s,%s\r\n", potential, hash, qn_version());
  int lines = 0, told = 0;
  for (const char *at = csv; (at = strchr(at, '\n')) != NULL; at++) lines++;
  for (const char *at = csv; (at = strstr(at, tail)) != NULL; at++) told++;
  assert_true(told > 1);
  assert_int_equal(told, lines - 1);
  char *snapshot = results("one", "snapshot-0.xyz");
  snprintf(tail, sizeof tail, " spec_sha256=%.64s potential=mendelev-2009-cuzr potential_sha256=%.64s engine_version=%s", hash, potential, qn_version());
  assert_non_null(strstr(snapshot, tail));
  free(snapshot);
  free(first);
  free(second);
  free(csv);
  program_fini(&one);
  program_fini(&two);
}

/* The same numbers from the trajectory alone; only temperature and stage are not in it. */
static void test_analyse(void **state) {
  (void)state;
  program again;
  char line[256];
  snprintf(line, sizeof line, "analyse %s/one/trajectory-1.nc %s/short.json --csv --threads 1 --temperature-k 2000", folder, folder);
  program_run(&again, line);
  if (again.code != 0) fail_msg("%s", again.err);
  char *csv = results("one", "results.csv");
  /* Take the stages out of the first: the cell behind the empty one of errors. */
  for (char *at = strstr(csv, ",,1,"); at != NULL; at = strstr(at, ",,1,")) memmove(at + 2, at + 3, strlen(at + 3) + 1);
  assert_string_equal(again.out, csv);
  free(csv);
  program_fini(&again);

  write_spec("alone.json", "{\"type\":\"diffusion\"}");
  snprintf(line, sizeof line, "analyse %s/one/trajectory-1.nc %s/alone.json", folder, folder);
  program_run(&again, line);
  assert_int_equal(again.code, 0);
  assert_non_null(strstr(again.out, "\"quantity\":\"diffusion_coefficient\""));
  assert_non_null(strstr(again.out, "\"columns\":[\"lag_ps\""));
  program_fini(&again);
}

static void test_interrupted(void **state) {
  (void)state;
  program at;
  char line[256], halved_name[32], duration[32];
  double ps = 2.5;
  for (int code = 0; code == 0; ps *= code == 0 ? 2 : 1) { /* one that ended before it was told to stop is made longer */
    assert_true(ps < 1000);
    snprintf(duration, sizeof duration, "%g", ps);
    snprintf(halved_name, sizeof halved_name, "halved-%g", ps);
    write_run("long.json", duration);
    snprintf(line, sizeof line, "simulate %s/long.json --out %s/%s --threads 1", folder, folder, halved_name);
    program_start(&at, line);
    bool said = false;
    for (double end = qn_clock_now() + 60; !said && !process_has_ended(at.pid) && qn_clock_now() < end;)
      said = program_says(&at, "err", "%", 0.01); /* how far it is */
    process_stands(at.pid);
    kill(at.pid, SIGTERM);
    kill(at.pid, SIGCONT);
    program_wait(&at, 60);
    code = at.code;
    if (code == 0) program_fini(&at);
    else assert_true(said);
  }
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "goes on from the checkpoint"));
  assert_string_equal(at.out, "");
  program_fini(&at);
  program_run(&at, line);
  if (at.code != 0) fail_msg("%s", at.err);
  program_fini(&at);
  run(&at, "simulate %s/%s --out %s/%s --threads 1", "long.json", "whole");
  assert_int_equal(at.code, 0);
  char *whole = results("whole", "results.json"), *halved = results(halved_name, "results.json");
  assert_string_equal(whole, halved);
  free(whole);
  free(halved);
  program_fini(&at);
}

static void expect_failure(const char *text, const char *said) {
  program at;
  write_spec("bad.json", text);
  run(&at, "simulate %s/%s --out %s/%s", "bad.json", "bad");
  if (at.code != 1 || strstr(at.err, said) == NULL) fail_msg("exit %d: %s", at.code, at.err);
  program_fini(&at);
}

static void test_failures(void **state) {
  (void)state;
  program at;
  char text[1024];
  expect_failure("", "bad.json");
  expect_failure("{\"initial\":3,\"stages\":[]}", "/initial");
  snprintf(text, sizeof text, spec, "-1");
  expect_failure(text, "/stages/1/duration_ps");
  snprintf(text, sizeof text, spec, "1");
  memcpy(strstr(text, "mendelev-2009-cuzr"), "mendelev-2010-cuzr", 18);
  expect_failure(text, "mendelev-2009-cuzr");
  snprintf(text, sizeof text, spec, "1");
  memcpy(strstr(text, "[4,4,4]"), "[2,4,4]", 7);
  expect_failure(text, "/initial/cells");
  run(&at, "simulate %s/%s --out %s/%s", "nothing.json", "bad");
  assert_int_equal(at.code, 1);
  program_fini(&at);
  run(&at, "simulate %s/%s --out /proc/nowhere/%s%s", "short.json", "");
  assert_int_equal(at.code, 1);
  program_fini(&at);
  write_spec("bad.json", "{\"analyses\":[{\"type\":\"diffusion\"},{\"type\":\"alchemy\"}]}");
  run(&at, "analyse %s/%s %s/%s", "one/trajectory-1.nc", "bad.json");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "/analyses/1/type"));
  program_fini(&at);
  run(&at, "analyse %s/%s %s/%s", "short.json", "short.json");
  assert_int_equal(at.code, 1);
  program_fini(&at);
}

/* An analysis that refuses what the run made of it leaves the others, and the files. */
static void test_one_failure(void **state) {
  (void)state;
  program at;
  char text[1200];
  snprintf(text, sizeof text, spec, "1.5");
  strcpy(strstr(text, "\"analyses\""), "\"analyses\":[{\"type\":\"debye_waller\"},{\"type\":\"cage_jumps\",\"window_ps\":0.4,"
                                        "\"debye_waller_a2\":\"debye_waller\"},{\"type\":\"diffusion\"}]}");
  write_spec("failing.json", text);
  run(&at, "simulate %s/%s --out %s/%s --threads 1", "failing.json", "failing");
  assert_int_equal(at.code, 1);
  if (strstr(at.err, "quenchd: cage_jumps: ") == NULL) print_error("%s\n", at.err);
  assert_non_null(strstr(at.err, "quenchd: cage_jumps: debye_waller_a2 cannot be taken from debye_waller"));
  char *json = results("failing", "results.json"), *csv = results("failing", "results.csv");
  assert_non_null(strstr(json, "\"failures\": [\n    {\"analysis\":\"cage_jumps\",\"status\":\"failed\""));
  assert_non_null(strstr(json, "\"quantity\":\"diffusion_coefficient\""));
  assert_non_null(strstr(csv, "\ncage_jumps,,,,,failed,"));
  assert_string_equal(csv, at.out);
  free(json);
  free(csv);
  program_fini(&at);
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits), cmocka_unit_test(test_analyse), cmocka_unit_test(test_interrupted),
                                     cmocka_unit_test(test_failures), cmocka_unit_test(test_one_failure)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

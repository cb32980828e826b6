/* Slices of a trajectory: which frames a text means, and that they come out as extended XYZ and as NetCDF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "api/slice.h"
#include "engine/trajectory/netcdf.h"

static void test_parsing(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t first, step, count;
  } cases[] = {{":", 0, 1, 10},     {"::", 0, 1, 10},     {"0:10:1", 0, 1, 10}, {"3", 3, 1, 1},
               {"-1", 9, 1, 1},     {"0", 0, 1, 1},       {"2:5", 2, 1, 3},     {"2:5:2", 2, 2, 2},
               {"::3", 0, 3, 4},    {"-3:", 7, 1, 3},     {":-3", 0, 1, 7},     {"5:", 5, 1, 5},
               {"5:1000", 5, 1, 5}, {"-1000:2", 0, 1, 2}, {"9::7", 9, 7, 1},    {"1::999", 1, 999, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_slice slice;
    qn_error error;
    if (qn_slice_parse(cases[i].text, 10, &slice, &error) != QN_OK) fail_msg("%s: %s", cases[i].text, error.message);
    assert_int_equal(slice.first, cases[i].first);
    assert_int_equal(slice.step, cases[i].step);
    assert_int_equal(slice.count, cases[i].count);
  }
}

static void test_refusals(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",    "a",  "1:2:0", "1:2:-1", "1:2:3:4", "5:2", "10",  "-11", "10:", "3:3",
      "1.5", " 1", "1 ",    "--1",    "-",       "-:",  "1:-", "::x", "1,2", "9999999999999999",
      "0x3"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    qn_slice slice;
    qn_error error = {0};
    if (qn_slice_parse(texts[i], 10, &slice, &error) != QN_INVALID) fail_msg("\"%s\" was accepted", texts[i]);
    assert_true(strlen(error.message) > 10);
  }
  qn_slice slice;
  qn_error error;
  assert_int_equal(qn_slice_parse(":", 0, &slice, &error), QN_INVALID);
}

enum { ATOMS = 3, FRAMES = 7 };

static const qn_provenance made_by = {"a melt", "5bec", "cu-zr", "0e7e", "0.9.9+abc"};

static void make_trajectory(const char *path) {
  static uint8_t type[ATOMS] = {0, 1, 0};
  static const qn_species species[] = {{"Cu", 63.546}, {"Zr", 91.224}};
  double r[3][ATOMS];
  qn_frame frame = {.box = {{0, 0, 0}, {10, 11, 12}},
                    .count = ATOMS,
                    .species_count = 2,
                    .species = species,
                    .type = type,
                    .r = {r[0], r[1], r[2]}};
  qn_netcdf_writer *writer;
  qn_error error;
  assert_int_equal(qn_netcdf_create(&writer, path, &made_by, &frame, &error), QN_OK);
  for (int f = 0; f < FRAMES; f++) {
    frame.step = 50 * f;
    frame.time = 0.05 * f;
    for (int axis = 0; axis < 3; axis++)
      for (int i = 0; i < ATOMS; i++) r[axis][i] = f + 0.25 * i + 0.125 * axis;
    assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  }
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
}

static int set_up(void **state) {
  static char path[64];
  strcpy(path, "/tmp/quenchd-test-XXXXXX");
  close(mkstemp(path));
  make_trajectory(path);
  *state = path;
  return 0;
}

static int tear_down(void **state) {
  unlink(*state);
  return 0;
}

static int count_lines(const char *text) {
  int lines = 0;
  for (; *text != '\0'; text++) lines += *text == '\n';
  return lines;
}

static void test_xyz(void **state) {
  qn_store *store = fake_store_alloc();
  char target[100];
  const long long id = fake_store_add_artifact(store, "trajectory", *state, "beef", FRAMES);
  snprintf(target, sizeof target, "/v1/trajectories/%lld/data?format=xyz", id);
  client_answer answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.type, "chemical/x-xyz");
  assert_int_equal(answer.kind, QN_BODY_STREAM);
  assert_int_equal(count_lines(answer.text), FRAMES * (ATOMS + 2));
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/trajectories/%lld/data?format=xyz&frames=1:6:2", id);
  answer = client_get(store, target);
  assert_int_equal(count_lines(answer.text), 3 * (ATOMS + 2));
  assert_non_null(strstr(answer.text, "Time_ps=0.05"));
  int named = 0; /* each frame tells what made it */
  for (const char *at = answer.text;
       (at = strstr(at, " spec_sha256=5bec potential=cu-zr potential_sha256=0e7e engine_version=0.9.9+abc ")) != NULL;
       at++)
    named++;
  assert_int_equal(named, 3);
  assert_non_null(strstr(answer.text, "Time_ps=0.25"));
  assert_null(strstr(answer.text, "Time_ps=0.1 "));
  char tag[200];
  snprintf(tag, sizeof tag, "If-None-Match: %s", client_header(&answer, "ETag"));
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_READ, "GET", target, tag, NULL, 0);
  assert_int_equal(answer.status, 304);
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_READ, "HEAD", target, NULL, NULL, 0);
  assert_int_equal(answer.status, 200);
  assert_int_equal(answer.kind, QN_BODY_BYTES);
  client_fini(&answer);
  fake_store_free(store);
}

static void test_netcdf(void **state) {
  qn_store *store = fake_store_alloc();
  char target[100], path[] = "/tmp/quenchd-test-XXXXXX";
  const long long id = fake_store_add_artifact(store, "trajectory", *state, "beef", FRAMES);
  snprintf(target, sizeof target, "/v1/trajectories/%lld/data", id);
  client_answer answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.type, "application/x-netcdf");
  assert_int_equal(answer.kind, QN_BODY_FILE);
  assert_string_equal(client_header(&answer, "ETag"), "\"beef\"");
  assert_memory_equal(answer.text, "CDF", 3);
  client_fini(&answer);

  snprintf(target, sizeof target, "/v1/trajectories/%lld/data?frames=-3::2", id);
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  int made = mkstemp(path);
  assert_true(write(made, answer.text, answer.size) == (ssize_t)answer.size);
  close(made);
  client_fini(&answer);
  qn_trajectory *trajectory;
  qn_frame frame;
  qn_error error;
  assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_OK);
  assert_int_equal(qn_trajectory_describe(trajectory)->frames, 2);
  assert_memory_equal(&qn_trajectory_describe(trajectory)->provenance, &made_by, sizeof made_by);
  assert_int_equal(qn_trajectory_read(trajectory, 1, &frame, &error), QN_OK);
  assert_true(frame.step == 300 && frame.r[0][1] == 6.25 && frame.r[2][2] == 6.75);
  assert_string_equal(frame.species[frame.type[1]].symbol, "Zr");
  qn_trajectory_close(trajectory);
  unlink(path);
  fake_store_free(store);
}

static void test_problems(void **state) {
  qn_store *store = fake_store_alloc();
  char target[100];
  const long long id = fake_store_add_artifact(store, "trajectory", *state, "beef", FRAMES),
                  gone = fake_store_add_artifact(store, "trajectory", "/nonexistent", "beef", FRAMES);
  static const char *const frames[] = {"7", "3:3", "x", "1:2:0", ""};
  for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
    snprintf(target, sizeof target, "/v1/trajectories/%lld/data?frames=%s", id, frames[i]);
    client_answer answer = client_get(store, target);
    client_expect_problem(&answer, 400, "invalid_parameter");
    assert_non_null(client_fault(&answer, "?frames"));
    client_fini(&answer);
  }
  snprintf(target, sizeof target, "/v1/trajectories/%lld/data?format=dcd", id);
  client_answer answer = client_get(store, target);
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/trajectories/%lld/data?frames=0", gone);
  answer = client_get(store, target);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/trajectories/%lld", id);
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_int_equal(json_integer_value(json_object_get(answer.json, "frames")), FRAMES);
  client_fini(&answer);
  fake_store_free(store);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_parsing),
      cmocka_unit_test(test_refusals),
      TEST(test_xyz),
      TEST(test_netcdf),
      TEST(test_problems),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

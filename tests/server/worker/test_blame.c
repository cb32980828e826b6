/* A job that fails for want of room, on a machine that is in order: it is tried again, but not for ever. */
#include "server/worker/workers.h"

#include <sys/stat.h>

static fixture f;

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

enum { ATTEMPTS = 4 }; /* four times max_attempts */

/* The thermo series of each attempt is a file that takes nothing, as on a bad block, while the directory takes its megabyte. */
static void plant_full_files(int64_t simulation) {
  char path[512];
  snprintf(path, sizeof path, "%s/simulations", f.data);
  mkdir(path, 0777);
  snprintf(path, sizeof path, "%s/simulations/%lld", f.data, (long long)simulation);
  assert_int_equal(mkdir(path, 0777), 0);
  for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
    snprintf(path, sizeof path, "%s/simulations/%lld/%d", f.data, (long long)simulation, attempt);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/simulations/%lld/%d/thermo.csv.part", f.data, (long long)simulation, attempt);
    assert_int_equal(symlink("/dev/full", path), 0);
  }
}

static void test_one_file_that_takes_nothing(void **state) {
  (void)state;
  char *spec = fixture_spec(1, 2, false);
  int64_t id = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  long long job = job_of(&f, id);
  plant_full_files(id);
  fixture_text(&f, "UPDATE jobs SET max_attempts = 1 WHERE id = %lld", job);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1, .lease_s = 4, .checkpoint_s = 0.1});
  for (int attempt = 1; attempt < ATTEMPTS; attempt++) {
    fixture_await(&f, 60, "t", "SELECT state = 'queued' AND failures = 0 AND losses = %d FROM jobs WHERE id = %lld", attempt, job);
    assert_true(fixture_number(&f, "SELECT extract(epoch FROM run_after - now()) FROM jobs WHERE id = %lld", job) > 20);
    assert_non_null(strstr(fixture_text(&f, "SELECT hold_reason FROM jobs WHERE id = %lld", job), "No space left on device"));
    assert_string_equal(fixture_text(&f, "SELECT trouble FROM workers"), ""); /* others are claimed meanwhile */
    fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  }
  fixture_await(&f, 60, "failed", "SELECT state FROM jobs WHERE id = %lld", job);
  worker_stop(0);
  const char *why = fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job);
  assert_non_null(strstr(why, "given up after 4 attempts"));
  assert_non_null(strstr(why, "No space left on device"));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE job_id = %lld AND outcome = 'lost'", job), ATTEMPTS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_file_that_takes_nothing)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

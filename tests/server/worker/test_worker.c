/* The whole way: a spec is posted, a worker runs it, the numbers are in the database. */
#include "server/worker/workers.h"

#include <math.h>
#include <sched.h>
#include <sys/resource.h>

#include "engine/base/version.h"

static fixture f;

/* Sanitized code is many times slower. */
#ifdef __SANITIZE_THREAD__
#define PACE 0.1
#else
#define PACE 1
#endif

static void start(int jobs, double checkpoint_s) {
  worker_start(&f, 0, (qn_worker_options){.jobs = jobs, .lease_s = 4, .checkpoint_s = checkpoint_s});
}

static void stop(void) { worker_stop(0); }

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

#define STATE "SELECT state FROM jobs WHERE id = %lld"

static void test_from_spec_to_numbers(void **state) {
  (void)state;
  char *spec = fixture_spec(1, 2 * PACE, true);
  int64_t id = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  start(2, 30);
  fixture_await(&f, 60, "0", "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')");
  char path[512];
  snprintf(path, sizeof path, "%s/simulations/%lld/1/checkpoint", f.data, (long long)id);
  await_gone(path); /* what was there to resume it */
  stop();
  assert_string_equal(fixture_text(&f, "SELECT coalesce(string_agg(error, '; '), '') FROM jobs WHERE state <> 'succeeded'"), "");

  qn_error error;
  qn_result_page page;
  qn_result_query query = {.quantity = "diffusion_coefficient", .species = "all", .temperature_min_k = 1999, .temperature_max_k = 2001,
                           .simulation = id, .composition = "Cu50Zr50", .page = {0, 10}};
  assert_status(QN_OK, qn_store_query_results(f.store, &query, &page, &error), error);
  assert_int_equal(page.count, 1);
  const qn_result_row *row = &page.rows[0];
  assert_int_equal(row->atoms, 500);
  assert_true(row->temperature_k == 2000);
  assert_string_equal(row->composition, "Cu50Zr50");
  assert_string_equal(row->potential, "mendelev-2009-cuzr");
  assert_string_equal(row->engine_version, qn_version());
  assert_int_equal(strlen(row->potential_sha256), 64);
  assert_true(isnan(row->value) || (row->value > 1e-10 && row->value < 1e-7));
  qn_result_page_fini(&page);

  qn_simulation_row simulation;
  assert_status(QN_OK, qn_store_get_simulation(f.store, id, &simulation, &error), error);
  assert_int_equal(simulation.state, QN_JOB_SUCCEEDED);
  assert_string_equal(simulation.engine_version, qn_version());
  qn_simulation_row_fini(&simulation);

  const char *const kinds[] = {"trajectory", "thermo", "snapshot"};
  for (int i = 0; i < 3; i++) {
    qn_artifact_page files;
    assert_status(QN_OK, qn_store_list_artifacts(f.store, id, kinds[i], (qn_page_query){0, 10}, &files, &error), error);
    assert_int_equal(files.count, 1);
    int descriptor;
    char file[4096];
    assert_status(QN_OK, qn_store_open_artifact(f.store, &files.rows[0], &descriptor, file, &error), error);
    close(descriptor);
    if (i == 0) {
      assert_int_equal(files.rows[0].frames, (int)(200 * PACE) + 1);
      assert_true(fabs(files.rows[0].interval_ps - 0.01) < 1e-12);
    }
    qn_artifact_page_fini(&files);
  }
  int64_t analysis = fixture_number(&f, "SELECT id FROM analyses WHERE simulation_id = %lld AND type = 'diffusion'", (long long)id);
  qn_curve_page curves;
  assert_status(QN_OK, qn_store_get_curves(f.store, analysis, &curves, &error), error);
  assert_true(curves.count > 0);
  json_t *data = json_loads(curves.rows[0].data, 0, NULL);
  assert_true(json_array_size(data) > 1);
  json_decref(data);
  qn_curve_page_fini(&curves);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts WHERE length(sha256) = 64 AND size > 0"), 3);
  /* Of its thermo series, and of its frames with the potential: values carry their own temperature. */
  for (int k = 0; k < 2; k++) {
    char body[96];
    snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"%s\"}", (long long)id, k == 0 ? "thermodynamics" : "energy_series");
    fixture_post(&f, "/v1/analyses", body, 202);
  }
  start(1, 30);
  fixture_await(&f, 60, "0", "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')");
  stop();
  assert_string_equal(fixture_text(&f, "SELECT coalesce(string_agg(error, '; '), '') FROM jobs WHERE state <> 'succeeded'"), "");
  assert_true(fixture_number(&f, "SELECT count(*) FROM results WHERE quantity = 'volume_per_atom' AND temperature_k = 2000 AND value > 15"
                                 " AND value < 25 AND status = 'given' AND unit = 'A3'") >= 1); /* nvt */
  assert_true(fixture_number(&f, "SELECT count(*) FROM results WHERE quantity = 'potential_energy_per_atom' AND species = 'all' AND value < -4"
                                 " AND value > -6") >= 2);
}

static void test_cancel_running(void **state) {
  (void)state;
  char *spec = fixture_spec(2, 2000, true);
  int64_t id = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  start(1, 30);
  fixture_await(&f, 30, "running", STATE, job_of(&f, id));
  qn_job_row row;
  qn_error error;
  assert_status(QN_OK, qn_store_cancel_job(f.store, job_of(&f, id), NULL, &fixture_principal, &row, &error), error);
  assert_int_equal(row.state, QN_JOB_RUNNING);
  assert_string_not_equal(row.cancel_requested_at, "");
  qn_job_row_fini(&row);
  fixture_await(&f, 20, "cancelled", STATE, job_of(&f, id));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs j JOIN analyses a ON a.job_id = j.id WHERE a.simulation_id = %lld"
                                      " AND j.state = 'failed' AND j.error LIKE 'it needed job %% (simulation), which was cancelled'", (long long)id), 2);
  char path[512];
  snprintf(path, sizeof path, "%s/simulations/%lld", f.data, (long long)id);
  await_gone(path);
  stop();
}

/* Whether the session of a process is as nice as a job's; where Linux has no such groups, `otherwise`. The file of a process that came from the first
 * one without a session of its own is empty: it is in no group. */
static bool has_nice_session(pid_t process, bool otherwise) {
  char path[64], group[128] = "";
  snprintf(path, sizeof path, "/proc/%d/autogroup", (int)process);
  FILE *file = fopen(path, "re");
  if (file == NULL) return otherwise;
  bool grouped = fgets(group, sizeof group, file) != NULL;
  fclose(file);
  return grouped && strstr(group, " nice 10") != NULL;
}

/* A job is nice, and so is its session, which is nobody else's: where Linux groups processes by session, its niceness means nothing otherwise. What an
 * init system sends to all processes does not end it; its worker tells it what to do. */
static void test_courtesy(void **state) {
  (void)state;
  long long job = post(&f, 31, 2000, NULL);
  start(1, 0.2);
  fixture_await(&f, 20, "t", "SELECT checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  pid_t process = job_process(0);
  assert_int_equal(getsid(process), process);
  int own = getpriority(PRIO_PROCESS, 0);
  assert_int_equal(getpriority(PRIO_PROCESS, (id_t)process), own > 10 ? own : 10); /* who is nicer already stays so */
  assert_int_equal(sched_getscheduler(process), SCHED_BATCH);
  assert_true(has_nice_session(process, true));
  assert_false(has_nice_session(getpid(), false)); /* not the worker's, nor that of whoever started it */
  static const int ORDERS[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t k = 0; k < sizeof ORDERS / sizeof *ORDERS; k++) assert_int_equal(kill(process, ORDERS[k]), 0);
  long long step = (long long)fixture_number(&f, "SELECT checkpoint_step FROM jobs WHERE id = %lld", job);
  fixture_await(&f, 30, "t", "SELECT checkpoint_step > %lld FROM jobs WHERE id = %lld", step, job);
  assert_int_equal(job_process(0), process);
  qn_job_row row;
  qn_error error;
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  fixture_await(&f, 30, "cancelled", STATE, job);
  stop();
}

/* A worker that is stopped hands its job back with a checkpoint; the next one goes on from there and ends with the same bits. */
static void test_drain_and_resume(void **state) {
  (void)state;
  int64_t id;
  double ps = 3 * PACE;
  for (bool handed_back = false; !handed_back; ps *= handed_back ? 1 : 2) {
    assert_true(ps < 1000);
    start(1, 0.2);
    pid_t process = post_and_stop(&f, 7, &ps, &id);
    atomic_store(&workers[0].stop, 1);
    usleep(500000); /* the worker hears of it ten times a second; a job that ended before it did is done again, longer */
    assert_int_equal(kill(process, SIGCONT), 0);
    stop();
    handed_back = strcmp(fixture_text(&f, STATE, job_of(&f, id)), "succeeded") != 0;
  }
  assert_string_equal(fixture_text(&f, STATE, job_of(&f, id)), "queued");
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job_of(&f, id)), 0);
  assert_string_equal(fixture_text(&f, "SELECT outcome FROM job_attempts WHERE job_id = %lld", job_of(&f, id)), "released");
  start(1, 0.2);
  fixture_await(&f, 120, "succeeded", STATE, job_of(&f, id));
  stop();
  assert_int_equal(fixture_number(&f, "SELECT attempt FROM jobs WHERE id = %lld", job_of(&f, id)), 2);
  char resumed[4096], straight[4096];
#define HASHES "SELECT string_agg(sha256, ' ' ORDER BY kind, stage) FROM artifacts WHERE simulation_id = %lld"
  snprintf(resumed, sizeof resumed, "%s", fixture_text(&f, HASHES, (long long)id));

  /* The same work once more under another number: nothing but the row says that it was done. */
  fixture_text(&f, "UPDATE simulations SET sha256 = repeat('0', 64) WHERE id = %lld", (long long)id);
  char *spec = fixture_spec(7, ps, false);
  int64_t twin = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  assert_int_not_equal(twin, id);
  start(1, 30);
  fixture_await(&f, 120, "succeeded", STATE, job_of(&f, twin));
  stop();
  snprintf(straight, sizeof straight, "%s", fixture_text(&f, HASHES, (long long)twin));
  assert_true(strlen(straight) > 3 * 64);
  assert_string_equal(resumed, straight);
}

static void test_snapshot_of_another(void **state) {
  (void)state;
  char *spec = fixture_spec(9, 0.1, false);
  int64_t parent = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  char child[600];
  snprintf(child, sizeof child,
           "{\"potential\": \"mendelev-2009-cuzr\", \"initial\": {\"type\": \"snapshot\", \"simulation\": %lld}, \"timestep_fs\": 2,"
           " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nve\", \"temperature_k\": 2000, \"duration_ps\": 0.1, \"sample_every_ps\": 0.02}]}",
           (long long)parent);
  int64_t id = fixture_post(&f, "/v1/simulations", child, 202);
  assert_string_equal(fixture_text(&f, STATE, job_of(&f, id)), "blocked");
  start(2, 30);
  fixture_await(&f, 30, "succeeded", STATE, job_of(&f, id));
  stop();
  assert_string_equal(fixture_text(&f, "SELECT composition FROM simulations WHERE id = %lld", (long long)id), "Cu50Zr50");
}

/* A timestep of 60 fs cannot go well: the job ends as failed and says where and why, and its analyses say so too. */
static void test_blowup(void **state) {
  (void)state;
  const char *spec =
      "{\"potential\": \"mendelev-2009-cuzr\", \"timestep_fs\": 10, \"seed\": 4,"
      " \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": [5, 5, 5], \"lattice_constant_a\": 3.2, \"composition\": {\"Cu\": 0.5, \"Zr\": 0.5}},"
      " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nve\", \"temperature_k\": 9000, \"duration_ps\": 10, \"sample_every_ps\": 0.1}],"
      " \"analyses\": [{\"type\": \"diffusion\"}]}";
  int64_t id = fixture_post(&f, "/v1/simulations", spec, 202);
  start(1, 30);
  fixture_await(&f, 30, "failed", STATE, job_of(&f, id));
  stop();
  const char *why = fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job_of(&f, id));
  print_message("%s\n", why);
  assert_non_null(strstr(why, "step"));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts WHERE simulation_id = %lld", (long long)id), 0);
  why = fixture_text(&f, "SELECT j.error FROM jobs j JOIN analyses a ON a.job_id = j.id WHERE a.simulation_id = %lld", (long long)id);
  assert_non_null(strstr(why, "which failed: "));
  /* What led to it can be looked at, as whole rows. */
  qn_error error;
  int descriptor;
  int64_t size;
  char text[4096];
  assert_status(QN_OK, qn_store_open_series(f.store, id, &descriptor, &size, &error), error);
  ssize_t got = read(descriptor, text, sizeof text);
  close(descriptor);
  assert_true(size > 0 && got >= size && text[size - 1] == '\n');
  assert_memory_equal(text, "stage,step,time_ps,", 19);
  assert_non_null(memchr(text, '\n', (size_t)size - 1)); /* the header and a row at least */
  assert_status(QN_NOT_FOUND, qn_store_open_series(f.store, id + 1000, &descriptor, &size, &error), error);

  char path[512];
  snprintf(path, sizeof path, "%s/simulations/%lld/1/thermo.csv.part", f.data, (long long)id);
  FILE *file = fopen(path, "a"); /* a row that is being written */
  assert_non_null(file);
  fputs("0,77,0.1", file);
  fclose(file);
  int64_t before = size;
  assert_status(QN_OK, qn_store_open_series(f.store, id, &descriptor, &size, &error), error);
  close(descriptor);
  assert_int_equal(size, before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_from_spec_to_numbers, workers_stop), cmocka_unit_test_teardown(test_cancel_running, workers_stop), cmocka_unit_test_teardown(test_drain_and_resume, workers_stop),
      cmocka_unit_test_teardown(test_snapshot_of_another, workers_stop), cmocka_unit_test_teardown(test_blowup, workers_stop),
      cmocka_unit_test_teardown(test_courtesy, workers_stop),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* What a worker does when processes die, the database is away, rows are locked, the disk is gone, and time is short. */
#include "server/worker/workers.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

#include "server/clock.h"
#include "server/job/durable.h"

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

/* Sanitized code is many times slower. */
#ifdef __SANITIZE_THREAD__
#define PACE 0.1
#else
#define PACE 1
#endif

#define STATE "SELECT state FROM jobs WHERE id = %lld"
enum { LONG_PS = 9000 }; /* a job that no test waits for */

/* End what a test left, so that the next one has the workers for itself. */
static int clean_up(void **state) {
  pid_t pids[16];
  int count = job_processes(pids, 16);
  for (int i = 0; i < count; i++) kill(pids[i], SIGCONT);
  workers_stop(state);
  fixture_text(&f, "DELETE FROM workers"); /* one that stopped while the database was away could not take its leave */
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now(), lease_token = NULL, lease_expires_at = NULL"
                   " WHERE state NOT IN ('succeeded', 'failed', 'cancelled')");
  return 0;
}

static void drop_backoff(long long job) { fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld AND state = 'queued'", job); }

/* ---- processes ---- */

/* A job that kills its process every time ends failed with all its attempts on record; the one beside it never notices. */
static void test_a_poison_job(void **state) {
  (void)state;
  long long neighbour = post(&f, 1, LONG_PS, NULL);
  worker_start(&f, 0, (qn_worker_options){.jobs = 2, .checkpoint_s = 100, .lease_s = 60});
  fixture_await(&f, 30, "running", STATE, neighbour);
  pid_t other = job_process(0);
  long long poison = post(&f, 2, LONG_PS, NULL);
  for (int i = 1; i <= 5; i++) {
    fixture_await(&f, 30, "running", STATE, poison);
    double from = qn_clock_now();
    kill(job_process(other), SIGABRT);
    fixture_await(&f, 30, "lost", "SELECT coalesce(outcome, '') FROM job_attempts WHERE job_id = %lld AND attempt = %d", poison, i);
    assert_true(qn_clock_now() - from < 30); /* recorded at once, not when a lease runs out */
    drop_backoff(poison);
  }
  assert_string_equal(fixture_text(&f, STATE, poison), "failed");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE job_id = %lld AND error LIKE 'ended by SIGABRT %%'", poison), 5);
  const char *why = fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", poison);
  print_message("%s\n", why);
  assert_non_null(strstr(why, "given up after 5 attempts in a row that were lost without a new checkpoint; the last one, on "));
  assert_non_null(strstr(why, "ended by SIGABRT"));
  assert_string_equal(fixture_text(&f, "SELECT state || ' ' || attempt FROM jobs WHERE id = %lld", neighbour), "running 1");
  assert_int_equal(job_process(0), other);
}

/* A healthy job outlives any number of deaths, as long as each attempt wrote a checkpoint. */
static void test_many_deaths(void **state) {
  (void)state;
  long long job = post(&f, 3, LONG_PS, NULL), step = 0;
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  for (int i = 1; i <= 7; i++) {
    char further[32];
    fixture_await(&f, 60, "t", "SELECT checkpoint_step > claimed_checkpoint_step AND attempt = %d FROM jobs WHERE id = %lld", i, job);
    snprintf(further, sizeof further, "%s", fixture_text(&f, "SELECT checkpoint_step FROM jobs WHERE id = %lld", job));
    assert_true(strtoll(further, NULL, 10) > step);
    step = strtoll(further, NULL, 10);
    kill(job_process(0), SIGKILL);
    fixture_await(&f, 30, "lost", "SELECT coalesce(outcome, '') FROM job_attempts WHERE job_id = %lld AND attempt = %d", job, i);
  }
  fixture_await(&f, 30, "running", STATE, job);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE job_id = %lld AND error LIKE 'ended by SIGKILL at step %%'", job), 7);
}

/* A process that does not stop is stopped; what it could not tell its worker tells. */
static void test_processes_that_stand_still(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  long long cancelled = post(&f, 4, LONG_PS, NULL);
  worker_start(&f, 0, (qn_worker_options){.drain_s = 10});
  /* One that is stopped before it runs our program would hold its worker in posix_spawn. */
  fixture_await(&f, 30, "t", "SELECT progress > 0 FROM jobs WHERE id = %lld", cancelled);
  process_stop(job_process(0));
  assert_status(QN_OK, qn_store_cancel_job(f.store, cancelled, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  fixture_await(&f, 20, "cancelled", STATE, cancelled);
  long long drained = post(&f, 5, LONG_PS, NULL);
  fixture_await(&f, 30, "t", "SELECT progress > 0 FROM jobs WHERE id = %lld", drained);
  process_stop(job_process(0));
  double from = qn_clock_now();
  worker_stop(0);
  assert_true(qn_clock_now() - from < 25);
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s %%s', state, failures, (SELECT outcome FROM job_attempts WHERE job_id = j.id)) FROM jobs j WHERE id = %lld", drained),
                      "queued 0 released");
}

/* ---- the database ---- */

static void shut(bool away) {
  char name[128];
  strcpy(name, fixture_text(&f, "SELECT current_database()"));
  fixture_server("ALTER DATABASE %s ALLOW_CONNECTIONS %s", name, away ? "false" : "true");
  if (away)
    fixture_text(&f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

/* The database is away for longer than a lease: the job goes on computing, and stays with its owner, though others hear from the database first. */
static void test_an_outage(void **state) {
  (void)state;
  int64_t simulation;
  long long job = post(&f, 6, LONG_PS, &simulation);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1, .lease_s = 4});
  worker_start(&f, 1, (qn_worker_options){.jobs = 1, .lease_s = 4});
  fixture_await(&f, 30, "t", "SELECT state = 'running' AND checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  pid_t process = job_process(0);
  long long before = fixture_number(&f, "SELECT checkpoint_step FROM jobs WHERE id = %lld", job);
  shut(true);
  usleep(5000000);
  assert_string_equal(fixture_text(&f, "SELECT (lease_expires_at < now())::text FROM jobs WHERE id = %lld", job), "true");
  shut(false);
  for (int i = 0; i < 30; i++, usleep(50000)) /* those who would take it are let in, its owner is not yet */
    fixture_text(&f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'quenchd worker'");
  fixture_await(&f, 20, "t", "SELECT lease_expires_at > now() AND checkpoint_step > %lld FROM jobs WHERE id = %lld", before, job);
  usleep(1000000);
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s %%s', state, attempt, failures) FROM jobs WHERE id = %lld", job), "running 1 0");
  assert_int_equal(job_process(0), process);
}

/* A worker that is to stop while the database is away does not wait for it. */
static void test_drain_without_a_database(void **state) {
  (void)state;
  long long job = post(&f, 7, LONG_PS, NULL);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  fixture_await(&f, 30, "t", "SELECT checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  shut(true);
  usleep(300000);
  double from = qn_clock_now();
  worker_stop(0);
  print_message("drained in %.1f s\n", qn_clock_now() - from);
  assert_true(qn_clock_now() - from < 10);
  shut(false);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  fixture_await(&f, 30, "t", "SELECT state = 'running' AND attempt = 2 FROM jobs WHERE id = %lld", job);
}

/* Somebody holds one job's row for longer than two leases: neither that job nor the other one is lost. */
static void test_a_locked_row(void **state) {
  (void)state;
  qn_error error;
  char sql[160];
  long long a = post(&f, 8, LONG_PS, NULL), b = post(&f, 9, LONG_PS, NULL);
  worker_start(&f, 0, (qn_worker_options){.jobs = 2});
  fixture_await(&f, 30, "2", "SELECT count(*) FROM jobs WHERE state = 'running' AND id IN (%lld, %lld)", a, b);
  qn_connection holder;
  assert_status(QN_OK, qn_connection_open(&holder, f.url, "holder", &error), error);
  snprintf(sql, sizeof sql, "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT 1 FROM jobs WHERE id = %lld FOR UPDATE", a);
  assert_status(QN_OK, qn_connection_script(&holder, sql, &error), error);
  for (double from = qn_clock_now(); qn_clock_now() - from < 4.5;) {
    char before[64];
    snprintf(before, sizeof before, "%s", fixture_text(&f, "SELECT heartbeat_at FROM jobs WHERE id = %lld", b));
    fixture_await(&f, 20, "t", "SELECT heartbeat_at > '%s' AND lease_expires_at > heartbeat_at FROM jobs WHERE id = %lld", before, b);
  }
  assert_status(QN_OK, qn_connection_script(&holder, "ROLLBACK", &error), error);
  qn_connection_close(&holder);
  fixture_await(&f, 30, "2", "SELECT count(*) FROM jobs WHERE state = 'running' AND attempt = 1 AND lease_expires_at > now()"
                             " AND id IN (%lld, %lld)", a, b);
}

/* A worker of another schema waits, and does not fail jobs. */
static void test_another_schema(void **state) {
  (void)state;
  fixture_text(&f, "INSERT INTO schema_migrations (version, name, sha256) SELECT max(version) + 1, 'of the future', '' FROM schema_migrations");
  long long job = post(&f, 10, LONG_PS, NULL);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  usleep(1500000);
  assert_string_equal(fixture_text(&f, STATE, job), "queued");
  fixture_text(&f, "DELETE FROM schema_migrations WHERE name = 'of the future'");
  fixture_await(&f, 30, "running", STATE, job);
}

/* ---- cancel, and once more ---- */

/* Cancelled and at once tried again: the files of the first attempt go, those of the second stay. */
static void test_cancel_and_retry(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  int64_t simulation;
  char first[300], second[300];
  long long job = post(&f, 11, LONG_PS, &simulation);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  fixture_await(&f, 30, "t", "SELECT checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  fixture_await(&f, 30, "cancelled", STATE, job);
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  snprintf(first, sizeof first, "%s/simulations/%lld/1", f.data, (long long)simulation);
  snprintf(second, sizeof second, "%s/simulations/%lld/2", f.data, (long long)simulation);
  await_gone(first);
  fixture_await(&f, 30, "0", "SELECT count(*) FROM leftovers WHERE simulation_id = %lld", (long long)simulation);
  fixture_await(&f, 30, "t", "SELECT checkpoint_step > 0 AND attempt = 2 AND state = 'running' FROM jobs WHERE id = %lld", job);
  /* A checkpoint that is just being replaced goes by its other name first. */
  strcat(second, "/checkpoint");
  bool there = access(second, F_OK) == 0;
  strcat(second, ".previous");
  assert_true(there || access(second, F_OK) == 0);
}

/* ---- the disk ---- */

static int entries(const char *path) {
  int count = 0;
  DIR *directory = opendir(path);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

/* The data directory goes away under a running job, and an empty one lies in its place, as after umount. */
static void test_an_unmounted_directory(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  int64_t simulation;
  char away[300];
  snprintf(away, sizeof away, "%s.away", f.data);
  double ps = PACE;
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  pid_t process = post_and_stop(&f, 12, &ps, &simulation);
  long long job = job_of(&f, simulation), next = post(&f, 13, LONG_PS, NULL);
  assert_int_equal(rename(f.data, away), 0);
  assert_int_equal(mkdir(f.data, 0755), 0);
  assert_int_equal(kill(process, SIGCONT), 0);
  fixture_await(&f, 30, "queued", STATE, job);
  fixture_await(&f, 30, "t", "SELECT bool_and(trouble LIKE '%%is it mounted?%%') FROM workers");
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s', failures, run_after > (SELECT max(ended_at) FROM job_attempts WHERE job_id = %lld)"
                                       " + interval '20 s') FROM jobs WHERE id = %lld", job, job), "0 t");
  assert_status(QN_OK, qn_store_get_job(f.store, job, &row, &error), error);
  print_message("%s\n", row.waiting);
  assert_non_null(strstr(row.waiting, "tries again in "));
  assert_non_null(strstr(row.waiting, "is it mounted?"));
  qn_job_row_fini(&row);
  usleep(2000000);
  assert_string_equal(fixture_text(&f, STATE, next), "queued"); /* a broken worker does not empty the queue */
  assert_status(QN_OK, qn_store_get_job(f.store, next, &row, &error), error);
  assert_non_null(strstr(row.waiting, "no worker can take it: "));
  qn_job_row_fini(&row);
  assert_int_equal(entries(f.data), 0); /* nothing was made on the bare mount point */

  drop_backoff(job); /* before the worker can take the other one, which has no end */
  assert_int_equal(rmdir(f.data), 0);
  assert_int_equal(rename(away, f.data), 0);
  fixture_await(&f, 60, "succeeded", STATE, job);
  assert_int_equal(fixture_number(&f, "SELECT frames FROM artifacts WHERE simulation_id = %lld AND kind = 'trajectory'", (long long)simulation),
                   lround(100 * ps) + 1);
  fixture_await(&f, 30, "t", "SELECT bool_and(trouble = '') FROM workers");
}

/* The thermo series of the first attempts takes nothing, while the data directory takes its megabyte. */
static void plant_full_files(int64_t simulation, int attempts) {
  char folder[300], path[330];
  qn_error error;
  for (int attempt = 1; attempt <= attempts; attempt++) {
    snprintf(folder, sizeof folder, "%s/simulations/%lld/%d", f.data, (long long)simulation, attempt);
    assert_int_equal(qn_durable_make(folder, &error), QN_OK);
    snprintf(path, sizeof path, "%s/thermo.csv.part", folder);
    assert_int_equal(symlink("/dev/full", path), 0);
  }
}

/* A disk that is full, for one attempt: the job waits and is done later; it does not fail. */
static void test_a_full_disk(void **state) {
  (void)state;
  int64_t simulation;
  long long job = post(&f, 14, PACE, &simulation);
  plant_full_files(simulation, 1);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  fixture_await(&f, 30, "lost", "SELECT coalesce(outcome, '') FROM job_attempts WHERE job_id = %lld AND attempt = 1", job);
  assert_non_null(strstr(fixture_text(&f, "SELECT hold_reason FROM jobs WHERE id = %lld", job), "No space left on device"));
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
  drop_backoff(job);
  fixture_await(&f, 30, "succeeded", STATE, job);
}

/* The same for every attempt, as on a bad block: it is tried again, but not for ever. */
static void test_one_file_that_takes_nothing(void **state) {
  (void)state;
  enum { ATTEMPTS = 4 }; /* four times max_attempts */
  int64_t simulation;
  long long job = post(&f, 16, PACE, &simulation);
  plant_full_files(simulation, ATTEMPTS);
  fixture_text(&f, "UPDATE jobs SET max_attempts = 1 WHERE id = %lld", job);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  for (int attempt = 1; attempt < ATTEMPTS; attempt++) {
    fixture_await(&f, 60, "t", "SELECT state = 'queued' AND failures = 0 AND losses = %d FROM jobs WHERE id = %lld", attempt, job);
    assert_true(fixture_number(&f, "SELECT extract(epoch FROM run_after - now()) FROM jobs WHERE id = %lld", job) > 20);
    assert_non_null(strstr(fixture_text(&f, "SELECT hold_reason FROM jobs WHERE id = %lld", job), "No space left on device"));
    assert_string_equal(fixture_text(&f, "SELECT trouble FROM workers"), ""); /* others are claimed meanwhile */
    drop_backoff(job);
  }
  fixture_await(&f, 60, "failed", STATE, job);
  const char *why = fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job);
  assert_non_null(strstr(why, "given up after 4 attempts"));
  assert_non_null(strstr(why, "No space left on device"));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE job_id = %lld AND outcome = 'lost'", job), ATTEMPTS);
}

/* What is not the disk's fault still fails the job: an input that is gone from a sound data directory. */
static void test_a_missing_input(void **state) {
  (void)state;
  int64_t simulation;
  char path[600];
  long long job = post(&f, 15, 0.2 * PACE, &simulation);
  worker_start(&f, 0, (qn_worker_options){.jobs = 1});
  fixture_await(&f, 30, "succeeded", STATE, job);
  snprintf(path, sizeof path, "%s/%s", f.data,
           fixture_text(&f, "SELECT path FROM artifacts WHERE simulation_id = %lld AND kind = 'trajectory'", (long long)simulation));
  assert_int_equal(unlink(path), 0);
  snprintf(path, sizeof path, "{\"simulation\": %lld, \"type\": \"diffusion\"}", (long long)simulation);
  int64_t analysis = fixture_post(&f, "/v1/analyses", path, 202);
  fixture_await(&f, 30, "failed", "SELECT j.state FROM jobs j JOIN analyses a ON a.job_id = j.id WHERE a.id = %lld", (long long)analysis);
  assert_non_null(strstr(fixture_text(&f, "SELECT j.error FROM jobs j JOIN analyses a ON a.job_id = j.id WHERE a.id = %lld", (long long)analysis),
                         "No such file"));
}

/* With an argument only the tests whose names match it. */
int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
#define TEST(name) cmocka_unit_test_teardown(name, clean_up)
  const struct CMUnitTest tests[] = {
      TEST(test_a_poison_job), TEST(test_many_deaths), TEST(test_processes_that_stand_still), TEST(test_an_outage),
      TEST(test_drain_without_a_database), TEST(test_a_locked_row), TEST(test_another_schema), TEST(test_cancel_and_retry),
      TEST(test_an_unmounted_directory), TEST(test_a_full_disk),
      TEST(test_one_file_that_takes_nothing), TEST(test_a_missing_input),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* The server, its worker and the process of a job, with a database: what signals do to them, and what becomes of jobs whose worker is gone. */
#include "server/cli/program.h"

#include "server/fixture.h"

static fixture f;
static program server, worker; /* of the present test */

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  return setenv("DATABASE_URL", f.url, 1) == 0 && setenv("QUENCHD_DATA_DIR", f.data, 1) == 0 ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  unsetenv("QUENCHD_DATA_DIR");
  char *url = getenv("QN_TEST_URL"); /* the one that the fixture was made with */
  if (url != NULL) setenv("DATABASE_URL", url, 1);
  fixture_fini(&f);
  return 0;
}

static void end_program(program *at) {
  if (at->pid == 0) return;
  if (at->out == NULL) {
    kill(at->pid, SIGKILL);
    program_wait(at, 10);
  }
  program_fini(at);
  memset(at, 0, sizeof *at);
}

static int clean_up(void **state) {
  (void)state;
  end_program(&server);
  end_program(&worker);
  fixture_text(&f, "DELETE FROM workers");
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now(), lease_token = NULL, lease_expires_at = NULL"
                   " WHERE state NOT IN ('succeeded', 'failed', 'cancelled')");
  return 0;
}

#define STATE "SELECT state FROM jobs WHERE id = %lld"

static void start(program *at, const char *line) {
  memset(at, 0, sizeof *at);
  program_spawn(at, "quenchd", line, 1);
}

static pid_t child_of(pid_t parent) {
  pid_t child = process_child(parent, 0, 20);
  assert_true(child > 0);
  return child;
}

static long long post(int seed, long long *simulation) {
  char *spec = fixture_spec(seed, 9000, false);
  int64_t id = fixture_post(&f, "/v1/simulations", spec, 202);
  free(spec);
  if (simulation != NULL) *simulation = id;
  return (long long)fixture_number(&f, "SELECT job_id FROM simulations WHERE id = %lld", (long long)id);
}

typedef struct family { pid_t server, worker, job; } family;

/* A server with a worker that runs a job, which has written a checkpoint. */
static family start_family(const char *flags, long long job) {
  char line[256];
  snprintf(line, sizeof line, "serve --listen 127.0.0.1:0 --jobs 1 --checkpoint 0.3 %s", flags);
  start(&server, line);
  fixture_await(&f, 60, "t", "SELECT state = 'running' AND checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  family all = {.server = server.pid, .worker = child_of(server.pid)};
  all.job = child_of(all.worker);
  return all;
}

static void expect_drained(const family *all, long long job, long long simulation) {
  char path[400];
  program_wait(&server, 40);
  assert_int_equal(server.code, 0);
  assert_true(process_ends(all->worker, 20));
  assert_true(process_ends(all->job, 20));
  assert_null(strstr(server.err, "ending at once"));
  assert_non_null(strstr(server.err, "was handed back"));
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s %%s', state, failures, (SELECT string_agg(outcome, ' ') FROM job_attempts WHERE job_id = j.id)) FROM jobs j WHERE id = %lld", job),
                      "queued 0 released");
  snprintf(path, sizeof path, "%s/simulations/%lld/1/checkpoint", f.data, simulation);
  assert_int_equal(access(path, F_OK), 0);
}

/* As systemd does it: SIGTERM to every process, and the server's to its worker comes on top. */
static void test_everyone_is_told_to_stop(void **state) {
  (void)state;
  long long simulation, job = post(1, &simulation);
  family all = start_family("", job);
  kill(all.server, SIGTERM);
  kill(all.worker, SIGTERM);
  kill(all.job, SIGTERM);
  expect_drained(&all, job, simulation);
}

/* As a terminal does it. */
static void test_the_group_is_told_to_stop(void **state) {
  (void)state;
  long long simulation, job = post(2, &simulation);
  family all = start_family("", job);
  assert_int_equal(kill(-all.server, SIGINT), 0);
  expect_drained(&all, job, simulation);
}

/* A person who presses Ctrl-C twice does not want to wait. */
static void test_a_second_ctrl_c(void **state) {
  (void)state;
  long long job = post(3, NULL);
  family all = start_family("--drain 60", job);
  process_stop(all.job); /* so that nothing is drained in between */
  kill(-all.server, SIGINT);
  program_await(&server, "err", "draining for", 20);
  program_await(&server, "err", " drains", 20); /* its worker as well */
  double from = qn_clock_now();
  kill(-all.server, SIGINT);
  program_wait(&server, 40);
  assert_int_equal(server.code, 1);
  assert_true(process_ends(all.worker, 20));
  assert_true(process_ends(all.job, 20));
  assert_true(qn_clock_now() - from < 20); /* not the minute that draining may take */
}

/* The worker dies: its server knows, and nobody waits for leases to expire. */
static void test_a_worker_that_is_killed(void **state) {
  (void)state;
  long long job = post(4, NULL);
  family all = start_family("--lease 60", job);
  double from = qn_clock_now();
  kill(all.worker, SIGKILL);
  fixture_await(&f, 20, "t", "SELECT state = 'running' AND attempt = 2 FROM jobs WHERE id = %lld", job);
  print_message("claimed again after %.2f s\n", qn_clock_now() - from);
  assert_true(process_ends(all.job, 20));
  /* The next worker may have found it gone before its server told how it ended. */
  fixture_await(&f, 20, "lost: the worker was ended by signal 9 (Killed)",
                "SELECT format('%%s: %%s', outcome, error) FROM job_attempts WHERE job_id = %lld AND attempt = 1", job);
  fixture_await(&f, 20, "t", "SELECT progress > 0 AND checkpoint_step > claimed_checkpoint_step FROM jobs WHERE id = %lld", job);
  assert_true(qn_clock_now() - from < 30);
}

/* A server without a worker of its own looks after the queue all the same: here a worker elsewhere stands still. */
static void test_a_server_alone(void **state) {
  (void)state;
  long long simulation, job = post(5, &simulation);
  start(&worker, "work --jobs 1 --checkpoint 0.3 --lease 1");
  fixture_await(&f, 60, "t", "SELECT checkpoint_step > 0 FROM jobs WHERE id = %lld", job);
  pid_t process = child_of(worker.pid);
  process_stop(worker.pid);
  process_stop(process);
  qn_error error;
  qn_job_row row;
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  start(&server, "serve --listen 127.0.0.1:0 --no-worker --lease 1");
  fixture_await(&f, 30, "cancelled", STATE, job);
  /* Its files wait for whoever may still write into them. */
  char path[400];
  snprintf(path, sizeof path, "%s/simulations/%lld/1", f.data, simulation);
  usleep(1500000);
  assert_int_equal(access(path, F_OK), 0);
  kill(worker.pid, SIGKILL);
  kill(process, SIGKILL);
  for (double end = qn_clock_now() + 30; access(path, F_OK) == 0 && qn_clock_now() < end; usleep(100000))
    fixture_text(&f, "UPDATE leftovers SET due_at = now()"); /* they were put off while somebody held them */
  assert_int_not_equal(access(path, F_OK), 0);
}

/* Whether others may reach it is for the database to say. One that is away is waited for; in a network of its own, so that nobody can. */
static void test_an_open_address_waits_for_the_database(void **state) {
  (void)state;
  char name[128];
  strcpy(name, fixture_text(&f, "SELECT current_database()"));
  fixture_text(&f, "INSERT INTO tokens (name, scope, sha256) VALUES ('t', 'read', decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING");
  if (system("unshare -n true 2>/dev/null") != 0) {
    print_message("skipped: no network namespaces here\n");
    skip();
  }
  setenv("DATABASE_URL", getenv("QN_TEST_URL"), 1);
  fixture_server("ALTER DATABASE %s ALLOW_CONNECTIONS false", name);
  setenv("DATABASE_URL", f.url, 1);
  memset(&server, 0, sizeof server);
  program_spawn(&server, "unshare", "-n " QN_PROGRAM " serve --listen 0.0.0.0:0 --no-worker", 1);
  bool waits = program_says(&server, "err", "waiting for it", 20);
  usleep(500000);
  bool alive = waits && !process_has_ended(server.pid) && !program_says(&server, "out", "serves", 0);
  setenv("DATABASE_URL", getenv("QN_TEST_URL"), 1);
  fixture_server("ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
  setenv("DATABASE_URL", f.url, 1);
  assert_true(alive);
  program_await(&server, "out", "serves http://0.0.0.0:", 20);
  kill(server.pid, SIGTERM);
  program_wait(&server, 20);
  assert_int_equal(server.code, 0);
}

/* With an argument only the tests whose names match it. */
int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const char *url = getenv("DATABASE_URL");
  if (url != NULL) setenv("QN_TEST_URL", url, 1);
#define TEST(name) cmocka_unit_test_teardown(name, clean_up)
  const struct CMUnitTest tests[] = {
      TEST(test_everyone_is_told_to_stop), TEST(test_the_group_is_told_to_stop), TEST(test_a_second_ctrl_c),
      TEST(test_a_worker_that_is_killed), TEST(test_a_server_alone), TEST(test_an_open_address_waits_for_the_database),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

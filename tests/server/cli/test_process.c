/* The processes: the server and its worker live and die as they should, with no database in sight. */
#include "server/cli/program.h"

static char folder[] = "/tmp/quenchd-process.XXXXXX";

static void start_server(program *at, const char *flags) {
  char line[256];
  snprintf(line, sizeof line, "serve --listen 127.0.0.1:0 --database-url host=/nonexistent --data-dir %s %s", folder, flags);
  program_start(at, line);
  program_await(at, "out", " serves http://127.0.0.1:", 20);
}

/* Its worker, which runs our program and minds its signals: one that was stopped before that would hold its parent in posix_spawn. */
static pid_t worker_of(const program *at) {
  char text[64];
  pid_t worker = process_child(at->pid, 0, 20);
  snprintf(text, sizeof text, "the worker runs as process %d", (int)worker);
  program_await(at, "err", text, 20);
  program_await(at, "err", "job(s) at once", 20); /* it has begun its work */
  return worker;
}

static void test_drain(void **state) {
  (void)state;
  program at;
  start_server(&at, "--drain 60");
  pid_t worker = worker_of(&at);
  double from = qn_clock_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 90);
  assert_int_equal(at.code, 0);
  assert_true(qn_clock_now() - from < 30); /* nothing is waited for */
  assert_true(process_has_ended(worker));
  program_fini(&at);
}

/* Bodies have a folder of their own in the data directory, made with the first of them: a server whose data directory is read-only, or not mounted
 * yet, serves all else. */
static void test_no_folder_for_bodies(void **state) {
  (void)state;
  program at;
  char path[64];
  snprintf(path, sizeof path, "%s/uploads", folder);
  start_server(&at, "--no-worker");
  assert_int_not_equal(access(path, F_OK), 0);
  kill(at.pid, SIGTERM);
  program_wait(&at, 20);
  program_fini(&at);
  FILE *file = fopen(path, "w"); /* there can be none */
  assert_non_null(file);
  fclose(file);
  start_server(&at, "--no-worker");
  kill(at.pid, SIGTERM);
  program_wait(&at, 20);
  assert_int_equal(at.code, 0);
  assert_non_null(strstr(at.err, "uploads: Not a directory"));
  program_fini(&at);
  assert_int_equal(unlink(path), 0);
}

static void test_without_a_worker(void **state) {
  (void)state;
  program at;
  start_server(&at, "--no-worker");
  assert_int_equal(process_child(at.pid, 0, 0.5), 0);
  kill(at.pid, SIGINT);
  program_wait(&at, 20);
  assert_int_equal(at.code, 0);
  program_fini(&at);
}

static void test_the_worker_is_started_again(void **state) {
  (void)state;
  program at;
  start_server(&at, "");
  pid_t worker = process_child(at.pid, 0, 20);
  for (int i = 0; i < 3; i++) {
    assert_true(worker > 0);
    kill(worker, i == 1 ? SIGSEGV : SIGKILL);
    worker = process_child(at.pid, worker, 20);
  }
  assert_true(worker > 0);
  kill(at.pid, SIGTERM);
  program_wait(&at, 40);
  assert_int_equal(at.code, 0);
  assert_non_null(strstr(at.err, "signal 9"));
  program_fini(&at);
}

static void test_no_orphans(void **state) {
  (void)state;
  program at;
  start_server(&at, "");
  pid_t worker = worker_of(&at);
  kill(at.pid, SIGKILL);
  program_wait(&at, 20);
  assert_int_equal(at.code, -SIGKILL);
  assert_true(process_ends(worker, 20));
  program_fini(&at);
}

static void test_a_second_signal(void **state) {
  (void)state;
  program at;
  pid_t worker = 0;
  /* Two that come within a second are the same wish, from two sides. Where the machine stood for that second they are not: once more then. */
  bool lives = false;
  for (int tries = 0; tries < 5 && !lives; tries++) {
    start_server(&at, "--drain 60");
    worker = worker_of(&at);
    process_stop(worker); /* a worker that does not drain */
    kill(at.pid, SIGTERM);
    program_await(&at, "err", "draining", 20);
    kill(at.pid, SIGTERM);
    usleep(1300000);
    lives = !process_has_ended(at.pid);
    if (lives) break;
    program_wait(&at, 20);
    program_fini(&at);
    kill(worker, SIGCONT);
  }
  assert_true(lives);
  double from = qn_clock_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 40);
  assert_int_equal(at.code, 1);
  assert_true(qn_clock_now() - from < 20); /* not the minute that draining may take */
  kill(worker, SIGCONT);
  assert_true(process_ends(worker, 20));
  program_fini(&at);
}

/* The stated time holds also when the worker does not answer. */
static void test_drain_has_an_end(void **state) {
  (void)state;
  program at;
  start_server(&at, "--drain 1");
  pid_t worker = worker_of(&at);
  process_stop(worker);
  double from = qn_clock_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 30);
  assert_int_equal(at.code, 0);
  assert_true(qn_clock_now() - from < 20);
  assert_true(process_ends(worker, 20));
  program_fini(&at);
}

static void test_work_alone(void **state) {
  (void)state;
  program at;
  char line[256];
  snprintf(line, sizeof line, "work --database-url host=/nonexistent --data-dir %s", folder);
  program_start(&at, line);
  program_await(&at, "err", "job(s) at once", 20);
  kill(at.pid, SIGTERM);
  program_wait(&at, 40);
  assert_int_equal(at.code, 0);
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
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_drain),           cmocka_unit_test(test_without_a_worker),
    cmocka_unit_test(test_no_folder_for_bodies),
    cmocka_unit_test(test_the_worker_is_started_again), cmocka_unit_test(test_no_orphans),
    cmocka_unit_test(test_a_second_signal), cmocka_unit_test(test_drain_has_an_end),
    cmocka_unit_test(test_work_alone),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

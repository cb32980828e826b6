/* The processes: the server and its worker live and die as they should, with no database in sight. */
#include "server/cli/program.h"

#include <dirent.h>

static char folder[] = "/tmp/quenchd-process.XXXXXX";

static void start_server(program *at, const char *flags) {
  char line[256];
  snprintf(line, sizeof line, "serve --listen 127.0.0.1:0 --database-url host=/nonexistent --data-dir %s %s", folder, flags);
  program_start(at, line);
  double end = program_now() + 20;
  for (;;) {
    char *out = program_read(at->folder, "out");
    char *found = strstr(out, " serves http://127.0.0.1:");
    free(out);
    if (found != NULL) return;
    if (program_now() > end) fail_msg("the server does not start");
    usleep(10000);
  }
}

/* The child of `parent`, 0 without one, after at most so many seconds; one that is not `before`. */
static pid_t child_of(pid_t parent, pid_t before, double seconds) {
  double end = program_now() + seconds;
  char path[64], text[64] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
  for (;;) {
    FILE *file = fopen(path, "r");
    if (file != NULL) {
      pid_t child = fgets(text, sizeof text, file) != NULL ? (pid_t)atoi(text) : 0;
      fclose(file);
      if (child > 0 && child != before) return child;
    }
    if (program_now() > end) return 0;
    usleep(10000);
  }
}

static int gone(pid_t pid, double seconds) {
  double end = program_now() + seconds;
  while (kill(pid, 0) == 0 && program_now() < end) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL) fclose(file);
    if (size > 0 && strstr(text, ") Z ") != NULL) return 1; /* an orphan that nobody reaps in this container */
    usleep(10000);
  }
  return kill(pid, 0) != 0;
}

static void test_drain(void **state) {
  (void)state;
  program at;
  start_server(&at, "--drain 5");
  pid_t worker = child_of(at.pid, 0, 10);
  assert_true(worker > 0);
  usleep(300000);
  double from = program_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 15);
  assert_int_equal(at.code, 0);
  assert_true(program_now() - from < 5);
  assert_true(gone(worker, 0.1));
  program_fini(&at);
}

static void test_without_a_worker(void **state) {
  (void)state;
  program at;
  start_server(&at, "--no-worker");
  assert_int_equal(child_of(at.pid, 0, 0.5), 0);
  kill(at.pid, SIGINT);
  program_wait(&at, 10);
  assert_int_equal(at.code, 0);
  program_fini(&at);
}

static void test_the_worker_is_started_again(void **state) {
  (void)state;
  program at;
  start_server(&at, "");
  pid_t worker = child_of(at.pid, 0, 10);
  for (int i = 0; i < 3; i++) {
    assert_true(worker > 0);
    kill(worker, i == 1 ? SIGSEGV : SIGKILL);
    worker = child_of(at.pid, worker, 5);
  }
  assert_true(worker > 0);
  kill(at.pid, SIGTERM);
  program_wait(&at, 15);
  assert_int_equal(at.code, 0);
  assert_non_null(strstr(at.err, "signal 9"));
  program_fini(&at);
}

static void test_no_orphans(void **state) {
  (void)state;
  program at;
  start_server(&at, "");
  pid_t worker = child_of(at.pid, 0, 10);
  assert_true(worker > 0);
  usleep(300000);
  kill(at.pid, SIGKILL);
  program_wait(&at, 5);
  assert_int_equal(at.code, -SIGKILL);
  assert_true(gone(worker, 10));
  program_fini(&at);
}

static void test_a_second_signal(void **state) {
  (void)state;
  program at;
  start_server(&at, "--drain 60");
  pid_t worker = child_of(at.pid, 0, 10);
  assert_true(worker > 0);
  usleep(300000); /* a child that is stopped before it runs our program would hold its parent in posix_spawn */
  kill(worker, SIGSTOP); /* a worker that does not drain */
  kill(at.pid, SIGTERM);
  usleep(300000);
  kill(at.pid, SIGTERM); /* the same wish, from another side */
  usleep(1000000);
  assert_int_equal(kill(at.pid, 0), 0);
  double from = program_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 5);
  assert_int_equal(at.code, 1);
  assert_true(program_now() - from < 1);
  kill(worker, SIGCONT);
  assert_true(gone(worker, 10));
  program_fini(&at);
}

/* The stated time holds also when the worker does not answer. */
static void test_drain_has_an_end(void **state) {
  (void)state;
  program at;
  start_server(&at, "--drain 1");
  pid_t worker = child_of(at.pid, 0, 10);
  assert_true(worker > 0);
  usleep(300000);
  kill(worker, SIGSTOP);
  double from = program_now();
  kill(at.pid, SIGTERM);
  program_wait(&at, 15);
  assert_int_equal(at.code, 0);
  assert_true(program_now() - from < 5);
  assert_true(gone(worker, 1));
  program_fini(&at);
}

static void test_work_alone(void **state) {
  (void)state;
  program at;
  char line[256];
  snprintf(line, sizeof line, "work --database-url host=/nonexistent --data-dir %s", folder);
  program_start(&at, line);
  usleep(500000);
  kill(at.pid, SIGTERM);
  program_wait(&at, 10);
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
    cmocka_unit_test(test_the_worker_is_started_again), cmocka_unit_test(test_no_orphans),
    cmocka_unit_test(test_a_second_signal), cmocka_unit_test(test_drain_has_an_end),
    cmocka_unit_test(test_work_alone),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

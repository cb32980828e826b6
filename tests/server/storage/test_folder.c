/* Folders of attempts: taken over from a process that is gone, left alone while one may still write, removed when nobody needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/storage/directory.h"
#include "server/storage/folder.h"

static const char id[] = "7f4b0e1c-5a51-4c7e-9d0c-2f6f1a1f0c55";
static char root[64];

static int setup(void **state) {
  (void)state;
  qn_error error;
  const qn_directory fresh = {.id = "7f4b0e1c-5a51-4c7e-9d0c-2f6f1a1f0c55"};
  snprintf(root, sizeof root, "/tmp/quenchd-folder.%d", (int)getpid());
  return qn_directory_enter(root, &fresh, &error) == QN_OK ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  qn_error error;
  return qn_durable_remove(root, &error) == QN_OK ? 0 : -1;
}

static char *at(const char *name) {
  static char path[8][256];
  static int next;
  snprintf(path[next % 8], sizeof path[0], "%s/simulations/%s", root, name);
  return path[next++ % 8];
}

static bool there(const char *name) { return access(at(name), F_OK) == 0; }

static void put(const char *name, const char *text) {
  FILE *file = fopen(at(name), "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

static void open_ok(qn_folder *folder, int64_t simulation, int attempt) {
  qn_error error;
  if (qn_folder_open(folder, root, id, simulation, attempt, &error) != QN_OK) fail_msg("%s", error.message);
}

/* Another process opens the folder, says so, and stays. */
static pid_t hold(int64_t simulation, int attempt) {
  int ready[2];
  char byte;
  assert_int_equal(pipe(ready), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    qn_folder folder;
    qn_error error;
    if (qn_folder_open(&folder, root, id, simulation, attempt, &error) != QN_OK) _exit(1);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return child;
}

static void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void test_taken_over(void **state) {
  (void)state;
  qn_folder folder;
  pid_t child = hold(1, 1);
  put("1/1/checkpoint", "c");
  put("1/1/trajectory-0.nc.part", "frames");
  struct stat before, after;
  assert_int_equal(stat(at("1/1/trajectory-0.nc.part"), &before), 0);
  end(child);
  open_ok(&folder, 1, 2);
  assert_false(there("1/1"));
  assert_int_equal(stat(at("1/2/trajectory-0.nc.part"), &after), 0);
  assert_true(before.st_ino == after.st_ino); /* renamed, not copied */
  assert_true(there("1/2/checkpoint"));
  assert_int_equal(folder.count, 0);
  qn_folder_close(&folder);
}

/* A process of this machine that is stopped has lost its lease, and would write when it wakes: it is ended. */
static void test_wrested(void **state) {
  (void)state;
  qn_folder folder;
  int how;
  pid_t child = hold(2, 1);
  put("2/1/checkpoint", "c");
  kill(child, SIGSTOP);
  open_ok(&folder, 2, 2);
  assert_false(there("2/1"));
  assert_true(there("2/2/checkpoint"));
  assert_int_equal(folder.count, 0);
  assert_int_equal(waitpid(child, &how, 0), child);
  assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
  qn_folder_close(&folder);
}

/* One that cannot be told, or is elsewhere, writes when it wakes: its files are left to it, and only the list tells of them. */
static void test_left_alone(void **state) {
  (void)state;
  qn_folder folder;
  pid_t child = hold(7, 1);
  put("7/1/checkpoint", "c");
  FILE *lock = fopen(at("7/1/lock"), "r+"); /* the same file, in which another machine signs */
  assert_non_null(lock);
  fputs("another-boot\nanother-machine\nanother-boot pid:[1]\n1\n1\n", lock);
  fclose(lock);
  open_ok(&folder, 7, 2);
  assert_true(there("7/1/checkpoint"));
  assert_true(there("7/2"));
  assert_false(there("7/2/checkpoint"));
  assert_int_equal(folder.count, 1);
  assert_string_equal(folder.earlier[0], at("7/1"));
  assert_null(folder.earlier[1]);
  assert_int_equal(kill(child, 0), 0);
  qn_folder_drop_earlier(&folder);
  assert_true(there("7/1/checkpoint"));
  end(child);
  qn_folder_drop_earlier(&folder);
  assert_false(there("7/1"));
  assert_true(there("7/2"));
  qn_folder_close(&folder);
}

/* The lock is free, but who held it was elsewhere, and may have lost it while it was cut off. */
static void test_written_elsewhere(void **state) {
  (void)state;
  qn_folder folder;
  char machine[64] = "";
  FILE *file = fopen("/etc/machine-id", "r");
  if (file != NULL) {
    if (fgets(machine, sizeof machine, file) == NULL) machine[0] = '\0';
    fclose(file);
  }
  open_ok(&folder, 3, 1);
  qn_folder_close(&folder);
  put("3/1/checkpoint", "c");
  put("3/1/lock", "another-boot\nanother-machine\nanother-boot pid:[1]\n1\n1\n");
  open_ok(&folder, 3, 2);
  assert_int_equal(folder.count, 1);
  assert_true(there("3/1/checkpoint"));
  qn_folder_close(&folder);
  unlink(at("3/1/lock")); /* as of a quenchd that knew no locks */
  open_ok(&folder, 3, 3);
  assert_int_equal(folder.count, 1);
  qn_folder_close(&folder);
  if (machine[0] == '\0') {
    print_message("skipped: no /etc/machine-id here\n");
    skip();
  }
  /* This machine, before it was started again. */
  char text[128];
  snprintf(text, sizeof text, "another-boot\n%s\n\n0\n0\n", machine[0] != '\0' ? strtok(machine, "\n") : "");
  put("3/1/lock", text);
  open_ok(&folder, 3, 4);
  assert_int_equal(folder.count, 0);
  assert_true(there("3/4/checkpoint"));
  qn_folder_close(&folder);
}

/* However many attempts left nothing to go on from, the one that did is found. */
static void test_many_empty_attempts(void **state) {
  (void)state;
  qn_folder folder;
  qn_error error;
  assert_int_equal(qn_durable_make(at("4/3"), &error), QN_OK);
  put("4/3/checkpoint.previous", "c");
  for (int i = 4; i < 60; i++) {
    char name[16];
    snprintf(name, sizeof name, "4/%d", i);
    assert_int_equal(qn_durable_make(at(name), &error), QN_OK);
  }
  assert_int_equal(qn_durable_make(at("4/70"), &error), QN_OK); /* a later attempt is none of our business */
  put("4/70/checkpoint", "c");
  open_ok(&folder, 4, 60);
  assert_int_equal(folder.count, 1);
  assert_string_equal(folder.earlier[0], at("4/3"));
  qn_folder_drop_earlier(&folder);
  assert_false(there("4/3"));
  assert_false(there("4/59"));
  assert_true(there("4/60"));
  assert_true(there("4/70"));
  qn_folder_close(&folder);
}

static void test_the_same_attempt_twice(void **state) {
  (void)state;
  qn_folder folder;
  qn_error error;
  pid_t child = hold(5, 1);
  assert_int_equal(qn_folder_open(&folder, root, id, 5, 1, &error), QN_CONFLICT);
  assert_non_null(strstr(error.message, "5/1"));
  end(child);
  open_ok(&folder, 5, 1);
  qn_folder_close(&folder);
}

static void test_clear(void **state) {
  (void)state;
  qn_error error;
  static const char *const files[] = {"checkpoint", "checkpoint.previous", "checkpoint.damaged", "lock", "trajectory-1.nc.part", "trajectory-0.nc", "thermo.csv"};
  for (int attempt = 1; attempt <= 4; attempt++)
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
      char name[64];
      snprintf(name, sizeof name, "6/%d", attempt);
      assert_int_equal(qn_durable_make(at(name), &error), QN_OK);
      snprintf(name, sizeof name, "6/%d/%s", attempt, files[i]);
      put(name, "x");
    }
  assert_int_equal(qn_folder_clear(root, 6, 3, true, &error), QN_OK);
  assert_false(there("6/1"));
  assert_false(there("6/2"));
  assert_true(there("6/4/checkpoint")); /* of a later attempt */
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char name[64];
    snprintf(name, sizeof name, "6/3/%s", files[i]);
    assert_int_equal(there(name), i >= 5);
  }
  assert_int_equal(qn_folder_clear(root, 6, 3, true, &error), QN_OK); /* once more changes nothing */
  assert_true(there("6/3/thermo.csv"));

  pid_t child = hold(6, 5);
  assert_int_equal(qn_folder_clear(root, 6, 5, false, &error), QN_UNAVAILABLE);
  assert_false(there("6/3"));
  assert_true(there("6/5"));
  end(child);
  assert_int_equal(qn_folder_clear(root, 6, 5, false, &error), QN_OK);
  assert_false(there("6"));
  assert_int_equal(qn_folder_clear(root, 6, 5, false, &error), QN_OK);
  assert_int_equal(qn_folder_clear(root, 4711, 5, true, &error), QN_OK);
}

static void test_the_root_is_never_made(void **state) {
  (void)state;
  qn_folder folder;
  qn_error error;
  char bare[80];
  snprintf(bare, sizeof bare, "%s.bare", root);
  assert_int_equal(qn_folder_open(&folder, bare, id, 1, 1, &error), QN_NO_STORAGE);
  assert_int_not_equal(access(bare, F_OK), 0);
  assert_int_equal(mkdir(bare, 0755), 0); /* a mount point without its file system */
  assert_int_equal(qn_folder_open(&folder, bare, id, 1, 1, &error), QN_NO_STORAGE);
  assert_non_null(strstr(error.message, "is it mounted?"));
  assert_int_equal(rmdir(bare), 0); /* still empty */
  assert_int_equal(qn_folder_open(&folder, root, "another id", 9, 1, &error), QN_NO_STORAGE);
  assert_false(there("9"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_taken_over), cmocka_unit_test(test_wrested), cmocka_unit_test(test_left_alone), cmocka_unit_test(test_written_elsewhere),
      cmocka_unit_test(test_many_empty_attempts), cmocka_unit_test(test_the_same_attempt_twice), cmocka_unit_test(test_clear),
      cmocka_unit_test(test_the_root_is_never_made),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

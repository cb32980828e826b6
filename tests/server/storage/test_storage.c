/* The data directory: marked once, told from any other, doubted until it takes a megabyte. */
#include "server/storage/storage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/fixture.h"
#include "server/job/durable.h"

static fixture f;
static char path[300];

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  snprintf(path, sizeof path, "%s/of/it", f.data);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

static qn_directory known(void) {
  qn_directory directory;
  qn_error error;
  assert_status(QN_OK, qn_directory_read(&f.sql, &directory, &error), error);
  return directory;
}

static void write_file(const char *name, const char *text) {
  char full[400];
  snprintf(full, sizeof full, "%s/%s", path, name);
  FILE *file = fopen(full, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void test_the_first_use_marks_it(void **state) {
  (void)state;
  qn_error error;
  qn_directory directory = known();
  assert_int_equal(strlen(directory.id), 36);
  assert_false(directory.marked);
  assert_false(directory.used);
  assert_status(QN_OK, qn_directory_enter(path, &directory, &error), error);
  assert_status(QN_OK, qn_directory_check(path, directory.id, &error), error);
  assert_status(QN_OK, qn_directory_enter(path, &directory, &error), error); /* told twice, since nobody confirmed */
  assert_status(QN_OK, qn_directory_confirm(&f.sql, &error), error);
  assert_true(known().marked);
  char probe[400];
  assert_status(QN_OK, qn_directory_probe(path, &error), error);
  snprintf(probe, sizeof probe, "find %s -name '.probe*' | grep -q .", path);
  assert_int_not_equal(system(probe), 0);
}

/* From then on nothing is made any more. */
static void test_another_one_is_refused(void **state) {
  (void)state;
  qn_error error;
  qn_directory directory = known();
  assert_true(directory.marked);
  char bare[400];
  snprintf(bare, sizeof bare, "%s/bare", f.data);
  assert_status(QN_NO_STORAGE, qn_directory_enter(bare, &directory, &error), error);
  assert_int_not_equal(access(bare, F_OK), 0);
  assert_int_equal(mkdir(bare, 0755), 0);
  assert_status(QN_NO_STORAGE, qn_directory_enter(bare, &directory, &error), error);
  assert_non_null(strstr(error.message, directory.id));
  assert_int_equal(rmdir(bare), 0);
  write_file(".quenchd", "11111111-2222-3333-4444-555555555555\n");
  assert_status(QN_NO_STORAGE, qn_directory_enter(path, &directory, &error), error);
  assert_non_null(strstr(error.message, "11111111-2222"));
  write_file(".quenchd", directory.id);
  assert_status(QN_OK, qn_directory_enter(path, &directory, &error), error);
}

/* A database of before the mark: it knows of files, so an empty directory is not its own. */
static void test_an_older_database(void **state) {
  (void)state;
  qn_error error;
  qn_directory directory = known();
  directory.marked = false;
  directory.used = true;
  char older[400], simulations[500];
  snprintf(older, sizeof older, "%s/older", f.data);
  snprintf(simulations, sizeof simulations, "%s/simulations", older);
  assert_status(QN_NO_STORAGE, qn_directory_enter(older, &directory, &error), error);
  assert_int_not_equal(access(older, F_OK), 0);
  assert_int_equal(mkdir(older, 0755), 0);
  assert_status(QN_NO_STORAGE, qn_directory_enter(older, &directory, &error), error);
  assert_int_equal(mkdir(simulations, 0755), 0);
  assert_status(QN_OK, qn_directory_enter(older, &directory, &error), error);
  assert_status(QN_OK, qn_directory_check(older, directory.id, &error), error);
}

static void test_looked_after(void **state) {
  (void)state;
  qn_error error;
  qn_directory directory = known();
  qn_storage *storage;
  char away[400];
  snprintf(away, sizeof away, "%s.away", path);
  assert_status(QN_OK, qn_storage_alloc(&storage, path, &error), error);
  assert_status(QN_NO_STORAGE, qn_storage_check(storage, 5, &error), error); /* nobody said which it is */
  qn_storage_expect(storage, &directory);
  assert_status(QN_OK, qn_storage_check(storage, 5, &error), error);
  assert_int_equal(rename(path, away), 0);
  assert_status(QN_NO_STORAGE, qn_storage_check(storage, 5, &error), error);
  assert_non_null(strstr(error.message, path));
  assert_int_equal(rename(away, path), 0);
  assert_status(QN_OK, qn_storage_check(storage, 5, &error), error);

  /* Doubted, it has to prove itself: not while a probe cannot be written. */
  char folder[500];
  qn_storage_doubt(storage, "no space left, a job said");
  char name[600];
  snprintf(name, sizeof name, "%s/.probe.%d", path, (int)getpid()); /* in the way of every probe */
  assert_int_equal(mkdir(name, 0755), 0);
  assert_status(QN_NO_STORAGE, qn_storage_check(storage, 5, &error), error);
  assert_non_null(strstr(error.message, "directory"));
  assert_int_equal(rmdir(name), 0);
  assert_status(QN_NO_STORAGE, qn_storage_check(storage, 5, &error), error); /* it is not tried again at once */
  double until = 8;
  while (qn_storage_check(storage, 5, &error) != QN_OK && until > 0) {
    usleep(200000);
    until -= 0.2;
  }
  assert_status(QN_OK, qn_storage_check(storage, 5, &error), error);

  /* Removal in the background, but never from a directory that is not the right one. */
  qn_error outcome;
  snprintf(folder, sizeof folder, "%s/simulations/1/1", path);
  assert_int_equal(qn_durable_make(folder, &error), QN_OK);
  write_file(".quenchd", "x");
  assert_true(qn_storage_clear(storage, 1, 1, false));
  assert_false(qn_storage_clear(storage, 2, 1, false));
  while (!qn_storage_cleared(storage, &outcome)) usleep(10000);
  assert_int_equal(outcome.status, QN_NO_STORAGE);
  assert_int_equal(access(folder, F_OK), 0);
  write_file(".quenchd", directory.id);
  assert_true(qn_storage_clear(storage, 1, 1, false));
  while (!qn_storage_cleared(storage, &outcome)) usleep(10000);
  assert_int_equal(outcome.status, QN_OK);
  assert_int_not_equal(access(folder, F_OK), 0);
  assert_false(qn_storage_cleared(storage, &outcome));
  qn_storage_free(storage);
}

/* A file system that does not answer keeps nobody waiting: here a FIFO in the place of the mark. */
static void test_silence(void **state) {
  (void)state;
  qn_error error;
  qn_directory directory = known();
  qn_storage *storage;
  char mark[400];
  snprintf(mark, sizeof mark, "%s/.quenchd", path);
  assert_int_equal(unlink(mark), 0);
  assert_int_equal(mkfifo(mark, 0600), 0);
  assert_status(QN_OK, qn_storage_alloc(&storage, path, &error), error);
  qn_storage_expect(storage, &directory);
  assert_status(QN_NO_STORAGE, qn_storage_check(storage, 0.2, &error), error);
  assert_non_null(strstr(error.message, "does not answer"));
  qn_storage_free(storage); /* its thread is left to itself, ... */
  FILE *writer = fopen(mark, "w"); /* ... and ends when it can */
  assert_non_null(writer);
  fclose(writer);
  usleep(200000);
  assert_int_equal(unlink(mark), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_first_use_marks_it), cmocka_unit_test(test_another_one_is_refused), cmocka_unit_test(test_an_older_database),
      cmocka_unit_test(test_looked_after), cmocka_unit_test(test_silence),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* The pool: broken connections are replaced, a database that is away is said to be away and found again, the bound holds. */
#include "server/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/store/pool.h"

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

#define KILL "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

static void test_reads_survive_killed_backends(void **state) {
  (void)state;
  qn_error error;
  for (int i = 0; i < 5; i++) {
    qn_connection *held[4];
    for (int k = 0; k < 4; k++) assert_status(QN_OK, qn_pool_take(f.store, &held[k], &error), error); /* several idle ones to break */
    for (int k = 0; k < 4; k++) qn_pool_give(f.store, held[k]);
    assert_true(fixture_number(&f, KILL) >= 4);
    qn_job_page page;
    assert_status(QN_OK, qn_store_list_jobs(f.store, NULL, (qn_page_query){0, 10}, &page, &error), error);
    qn_job_page_fini(&page);
  }
}

static void test_submissions_survive_killed_backends(void **state) {
  (void)state;
  qn_error error;
  qn_submitted submitted;
  for (int i = 0; i < 5; i++) {
    assert_true(fixture_number(&f, KILL) >= 0);
    assert_status(QN_OK, fixture_submit(&f, 100 + i, NULL, &submitted, &error), error);
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM simulations WHERE id = %lld", (long long)submitted.id), 1);
  }
}

static void test_bound(void **state) {
  (void)state;
  qn_error error;
  qn_store *small;
  const qn_store_options options = {.database_url = f.url, .data_directory = f.data, .connections = 2, .wait_s = 0.2};
  assert_status(QN_OK, qn_store_open(&small, &options, &error), error);
  qn_connection *a, *b, *c;
  assert_status(QN_OK, qn_pool_take(small, &a, &error), error);
  assert_status(QN_OK, qn_pool_take(small, &b, &error), error);
  assert_status(QN_UNAVAILABLE, qn_pool_take(small, &c, &error), error);
  assert_int_equal(qn_pool_count(small).open, 2);
  qn_pool_give(small, a);
  assert_status(QN_OK, qn_pool_take(small, &c, &error), error);
  qn_pool_give(small, b);
  qn_pool_give(small, c);
  qn_store_close(small);
}

/* A connection that comes back in the middle of a transaction is not given to the next one. */
static void test_unfinished_transaction(void **state) {
  (void)state;
  qn_error error;
  qn_connection *connection;
  assert_status(QN_OK, qn_pool_take(f.store, &connection, &error), error);
  assert_status(QN_OK, qn_connection_script(connection, "BEGIN; DELETE FROM workers", &error), error);
  qn_pool_give(f.store, connection);
  assert_status(QN_OK, qn_pool_take(f.store, &connection, &error), error);
  assert_int_equal(PQtransactionStatus(connection->pg), PQTRANS_IDLE);
  qn_pool_give(f.store, connection);
}

static void test_away(void **state) {
  (void)state;
  qn_error error;
  qn_store *nowhere;
  const qn_store_options options = {.database_url = "postgresql://nobody@/none?host=/nonexistent", .data_directory = f.data};
  assert_status(QN_OK, qn_store_open(&nowhere, &options, &error), error);
  qn_job_row row;
  assert_status(QN_UNAVAILABLE, qn_store_get_job(nowhere, 1, &row, &error), error);
  assert_null(row.kind);
  assert_status(QN_UNAVAILABLE, qn_store_ready(nowhere, &error), error);
  qn_submitted submitted;
  const qn_submission s = {.kind = "simulation", .name = "", .spec = "{}", .sha256 = "", .potential = ""};
  assert_status(QN_UNAVAILABLE, qn_store_submit(nowhere, &s, NULL, &fixture_principal, &submitted, &error), error);
  char *text;
  assert_status(QN_UNAVAILABLE, qn_store_metrics(nowhere, &text, &error), error);
  qn_store_close(nowhere);
}

/* Shut to everyone for a while, as in a restart. */
static void test_comes_back(void **state) {
  (void)state;
  qn_error error;
  char name[128];
  strcpy(name, fixture_text(&f, "SELECT current_database()"));
  fixture_server("ALTER DATABASE %s ALLOW_CONNECTIONS false", name);
  fixture_text(&f, KILL);
  assert_status(QN_UNAVAILABLE, qn_store_ready(f.store, &error), error);
  qn_submitted submitted;
  assert_status(QN_UNAVAILABLE, fixture_submit(&f, 200, NULL, &submitted, &error), error);
  fixture_server("ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
  usleep(300000); /* the pool rests for a quarter of a second after a failure */
  assert_status(QN_OK, qn_store_ready(f.store, &error), error);
}

/* Others have taken every place: that is said at once, and over as soon as there is one. */
static void test_full_connection_table(void **state) {
  (void)state;
  qn_error error;
  char role[64], url[1200];
  snprintf(role, sizeof role, "visitor_%d", (int)getpid());
  fixture_server("CREATE ROLE %s LOGIN CONNECTION LIMIT 1", role);
  fixture_text(&f, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO %s", role);
  snprintf(url, sizeof url, "%s user='%s'", f.url, role);
  qn_connection other;
  qn_store *guest;
  qn_job_page page;
  const qn_store_options options = {.database_url = url, .data_directory = f.data, .connections = 4};
  assert_status(QN_OK, qn_store_open(&guest, &options, &error), error);
  assert_status(QN_OK, qn_connection_open(&other, url, "other", &error), error);
  for (int i = 0; i < 5; i++) {
    double from = qn_clock_now();
    assert_status(QN_UNAVAILABLE, qn_store_list_jobs(guest, NULL, (qn_page_query){0, 10}, &page, &error), error);
    assert_non_null(strstr(error.message, "too many connections"));
    assert_true(qn_clock_now() - from < 4.5); /* the pool waits for 5 s where it waits at all */
  }
  qn_connection_close(&other);
  for (double from = qn_clock_now(); qn_store_list_jobs(guest, NULL, (qn_page_query){0, 10}, &page, &error) != QN_OK; usleep(20000))
    assert_true(qn_clock_now() - from < 20);
  qn_job_page_fini(&page);
  qn_store_close(guest);
  fixture_text(&f, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %s", role);
  fixture_server("DROP ROLE %s", role);
}

/* The schema is changed under prepared statements, or is not there yet: not now, says the store, and goes on when it is there. */
static void test_a_schema_in_motion(void **state) {
  (void)state;
  qn_error error;
  PGresult *result;
  static const qn_statement read = {"test_read", "SELECT a FROM moving"};
  assert_status(QN_UNAVAILABLE, qn_pool_run(f.store, &read, NULL, &result, &error), error);
  fixture_text(&f, "CREATE TABLE moving (b integer)");
  assert_status(QN_UNAVAILABLE, qn_pool_run(f.store, &read, NULL, &result, &error), error);
  fixture_text(&f, "ALTER TABLE moving ADD a integer");
  fixture_text(&f, "INSERT INTO moving VALUES (1, 2)");
  qn_connection *held;
  assert_status(QN_OK, qn_pool_take(f.store, &held, &error), error);
  assert_status(QN_OK, qn_connection_run(held, &read, NULL, NULL, &error), error);
  fixture_text(&f, "ALTER TABLE moving ALTER a TYPE text");
  assert_status(QN_UNAVAILABLE, qn_connection_run(held, &read, NULL, NULL, &error), error); /* its plan is of before */
  assert_string_equal(held->sqlstate, "0A000");
  qn_pool_give(f.store, held);
  assert_status(QN_OK, qn_pool_run(f.store, &read, NULL, &result, &error), error);
  assert_string_equal(qn_field(result, 0, 0), "2");
  PQclear(result);
}

/* What PostgreSQL has to say beside its answers goes into the log, a line of JSON each. */
static void test_notices(void **state) {
  (void)state;
  qn_error error;
  qn_connection *connection;
  char path[] = "/tmp/quenchd-notice.XXXXXX", text[512];
  assert_status(QN_OK, qn_pool_take(f.store, &connection, &error), error);
  fflush(stderr);
  int file = mkstemp(path), kept = dup(STDERR_FILENO);
  assert_true(file >= 0 && kept >= 0);
  dup2(file, STDERR_FILENO);
  qn_status status = qn_connection_script(connection, "DO $$ BEGIN RAISE WARNING 'mind the gap'; END $$", &error);
  fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept);
  qn_pool_give(f.store, connection);
  ssize_t size = pread(file, text, sizeof text - 1, 0);
  close(file);
  unlink(path);
  assert_status(QN_OK, status, error);
  assert_true(size > 0);
  text[size] = '\0';
  json_t *line = json_loads(text, 0, NULL);
  assert_non_null(line);
  assert_non_null(strstr(json_string_value(json_object_get(line, "message")), "mind the gap"));
  json_decref(line);
}

static void test_options(void **state) {
  (void)state;
  qn_error error;
  qn_store *store;
  qn_store_options options = {.database_url = "postgresql://%zz", .data_directory = f.data};
  assert_status(QN_INVALID, qn_store_open(&store, &options, &error), error);
  options.database_url = f.url;
  options.data_directory = "/proc/no/such";
  assert_status(QN_IO, qn_store_open(&store, &options, &error), error);
  qn_store_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_survive_killed_backends), cmocka_unit_test(test_submissions_survive_killed_backends),
      cmocka_unit_test(test_bound), cmocka_unit_test(test_unfinished_transaction), cmocka_unit_test(test_away),
      cmocka_unit_test(test_comes_back), cmocka_unit_test(test_full_connection_table),
      cmocka_unit_test(test_a_schema_in_motion), cmocka_unit_test(test_notices), cmocka_unit_test(test_options),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Deferred statements: they are done in order and once, their failures come out, and a connection is as good afterwards as before. */
#include <math.h>
#include <string.h>

#include "server/clock.h"
#include "server/fixture.h"
#include "server/store/deadline.h"
#include "server/store/pool.h"
#include "server/store/relay.h"

static fixture f;

static const qn_statement put = {"pipe_put", "INSERT INTO pipe (n) VALUES ($1::integer)"};
static const qn_statement count = {"pipe_count", "SELECT count(*) FROM pipe"};
static const qn_statement last = {"pipe_last", "SELECT max(n) FROM pipe"};
static const qn_statement nap = {"pipe_nap", "SELECT pg_sleep(30)"};

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  fixture_text(&f, "CREATE TABLE pipe (n integer PRIMARY KEY CHECK (n < 1000))");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

static qn_status defer(qn_connection *connection, int n, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, n);
  return qn_connection_defer(connection, &put, &params, error);
}

static qn_status ask(qn_connection *connection, const qn_statement *statement, int64_t *value, qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, NULL, &result, error);
  if (status != QN_OK) return status;
  *value = qn_field_int(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

/* ---- what a transaction does; each leaves its name in `context` ---- */

static qn_status in_order(qn_connection *connection, void *context, qn_error *error) {
  (void)context;
  int64_t seen;
  qn_status status = QN_OK;
  for (int i = 1; status == QN_OK && i <= 3; i++) status = defer(connection, i, error);
  if (status == QN_OK) status = ask(connection, &count, &seen, error); /* sees them all */
  if (status == QN_OK) assert_int_equal(seen, 3);
  for (int i = 4; status == QN_OK && i <= 50; i++) status = defer(connection, i, error); /* more than are held back at once */
  if (status == QN_OK) status = ask(connection, &last, &seen, error);
  if (status == QN_OK) assert_int_equal(seen, 50);
  return status == QN_OK ? defer(connection, 51, error) : status;
}

static qn_status fail_before_an_answer(qn_connection *connection, void *context, qn_error *error) {
  int64_t seen;
  qn_status status = defer(connection, 60, error);
  if (status == QN_OK) status = defer(connection, *(int *)context, error);
  if (status == QN_OK) status = defer(connection, 61, error);
  return status == QN_OK ? ask(connection, &count, &seen, error) : status;
}

static qn_status fail_at_the_end(qn_connection *connection, void *context, qn_error *error) {
  qn_status status = defer(connection, 70, error);
  return status == QN_OK ? defer(connection, *(int *)context, error) : status;
}

static qn_status change_of_mind(qn_connection *connection, void *context, qn_error *error) {
  (void)context;
  qn_status status = defer(connection, 80, error);
  return status == QN_OK ? qn_error_set(error, QN_CONFLICT, "no") : status;
}

static qn_status nothing(qn_connection *connection, void *context, qn_error *error) {
  (void)connection;
  (void)context;
  (void)error;
  return QN_OK;
}

static void expect_clean(void) {
  int64_t seen;
  qn_error error;
  assert_int_equal(PQtransactionStatus(f.sql.pg), PQTRANS_IDLE);
  assert_int_equal(PQpipelineStatus(f.sql.pg), PQ_PIPELINE_OFF);
  assert_int_equal(f.sql.deferred_count, 0);
  assert_status(QN_OK, ask(&f.sql, &count, &seen, &error), error);
}

static void test_order(void **state) {
  (void)state;
  qn_error error;
  assert_status(QN_OK, qn_connection_transact(&f.sql, in_order, NULL, NULL, &error), error);
  expect_clean();
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM pipe"), 51);
  assert_status(QN_OK, qn_connection_transact(&f.sql, nothing, NULL, NULL, &error), error);
  expect_clean();
}

static void test_failures(void **state) {
  (void)state;
  static qn_transaction *const works[] = {fail_before_an_answer, fail_at_the_end};
  for (int w = 0; w < 2; w++) {
    qn_error error;
    int taken = 1, forbidden = 2000;
    assert_status(QN_INTERNAL, qn_connection_transact(&f.sql, works[w], &taken, NULL, &error), error);
    assert_non_null(strstr(error.message, "pipe_put"));
    assert_string_equal(f.sql.sqlstate, "23505"); /* known also after the rollback */
    assert_false(f.sql.lost);
    expect_clean();
    assert_status(QN_INTERNAL, qn_connection_transact(&f.sql, works[w], &forbidden, NULL, &error), error);
    assert_string_equal(f.sql.sqlstate, "23514");
    expect_clean();
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM pipe WHERE n >= 60"), 0);
  }
  qn_error error;
  assert_status(QN_CONFLICT, qn_connection_transact(&f.sql, change_of_mind, NULL, NULL, &error), error);
  assert_string_equal(error.message, "no");
  expect_clean();
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM pipe WHERE n = 80"), 0);
}

/* A deadlock among what was deferred is told as one, so that the transaction is begun again. */
static void test_again(void **state) {
  (void)state;
  qn_error error;
  fixture_text(&f, "CREATE FUNCTION give_up() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$");
  static const qn_statement deadlock = {"pipe_deadlock", "SELECT give_up()"};
  assert_status(QN_OK, qn_connection_begin(&f.sql, &error), error);
  assert_status(QN_OK, qn_connection_defer(&f.sql, &deadlock, NULL, &error), error);
  assert_status(QN_UNAVAILABLE, qn_connection_commit(&f.sql, &error), error);
  assert_true(f.sql.again && !f.sql.lost);
  assert_status(QN_OK, qn_connection_script(&f.sql, "ROLLBACK", &error), error);
  expect_clean();
}

/* The backend dies, or falls silent, between sending and hearing. */
static void test_lost(void **state) {
  (void)state;
  qn_error error;
  int64_t seen;
  qn_connection connection;
  assert_status(QN_OK, qn_connection_open(&connection, f.url, "pipe", &error), error);
  assert_status(QN_OK, qn_connection_begin(&connection, &error), error);
  assert_status(QN_OK, defer(&connection, 90, &error), error);
  fixture_text(&f, "SELECT pg_terminate_backend(%d)", PQbackendPID(connection.pg));
  fixture_await(&f, 20, "0", "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", PQbackendPID(connection.pg));
  assert_status(QN_UNAVAILABLE, ask(&connection, &count, &seen, &error), error);
  assert_true(connection.lost);
  assert_status(QN_UNAVAILABLE, defer(&connection, 91, &error), error);
  qn_connection_close(&connection);

  relay r;
  relay_start(&r, &f);
  bool begun = false;
  for (int tries = 0; tries < 10 && !begun; tries++) { /* it may not be in time */
    if (qn_connection_open_within(&connection, r.url, "pipe", 1, INFINITY, &error) != QN_OK) continue;
    begun = ask(&connection, &count, &seen, &error) == QN_OK && qn_connection_begin(&connection, &error) == QN_OK;
    if (!begun) qn_connection_close(&connection);
  }
  assert_true(begun);
  atomic_store(&r.still, true);
  double from = qn_clock_now();
  assert_status(QN_UNAVAILABLE, ask(&connection, &count, &seen, &error), error);
  assert_true(qn_clock_now() - from < 20);
  assert_true(connection.lost && connection.silent && connection.pg == NULL);
  atomic_store(&r.still, false);
  relay_stop(&r);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM pipe WHERE n >= 90"), 0);
}

/* A statement that takes too long is ended by the server in a pipeline too. */
static void test_slow(void **state) {
  (void)state;
  qn_error error;
  /* It has a fifth of the time for saying so; where the machine stands for longer, the connection is lost, and another shows it. */
  bool kept = false;
  for (int tries = 0; tries < 5 && !kept; tries++) {
    qn_connection connection;
    if (qn_connection_open_within(&connection, f.url, "pipe", 1, INFINITY, &error) != QN_OK) continue;
    if (qn_connection_begin(&connection, &error) == QN_OK && qn_connection_defer(&connection, &nap, NULL, &error) == QN_OK) {
      assert_status(QN_UNAVAILABLE, qn_connection_commit(&connection, &error), error);
      kept = !connection.lost;
      if (kept) assert_string_equal(connection.sqlstate, "57014");
    }
    qn_connection_close(&connection);
  }
  assert_true(kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_failures), cmocka_unit_test(test_again),
                                     cmocka_unit_test(test_lost), cmocka_unit_test(test_slow)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* A PostgreSQL that says nothing: every call ends in time with QN_UNAVAILABLE, and when it speaks again all is as before. */
#include "server/clock.h"
#include "server/store/deadline.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/news.h"
#include "server/store/pool.h"
#include "server/store/relay.h"

static fixture f;
static relay r;
static qn_store *store;

/* Time enough for a machine that stands for a moment; and what is longer than any answer, and shorter than waiting for ever. */
enum { ANSWER_MS = 2000, LATE_S = 20 };

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  relay_start(&r, &f);
  qn_error error;
  const qn_store_options options = {.database_url = r.url, .data_directory = f.data, .connections = 8, .answer_s = 1e-3 * ANSWER_MS};
  assert_status(QN_OK, qn_store_open(&store, &options, &error), error);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  qn_store_close(store);
  relay_stop(&r);
  fixture_fini(&f);
  return 0;
}

static qn_status ask(qn_error *error) {
  qn_job_page page;
  qn_status status = qn_store_list_jobs(store, NULL, (qn_page_query){0, 10}, &page, error);
  if (status == QN_OK) qn_job_page_fini(&page);
  return status;
}

static void await_recovery(void) {
  qn_error error;
  double end = qn_clock_now() + LATE_S;
  while (ask(&error) != QN_OK)
    if (qn_clock_now() > end) fail_msg("%s", error.message);
    else usleep(20000);
}

/* A connection of the pool, also when the first ones were not made in time. */
static void take(qn_connection **connection) {
  qn_error error;
  double end = qn_clock_now() + LATE_S;
  while (qn_pool_take(store, connection, &error) != QN_OK)
    if (qn_clock_now() > end) fail_msg("%s", error.message);
    else usleep(20000);
}

static void test_stopped_in_the_middle(void **state) {
  (void)state;
  qn_error error;
  await_recovery();
  qn_connection *held[3];
  for (int i = 0; i < 3; i++) take(&held[i]);
  for (int i = 0; i < 3; i++) qn_pool_give(store, held[i]);
  atomic_store(&r.still, true);
  double from = qn_clock_now();
  assert_status(QN_UNAVAILABLE, ask(&error), error);
  double took = qn_clock_now() - from;
  assert_true(took > 0.9e-3 * ANSWER_MS && took < LATE_S);
  assert_non_null(strstr(error.message, "no answer within"));
  /* Those that come later hear so at once, but for the one that tries to connect. */
  for (int i = 0; i < 5; i++) {
    from = qn_clock_now();
    assert_status(QN_UNAVAILABLE, ask(&error), error);
    assert_true(qn_clock_now() - from < LATE_S);
  }
  atomic_store(&r.still, false);
  await_recovery();
}

typedef struct asker {
  pthread_t thread;
  qn_status status;
  double took;
} asker;

static void *ask_once(void *context) {
  asker *a = context;
  qn_error error;
  double from = qn_clock_now();
  a->status = ask(&error);
  a->took = qn_clock_now() - from;
  return NULL;
}

/* Twenty callers of a database known to be away do not wait for the connection that one of them tries. */
static void test_one_probes_for_all(void **state) {
  (void)state;
  qn_error error;
  await_recovery();
  atomic_store(&r.still, true);
  assert_status(QN_UNAVAILABLE, ask(&error), error);
  int slow = 20;
  for (int tries = 0; tries < 5 && slow > 2; tries++) { /* a machine that stands makes all of them slow */
    usleep(300000); /* the rest after a failure is over: somebody may try again */
    asker askers[20];
    for (int i = 0; i < 20; i++) assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_once, &askers[i]), 0);
    slow = 0;
    for (int i = 0; i < 20; i++) {
      pthread_join(askers[i].thread, NULL);
      assert_int_equal(askers[i].status, QN_UNAVAILABLE);
      slow += askers[i].took > 0.5e-3 * ANSWER_MS;
    }
  }
  assert_true(slow <= 2);
  atomic_store(&r.still, false);
  await_recovery();
}

/* More than the socket's buffers hold: sending has an end as well. */
static void test_sending_ends(void **state) {
  (void)state;
  qn_error error;
  static const qn_statement size = {"test_size", "SELECT octet_length($1::bytea)"};
  enum { MUCH = 2 << 20 };
  char *bytes = calloc(1, MUCH);
  qn_params params = {0};
  qn_params_bytes(&params, bytes, MUCH);
  PGresult *result;
  double end = qn_clock_now() + LATE_S;
  while (qn_pool_run(store, &size, &params, &result, &error) != QN_OK)
    if (qn_clock_now() > end) fail_msg("%s", error.message);
  assert_int_equal(qn_field_int(result, 0, 0), MUCH);
  PQclear(result);
  atomic_store(&r.still, true);
  double from = qn_clock_now();
  assert_status(QN_UNAVAILABLE, qn_pool_run(store, &size, &params, &result, &error), error);
  assert_true(qn_clock_now() - from < LATE_S);
  atomic_store(&r.still, false);
  free(bytes);
  await_recovery();
}

static void test_connecting_ends(void **state) {
  (void)state;
  qn_error error;
  qn_connection connection;
  char url[1400];
  snprintf(url, sizeof url, "%s connect_timeout=60", r.url);
  atomic_store(&r.still, true);
  double from = qn_clock_now();
  assert_status(QN_UNAVAILABLE, qn_connection_open_within(&connection, url, "test", 60, from + 0.3, &error), error);
  assert_true(connection.silent && connection.pg == NULL);
  assert_true(qn_clock_now() - from < LATE_S);

  /* Of two hosts the first hangs: the second has its turn. */
  snprintf(url, sizeof url, "%s host='%s,%s' port='5432,%s' connect_timeout=3", f.url, r.folder, PQhost(f.sql.pg), PQport(f.sql.pg));
  assert_status(QN_OK, qn_connection_open(&connection, url, "test", &error), error);
  assert_true(qn_clock_now() - from < 2 * LATE_S);
  qn_connection_close(&connection);
  atomic_store(&r.still, false);
}

static void test_news(void **state) {
  (void)state;
  qn_error error;
  qn_news *news;
  int64_t job;
  assert_status(QN_OK, qn_news_alloc(&news, r.url, &error), error);
  atomic_store(&r.still, true);
  double from = qn_clock_now();
  assert_status(QN_UNAVAILABLE, qn_news_wait(news, 0.1, -1, &job, &error), error);
  assert_true(qn_clock_now() - from < LATE_S);
  atomic_store(&r.still, false);
  for (from = qn_clock_now(); qn_news_wait(news, 0.1, -1, &job, &error) != QN_OK;) assert_true(qn_clock_now() - from < LATE_S);
  assert_int_equal(job, -1);
  fixture_text(&f, "SELECT pg_notify('quenchd_event', '42')");
  for (from = qn_clock_now(); job != 42;) {
    assert_status(QN_OK, qn_news_wait(news, 0.1, -1, &job, &error), error);
    assert_true(qn_clock_now() - from < LATE_S);
  }
  qn_news_free(news);
}

/* A statement that takes too long on a healthy server is ended there, and the connection is kept. */
static void test_the_server_ends_it_first(void **state) {
  (void)state;
  qn_error error;
  static const qn_statement nap = {"test_nap", "SELECT pg_sleep(30)"};
  /* It has a fifth of the time for saying so; where the machine stands for longer, the connection is given up, and another shows it. */
  bool kept = false;
  for (int tries = 0; tries < 5 && !kept; tries++) {
    qn_connection *connection;
    await_recovery();
    take(&connection);
    int pid = PQbackendPID(connection->pg);
    assert_status(QN_UNAVAILABLE, qn_connection_run(connection, &nap, NULL, NULL, &error), error);
    kept = !connection->lost;
    if (kept) assert_string_equal(connection->sqlstate, "57014");
    if (kept) assert_int_equal(PQbackendPID(connection->pg), pid);
    qn_pool_give(store, connection);
  }
  assert_true(kept);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stopped_in_the_middle), cmocka_unit_test(test_one_probes_for_all), cmocka_unit_test(test_sending_ends),
      cmocka_unit_test(test_connecting_ends),       cmocka_unit_test(test_news),               cmocka_unit_test(test_the_server_ends_it_first),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

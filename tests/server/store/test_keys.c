/* Idempotency keys in the database: the first answer is kept with the change and given again byte for byte; a key in flight, or of another request,
 * changes nothing. */
#include "server/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/queue/queue.h"

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

/* An answer that no two calls share: what is replayed was kept. */
static atomic_int renderings;

static bool render(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  const qn_submitted *made = outcome;
  snprintf(answer->location, sizeof answer->location, "/v1/simulations/%lld", (long long)made->id);
  answer->status = made->created ? 202 : 200;
  return asprintf(&answer->body, "{\"id\":%lld,\"rendering\":%d}", (long long)made->id, atomic_fetch_add(&renderings, 1)) > 0;
}

static qn_idempotency key_of(const char *key, const char *request) {
  return (qn_idempotency){.key = key, .principal = "tester", .request_sha256 = request, .render = render};
}

static void expect_replay(const qn_idempotency *again, const qn_idempotency *first) {
  assert_int_equal(again->verdict, QN_KEY_REPLAYED);
  assert_int_equal(again->answer.status, first->answer.status);
  assert_int_equal(again->answer.problem, first->answer.problem);
  assert_string_equal(again->answer.location, first->answer.location);
  assert_string_equal(again->answer.body, first->answer.body);
}

static void test_submission(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  qn_idempotency first = key_of("k", "one"), again = key_of("k", "one"), other = key_of("k", "two"), looked = key_of("k", "one");
  assert_status(QN_OK, qn_store_find_key(f.store, &looked, &error), error);
  assert_int_equal(looked.verdict, QN_KEY_FRESH);
  assert_status(QN_OK, fixture_submit(&f, 1, &first, &out, &error), error);
  assert_int_equal(first.verdict, QN_KEY_FRESH);
  assert_true(out.created);
  assert_int_equal(first.answer.status, 202);
  assert_status(QN_OK, fixture_submit(&f, 1, &again, &out, &error), error);
  expect_replay(&again, &first);
  assert_status(QN_OK, qn_store_find_key(f.store, &looked, &error), error);
  expect_replay(&looked, &first);

  assert_status(QN_CONFLICT, fixture_submit(&f, 2, &other, &out, &error), error);
  assert_int_equal(other.verdict, QN_KEY_REUSED);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM simulations WHERE spec_text = '{\"number\":2}'"), 0);
  assert_status(QN_OK, qn_store_find_key(f.store, &other, &error), error);
  assert_int_equal(other.verdict, QN_KEY_REUSED);
  other.principal = "another"; /* keys belong to whoever sent them */
  assert_status(QN_OK, fixture_submit(&f, 2, &other, &out, &error), error);
  assert_int_equal(other.verdict, QN_KEY_FRESH);
  free(first.answer.body);
  free(again.answer.body);
  free(looked.answer.body);
  free(other.answer.body);
}

static void test_in_flight(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  qn_idempotency key = key_of("busy", "b");
  fixture_text(&f, "BEGIN");
  fixture_text(&f, "SELECT pg_advisory_xact_lock(hashtextextended('6 testerbusy', 0))");
  assert_status(QN_CONFLICT, fixture_submit(&f, 12, &key, &out, &error), error);
  assert_int_equal(key.verdict, QN_KEY_IN_FLIGHT);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM simulations WHERE spec_text = '{\"number\":12}'"), 0);
  fixture_text(&f, "ROLLBACK");
  assert_status(QN_OK, fixture_submit(&f, 12, &key, &out, &error), error);
  assert_int_equal(key.verdict, QN_KEY_FRESH);
  free(key.answer.body);
}

/* What could not be done in the end leaves no key, and no work. */
static bool render_nothing(const void *outcome, const void *context, qn_answer *answer) {
  (void)outcome;
  (void)context;
  (void)answer;
  return false;
}

static void test_all_or_nothing(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  qn_idempotency key = key_of("nothing", "n");
  key.render = render_nothing;
  assert_status(QN_NO_MEMORY, fixture_submit(&f, 20, &key, &out, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM simulations WHERE spec_text = '{\"number\":20}'"), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM idempotency_keys WHERE key = 'nothing'"), 0);
}

enum { RACERS = 50 };

typedef struct racer {
  pthread_t thread;
  pthread_barrier_t *barrier;
  qn_idempotency key;
  qn_status status;
  qn_submitted submitted;
  qn_error error;
} racer;

static void *race(void *context) {
  racer *r = context;
  pthread_barrier_wait(r->barrier);
  r->status = fixture_submit(&f, 30, &r->key, &r->submitted, &r->error);
  return NULL;
}

static void test_racing(void **state) {
  (void)state;
  static racer racers[RACERS];
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, RACERS);
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.barrier = &barrier, .key = key_of("race", "r")};
    assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
  }
  for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
  pthread_barrier_destroy(&barrier);
  const char *body = NULL;
  int fresh = 0;
  for (int i = 0; i < RACERS; i++) {
    if (racers[i].key.verdict == QN_KEY_IN_FLIGHT) continue;
    if (racers[i].status != QN_OK) fail_msg("%s", racers[i].error.message);
    fresh += racers[i].key.verdict == QN_KEY_FRESH;
    if (body == NULL) body = racers[i].key.answer.body;
    assert_string_equal(racers[i].key.answer.body, body);
  }
  assert_int_equal(fresh, 1);
  for (int i = 0; i < RACERS; i++) free(racers[i].key.answer.body);
}

/* ---- changes of jobs, and potentials ---- */

static bool render_job(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  const qn_job_row *row = outcome;
  answer->status = row->state == QN_JOB_RUNNING ? 202 : 200;
  return asprintf(&answer->body, "{\"state\":\"%s\",\"attempt\":%d,\"priority\":%d}", qn_job_state_name(row->state), row->attempt, row->priority) > 0;
}

static void test_cancel_retry_and_priority(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  qn_job_row row;
  qn_claim claim;
  bool found;
  double wait;
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE state IN ('queued', 'blocked')");
  assert_status(QN_OK, fixture_submit(&f, 40, NULL, &out, &error), error);
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 60, &claim, &found, &wait, &error), error);
  assert_int_equal(claim.lease.job, out.job);

  qn_idempotency keys[6];
  const char *const names[] = {"c", "c", "r", "r", "p", "p"};
  for (int i = 0; i < 6; i++) keys[i] = key_of(names[i], names[i]), keys[i].render = render_job;
  assert_status(QN_OK, qn_store_cancel_job(f.store, out.job, &keys[0], &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_string_equal(keys[0].answer.body, "{\"state\":\"running\",\"attempt\":1,\"priority\":0}");
  assert_status(QN_OK, qn_queue_end(&f.sql, &claim.lease, QN_ENDING_CANCELLED, NULL, NULL, NULL, &error), error);
  assert_status(QN_OK, qn_store_cancel_job(f.store, out.job, &keys[1], &fixture_principal, &row, &error), error);
  assert_null(row.kind);
  expect_replay(&keys[1], &keys[0]); /* though the job has been cancelled since */

  assert_status(QN_OK, qn_store_retry_job(f.store, out.job, &keys[2], &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 60, &claim, &found, &wait, &error), error);
  assert_status(QN_OK, qn_queue_end(&f.sql, &claim.lease, QN_ENDING_FAILED, "why", NULL, NULL, &error), error);
  assert_status(QN_OK, qn_store_retry_job(f.store, out.job, &keys[3], &fixture_principal, &row, &error), error);
  expect_replay(&keys[3], &keys[2]);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", (long long)out.job), "failed"); /* and not queued again */

  assert_status(QN_OK, qn_store_retry_job(f.store, out.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_store_set_priority(f.store, out.job, 5, &keys[4], &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_store_set_priority(f.store, out.job, 6, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_store_set_priority(f.store, out.job, 5, &keys[5], &fixture_principal, &row, &error), error);
  expect_replay(&keys[5], &keys[4]);
  assert_int_equal(fixture_number(&f, "SELECT priority FROM jobs WHERE id = %lld", (long long)out.job), 6);
  for (int i = 0; i < 6; i++) free(keys[i].answer.body);
}

static bool render_potential(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  const qn_added_potential *added = outcome;
  answer->status = added->created ? 201 : 200;
  return asprintf(&answer->body, "{\"name\":\"%s\"}", added->row.name) > 0;
}

static void test_potential(void **state) {
  (void)state;
  qn_error error;
  qn_added_potential added;
  char hash[] = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
  const qn_potential_row row = {.name = "keyed", .sha256 = hash, .species = "Cu", .format = "eam/fs", .citation = "", .licence = "", .details = "{}", .cutoff_a = 5};
  qn_idempotency first = key_of("pot", "p"), again = key_of("pot", "p");
  first.render = again.render = render_potential;
  assert_status(QN_OK, qn_store_add_potential(f.store, &row, "x", 1, &first, &fixture_principal, &added, &error), error);
  qn_potential_row_fini(&added.row);
  assert_int_equal(first.answer.status, 201);
  assert_status(QN_OK, qn_store_add_potential(f.store, &row, "x", 1, &again, &fixture_principal, &added, &error), error);
  assert_null(added.row.name);
  expect_replay(&again, &first); /* 201 again, though it is there */
  free(first.answer.body);
  free(again.answer.body);
}

/* A refusal is kept by a call of its own, once. */
static void test_refusal(void **state) {
  (void)state;
  qn_error error;
  qn_idempotency first = key_of("no", "n"), second = key_of("no", "n"), looked = key_of("no", "n");
  char one[] = "{\"status\":409}", two[] = "{\"status\":4090}";
  first.answer = (qn_answer){.status = 409, .problem = true, .body = one};
  second.answer = (qn_answer){.status = 409, .problem = true, .body = two};
  assert_status(QN_OK, qn_store_keep_answer(f.store, &first, &error), error);
  assert_status(QN_OK, qn_store_keep_answer(f.store, &second, &error), error);
  assert_status(QN_OK, qn_store_find_key(f.store, &looked, &error), error);
  expect_replay(&looked, &first);
  free(looked.answer.body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_submission), cmocka_unit_test(test_in_flight),  cmocka_unit_test(test_all_or_nothing),
      cmocka_unit_test(test_racing),     cmocka_unit_test(test_cancel_retry_and_priority), cmocka_unit_test(test_potential),
      cmocka_unit_test(test_refusal),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Idempotency keys: the second request with one gets the first one's answer byte for byte, whatever has changed since, and before anything in it is
 * judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "api/fake_store.h"
#include "api/spec_text.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

static client_answer send(qn_store *store, const char *method, const char *target, const char *key, const char *body) {
  char lines[512];
  snprintf(lines, sizeof lines, "Idempotency-Key: %s%s", key, body != NULL && body[0] == '{' ? "\nContent-Type: application/json" : body != NULL ? "\nContent-Type: text/plain" : "");
  return client_send(store, QN_SCOPE_ADMIN, method, target, lines, body, body != NULL ? strlen(body) : 0);
}

static void expect_same(const client_answer *again, const client_answer *first) {
  assert_int_equal(again->status, first->status);
  assert_string_equal(again->text, first->text);
  assert_string_equal(again->type, first->type);
  const char *location = client_header(first, "Location"), *replayed = client_header(again, "Location");
  if (location != NULL) assert_string_equal(replayed, location);
  else assert_null(replayed);
  assert_string_equal(client_header(again, "Idempotent-Replayed"), "true");
  assert_null(client_header(first, "Idempotent-Replayed"));
}

static void expect_reused(client_answer answer) {
  client_expect_problem(&answer, 422, "idempotency_key_reused");
  client_fini(&answer);
}

static void test_submission(void **state) {
  qn_store *store = *state;
  client_answer first = send(store, "POST", "/v1/simulations", "a key", BULK);
  assert_int_equal(first.status, 202);
  store->jobs[0].state = QN_JOB_FAILED; /* the answer said "queued" */
  client_answer again = send(store, "POST", "/v1/simulations", "a key", BULK);
  expect_same(&again, &first);
  assert_int_equal(store->simulation_count, 1);

  /* Another body, another route: judged by the key alone, also where the body is no spec at all. */
  char *other = spec_with(BULK, "/seed", "2");
  expect_reused(send(store, "POST", "/v1/simulations", "a key", other));
  expect_reused(send(store, "POST", "/v1/simulations", "a key", "{}"));
  expect_reused(send(store, "POST", "/v1/simulations", "a key", "{\"potential\": "));
  expect_reused(send(store, "POST", "/v1/analyses", "a key", BULK));
  assert_int_equal(store->simulation_count, 1);
  free(other);
  client_fini(&first);
  client_fini(&again);
}

/* What was never tried leaves no trace: it may be corrected under the same key. */
static void test_a_fault_can_be_mended(void **state) {
  qn_store *store = *state;
  client_answer answer = send(store, "POST", "/v1/simulations", "k", "{}");
  client_expect_problem(&answer, 422, "invalid_spec");
  client_fini(&answer);
  answer = send(store, "POST", "/v1/simulations", "k", BULK);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  answer = send(store, "POST", "/v1/jobs/4711/cancel", "j", NULL);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
  assert_int_equal(store->key_count, 1);
}

static void test_jobs(void **state) {
  qn_store *store = *state;
  client_answer made = client_post(store, "/v1/simulations", BULK);
  char path[3][64];
  static const char *const rests[] = {"/cancel", "/retry", ""};
  for (int i = 0; i < 3; i++)
    snprintf(path[i], sizeof path[i], "/v1/jobs/%lld%s", (long long)json_integer_value(json_object_get(made.json, "job")), rests[i]);
  client_answer cancel = send(store, "POST", path[0], "c", NULL), again = send(store, "POST", path[0], "c", NULL);
  assert_int_equal(cancel.status, 200);
  expect_same(&again, &cancel); /* without the key it would be 409: it is cancelled */
  client_fini(&again);
  expect_reused(send(store, "POST", path[1], "c", NULL));

  client_answer retry = send(store, "POST", path[1], "r", NULL);
  assert_int_equal(retry.status, 200);
  store->jobs[0].state = QN_JOB_FAILED;
  again = send(store, "POST", path[1], "r", NULL);
  expect_same(&again, &retry);
  assert_int_equal(store->jobs[0].state, QN_JOB_FAILED); /* not queued again */
  client_fini(&again);

  client_answer change = send(store, "PATCH", path[2], "p", "{\"priority\": 3}");
  assert_int_equal(change.status, 200);
  store->jobs[0].priority = 4;
  again = send(store, "PATCH", path[2], "p", "{\"priority\": 3}");
  expect_same(&again, &change);
  assert_int_equal(store->jobs[0].priority, 4);
  client_fini(&again);
  expect_reused(send(store, "PATCH", path[2], "p", "{\"priority\": 5}"));
  client_fini(&made);
  client_fini(&cancel);
  client_fini(&retry);
  client_fini(&change);
}

/* What was tried and refused is an answer too. */
static void test_a_refusal_is_kept(void **state) {
  qn_store *store = *state;
  client_answer made = client_post(store, "/v1/simulations", BULK);
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/%lld/retry", (long long)json_integer_value(json_object_get(made.json, "job")));
  client_answer first = send(store, "POST", path, "r", NULL);
  client_expect_problem(&first, 409, "conflict");
  store->jobs[0].state = QN_JOB_FAILED; /* now it could be done */
  client_answer again = send(store, "POST", path, "r", NULL);
  expect_same(&again, &first);
  assert_int_equal(store->jobs[0].state, QN_JOB_FAILED);
  client_fini(&made);
  client_fini(&first);
  client_fini(&again);
}

static void test_potential(void **state) {
  qn_store *store = *state;
  char *text = fake_setfl("Al", 50);
  client_answer first = send(store, "POST", "/v1/potentials?name=al", "p", text), again = send(store, "POST", "/v1/potentials?name=al", "p", text);
  assert_int_equal(first.status, 201);
  expect_same(&again, &first); /* and not 200 */
  expect_reused(send(store, "POST", "/v1/potentials?name=al2", "p", text)); /* the query is part of the request */
  assert_int_equal(store->potential_count, 2);
  client_fini(&first);
  client_fini(&again);
  free(text);
}

static void test_in_flight(void **state) {
  qn_store *store = *state;
  store->key_in_flight = true;
  client_answer answer = send(store, "POST", "/v1/simulations", "k", BULK);
  client_expect_problem(&answer, 409, "idempotency_key_in_flight");
  assert_non_null(client_header(&answer, "Retry-After"));
  client_fini(&answer);
  assert_int_equal(store->key_count, 0); /* the 409 itself is no answer to keep */
  store->key_in_flight = false;
  answer = send(store, "POST", "/v1/simulations", "k", BULK);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
}

static void test_keys_that_are_none(void **state) {
  qn_store *store = *state;
  char longest[256], longer[257];
  memset(longest, 'k', 255), longest[255] = '\0';
  memset(longer, 'k', 256), longer[256] = '\0';
  const char *const bad[] = {"", longer, "\xff", "tab\there", "\x7f"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    client_answer answer = send(store, "POST", "/v1/simulations", bad[i], BULK);
    client_expect_problem(&answer, 400, "invalid_header");
    client_fini(&answer);
  }
  client_answer answer = send(store, "POST", "/v1/simulations", longest, BULK);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
}

/* Keys belong to their principal, and count for nothing where no answer is kept. */
static void test_where_keys_do_not_count(void **state) {
  qn_store *store = *state;
  client_answer answer = send(store, "POST", "/v1/tokens", "t", "{\"name\": \"a\", \"scope\": \"read\"}");
  assert_int_equal(answer.status, 201);
  client_fini(&answer);
  answer = send(store, "POST", "/v1/tokens", "t", "{\"name\": \"a\", \"scope\": \"read\"}");
  client_expect_problem(&answer, 409, "conflict"); /* a secret is not kept to be shown again */
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_ADMIN, "GET", "/v1/jobs", "Idempotency-Key: t", NULL, 0);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
  assert_int_equal(store->key_count, 0);
}

static void test_storage_away(void **state) {
  qn_store *store = *state;
  store->broken = QN_UNAVAILABLE;
  client_answer answer = send(store, "POST", "/v1/simulations", "k", "{}"); /* whether the key is known cannot be told */
  client_expect_problem(&answer, 503, "unavailable");
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_submission), TEST(test_a_fault_can_be_mended), TEST(test_jobs),      TEST(test_a_refusal_is_kept),          TEST(test_potential),
      TEST(test_in_flight),  TEST(test_keys_that_are_none),    TEST(test_storage_away), TEST(test_where_keys_do_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Running the service: priorities and whose jobs they are, attempts, tokens, audit, workers, retention. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
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

static client_answer send(qn_store *store, qn_scope scope, const char *method, const char *target, const char *body) {
  return client_send(store, scope, method, target, NULL, body, body != NULL ? strlen(body) : 0);
}

static json_int_t integer(const client_answer *answer, const char *key) { return json_integer_value(json_object_get(answer->json, key)); }
static bool is_null(const client_answer *answer, const char *key) { return json_is_null(json_object_get(answer->json, key)); }

/* A job of the fixture's own store; its id. */
static int64_t submit(qn_store *store, const char *by) {
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  assert_int_equal(answer.status, 202);
  int64_t job = integer(&answer, "job");
  client_fini(&answer);
  free(store->jobs[0].submitted_by);
  store->jobs[0].submitted_by = strdup(by);
  return job;
}

/* ---- priorities ---- */

static void post_priority(qn_store *store, qn_scope scope, const char *value, int status, const char *code) {
  char body[4096];
  snprintf(body, sizeof body, "{\"priority\": %s, %s", value, BULK + 1);
  client_answer answer = send(store, scope, "POST", "/v1/simulations", body);
  if (code != NULL) client_expect_problem(&answer, status, code);
  assert_int_equal(answer.status, status);
  if (status == 422) assert_non_null(client_fault(&answer, "/priority"));
  client_fini(&answer);
}

static void test_priority_of_a_submission(void **state) {
  qn_store *store = *state;
  client_answer plain = client_post(store, "/v1/simulations", BULK);
  assert_false(store->last_prioritised);
  char spec[sizeof store->last_spec];
  strcpy(spec, store->last_spec);
  post_priority(store, QN_SCOPE_SUBMIT, "7", 200, NULL); /* the same work */
  assert_true(store->last_prioritised);
  assert_int_equal(store->last_priority, 7);
  assert_string_equal(store->last_spec, spec);
  assert_string_equal(store->last_request_id, "r-1");
  post_priority(store, QN_SCOPE_SUBMIT, "-10", 200, NULL);
  post_priority(store, QN_SCOPE_SUBMIT, "10.0", 200, NULL);
  post_priority(store, QN_SCOPE_SUBMIT, "11", 403, "forbidden");
  post_priority(store, QN_SCOPE_SUBMIT, "-11", 403, "forbidden");
  post_priority(store, QN_SCOPE_ADMIN, "11", 200, NULL);
  assert_int_equal(store->last_priority, 11);
  post_priority(store, QN_SCOPE_ADMIN, "-1000", 200, NULL);
  post_priority(store, QN_SCOPE_ADMIN, "1001", 422, "invalid_spec");
  post_priority(store, QN_SCOPE_ADMIN, "\"high\"", 422, "invalid_spec");
  post_priority(store, QN_SCOPE_ADMIN, "1.5", 422, "invalid_spec");
  post_priority(store, QN_SCOPE_ADMIN, "null", 422, "invalid_spec");

  client_answer analysis = send(store, QN_SCOPE_SUBMIT, "POST", "/v1/analyses", "{\"simulation\": 2, \"type\": \"relaxation\", \"q_inv_a\": 2.5, \"priority\": -3}");
  assert_int_equal(analysis.status, 202);
  assert_true(store->last_prioritised);
  assert_int_equal(store->last_priority, -3);
  assert_null(strstr(store->last_spec, "priority"));
  client_fini(&analysis);
  client_fini(&plain);
}

static void test_changing_a_priority(void **state) {
  qn_store *store = *state;
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)submit(store, "tester"));
  client_answer answer = send(store, QN_SCOPE_SUBMIT, "PATCH", path, "{\"priority\": -10}");
  assert_int_equal(answer.status, 200);
  assert_int_equal(integer(&answer, "priority"), -10);
  client_fini(&answer);
  static const struct { qn_scope scope; const char *body; int status; const char *code; } cases[] = {
      {QN_SCOPE_SUBMIT, "{\"priority\": 11}", 403, "forbidden"},      {QN_SCOPE_ADMIN, "{\"priority\": 1001}", 422, "invalid_spec"},
      {QN_SCOPE_SUBMIT, "{}", 422, "invalid_spec"},                   {QN_SCOPE_SUBMIT, "{\"priority\": 1, \"state\": \"queued\"}", 422, "invalid_spec"},
      {QN_SCOPE_SUBMIT, "[]", 422, "invalid_spec"},                   {QN_SCOPE_SUBMIT, "{", 400, "invalid_json"},
      {QN_SCOPE_READ, "{\"priority\": 1}", 403, "forbidden"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    answer = send(store, cases[i].scope, "PATCH", path, cases[i].body);
    client_expect_problem(&answer, cases[i].status, cases[i].code);
    client_fini(&answer);
  }
  assert_int_equal(store->jobs[0].priority, -10);
  answer = send(store, QN_SCOPE_ADMIN, "PATCH", path, "{\"priority\": 500}");
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
}

static void test_jobs_of_others(void **state) {
  qn_store *store = *state;
  int64_t job = submit(store, "somebody");
  static const struct { const char *method, *rest, *body; } changes[] = {
      {"PATCH", "", "{\"priority\": 1}"}, {"POST", "/cancel", NULL}, {"POST", "/retry", NULL}};
  for (int i = 0; i < 3; i++) {
    char path[64];
    snprintf(path, sizeof path, "/v1/jobs/%lld%s", (long long)job, changes[i].rest);
    qn_job_state before = store->jobs[0].state;
    client_answer answer = send(store, QN_SCOPE_SUBMIT, changes[i].method, path, changes[i].body);
    client_expect_problem(&answer, 403, "forbidden");
    client_fini(&answer);
    assert_int_equal(store->jobs[0].state, before);
    answer = send(store, QN_SCOPE_ADMIN, changes[i].method, path, changes[i].body);
    assert_int_equal(answer.status, 200);
    client_fini(&answer);
  }
}

/* ---- what a job tells ---- */

static void expect_effect(qn_store *store, int64_t job, const char *effect) {
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)job);
  client_answer answer = client_get(store, path);
  if (effect != NULL) assert_string_equal(client_text(&answer, "cancel_effect"), effect);
  else assert_true(is_null(&answer, "cancel_effect") && is_null(&answer, "cancel_requested_at"));
  assert_int_equal(json_is_true(json_object_get(answer.json, "cancel_requested")), effect != NULL);
  client_fini(&answer);
}

static void test_cancel_says_what_came_of_it(void **state) {
  qn_store *store = *state;
  char path[64];
  int64_t job = submit(store, "tester");
  snprintf(path, sizeof path, "/v1/jobs/%lld/cancel", (long long)job);
  expect_effect(store, job, NULL);
  store->jobs[0].state = QN_JOB_RUNNING;
  client_answer answer = send(store, QN_SCOPE_SUBMIT, "POST", path, NULL);
  assert_int_equal(answer.status, 202);
  assert_string_equal(client_text(&answer, "cancel_effect"), "pending");
  assert_string_equal(client_text(&answer, "cancel_requested_at"), "2026-01-02T03:04:06Z");
  client_fini(&answer);
  store->jobs[0].state = QN_JOB_SUCCEEDED;
  expect_effect(store, job, "too_late");
  store->jobs[0].state = QN_JOB_CANCELLED;
  expect_effect(store, job, "took_effect");
  store->jobs[0].state = QN_JOB_QUEUED;
  answer = send(store, QN_SCOPE_SUBMIT, "POST", path, NULL);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "cancel_effect"), "took_effect");
  client_fini(&answer);
}

static void test_parents_and_attempts(void **state) {
  qn_store *store = *state;
  char path[64];
  int64_t job = submit(store, "tester");
  free(store->jobs[0].parents);
  store->jobs[0].parents = strdup("[3,5]");
  store->jobs[0].failed_by = 5;
  store->jobs[0].failures = 2;
  snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)job);
  client_answer answer = client_get(store, path);
  assert_int_equal(integer(&answer, "failures"), 2);
  assert_int_equal(integer(&answer, "failed_by"), 5);
  assert_int_equal(json_array_size(json_object_get(answer.json, "parents")), 2);
  client_fini(&answer);

  strcat(path, "/attempts");
  answer = client_get(store, path);
  assert_int_equal(answer.status, 200);
  const json_t *items = json_object_get(answer.json, "items"), *first = json_array_get(items, 0), *second = json_array_get(items, 1);
  assert_int_equal(json_array_size(items), 2);
  assert_int_equal(json_integer_value(json_object_get(first, "attempt")), 2);
  assert_true(json_is_null(json_object_get(first, "ended_at")) && json_is_null(json_object_get(first, "outcome")));
  assert_string_equal(json_string_value(json_object_get(second, "outcome")), "lost");
  assert_string_equal(json_string_value(json_object_get(second, "error")), "the worker fell silent");
  client_fini(&answer);
  strcat(path, "?limit=1");
  answer = client_get(store, path);
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 1);
  assert_non_null(strstr(client_text(&answer, "next"), "cursor=2"));
  client_fini(&answer);
  answer = client_get(store, "/v1/jobs/4711/attempts");
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

static void test_removed_files_are_gone(void **state) {
  qn_store *store = *state;
  int64_t job = submit(store, "tester");
  (void)job;
  store->simulations[0].id = 1;
  static const char *const kinds[] = {"trajectory", "snapshot", "thermo"};
  static const char *const data[] = {"/v1/trajectories/%lld/data", "/v1/structures/%lld/data", "/v1/simulations/1/thermo"};
  for (int k = 0; k < 3; k++) {
    int64_t id = fake_store_add_artifact(store, kinds[k], "/dev/null", "abc", k == 0 ? 3 : 0);
    char path[96];
    qn_artifact_row *row = &store->artifacts[store->artifact_count - 1];
    free(row->removed_at);
    row->removed_at = strdup("2026-02-02T03:04:05Z");
    snprintf(path, sizeof path, data[k], (long long)id);
    client_answer answer = client_get(store, path);
    client_expect_problem(&answer, 410, "gone");
    assert_non_null(strstr(client_text(&answer, "detail"), "2026-02-02T03:04:05Z"));
    client_fini(&answer);
    if (k == 2) continue;
    snprintf(path, sizeof path, k == 0 ? "/v1/trajectories/%lld" : "/v1/structures/%lld", (long long)id);
    answer = client_get(store, path); /* what it was is still told */
    assert_int_equal(answer.status, 200);
    assert_string_equal(client_text(&answer, "removed_at"), "2026-02-02T03:04:05Z");
    client_fini(&answer);
    if (k == 0) {
      snprintf(path, sizeof path, "/v1/trajectories/%lld/data?format=xyz&frames=0", (long long)id);
      answer = client_get(store, path);
      client_expect_problem(&answer, 410, "gone");
      client_fini(&answer);
    }
  }
}

/* ---- tokens ---- */

static void test_tokens(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/tokens", "{\"name\": \"lab\", \"scope\": \"submit\", \"expires_days\": 30}");
  assert_int_equal(answer.status, 201);
  assert_int_equal(strlen(client_text(&answer, "token")), 46);
  assert_string_equal(client_text(&answer, "scope"), "submit");
  assert_string_equal(client_text(&answer, "created_by"), "tester");
  assert_string_equal(client_header(&answer, "Cache-Control"), "no-store");
  char path[64];
  snprintf(path, sizeof path, "/v1/tokens/%lld", (long long)integer(&answer, "id"));
  client_fini(&answer);
  answer = client_post(store, "/v1/tokens", "{\"name\": \"lab\", \"scope\": \"read\"}");
  client_expect_problem(&answer, 409, "conflict");
  client_fini(&answer);

  answer = client_get(store, "/v1/tokens");
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 1);
  assert_null(strstr(answer.text, "qn_")); /* the secret was shown once */
  client_fini(&answer);
  answer = send(store, QN_SCOPE_ADMIN, "DELETE", path, NULL);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "revoked_at"), "2026-01-02T03:04:07Z");
  client_fini(&answer);
  answer = send(store, QN_SCOPE_ADMIN, "DELETE", "/v1/tokens/4711", NULL);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

static void test_bad_tokens(void **state) {
  qn_store *store = *state;
  static const struct { const char *body, *pointer; } cases[] = {
      {"{\"scope\": \"read\"}", "/name"},
      {"{\"name\": \"a\"}", "/scope"},
      {"{\"name\": \"two words\", \"scope\": \"read\"}", "/name"},
      {"{\"name\": \"os:root\", \"scope\": \"read\"}", "/name"},
      {"{\"name\": \"local\", \"scope\": \"read\"}", "/name"},
      {"{\"name\": \"a\", \"scope\": \"none\"}", "/scope"},
      {"{\"name\": \"a\", \"scope\": \"read\", \"expires_days\": 0}", "/expires_days"},
      {"{\"name\": \"a\", \"scope\": \"read\", \"expires_days\": 1e9}", "/expires_days"},
      {"{\"name\": \"a\", \"scope\": \"read\", \"secret\": \"mine\"}", "/secret"},
      {"{\"name\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", \"scope\": \"read\"}", "/name"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_post(store, "/v1/tokens", cases[i].body);
    client_expect_problem(&answer, 422, "invalid_spec");
    if (client_fault(&answer, cases[i].pointer) == NULL) fail_msg("%s: no fault at %s: %s", cases[i].body, cases[i].pointer, answer.text);
    client_fini(&answer);
  }
  assert_int_equal(store->token_count, 0);
  static const char *const paths[] = {"/v1/tokens", "/v1/audit", "/v1/retention"};
  for (int i = 0; i < 3; i++)
    for (int post = 0; post < 2; post++) {
      if ((i == 1 && post) || (i == 2 && !post)) continue;
      client_answer answer = send(store, QN_SCOPE_SUBMIT, post ? "POST" : "GET", paths[i], post ? "{}" : NULL);
      client_expect_problem(&answer, 403, "forbidden");
      client_fini(&answer);
    }
}

/* ---- audit, workers ---- */

static void test_audit(void **state) {
  qn_store *store = *state;
  client_answer answer = client_get(store, "/v1/audit?principal=lab&resource_id=3&outcome=refused&limit=1");
  assert_int_equal(answer.status, 200);
  assert_string_equal(store->last_principal, "lab");
  assert_int_equal(store->last_audit.resource_id, 3);
  assert_string_equal(store->last_audit.outcome, "refused");
  assert_null(store->last_audit.action);
  const json_t *row = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_int_equal(json_integer_value(json_object_get(row, "resource_id")), 3);
  assert_true(json_is_null(json_object_get(row, "token")) && json_is_null(json_object_get(row, "request_id")));
  assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "detail"), "why")), 1);
  assert_non_null(strstr(client_text(&answer, "next"), "cursor=7"));
  client_fini(&answer);
  answer = client_get(store, "/v1/audit?outcome=maybe");
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
}

static void test_workers(void **state) {
  client_answer answer = send(*state, QN_SCOPE_READ, "GET", "/v1/workers", NULL);
  assert_int_equal(answer.status, 200);
  const json_t *row = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_true(json_is_true(json_object_get(row, "alive")));
  assert_int_equal(json_array_size(json_object_get(row, "running")), 2);
  assert_true(json_is_null(json_object_get(row, "trouble")));
  client_fini(&answer);
}

/* ---- retention ---- */

static void test_retention(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/retention", "{\"older_than_days\": 30, \"kinds\": [\"trajectory\", \"history\"]}");
  assert_int_equal(answer.status, 200);
  const qn_retention *wanted = &store->last_retention;
  assert_true(wanted->dry_run); /* unless it is said */
  assert_true(wanted->older_than_days == 30);
  assert_true(wanted->kinds[QN_RETAINED_TRAJECTORY] && wanted->kinds[QN_RETAINED_HISTORY] && !wanted->kinds[QN_RETAINED_SNAPSHOT]);
  for (int s = 0; s <= QN_JOB_CANCELLED; s++) assert_int_equal(wanted->states[s], qn_job_state_final((qn_job_state)s));
  assert_int_equal(integer(&answer, "count"), 2);
  assert_int_equal(integer(&answer, "bytes"), 1300);
  assert_int_equal(integer(&answer, "held_count"), 1);
  assert_int_equal(integer(&answer, "held_bytes"), 20);
  const json_t *held = json_array_get(json_object_get(answer.json, "items"), 1);
  assert_int_equal(json_integer_value(json_object_get(held, "needed_by")), 9);
  client_fini(&answer);

  answer = client_post(store, "/v1/retention",
                       "{\"older_than_days\": 0.5, \"kinds\": [\"folder\"], \"states\": [\"failed\"], \"dry_run\": false, \"limit\": 10}");
  assert_int_equal(answer.status, 200);
  assert_false(store->last_retention.dry_run);
  assert_true(store->last_retention.states[QN_JOB_FAILED] && !store->last_retention.states[QN_JOB_CANCELLED]);
  assert_int_equal(store->last_retention.most, 10);
  client_fini(&answer);
}

static void test_bad_retention(void **state) {
  qn_store *store = *state;
  static const struct { const char *body, *pointer; } cases[] = {
      {"{\"kinds\": [\"thermo\"]}", "/older_than_days"},
      {"{\"older_than_days\": -1, \"kinds\": [\"thermo\"]}", "/older_than_days"},
      {"{\"older_than_days\": 1}", "/kinds"},
      {"{\"older_than_days\": 1, \"kinds\": []}", "/kinds"},
      {"{\"older_than_days\": 1, \"kinds\": \"thermo\"}", "/kinds"},
      {"{\"older_than_days\": 1, \"kinds\": [\"thermo\", \"everything\"]}", "/kinds"},
      {"{\"older_than_days\": 1, \"kinds\": [1]}", "/kinds"},
      {"{\"older_than_days\": 1, \"kinds\": [\"thermo\"], \"states\": [\"running\"]}", "/states"},
      {"{\"older_than_days\": 1, \"kinds\": [\"thermo\"], \"dry_run\": \"no\"}", "/dry_run"},
      {"{\"older_than_days\": 1, \"kinds\": [\"thermo\"], \"limit\": 0}", "/limit"},
      {"{\"older_than_days\": 1, \"kinds\": [\"thermo\"], \"force\": true}", "/force"},
  };
  store->last_retention.most = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_post(store, "/v1/retention", cases[i].body);
    client_expect_problem(&answer, 422, "invalid_spec");
    if (client_fault(&answer, cases[i].pointer) == NULL) fail_msg("%s: no fault at %s: %s", cases[i].body, cases[i].pointer, answer.text);
    client_fini(&answer);
  }
  assert_int_equal(store->last_retention.most, 0); /* never asked */
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_priority_of_a_submission), TEST(test_changing_a_priority),  TEST(test_jobs_of_others), TEST(test_cancel_says_what_came_of_it),
      TEST(test_parents_and_attempts),     TEST(test_removed_files_are_gone), TEST(test_tokens),       TEST(test_bad_tokens),
      TEST(test_audit),                    TEST(test_workers),              TEST(test_retention),      TEST(test_bad_retention),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

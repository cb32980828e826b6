/* POST of simulations and analyses: the whole way from a body to what storage is asked to keep. */
#include "api/spec_text.h"

#include <stdio.h>

#include "api/client.h"
#include "api/spec.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

static int64_t integer(const client_answer *answer, const char *key) {
  return json_integer_value(json_object_get(answer->json, key));
}

static void test_first_and_second_post(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  assert_int_equal(answer.status, 202);
  assert_true(json_is_true(json_object_get(answer.json, "created")));
  int64_t id = integer(&answer, "id");
  char location[64];
  snprintf(location, sizeof location, "/v1/simulations/%lld", (long long)id);
  assert_string_equal(client_header(&answer, "Location"), location);
  assert_string_equal(client_text(&answer, "spec_sha256"), store->simulations[0].sha256);
  assert_int_equal(store->simulation_count, 1);
  assert_int_equal(store->analysis_count, 2);
  client_fini(&answer);

  char *renamed = spec_with(BULK, "/name", "\"the same work by another name\"");
  answer = client_post(store, "/v1/simulations", renamed);
  assert_int_equal(answer.status, 200);
  assert_true(json_is_false(json_object_get(answer.json, "created")));
  assert_int_equal(integer(&answer, "id"), id);
  assert_int_equal(store->simulation_count, 1);
  client_fini(&answer);
  free(renamed);
}

static void test_one_more_analysis_does_not_run_again(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char *more = spec_with(BULK, "/analyses/-", "{\"type\": \"relaxation\", \"q_inv_a\": 2.5, \"stage\": 2}");
  answer = client_post(store, "/v1/simulations", more);
  assert_int_equal(answer.status, 200);
  assert_int_equal(store->simulation_count, 1);
  assert_int_equal(store->analysis_count, 3);
  client_fini(&answer);
  free(more);
}

static void test_kept_spec_is_resolved(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  json_t *spec = json_loads(store->last_spec, 0, NULL);
  assert_string_equal(json_string_value(json_object_get(spec, "potential_sha256")), store->potentials[0].sha256);
  assert_true(json_number_value(json_object_get(json_object_get(spec, "initial"), "lattice_constant_a")) > 4.0);
  json_decref(spec);
  qn_simulation_spec *typed = malloc(sizeof *typed);
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE];
  qn_spec_parse_simulation(store->last_spec, strlen(store->last_spec), typed, &faults);
  char *again = qn_spec_render_simulation(typed, hash);
  assert_string_equal(again, store->last_spec);
  assert_string_equal(hash, store->simulations[0].sha256);
  free(again), free(typed);
}

static void test_faults_are_a_problem(void **state) {
  qn_store *store = *state;
  char *bad = spec_with(BULK, "/stages/0/temperature_k", "-5"), *worse = spec_with(bad, "/potential", "\"nothing\"");
  client_answer answer = client_post(store, "/v1/simulations", bad);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/stages/0/temperature_k"), "between 1 and 20000 K"));
  client_fini(&answer);
  answer = client_post(store, "/v1/simulations", "{\"a\": 1, \"a\": 2}");
  client_expect_problem(&answer, 400, "invalid_json");
  client_fini(&answer);
  assert_int_equal(store->simulation_count, 0);
  free(bad), free(worse);
}

static void test_unknown_potential_names_the_known(void **state) {
  char *bad = spec_with(BULK, "/potential", "\"nothing\"");
  client_answer answer = client_post(*state, "/v1/simulations", bad);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/potential"), "registered: cu-zr"));
  client_fini(&answer);
  free(bad);
}

static void test_small_box(void **state) {
  char *bad = spec_with(BULK, "/initial/cells", "[3, 3, 3]");
  client_answer answer = client_post(*state, "/v1/simulations", bad);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/initial/cells/1"), "at least 4 cells"));
  client_fini(&answer);
  free(bad);
}

static void test_from_a_snapshot(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  int64_t parent = integer(&answer, "id");
  client_fini(&answer);
  char number[32];
  snprintf(number, sizeof number, "%lld", (long long)parent);
  char *text = spec_with(FROM_SNAPSHOT, "/initial/simulation", number);
  answer = client_post(store, "/v1/simulations", text);
  assert_int_equal(answer.status, 202);
  assert_non_null(strstr(store->last_spec, "\"stage\":1"));
  assert_non_null(strstr(store->last_spec, "\"temperature_k\":1600"));
  client_fini(&answer);

  /* the stage that was chosen by default is the same work when it is named */
  char *named = spec_with(text, "/initial/stage", "1");
  answer = client_post(store, "/v1/simulations", named);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);

  answer = client_post(store, "/v1/simulations", FROM_SNAPSHOT); /* simulation 7 */
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/initial/stage") != NULL ? client_fault(&answer, "/initial/stage")
                                                                         : client_fault(&answer, "/initial/simulation"),
                         "simulation 7"));
  client_fini(&answer);
  free(text), free(named);
}

static void test_known_work_says_how_it_stands(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  assert_string_equal(client_text(&answer, "state"), "queued");
  client_fini(&answer);
  store->jobs[0].state = QN_JOB_FAILED;
  answer = client_post(store, "/v1/simulations", BULK);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "state"), "failed");
  client_fini(&answer);
}

static void test_analysis(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  int64_t simulation = integer(&answer, "id");
  client_fini(&answer);
  char body[200];

  /* one that the simulation has already */
  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"diffusion\"}", (long long)simulation);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 200);
  assert_int_equal(store->analysis_count, 2);
  client_fini(&answer);

  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"relaxation\", \"q_inv_a\": 2.5}",
           (long long)simulation);
  answer = client_post(store, "/v1/analyses", body);
  assert_int_equal(answer.status, 202);
  assert_non_null(strstr(client_header(&answer, "Location"), "/v1/analyses/"));
  assert_int_equal(store->analysis_count, 3);
  assert_non_null(strstr(store->last_spec, "\"stage\":2"));
  assert_null(strstr(store->last_spec, "simulation"));
  client_fini(&answer);

  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"diffusion\", \"stage\": 0, \"q\": 1}",
           (long long)simulation);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(client_fault(&answer, "/q"));
  client_fini(&answer);

  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"diffusion\", \"stage\": 0}", (long long)simulation);
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/stage"), "with frames: 2"));
  client_fini(&answer);

  answer = client_post(store, "/v1/analyses", "{\"simulation\": 999, \"type\": \"diffusion\"}");
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/simulation"), "no simulation 999"));
  client_fini(&answer);

  static const char *const bad[] = {"{}",
                                    "[]",
                                    "{\"simulation\": 1}",
                                    "{\"type\": \"diffusion\"}",
                                    "{\"simulation\": \"1\", \"type\": \"diffusion\"}",
                                    "{\"simulation\": 1, \"type\": \"magic\"}"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    answer = client_post(store, "/v1/analyses", bad[i]);
    client_expect_problem(&answer, 422, "invalid_spec");
    client_fini(&answer);
  }
}

static void test_storage_fails_midway(void **state) {
  qn_store *store = *state;
  store->broken = QN_UNAVAILABLE;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_expect_problem(&answer, 503, "unavailable");
  client_fini(&answer);
  answer = client_post(store, "/v1/simulations", FROM_SNAPSHOT);
  client_expect_problem(&answer, 503, "unavailable");
  client_fini(&answer);
  answer = client_post(store, "/v1/analyses", "{\"simulation\": 999, \"type\": \"diffusion\"}");
  client_expect_problem(&answer, 503, "unavailable");
  client_fini(&answer);
}

static void test_damaged_rows_are_said_to_be(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  char body[100], number[32];
  snprintf(number, sizeof number, "%lld", (long long)integer(&answer, "id"));
  snprintf(body, sizeof body, "{\"simulation\": %s, \"type\": \"diffusion\"}", number);
  client_fini(&answer);
  store->simulations[0].spec[5] = '}';
  answer = client_post(store, "/v1/analyses", body);
  client_expect_problem(&answer, 500, "corrupt");
  client_fini(&answer);
  char *text = spec_with(FROM_SNAPSHOT, "/initial/simulation", number);
  answer = client_post(store, "/v1/simulations", text);
  client_expect_problem(&answer, 500, "corrupt");
  client_fini(&answer);
  free(text);
  strcpy(store->potentials[0].details, "{}");
  answer = client_post(store, "/v1/simulations", BULK);
  client_expect_problem(&answer, 500, "corrupt");
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_first_and_second_post),
      TEST(test_one_more_analysis_does_not_run_again),
      TEST(test_kept_spec_is_resolved),
      TEST(test_faults_are_a_problem),
      TEST(test_unknown_potential_names_the_known),
      TEST(test_small_box),
      TEST(test_from_a_snapshot),
      TEST(test_known_work_says_how_it_stands),
      TEST(test_analysis),
      TEST(test_storage_fails_midway),
      TEST(test_damaged_rows_are_said_to_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

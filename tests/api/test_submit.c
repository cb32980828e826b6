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

/* The answer has exactly these faults, each once. */
static void expect_faults(qn_store *store, const char *path, const char *body, const char *const *pointers) {
  client_answer answer = client_post(store, path, body);
  client_expect_problem(&answer, 422, "invalid_spec");
  size_t count = 0;
  bool good = true;
  for (; pointers[count] != NULL; count++) good = client_fault(&answer, pointers[count]) != NULL && good;
  good = good && json_array_size(json_object_get(answer.json, "errors")) == count;
  if (!good) print_error("for %s\nfound %s\n", body, answer.text);
  assert_true(good);
  client_fini(&answer);
}
#define EXPECT_FAULTS(store, path, body, ...) expect_faults(store, path, body, (const char *const[]){__VA_ARGS__, NULL})

/* What the spec says and what only the potential, the stages or a parent can tell, together; and no fault that only follows from another. */
static void test_all_faults_of_every_kind_at_once(void **state) {
  static const char path[] = "/v1/simulations";
  char *worse;
  qn_store *store = *state;
  char *seed = spec_with(BULK, "/seed", "-1"), *small = spec_with(seed, "/initial/cells", "[1, 1, 1]");
  char *text = spec_with(small, "/potential", "\"nope\"");
  EXPECT_FAULTS(store, path, text, "/seed", "/potential");
  free(text);
  EXPECT_FAULTS(store, path, small, "/seed", "/initial/cells/0", "/initial/cells/1", "/initial/cells/2");
  text = spec_with(small, "/initial/composition", "{\"Al\": 0.5, \"Zr\": 0.5}");
  EXPECT_FAULTS(store, path, text, "/seed", "/initial/composition/Al", "/initial/cells/0", "/initial/cells/1",
                "/initial/cells/2");
  free(text);
  text = spec_with(seed, "/initial/composition", "{\"Al\": 0.5, \"Zr\": 0.5}"); /* its size is not known that well */
  EXPECT_FAULTS(store, path, text, "/seed", "/initial/composition/Al");
  free(text);
  text = spec_with(small, "/initial/composition/Cu", "0.6");
  EXPECT_FAULTS(store, path, text, "/seed", "/initial/composition");
  free(text);
  text = spec_with(small, "/initial/structure", "\"hcp\"");
  EXPECT_FAULTS(store, path, text, "/seed", "/initial/structure");
  free(text);
  text = spec_with(seed, "/initial/cells", "[5, 0, 1]");
  EXPECT_FAULTS(store, path, text, "/seed", "/initial/cells/1", "/initial/cells/2");
  free(text);

  char *lag = spec_with(BULK, "/analyses/0/max_lag_ps", "1000");
  text = spec_with(lag, "/stages/0/duration_ps", "-1");
  EXPECT_FAULTS(store, path, text, "/stages/0/duration_ps", "/analyses/0");
  free(text);
  text = spec_with(lag, "/stages/2/duration_ps", "-1"); /* of the stage analysed: nothing to hold the lag against */
  EXPECT_FAULTS(store, path, text, "/stages/2/duration_ps");
  free(text);
  text = spec_with(lag, "/analyses/0/fit_start_ps", "-1");
  EXPECT_FAULTS(store, path, text, "/analyses/0/fit_start_ps");
  free(text);
  text = spec_with(seed, "/analyses/0/stage", "0");
  EXPECT_FAULTS(store, path, text, "/seed", "/analyses/0/stage");
  free(text), free(lag), free(seed), free(small);

  char *orphan = spec_with(FROM_SNAPSHOT, "/potential", "\"nope\"");
  text = spec_with(orphan, "/stages/0/duration_ps", "0");
  EXPECT_FAULTS(store, path, text, "/potential", "/initial/simulation", "/stages/0/duration_ps");
  free(text), free(orphan);

  text = spec_with(BULK, "/initial", "{\"type\": \"structure\", \"structure\": 99, \"velocities\": \"kepe\"}");
  worse = spec_with(text, "/potential", "\"nope\"");
  EXPECT_FAULTS(store, path, worse, "/initial/structure", "/initial/velocities", "/potential");
  free(text), free(worse);

  /* Sources are looked for among analyses that are known; what is twice is told of those without other faults. */
  text = spec_with(BULK, "/analyses", "[{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}, {\"type\": \"debye_waller\", \"stage\": \"x\"},"
                                      " {\"type\": \"debye_waller\", \"stage\": \"y\"}]");
  EXPECT_FAULTS(store, path, text, "/analyses/0/q_inv_a", "/analyses/1/stage", "/analyses/2/stage");
  free(text);
  text = spec_with(BULK, "/analyses", "[{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}, {\"type\": \"structure_factor\", \"stage\": \"x\"}]");
  EXPECT_FAULTS(store, path, text, "/analyses/1/stage");
  free(text);
  text = spec_with(BULK, "/analyses", "[{\"type\": \"thermodynamics\", \"stage\": 9, \"discard\": 2}, {\"type\": \"diffusion\", \"sampling\": -1}]");
  EXPECT_FAULTS(store, path, text, "/analyses/0/stage", "/analyses/0/discard", "/analyses/1/sampling");
  free(text);

  client_answer answer = client_post(store, path, BULK);
  char number[32], body[200];
  snprintf(number, sizeof number, "%lld", (long long)integer(&answer, "id"));
  client_fini(&answer);
  char *child = spec_with(FROM_SNAPSHOT, "/initial/simulation", number);
  text = spec_with(child, "/initial/temperature_k", "1613");
  worse = spec_with(text, "/timestep_fs", "0");
  EXPECT_FAULTS(store, path, worse, "/timestep_fs", "/initial/temperature_k");
  free(text), free(worse), free(child);

  snprintf(body, sizeof body, "{\"simulation\": %s, \"type\": \"diffusion\", \"stage\": 0, \"q\": 1}", number);
  EXPECT_FAULTS(store, "/v1/analyses", body, "/q", "/stage");
  EXPECT_FAULTS(store, "/v1/analyses", "{\"simulation\": 999, \"type\": \"difusion\"}", "/simulation", "/type");
  EXPECT_FAULTS(store, "/v1/analyses", "{\"simulation\": 0, \"type\": \"diffusion\", \"max_lag_ps\": -1}",
                "/simulation", "/max_lag_ps");
  EXPECT_FAULTS(store, "/v1/analyses", "{\"trajectory\": 999, \"type\": \"diffusion\", \"max_lag_ps\": -1, \"stage\": 0}",
                "/trajectory", "/max_lag_ps", "/stage");
  EXPECT_FAULTS(store, "/v1/analyses", "{\"trajectory\": 0, \"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": \"x\"}}",
                "/trajectory", "/q_inv_a/analysis");
  snprintf(body, sizeof body, "{\"simulation\": %s, \"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\", \"max_lag_ps\": -1}", number);
  EXPECT_FAULTS(store, "/v1/analyses", body, "/q_inv_a", "/max_lag_ps");
}

/* Averages over these frames would stand for no temperature, or cannot be taken; a spec kept from before stays readable. */
static void test_stages_that_no_analysis_can_use(void **state) {
  static const char path[] = "/v1/simulations";
  qn_store *store = *state;
  char *text = spec_with(BULK, "/stages/1/sample_every_ps", "0.05"),
       *quench = spec_with(text, "/analyses/0/stage", "1");
  EXPECT_FAULTS(store, path, quench, "/analyses/0/stage");
  client_answer answer = client_post(store, path, quench);
  assert_non_null(strstr(client_fault(&answer, "/analyses/0/stage"), "is a quench"));
  client_fini(&answer);
  qn_simulation_spec *stored = malloc(sizeof *stored);
  qn_faults faults = {0};
  qn_spec_parse_stored(quench, strlen(quench), stored, &faults);
  assert_int_equal(faults.count, 0);
  assert_int_equal(stored->analyses[0].stage, 1);
  free(stored), free(text), free(quench);

  text = spec_with(BULK, "/stages/0/sample_every_ps", "0.05");
  char *npt = spec_with(text, "/analyses/0/stage", "0"), *both = spec_with(npt, "/analyses/1/stage", "0");
  EXPECT_FAULTS(store, path, both, "/analyses/0/stage", "/analyses/1/stage");
  answer = client_post(store, path, npt);
  assert_non_null(strstr(client_fault(&answer, "/analyses/0/stage"), "nvt with \"volume\": \"mean\""));
  client_fini(&answer);
  free(npt), free(both);
  npt = spec_with(text, "/analyses", "[{\"type\": \"pair_distribution\", \"stage\": 0}]"); /* at any volume */
  answer = client_post(store, path, npt);
  assert_int_equal(answer.status, 202);
  char body[100];
  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"diffusion\", \"stage\": 0}",
           (long long)integer(&answer, "id"));
  client_fini(&answer);
  EXPECT_FAULTS(store, "/v1/analyses", body, "/stage");
  free(text), free(npt);
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
      TEST(test_all_faults_of_every_kind_at_once),
      TEST(test_stages_that_no_analysis_can_use),
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

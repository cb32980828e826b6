/* Filters of results: every parameter of every analysis is one, and results say what they were measured with. */
#include "api/spec_text.h"

#include <math.h>
#include <stdio.h>

#include "api/client.h"
#include "api/filters.h"
#include "api/route.h"
#include "engine/analysis/sources.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

/* No name is both a filter of its own and a parameter, and there is room for all of them. */
static void test_names(void **state) {
  (void)state;
  qn_filter_list list;
  qn_filters_list(&list);
  int wanted = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (int p = 0; p < (*type)->parameter_count; p++) {
      int found = 0;
      for (int k = 0; k < list.count; k++) found += strcmp(list.parameter[k]->name, (*type)->parameters[p].name) == 0;
      assert_int_equal(found, 1);
      wanted++;
    }
  assert_true(list.count > 10 && list.count <= wanted && list.count < QN_MOST_FILTERS);
  size_t count;
  const qn_route *routes = qn_routes(&count);
  for (size_t i = 0; i < count; i++)
    for (int q = 0; (routes[i].traits & QN_ROUTE_PARAMETERS) != 0 && routes[i].query[q] != NULL; q++)
      for (int k = 0; k < list.count; k++) assert_string_not_equal(list.parameter[k]->name, routes[i].query[q]);
}

static void test_query_of_requests(void **state) {
  qn_store *store = *state;
  static const struct {
    const char *query, *parameters, *inputs;
  } cases[] = {
      {"", "", ""},
      {"layer_a=2.5", "{\"layer_a\":2.5}", ""},
      {"layer_a=5&depth_a=0", "{\"depth_a\":0,\"layer_a\":5}", ""},
      {"q_inv_a=structure_factor", "", "{\"q_inv_a\":{\"type\":\"structure_factor\"}}"},
      {"fit_start_ps=auto", "{\"fit_start_ps\":null}", ""},
      {"fit_start_ps=2", "{\"fit_start_ps\":2}", ""},
      {"method=c", "{\"method\":\"c\"}", ""},
      {"stage=3", "{\"stage\":3}", ""},
      {"sampling=0&stage=3", "{\"sampling\":0,\"stage\":3}", ""},
      {"of=relaxation_time", "{\"quantity\":\"relaxation_time\"}", ""},
      {"of=relaxation_time&layer_a=2.5&q_inv_a=2.71",
       "{\"layer_a\":2.5,\"q_inv_a\":2.71,\"quantity\":\"relaxation_time\"}", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char target[200];
    snprintf(target, sizeof target, "/v1/results?%s", cases[i].query);
    client_answer answer = client_get(store, target);
    if (answer.status != 200) print_error("%s: %s\n", target, answer.text);
    assert_int_equal(answer.status, 200);
    assert_string_equal(store->last_parameters, cases[i].parameters);
    assert_string_equal(store->last_inputs, cases[i].inputs);
    client_fini(&answer);
  }
  client_answer answer = client_get(store, "/v1/results?type=diffusion&trajectory=4&fit=5");
  assert_true(store->last_query.trajectory == 4 && store->last_query.fit == 5);
  client_fini(&answer);
}

static void test_faults(void **state) {
  static const struct {
    const char *query, *at, *says;
  } cases[] = {
      {"layer_a=deep", "?layer_a", "must be a number"},
      {"q_inv_a=diffusion", "?q_inv_a", "structure_factor"},
      {"bin_a=auto", "?bin_a", "must be a number"}, /* it is never left to the analysis */
      {"method=d", "?method", "must be one of a, b, c"},
      {"method=3", "?method", "must be one of a, b, c"},
      {"layer_a=nan", "?layer_a", "must be a number"},
      {"layer_b=2", "?layer_b", "layer_a"},
      {"stage=-1", "?stage", "0"},
      {"trajectory=0", "?trajectory", "1"},
      {"type=difusion", "?type", "nearest is diffusion"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char target[200];
    snprintf(target, sizeof target, "/v1/results?%s", cases[i].query);
    client_answer answer = client_get(*state, target);
    client_expect_problem(&answer, 400, "invalid_parameter");
    const char *detail = client_fault(&answer, cases[i].at);
    if (detail == NULL || strstr(detail, cases[i].says) == NULL) print_error("%s: %s\n", target, answer.text);
    assert_non_null(detail);
    assert_non_null(strstr(detail, cases[i].says));
    client_fini(&answer);
  }
}

/* The same words as in a query are a fit's. */
static void test_query_of_json(void **state) {
  (void)state;
  json_t *object =
      json_loads("{\"quantity\": \"relaxation_time\", \"layer_a\": 2.5, \"q_inv_a\": \"structure_factor\","
                 " \"fit_end_ps\": \"auto\", \"stage\": 2, \"temperature_min_k\": 700, \"simulation\": 12}",
                 0, NULL);
  qn_faults faults = {0};
  qn_reader reader;
  qn_filters filters;
  qn_reader_begin(&reader, object, "", &faults);
  qn_filters_of_json(&filters, &reader);
  qn_reader_end(&reader, "a query");
  assert_int_equal(qn_faults_total(&faults), 0);
  assert_string_equal(filters.query.parameters, "{\"fit_end_ps\":null,\"layer_a\":2.5,\"stage\":2}");
  assert_string_equal(filters.query.inputs, "{\"q_inv_a\":{\"type\":\"structure_factor\"}}");
  assert_true(filters.query.temperature_min_k == 700 && isnan(filters.query.temperature_max_k));
  assert_int_equal(filters.query.simulation, 12);
  qn_filters_fini(&filters);
  json_decref(object);
}

/* Where a number comes from is beside it: in JSON, and in the columns of CSV. */
static void test_results_say_how(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "relaxation_time", 3, "x");
  qn_result_row *row = &store->results[0];
  fake_store_set(&row->type, "relaxation");
  fake_store_set(&row->parameters, "{\"stage\": 2, \"layer_a\": 2.5, \"depth_a\": null, \"q_inv_a\": 2.7125}");
  fake_store_set(&row->inputs, "{\"q_inv_a\": {\"type\": \"structure_factor\", \"analysis\": 8, \"value\": 2.7125}}");
  client_answer answer = client_get(store, "/v1/results?format=json");
  json_t *item = json_array_get(json_object_get(answer.json, "items"), 0),
         *parameters = json_object_get(item, "parameters");
  assert_string_equal(json_string_value(json_object_get(item, "type")), "relaxation");
  assert_true(json_number_value(json_object_get(parameters, "layer_a")) == 2.5);
  assert_true(json_is_null(json_object_get(parameters, "depth_a")));
  assert_int_equal(
      json_integer_value(json_object_get(json_object_get(json_object_get(item, "inputs"), "q_inv_a"), "analysis")), 8);
  client_fini(&answer);

  answer = client_get(store, "/v1/results?format=csv");
  char *names = answer.text, *cells = strstr(answer.text, "\r\n");
  assert_non_null(cells);
  *cells = '\0';
  cells += 2;
  int checked = 0;
  for (char *name, *cell; (name = strsep(&names, ",")) != NULL;) {
    cell = strsep(&cells, ",\r");
    assert_non_null(cell);
    static const char *const wanted[][2] = {
        {"type", "relaxation"},          {"stage", "2"}, {"layer_a", "2.5"}, {"depth_a", ""}, {"q_inv_a", "2.7125"},
        {"quantity", "relaxation_time"}, {"of", ""}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
      if (strcmp(name, wanted[i][0]) == 0) {
        assert_string_equal(cell, wanted[i][1]);
        checked++;
      }
  }
  assert_int_equal(checked, 7);
  client_fini(&answer);
}

/* Of a trajectory made elsewhere, and of a fit: what does not apply is null, or an empty cell. */
static void test_results_of_neither(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "activation_energy", 0.5, "");
  qn_result_row *row = &store->results[0];
  row->simulation = row->analysis = row->atoms = 0;
  row->fit = 17;
  row->temperature_k = NAN;
  fake_store_set(&row->potential, "");
  fake_store_set(&row->potential_sha256, "");
  fake_store_set(&row->parameters, "{\"quantity\": \"diffusion_coefficient\"}");
  client_answer answer = client_get(store, "/v1/results");
  json_t *item = json_array_get(json_object_get(answer.json, "items"), 0), *links = json_object_get(item, "links");
  static const char *const null[] = {"simulation", "simulation_name", "trajectory",       "trajectory_name", "analysis",
                                     "atoms",      "potential",       "potential_sha256", "temperature_k"};
  for (size_t i = 0; i < sizeof null / sizeof null[0]; i++) assert_true(json_is_null(json_object_get(item, null[i])));
  assert_string_equal(json_string_value(json_object_get(links, "fit")), "/v1/fits/17");
  assert_null(json_object_get(links, "simulation"));
  assert_null(json_object_get(links, "potential"));
  client_fini(&answer);
  row->fit = 0;
  row->trajectory = 33;
  row->analysis = 34;
  fake_store_set(&row->trajectory_name, "from elsewhere");
  answer = client_get(store, "/v1/results");
  item = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_string_equal(json_string_value(json_object_get(json_object_get(item, "links"), "trajectory")),
                      "/v1/trajectories/33");
  assert_string_equal(json_string_value(json_object_get(item, "trajectory_name")), "from elsewhere");
  client_fini(&answer);
}

/* A URL that continues a list must be one that holds all its filters; without more rows there is no such need. */
static void test_next_is_not_too_long(void **state) {
  qn_store *store = *state;
  for (int i = 0; i < 3; i++) fake_store_add_result(store, "x", i, "");
  char target[4000] = "/v1/results?limit=1";
  static const char *const texts[] = {"species", "region", "potential", "of"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    strcat(strcat(strcat(target, "&"), texts[i]), "=");
    for (int k = 0; k < 50; k++) strcat(target, "%C3%BC");
  }
  static const char *const numbers[] = {
      "layer_a",   "depth_a",           "vacuum_a",          "q_inv_a",   "lag_ps",       "bin_a",     "cutoff_a",
      "window_ps", "longest_a", "fit_start_ps", "fit_end_ps", "max_lag_ps", "vectors", "discard", "piece_k", "frames",
      "bin_inv_a", "longest_inv_a"};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    strcat(strcat(strcat(target, "&"), numbers[i]), "=2.500000000000000000000000000000");
  client_answer answer = client_get(store, target);
  client_expect_problem(&answer, 414, "uri_too_long");
  client_fini(&answer);
  target[18] = '3'; /* limit=3: there are no more */
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_names),
      TEST(test_query_of_requests),
      TEST(test_faults),
      TEST(test_query_of_json),
      TEST(test_results_say_how),
      TEST(test_results_of_neither),
      TEST(test_next_is_not_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Fits: from the body of a POST, or the results that it asks for, to points that pin the work; and what the engine makes of them as JSON. */
#include "api/spec_text.h"

#include <math.h>
#include <stdio.h>

#include "api/client.h"
#include "api/fit.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

/* ln D = ln(1e-7) - 0.5 eV / (k T) */
static double arrhenius(double temperature) { return 1e-7 * exp(-0.5 / (8.617333262e-5 * temperature)); }

static const char THREE[] = "{\"law\": \"arrhenius\", \"unit\": \"m2/s\", \"quantity\": \"diffusion_coefficient\","
                            " \"points\": [{\"temperature_k\": 1000, \"value\": 3e-10},"
                            " {\"temperature_k\": 1200, \"value\": 8e-10, \"standard_error\": 1e-11},"
                            " {\"temperature_k\": 1500, \"value\": 2e-9}]}";

static json_t *stored(const qn_store *store) {
  json_t *spec = json_loads(store->last_spec, 0, NULL);
  assert_non_null(spec);
  return spec;
}

static const char *text_at(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

/* ---- points ---- */

static void test_the_same_fit_is_the_same_job(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/fits", THREE);
  assert_int_equal(answer.status, 202);
  json_int_t id = json_integer_value(json_object_get(answer.json, "id"));
  char location[64];
  snprintf(location, sizeof location, "/v1/fits/%lld", (long long)id);
  assert_string_equal(client_header(&answer, "Location"), location);
  assert_string_equal(client_text(&answer, "state"), "queued");
  assert_string_equal(store->jobs[0].kind, "fit");
  client_fini(&answer);
  char *renamed = spec_with(THREE, "/name", "\"again\""), *other = spec_with(THREE, "/seed", "7"),
       *usual = spec_with(THREE, "/seed", "1");
  const struct {
    const char *text;
    int status, fits;
  } cases[] = {{THREE, 200, 1}, {renamed, 200, 1}, {usual, 200, 1}, {other, 202, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    answer = client_post(store, "/v1/fits", cases[i].text);
    assert_int_equal(answer.status, cases[i].status);
    assert_int_equal(store->fit_count, cases[i].fits);
    if (cases[i].status == 200) assert_int_equal(json_integer_value(json_object_get(answer.json, "id")), id);
    client_fini(&answer);
  }
  free(renamed), free(other), free(usual);
}

/* What is kept parses to itself. */
static void test_canonical_form(void **state) {
  (void)state;
  qn_fit_spec first, second;
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE], again[QN_HASH_SIZE];
  qn_fit_parse(THREE, strlen(THREE), &first, &faults);
  qn_fit_settle(&first, &faults);
  assert_int_equal(qn_faults_total(&faults), 0);
  char *text = qn_fit_render(&first, hash);
  qn_fit_parse_stored(text, strlen(text), &second, &faults);
  assert_int_equal(qn_faults_total(&faults), 0);
  char *twin = qn_fit_render(&second, again);
  assert_string_equal(twin, text);
  assert_string_equal(again, hash);
  assert_true(isnan(second.entries[0].point.standard_error) && second.entries[1].point.standard_error == 1e-11);
  free(text), free(twin);
  qn_fit_spec_fini(&first), qn_fit_spec_fini(&second);
}

static void test_faults(void **state) {
  static const struct {
    const char *pointer, *value, *at, *says;
  } cases[] = {
      {"/law", "\"cubic\"", "/law", "arrhenius"},
      {"/law", NULL, "/law", "missing"},
      {"/points", NULL, "", "neither points nor query"},
      {"/query", "{\"quantity\": \"x\"}", "", "both points and query"},
      {"/points", "[]", "/points", "1 to 1000 points"},
      {"/points/1/temperature_k", "-3", "/points/1/temperature_k", "between 1 and 20000 K"},
      {"/points/1/temperature_k", NULL, "/points/1/temperature_k", "missing"},
      {"/points/1/value", "\"3\"", "/points/1/value", "number"},
      {"/points/1/standard_error", "-1", "/points/1/standard_error", "between"},
      {"/points/1/weight", "2", "/points/1/weight", "unknown key"},
      {"/points/2/value", "0", "/points/2/value", "logarithms"},
      {"/points/2/value", "-1e-9", "/points/2/value", "values above 0"},
      {"/temperature_max_k", "1100", "/points",
       "1 point at 1 different temperature is left (2 dropped, the first: outside the range of temperatures); "
       "arrhenius needs 2"},
      {"/temperature_min_k", "1600", "/points", "0 points at 0 different temperatures are left (3 dropped, the first: "},
      {"/law", "\"vft\"", NULL, NULL}, /* three points do */
      {"/law", "\"glass_transition\"", "/points", "glass_transition needs 4"},
      {"/transform", "\"ln\"", "/transform", "unknown key"},
      {"/resamples", "10001", "/resamples", "10000"},
      {"/resamples", "2.5", "/resamples", "integer"},
      {"/seed", "-1", "/seed", "between"},
      {"/rising", "1", "/rising", "true or false"},
      {"/allow_mixed", "[\"region\"]", "/allow_mixed", "unknown key"}, /* points that are given are whatever they are */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *text = spec_with(THREE, cases[i].pointer, cases[i].value);
    client_answer answer = client_post(*state, "/v1/fits", text);
    if (cases[i].at == NULL) {
      assert_int_equal(answer.status, 202);
    } else {
      const char *detail = client_fault(&answer, cases[i].at);
      if (detail == NULL || strstr(detail, cases[i].says) == NULL) print_error("%s: %s\n", text, answer.text);
      client_expect_problem(&answer, 422, "invalid_spec");
      assert_non_null(detail);
      assert_non_null(strstr(detail, cases[i].says));
    }
    client_fini(&answer);
    free(text);
  }
  char *crossed = spec_with(THREE, "/temperature_min_k", "1400"),
       *twice = spec_with(crossed, "/temperature_max_k", "1300");
  client_answer answer = client_post(*state, "/v1/fits", twice);
  assert_non_null(strstr(client_fault(&answer, "/temperature_max_k"), "below temperature_min_k"));
  client_fini(&answer);
  free(crossed), free(twice);
}

/* Left open, the form of a law follows the unit of the values. */
static void test_form_follows_the_unit(void **state) {
  qn_store *store = *state;
  static const struct {
    const char *law, *unit;
    int rising;
    const char *transform, *against;
  } cases[] = {{"arrhenius", "m2/s", 0, NULL, NULL},
               {"arrhenius", "ps", 1, NULL, NULL},
               {"vft", "ns", 1, NULL, NULL},
               {"vft", "1/ns", 0, NULL, NULL},
               {"glass_transition", "m2/s", -1, "ln", "inverse_temperature"},
               {"glass_transition", "ps", -1, "ln", "inverse_temperature"},
               {"glass_transition", "A3", -1, "none", "temperature"},
               {"glass_transition", "eV", -1, "none", "temperature"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *text;
    assert_true(asprintf(&text,
                         "{\"law\": \"%s\", \"unit\": \"%s\", \"points\": [{\"temperature_k\": 900, \"value\": 1},"
                         " {\"temperature_k\": 1000, \"value\": 3}, {\"temperature_k\": 1100, \"value\": 9},"
                         " {\"temperature_k\": 1200, \"value\": 20}]}",
                         cases[i].law, cases[i].unit) > 0);
    client_answer answer = client_post(store, "/v1/fits", text);
    assert_int_equal(answer.status, 202);
    json_t *spec = stored(store);
    if (cases[i].rising >= 0) assert_int_equal(json_is_true(json_object_get(spec, "rising")), cases[i].rising);
    if (cases[i].transform != NULL) {
      assert_string_equal(text_at(spec, "transform"), cases[i].transform);
      assert_string_equal(text_at(spec, "against"), cases[i].against);
    }
    json_decref(spec);
    client_fini(&answer);
    free(text);
  }
}

/* ---- results ---- */

static qn_result_row *add(qn_store *store, double temperature, double value) {
  int64_t id = fake_store_add_result(store, "diffusion_coefficient", value, "x");
  qn_result_row *row = &store->results[store->result_count - 1];
  row->simulation = id; /* one each */
  row->temperature_k = temperature;
  return row;
}

static const char QUERY[] =
    "{\"law\": \"arrhenius\", \"query\": {\"quantity\": \"diffusion_coefficient\", \"species\": \"Cu\"}}";

static void test_query_becomes_points(void **state) {
  qn_store *store = *state;
  for (double t = 1000; t < 1450; t += 100) add(store, t, arrhenius(t));
  qn_result_row *undecided = add(store, 900, NAN), *other = add(store, 2500, 1e-8);
  fake_store_set(&other->status, "ok");
  char *text = spec_with(QUERY, "/temperature_max_k", "2000");
  client_answer answer = client_post(store, "/v1/fits", text);
  assert_int_equal(answer.status, 202);
  assert_string_equal(store->last_query.quantity, "diffusion_coefficient");
  client_fini(&answer);
  json_t *spec = stored(store), *points = json_object_get(spec, "points"), *dropped = json_object_get(spec, "dropped");
  assert_int_equal(json_array_size(points), 5);
  size_t i;
  json_t *point;
  json_array_foreach(points, i, point) assert_true(json_integer_value(json_object_get(point, "result")) > 0);
  assert_int_equal(json_array_size(dropped), 2);
  assert_string_equal(text_at(json_array_get(dropped, 0), "reason"), "outside the range of temperatures");
  assert_string_equal(text_at(json_array_get(dropped, 1), "reason"), "its status is not_diffusive");
  assert_int_equal(json_integer_value(json_object_get(json_array_get(dropped, 1), "result")), undecided->id);
  assert_string_equal(text_at(spec, "unit"), "m2/s");
  assert_string_equal(text_at(spec, "type"), "diffusion");
  assert_string_equal(text_at(spec, "composition"), "Cu50Zr50");
  assert_string_equal(text_at(json_object_get(spec, "query"), "species"), "Cu");
  /* The points are pinned: another result does not change a fit that was made, and a query that finds more is another one. */
  answer = client_post(store, "/v1/fits", text);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
  add(store, 1500, arrhenius(1500));
  answer = client_post(store, "/v1/fits", text);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  json_decref(spec);
  free(text);
}

static void test_query_faults(void **state) {
  static const struct {
    const char *pointer, *value, *at, *says;
  } cases[] = {
      {"/query/quantity", NULL, "/query/quantity", "diffusion_coefficient"},
      {"/query/quantity", "7", "/query/quantity", "string"},
      {"/query/quantity", "\"difusion_coefficient\"", "/query/quantity", "nearest is diffusion_coefficient"},
      {"/query/type", "\"difusion\"", "/query/type", "nearest is diffusion"},
      {"/query/status", "\"ok\"", "/query/status", "unknown key"},
      {"/query/stage", "-1", "/query/stage", "between"},
      {"/query/depth_a", "\"deep\"", "/query/depth_a", "must be a number"},
      {"/query/colour", "1", "/query/colour", "unknown key"},
      {"/query", "3", "/query", "object"},
      {"/unit", "\"m2/s\"", "/unit", "unknown key"}, /* results have theirs */
      {"/allow_mixed", "\"region\"", "/allow_mixed", "array"},
      {"/query/composition", "\"Cu\"", "/query/composition", "add up to 100"},
      {"/query/composition", "\"Cu100\"", "/query", "finds no result"},
      {"/query/temperature_min_k", "99999", "/query", "finds no result"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *text = spec_with(QUERY, cases[i].pointer, cases[i].value);
    client_answer answer = client_post(*state, "/v1/fits", text);
    const char *detail = client_fault(&answer, cases[i].at);
    if (detail == NULL || strstr(detail, cases[i].says) == NULL) print_error("%s: %s\n", text, answer.text);
    client_expect_problem(&answer, 422, "invalid_spec");
    assert_non_null(detail);
    assert_non_null(strstr(detail, cases[i].says));
    client_fini(&answer);
    free(text);
  }
}

/* What the query finds is told together with what is wrong elsewhere; of a query with faults nothing is asked. */
static void test_all_faults_at_once(void **state) {
  static const struct {
    const char *body, *at[3];
  } cases[] = {
      {"{\"law\": \"vtf\", \"resamples\": -1, \"query\": {\"quantity\": \"diffusion_coefficient\"}}", {"/law", "/resamples", "/query"}},
      {"{\"law\": \"vft\", \"resamples\": -1, \"query\": {\"quantity\": \"difusion_coefficient\", \"composition\": \"CuZr\"}}",
       {"/resamples", "/query/quantity", "/query/composition"}},
      {"{\"law\": \"vft\", \"seed\": -1, \"query\": {\"quantity\": \"diffusion_coefficient\", \"temperature_min_k\": 2, "
       "\"temperature_max_k\": 1, \"simulation\": 0}}",
       {"/seed", "/query/temperature_min_k", "/query/simulation"}},
  };
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    client_answer answer = client_post(*state, "/v1/fits", cases[c].body);
    client_expect_problem(&answer, 422, "invalid_spec");
    if (json_array_size(json_object_get(answer.json, "errors")) != 3) print_error("%s\n", answer.text);
    assert_int_equal(json_array_size(json_object_get(answer.json, "errors")), 3);
    for (int f = 0; f < 3; f++) assert_non_null(client_fault(&answer, cases[c].at[f]));
    client_fini(&answer);
  }
}

/* Numbers that mean different things are not fitted together, unless that is asked for by name. */
static void test_unlike_results(void **state) {
  static const struct {
    const char *respect;
    size_t offset; /* of the text in the row; 0: the number of atoms */
    const char *value;
  } cases[] = {
      {"type", offsetof(qn_result_row, type), "cage_jumps"},
      {"species", offsetof(qn_result_row, species), "Zr"},
      {"region", offsetof(qn_result_row, region), "surface"},
      {"composition", offsetof(qn_result_row, composition), "Cu64Zr36"},
      {"potential", offsetof(qn_result_row, potential), "another"},
      {"atoms", 0, NULL},
      {"layer_a", offsetof(qn_result_row, parameters), "{\"stage\": 1, \"layer_a\": 5.0}"},
      {"q_inv_a", offsetof(qn_result_row, parameters), "{\"stage\": 1, \"q_inv_a\": 2.7}"},
      {"q_inv_a", offsetof(qn_result_row, inputs), "{\"q_inv_a\": {\"type\": \"structure_factor\", \"value\": 2.7}}"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_store *store = fake_store_alloc();
    for (double t = 1000; t < 1450; t += 100) add(store, t, arrhenius(t));
    qn_result_row *odd = &store->results[2];
    if (cases[i].offset == 0)
      odd->atoms = 4000;
    else
      fake_store_set((char **)((char *)odd + cases[i].offset), cases[i].value);
    client_answer answer = client_post(store, "/v1/fits", QUERY);
    client_expect_problem(&answer, 422, "invalid_spec");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "differ in %s (", cases[i].respect);
    if (strstr(client_fault(&answer, "/query"), wanted) == NULL) print_error("%s: %s\n", wanted, answer.text);
    assert_non_null(strstr(client_fault(&answer, "/query"), wanted));
    client_fini(&answer);
    snprintf(wanted, sizeof wanted, "[\"%s\"]", cases[i].respect);
    char *allowed = spec_with(QUERY, "/allow_mixed", wanted);
    answer = client_post(store, "/v1/fits", allowed);
    assert_int_equal(answer.status, 202);
    client_fini(&answer);
    free(allowed);
    fake_store_free(store);
  }
  /* What the analysis chose by its own rule differs from temperature to temperature, and so does what another analysis gave. */
  qn_store *store = *state;
  for (double t = 1000; t < 1450; t += 100) {
    qn_result_row *row = add(store, t, arrhenius(t));
    char text[200];
    snprintf(text, sizeof text, "{\"stage\": %d, \"start_ps\": %g, \"q_inv_a\": %g, \"layer_a\": 2.5}", (int)(t / 100),
             t / 1000, t / 400);
    fake_store_set(&row->parameters, text);
    snprintf(text, sizeof text, "{\"q_inv_a\": {\"type\": \"structure_factor\", \"value\": %g}}", t / 400);
    fake_store_set(&row->inputs, text);
  }
  client_answer answer = client_post(store, "/v1/fits", QUERY);
  if (answer.status != 202) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  json_t *spec = stored(store), *common = json_object_get(spec, "parameters");
  assert_true(json_number_value(json_object_get(common, "layer_a")) == 2.5);
  assert_null(json_object_get(common, "q_inv_a"));
  json_decref(spec);
}

/* Units differ: nothing to allow. */
static void test_units(void **state) {
  qn_store *store = *state;
  add(store, 1000, 1e-9), add(store, 1100, 2e-9);
  fake_store_set(&add(store, 1200, 3e-9)->unit, "A2/ps");
  client_answer answer = client_post(store, "/v1/fits", QUERY);
  assert_non_null(strstr(client_fault(&answer, "/query"), "A2/ps and in m2/s"));
  client_fini(&answer);
}

static void test_frames_measured_twice(void **state) {
  qn_store *store = *state;
  for (double t = 1000; t < 1450; t += 100) add(store, t, arrhenius(t));
  qn_result_row *again = add(store, 1200, 1.1 * arrhenius(1200));
  again->simulation = store->results[2].simulation;
  again->analysis = 99;
  fake_store_set(&again->parameters, "{\"stage\":1,\"start_ps\":3.0,\"end_ps\":null}");
  client_answer answer = client_post(store, "/v1/fits", QUERY);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  json_t *spec = stored(store), *dropped = json_object_get(spec, "dropped");
  assert_int_equal(json_array_size(json_object_get(spec, "points")), 5);
  assert_int_equal(json_array_size(dropped), 1);
  assert_int_equal(json_integer_value(json_object_get(json_array_get(dropped, 0), "result")), store->results[2].id);
  assert_non_null(strstr(text_at(json_array_get(dropped, 0), "reason"), "analysis 99"));
  json_decref(spec);
  /* Another stage of the same simulation at the same temperature is other frames. */
  fake_store_set(&again->parameters, "{\"stage\":4}");
  answer = client_post(store, "/v1/fits", QUERY);
  client_fini(&answer);
  spec = stored(store);
  assert_int_equal(json_array_size(json_object_get(spec, "points")), 6);
  json_decref(spec);
}

static void test_at_most_so_many(void **state) {
  (void)state;
  qn_fit_spec spec;
  qn_faults faults = {0};
  qn_fit_parse(QUERY, strlen(QUERY), &spec, &faults);
  char ok[] = "ok";
  const qn_result_row row = {.id = 1, .status = ok, .temperature_k = 1000, .value = 1, .standard_error = NAN};
  for (int i = 0; i < QN_MOST_FIT_POINTS; i++) assert_true(qn_fit_take(&spec, &row));
  assert_false(qn_fit_take(&spec, &row));
  qn_fit_spec_fini(&spec);
}

static void test_storage_fails(void **state) {
  qn_store *store = *state;
  store->broken = QN_UNAVAILABLE;
  static const char *const bodies[] = {THREE, QUERY};
  for (int i = 0; i < 2; i++) {
    client_answer answer = client_post(store, "/v1/fits", bodies[i]);
    client_expect_problem(&answer, 503, "unavailable");
    client_fini(&answer);
  }
}

/* ---- what comes out ---- */

static void test_outcome(void **state) {
  (void)state;
  char *text;
  assert_true(
      asprintf(&text,
               "{\"law\": \"arrhenius\", \"unit\": \"m2/s\", \"points\": [{\"temperature_k\": 1000, \"value\": %.17g},"
               " {\"temperature_k\": 1250, \"value\": %.17g}, {\"temperature_k\": 1600, \"value\": %.17g}]}",
               arrhenius(1000), arrhenius(1250), arrhenius(1600)) > 0);
  qn_fit_spec spec;
  qn_faults faults = {0};
  qn_fit fit;
  qn_error error;
  qn_fit_parse(text, strlen(text), &spec, &faults);
  qn_fit_settle(&spec, &faults);
  assert_int_equal(qn_faults_total(&faults), 0);
  assert_int_equal(qn_fit_run_spec(&spec, &fit, &error), QN_OK);
  json_t *found = qn_fit_json(&fit), *about = qn_fit_parameters_json(&spec, &fit), *value;
  assert_string_equal(text_at(found, "status"), "ok");
  size_t i;
  bool energy = false, prefactor = false;
  json_array_foreach(json_object_get(found, "values"), i, value) {
    double number = json_number_value(json_object_get(value, "value"));
    if (strcmp(text_at(value, "quantity"), "activation_energy") == 0)
      energy = fabs(number - 0.5) < 1e-9 && strcmp(text_at(value, "unit"), "eV") == 0;
    if (strcmp(text_at(value, "quantity"), "ln_prefactor") == 0) prefactor = fabs(number - log(1e-7)) < 1e-8;
    assert_true(json_is_number(json_object_get(value, "bootstrap_error")));
  }
  if (!energy || !prefactor) {
    char *dump = json_dumps(found, JSON_INDENT(1));
    print_error("%s\n", dump);
    free(dump);
  }
  assert_true(energy && prefactor);
  json_t *covariance = json_object_get(found, "covariance");
  assert_int_equal(json_array_size(json_object_get(covariance, "quantities")), 2);
  assert_int_equal(json_array_size(json_array_get(json_object_get(covariance, "rows"), 1)), 2);
  assert_int_equal(json_integer_value(json_object_get(found, "degrees_of_freedom")), 1);
  assert_true(json_number_value(json_object_get(found, "chi_square")) < 1e-12);
  assert_true(json_number_value(json_object_get(about, "lowest_k")) == 1000);
  assert_true(json_number_value(json_object_get(about, "highest_k")) == 1600);
  json_decref(found), json_decref(about);
  qn_fit_spec_fini(&spec);
  free(text);
}

static void test_one_fit(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/fits", THREE);
  client_fini(&answer);
  char target[64];
  snprintf(target, sizeof target, "/v1/fits/%lld", (long long)store->fits[0].id);
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_true(json_is_null(json_object_get(answer.json, "result")));
  assert_string_equal(client_text(&answer, "quantity"), "diffusion_coefficient");
  assert_true(json_is_null(json_object_get(answer.json, "species")));
  assert_int_equal(json_array_size(json_object_get(json_object_get(answer.json, "spec"), "points")), 3);
  client_fini(&answer);
  fake_store_set(&store->fits[0].result, "{\"status\": \"ok\", \"values\": []}");
  store->fits[0].state = QN_JOB_SUCCEEDED;
  answer = client_get(store, target);
  assert_string_equal(text_at(json_object_get(answer.json, "result"), "status"), "ok");
  char results[64];
  snprintf(results, sizeof results, "/v1/results?fit=%lld", (long long)store->fits[0].id);
  assert_string_equal(text_at(json_object_get(answer.json, "links"), "results"), results);
  client_fini(&answer);
  answer = client_get(store, "/v1/fits?law=arrhenius&limit=1");
  json_t *item = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_non_null(item);
  assert_null(json_object_get(item, "spec"));
  client_fini(&answer);
  answer = client_get(store, "/v1/fits/4711");
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_the_same_fit_is_the_same_job),
      TEST(test_canonical_form),
      TEST(test_faults),
      TEST(test_form_follows_the_unit),
      TEST(test_query_becomes_points),
      TEST(test_query_faults), TEST(test_all_faults_at_once),
      TEST(test_unlike_results),
      TEST(test_units),
      TEST(test_frames_measured_twice),
      TEST(test_at_most_so_many),
      TEST(test_storage_fails),
      TEST(test_outcome),
      TEST(test_one_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

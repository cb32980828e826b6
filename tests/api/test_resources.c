/* Reading: lists and their cursors, single resources and their ETags, results as JSON and CSV, potentials, jobs, files. */
#include "api/spec_text.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "api/client.h"
#include "api/csv.h"
#include "engine/analysis/analysis.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

/* ---- lists ---- */

static void test_pages_hold_everything_once(void **state) {
  qn_store *store = *state;
  for (int i = 0; i < 23; i++)
    fake_store_add_result(store, i % 2 == 0 ? "diffusion_coefficient" : "relaxation_time", i, "x");
  char target[256] = "/v1/results?quantity=diffusion_coefficient&limit=5";
  int seen = 0, pages = 0;
  int64_t last = INT64_MAX;
  while (target[0] != '\0') {
    client_answer answer = client_get(store, target);
    assert_int_equal(answer.status, 200);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(answer.json, "items"), i, row) {
      int64_t id = json_integer_value(json_object_get(row, "id"));
      assert_true(id < last);
      last = id;
      seen++;
      assert_string_equal(json_string_value(json_object_get(row, "quantity")), "diffusion_coefficient");
    }
    const char *link = client_header(&answer, "Link");
    char wanted[300];
    snprintf(target, sizeof target, "%s", client_text(&answer, "next"));
    assert_true((target[0] == '\0') == (link == NULL));
    snprintf(wanted, sizeof wanted, "<%s>; rel=\"next\"", target);
    if (link != NULL) assert_string_equal(link, wanted);
    client_fini(&answer);
    assert_true(++pages < 10);
  }
  assert_int_equal(seen, 12);
  assert_int_equal(pages, 3);
}

static void test_next_keeps_odd_filters(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "relaxation_time", 1, "x");
  fake_store_add_result(store, "relaxation_time", 2, "x");
  client_answer answer = client_get(store, "/v1/results?limit=1&species=a%20b%26c%3Dd%2F%C3%BC");
  char next[256];
  snprintf(next, sizeof next, "%s", client_text(&answer, "next"));
  assert_non_null(strstr(next, "species=a%20b%26c%3Dd%2F%C3%BC"));
  client_fini(&answer);
  answer = client_get(store, next);
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 1);
  assert_string_equal(store->last_species, "a b&c=d/\xc3\xbc");
  client_fini(&answer);
}

static void test_an_alloy_has_one_name(void **state) {
  qn_store *store = *state;
  static const char *const names[][2] = {{"Cu50Zr50", "Cu50Zr50"},
                                         {"Zr50Cu50", "Cu50Zr50"},
                                         {"Zr50.0Cu50.00", "Cu50Zr50"},
                                         {"Zr35.5Cu64.5", "Cu64.5Zr35.5"},
                                         {"Zr33.3Ni33.3Al33.3", "Al33.3Ni33.3Zr33.3"},
                                         {"Cu100", "Cu100"}};
  static const char *const none[] = {"CuZr",     "Cu50",      "Cu50Zr60", "cu50zr50",  "50Cu50Zr",        "Cu50Zr50x",
                                     "Cu50Cu50", "Cu50 Zr50", "Cu.Zr50",  "Cu5e1Zr50", "Copperium50Zr50", "Cu0Zr100"};
  char target[100];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(target, sizeof target, "/v1/results?composition=%s", names[i][0]);
    client_answer answer = client_get(store, target);
    assert_int_equal(answer.status, 200);
    assert_string_equal(store->last_composition, names[i][1]);
    client_fini(&answer);
  }
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    snprintf(target, sizeof target, "/v1/results?composition=%s", none[i]);
    client_answer answer = client_get(store, target);
    if (answer.status != 400) print_error("%s\n", none[i]);
    client_expect_problem(&answer, 400, "invalid_parameter");
    assert_non_null(strstr(client_fault(&answer, "?composition"), "such as Cu50Zr50"));
    client_fini(&answer);
  }
}

static void test_empty_lists(void **state) {
  static const char *const lists[] = {"/v1/simulations", "/v1/analyses",     "/v1/results",
                                      "/v1/jobs",        "/v1/trajectories", "/v1/structures", "/v1/fits"};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    client_answer answer = client_get(*state, lists[i]);
    assert_int_equal(answer.status, 200);
    assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 0);
    assert_true(json_is_null(json_object_get(answer.json, "next")));
    assert_null(client_header(&answer, "Link"));
    client_fini(&answer);
  }
}

/* ---- ETags ---- */

static void test_etags(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char job[64], analysis[64], simulation[64];
  snprintf(job, sizeof job, "/v1/jobs/%lld", (long long)store->jobs[0].id);
  snprintf(analysis, sizeof analysis, "/v1/analyses/%lld", (long long)store->analyses[0].id);
  snprintf(simulation, sizeof simulation, "/v1/simulations/%lld", (long long)store->simulations[0].id);
  const char *const targets[] = {"/",
                                 "/openapi.yaml",
                                 "/v1/analysis-types",
                                 "/v1/potentials/cu-zr",
                                 "/v1/potentials/cu-zr/text",
                                 "/v1/potentials/cu-zr/curves",
                                 job,
                                 analysis,
                                 simulation};
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    answer = client_get(store, targets[i]);
    assert_int_equal(answer.status, 200);
    char tag[200], headers[5][600];
    snprintf(tag, sizeof tag, "%s", client_header(&answer, "ETag"));
    assert_true(tag[0] == '"' && tag[strlen(tag) - 1] == '"');
    client_fini(&answer);
    snprintf(headers[0], sizeof headers[0], "If-None-Match: %s", tag);
    snprintf(headers[1], sizeof headers[1], "If-None-Match: \"other\", W/%s", tag);
    snprintf(headers[2], sizeof headers[2], "If-None-Match: *");
    snprintf(headers[3], sizeof headers[3], "If-None-Match: \"other\"");
    snprintf(headers[4], sizeof headers[4], "If-None-Match: %.*s", (int)strlen(tag) - 1, tag);
    for (int h = 0; h < 5; h++) {
      answer = client_send(store, QN_SCOPE_READ, h % 2 == 0 ? "GET" : "HEAD", targets[i], headers[h], NULL, 0);
      assert_int_equal(answer.status, h < 3 ? 304 : 200);
      if (h < 3) assert_int_equal(answer.size, 0);
      assert_string_equal(client_header(&answer, "ETag"), tag);
      client_fini(&answer);
    }
  }
  /* another state is another tag */
  answer = client_get(store, job);
  char tag[200];
  snprintf(tag, sizeof tag, "%s", client_header(&answer, "ETag"));
  client_fini(&answer);
  store->jobs[0].state = QN_JOB_RUNNING;
  answer = client_get(store, job);
  assert_string_not_equal(client_header(&answer, "ETag"), tag);
  client_fini(&answer);
}

/* ---- results ---- */

static void test_a_result_carries_everything(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "diffusion_coefficient", 2.5e-9, "x");
  client_answer answer = client_get(
      store,
      "/v1/results?temperature_min_k=1400&temperature_max_k=1600.5&simulation=3&analysis=2&composition=Cu50Zr50");
  assert_true(store->last_query.temperature_min_k == 1400 && store->last_query.temperature_max_k == 1600.5);
  assert_true(store->last_query.simulation == 3 && store->last_query.analysis == 2);
  assert_int_equal(store->last_query.page.limit, 50);
  json_t *row = json_array_get(json_object_get(answer.json, "items"), 0);
  static const char *const keys[] = {
      "type",           "parameters",     "inputs",
      "value",          "standard_error", "unit",   "temperature_k", "species",  "region",    "window_start_ps",
      "window_end_ps",  "samples",        "status", "simulation",    "analysis", "potential", "potential_sha256",
      "engine_version", "composition",    "atoms",  "spec_sha256",   "links"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    assert_false(json_is_null(json_object_get(row, keys[i])) || json_object_get(row, keys[i]) == NULL);
  assert_true(json_number_value(json_object_get(row, "value")) == 2.5e-9);
  assert_string_equal(json_string_value(json_object_get(json_object_get(row, "links"), "simulation")),
                      "/v1/simulations/1");
  assert_non_null(strstr(answer.text, "\"value\":2.5e-09"));
  client_fini(&answer);
}

static void test_unasked_filters_are_absent(void **state) {
  qn_store *store = *state;
  client_answer answer = client_get(store, "/v1/results");
  assert_true(isnan(store->last_query.temperature_min_k) && isnan(store->last_query.temperature_max_k));
  assert_null(store->last_query.quantity);
  assert_int_equal(store->last_query.simulation, 0);
  client_fini(&answer);
}

static void test_no_number_is_null_or_empty(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "diffusion_coefficient", NAN, "x");
  client_answer answer = client_get(store, "/v1/results");
  json_t *row = json_array_get(json_object_get(answer.json, "items"), 0);
  assert_true(json_is_null(json_object_get(row, "value")) && json_is_null(json_object_get(row, "standard_error")));
  client_fini(&answer);
  answer = client_get(store, "/v1/results?format=csv");
  assert_non_null(strstr(answer.text, ",diffusion_coefficient,,,m2/s,not_diffusive,"));
  client_fini(&answer);
}

static void test_csv(void **state) {
  qn_store *store = *state;
  fake_store_add_result(store, "diffusion_coefficient", 2.5e-9, "plain");
  fake_store_add_result(store, "diffusion_coefficient", 1.0 / 3.0, "a \"name\", with\nall");
  client_answer answer = client_get(store, "/v1/results?format=csv&limit=2");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.type, "text/csv; charset=utf-8");
  static const char header[] = "id,quantity,value,standard_error,unit,status,temperature_k,species,region,window_start_"
                               "ps,window_end_ps,samples,atoms,composition,simulation,"
                               "simulation_name,analysis,potential,potential_sha256,engine_version,spec_sha256,created_"
                               "at,simulation_url,analysis_url,type,trajectory,trajectory_name,fit,of,stage,sampling,";
  assert_memory_equal(answer.text, header, strlen(header));
  assert_non_null(strstr(answer.text, ",0.3333333333333333,"));
  assert_non_null(strstr(answer.text, ",\"a \"\"name\"\", with\nall\","));
  assert_non_null(strstr(answer.text, ",2.5e-09,"));
  assert_non_null(strstr(answer.text, ",/v1/simulations/1,/v1/analyses/2,diffusion,,,,,1,,"));
  /* Behind these comes a column for each parameter of an analysis. */
  const char *end = strstr(answer.text, "\r\n");
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (int p = 0; p < (*type)->parameter_count; p++) {
      char column[80];
      snprintf(column, sizeof column, ",%s", (*type)->parameters[p].name);
      const char *found = strstr(answer.text, column);
      assert_true(found != NULL && found < end);
    }
  client_fini(&answer);
  answer = client_get(store, "/v1/results?format=csv&limit=1");
  assert_non_null(strstr(client_header(&answer, "Link"), "format=csv"));
  client_fini(&answer);
}

static void test_choosing_by_accept(void **state) {
  static const struct {
    const char *accept, *type;
  } cases[] = {{"Accept: text/csv", "text/csv; charset=utf-8"},
               {"Accept: application/json", "application/json"},
               {"Accept: */*", "application/json"},
               {"Accept: text/csv, application/json", "application/json"},
               {"Accept: text/csv;q=0.9, application/json;q=0.5", "text/csv; charset=utf-8"},
               {"Accept: text/csv;q=0.2, */*", "application/json"},
               {"Accept: text/*", "text/csv; charset=utf-8"},
               {"Accept: text/html", "application/json"},
               {"Accept: TEXT/CSV", "text/csv; charset=utf-8"},
               {"Accept: ,;q=,", "application/json"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_send(*state, QN_SCOPE_READ, "GET", "/v1/results", cases[i].accept, NULL, 0);
    if (strcmp(answer.type, cases[i].type) != 0) print_error("%s: %s\n", cases[i].accept, answer.type);
    assert_string_equal(answer.type, cases[i].type);
    assert_string_equal(client_header(&answer, "Vary"), "Accept");
    client_fini(&answer);
  }
  client_answer answer =
      client_send(*state, QN_SCOPE_READ, "GET", "/v1/results?format=json", "Accept: text/csv", NULL, 0);
  assert_string_equal(answer.type, "application/json");
  client_fini(&answer);
}

static void test_csv_cells(void **state) {
  (void)state;
  static const struct {
    const char *text, *cell;
  } cases[] = {{"", ""},
               {"plain", "plain"},
               {"a,b", "\"a,b\""},
               {"a\"b", "\"a\"\"b\""},
               {"a\r\nb", "\"a\r\nb\""},
               {"\"", "\"\"\"\""},
               {" blank ", " blank "},
               {"=1+1", "\"'=1+1\""},
               {"+x", "\"'+x\""},
               {"-x", "\"'-x\""},
               {"@x", "\"'@x\""},
               {"a=b", "a=b"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_csv csv = {0};
    char wanted[64];
    snprintf(wanted, sizeof wanted, "x,%s,1\r\n", cases[i].cell);
    qn_csv_text(&csv, "x");
    qn_csv_text(&csv, cases[i].text);
    qn_csv_integer(&csv, 1);
    qn_csv_end(&csv);
    assert_string_equal(csv.text.bytes, wanted);
    free(csv.text.bytes);
  }
}

/* ---- potentials ---- */

static void test_upload(void **state) {
  qn_store *store = *state;
  char *text = fake_setfl("Cu", 40);
  client_answer answer = client_send(store, QN_SCOPE_SUBMIT, "POST",
                                     "/v1/potentials?name=small-cu&citation=M%C3%BCller%202026&licence=CC0-1.0",
                                     "Content-Type: text/plain", text, strlen(text));
  if (answer.status != 201) print_error("%s\n", answer.text);
  assert_int_equal(answer.status, 201);
  assert_string_equal(client_header(&answer, "Location"), "/v1/potentials/small-cu");
  assert_string_equal(client_text(&answer, "citation"), "M\xc3\xbcller 2026");
  assert_string_equal(client_text(&answer, "format"), "eam/alloy");
  assert_int_equal(strlen(client_text(&answer, "sha256")), 64);
  assert_string_equal(json_string_value(json_array_get(json_object_get(answer.json, "species"), 0)), "Cu");
  assert_int_equal(json_integer_value(json_object_get(answer.json, "size_bytes")), strlen(text));
  client_fini(&answer);

  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/potentials?name=small-cu",
                       "Content-Type: application/x-www-form-urlencoded", text, strlen(text));
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
  text[5] = 'X';
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/potentials?name=small-cu", "Content-Type: text/plain", text,
                       strlen(text));
  client_expect_problem(&answer, 409, "conflict");
  client_fini(&answer);
  free(text);
  text = fake_setfl("c,u", 40);
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/potentials?name=odd", "Content-Type: text/plain", text,
                       strlen(text));
  assert_int_equal(answer.status, 422);
  client_fini(&answer);
  free(text);

  answer = client_get(store, "/v1/potentials/small-cu/text");
  assert_string_equal(answer.text, store->potential_text[1]);
  client_fini(&answer);
  answer = client_get(store, "/v1/potentials");
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 2);
  client_fini(&answer);
}

static void test_upload_refusals(void **state) {
  qn_store *store = *state;
  char *text = fake_setfl("Cu", 40);
  static const struct {
    const char *target, *headers;
    int status;
    const char *code;
    bool cut;
  } cases[] = {{"/v1/potentials", "Content-Type: text/plain", 400, "invalid_parameter", false},
               {"/v1/potentials?name=", "Content-Type: text/plain", 400, "invalid_parameter", false},
               {"/v1/potentials?name=a%2Fb", "Content-Type: text/plain", 400, "invalid_parameter", false},
               {"/v1/potentials?name=.hidden", "Content-Type: text/plain", 400, "invalid_parameter", false},
               {"/v1/potentials?name=a%22b", "Content-Type: text/plain", 400, "invalid_parameter", false},
               {"/v1/potentials?name=x", "Content-Type: application/json", 415, "unsupported_media_type", false},
               {"/v1/potentials?name=x", "Content-Type: text/plain", 422, "malformed", true}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_send(store, QN_SCOPE_SUBMIT, "POST", cases[i].target, cases[i].headers, text,
                                       cases[i].cut ? 300 : strlen(text));
    client_expect_problem(&answer, cases[i].status, cases[i].code);
    client_fini(&answer);
  }
  client_answer answer =
      client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/potentials?name=x", "Content-Type: text/plain", "", 0);
  client_expect_problem(&answer, 422, "malformed");
  client_fini(&answer);
  assert_int_equal(store->potential_count, 1);
  free(text);
}

static void test_curves(void **state) {
  client_answer answer =
      client_get(*state, "/v1/potentials/cu-zr/curves?points=10"); /* its stored text is of one element */
  assert_int_equal(answer.status, 200);
  json_t *curves = json_object_get(answer.json, "curves");
  assert_int_equal(json_array_size(curves), 3);
  static const char *const names[] = {"embedding", "density", "pair"};
  for (size_t i = 0; i < 3; i++) {
    json_t *curve = json_array_get(curves, i), *rows = json_object_get(curve, "rows");
    assert_string_equal(json_string_value(json_object_get(curve, "name")), names[i]);
    assert_int_equal(json_array_size(rows), 10);
    assert_int_equal(json_array_size(json_array_get(rows, 0)), json_array_size(json_object_get(curve, "columns")));
  }
  json_t *last = json_array_get(json_object_get(json_array_get(curves, 2), "rows"), 9),
         *first = json_array_get(json_object_get(json_array_get(curves, 2), "rows"), 0);
  assert_true(json_number_value(json_array_get(first, 0)) == 0.5); /* r, A */
  assert_true(fabs(json_number_value(json_array_get(first, 1)) - 1.0 / 11 / 0.5) <
              1e-5); /* r*phi / r, six decimals in the text */
  assert_true(fabs(json_number_value(json_array_get(last, 0)) - 39 * 0.05) < 1e-12);
  client_fini(&answer);
  answer = client_get(*state, "/v1/potentials/nothing/curves");
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

/* ---- jobs ---- */

static void test_jobs(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char target[64];
  const long long id = store->jobs[0].id;
  snprintf(target, sizeof target, "/v1/jobs/%lld", id);
  answer = client_get(store, target);
  assert_string_equal(client_text(&answer, "state"), "queued");
  assert_true(json_is_null(json_object_get(answer.json, "eta_s")) &&
              json_is_null(json_object_get(answer.json, "started_at")));
  assert_string_equal(client_text(&answer, "submitted_by"), "tester");
  client_fini(&answer);
  answer = client_get(store, "/v1/jobs?state=running");
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 0);
  client_fini(&answer);

  snprintf(target, sizeof target, "/v1/jobs/%lld/cancel", id);
  store->jobs[0].state = QN_JOB_RUNNING;
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, NULL, 0);
  assert_int_equal(answer.status, 202);
  assert_true(json_is_true(json_object_get(answer.json, "cancel_requested")));
  client_fini(&answer);
  store->jobs[0].state = QN_JOB_QUEUED;
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, NULL, 0);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "state"), "cancelled");
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, NULL, 0);
  client_expect_problem(&answer, 409, "conflict");
  client_fini(&answer);

  /* Clients that cannot send a POST without a body send one that says nothing. */
  static const char *const nothing[] = {"{}", " {\n}\n", "", " \n"};
  for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
    store->jobs[0].state = QN_JOB_QUEUED;
    answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, nothing[i], strlen(nothing[i]));
    assert_int_equal(answer.status, 200);
    client_fini(&answer);
  }
  store->jobs[0].state = QN_JOB_QUEUED;
  static const char *const something[] = {"{\"force\": true}", "[]", "null", "x", "{"};
  for (size_t i = 0; i < sizeof something / sizeof something[0]; i++) {
    answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, something[i], strlen(something[i]));
    client_expect_problem(&answer, i < 3 ? 422 : 400, i < 3 ? "invalid_spec" : "invalid_json");
    client_fini(&answer);
  }
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, something[0], strlen(something[0]));
  assert_non_null(strstr(client_fault(&answer, "/force"), "unknown key"));
  client_fini(&answer);
  assert_int_equal(store->jobs[0].state, QN_JOB_QUEUED);
  store->jobs[0].state = QN_JOB_CANCELLED;
  snprintf(target, sizeof target, "/v1/jobs/%lld/retry", id);
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, NULL, 0);
  assert_int_equal(answer.status, 200);
  assert_string_equal(client_text(&answer, "state"), "queued");
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_SUBMIT, "POST", target, NULL, NULL, 0);
  client_expect_problem(&answer, 409, "conflict");
  client_fini(&answer);
}

static void test_events(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char target[64];
  snprintf(target, sizeof target, "/v1/jobs/%lld/events", (long long)store->jobs[0].id);
  static const struct {
    const char *header;
    int64_t last;
    int status;
  } cases[] = {{NULL, 0, 200},
               {"Last-Event-ID: 17", 17, 200},
               {"Last-Event-ID: 0", 0, 200},
               {"Last-Event-ID: x", 0, 400},
               {"Last-Event-ID: -1", 0, 400}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    answer = client_send(store, QN_SCOPE_READ, "GET", target, cases[i].header, NULL, 0);
    assert_int_equal(answer.status, cases[i].status);
    if (answer.status == 200) {
      assert_string_equal(answer.type, "text/event-stream");
      assert_int_equal(answer.kind, QN_BODY_EVENTS);
      assert_int_equal(answer.job, store->jobs[0].id);
      assert_int_equal(answer.last_event, cases[i].last);
    }
    client_fini(&answer);
  }
  answer = client_send(store, QN_SCOPE_READ, "HEAD", target, NULL, NULL, 0);
  assert_int_equal(answer.status, 200);
  assert_int_equal(answer.kind, QN_BODY_BYTES);
  client_fini(&answer);
}

/* ---- simulations, analyses, service ---- */

static void test_simulation_and_analysis(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char target[64];
  snprintf(target, sizeof target, "/v1/simulations/%lld", (long long)store->simulations[0].id);
  answer = client_get(store, target);
  json_t *spec = json_object_get(answer.json, "spec");
  assert_int_equal(json_array_size(json_object_get(spec, "stages")), 5);
  assert_true(json_is_null(json_object_get(answer.json, "engine_version")));
  client_fini(&answer);
  answer = client_get(store, "/v1/simulations");
  assert_null(json_object_get(json_array_get(json_object_get(answer.json, "items"), 0), "spec"));
  client_fini(&answer);

  store->results[0] = (qn_result_row){0};
  fake_store_add_result(store, "diffusion_coefficient", 1e-9, "x");
  store->results[0].analysis = store->analyses[0].id;
  snprintf(target, sizeof target, "/v1/analyses/%lld", (long long)store->analyses[0].id);
  answer = client_get(store, target);
  assert_int_equal(json_array_size(json_object_get(answer.json, "values")), 1);
  json_t *curve = json_array_get(json_object_get(answer.json, "curves"), 0);
  assert_string_equal(json_string_value(json_array_get(json_object_get(curve, "columns"), 1)), "msd_a2");
  assert_true(json_number_value(json_array_get(json_array_get(json_object_get(curve, "rows"), 1), 1)) == 0.2);
  client_fini(&answer);
  answer = client_get(store, "/v1/analyses?simulation=424242");
  assert_int_equal(json_array_size(json_object_get(answer.json, "items")), 0);
  client_fini(&answer);
}

static void test_service(void **state) {
  qn_store *store = *state;
  static const struct {
    const char *target, *type, *holds;
  } cases[] = {{"/", "application/json", "\"/v1/simulations\""},
               {"/livez", "application/json", "ok"},
               {"/readyz", "application/json", "ready"},
               {"/metrics", "text/plain; version=0.0.4; charset=utf-8", "quenchd_up 1"},
               {"/v1/analysis-types", "application/json", "\"diffusion\""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    client_answer answer = client_get(store, cases[i].target);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.type, cases[i].type);
    assert_non_null(strstr(answer.text, cases[i].holds));
    client_fini(&answer);
  }
  store->broken = QN_UNAVAILABLE;
  client_answer answer = client_get(store, "/livez");
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
}

/* ---- files ---- */

static void test_thermo_and_structures(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char path[] = "/tmp/quenchd-test-XXXXXX", target[64];
  int made = mkstemp(path);
  assert_true(made >= 0 && write(made, "time_ps\n0.1\n", 12) == 12);
  close(made);
  int64_t thermo = fake_store_add_artifact(store, "thermo", path, "cafe", 0),
          snapshot = fake_store_add_artifact(store, "snapshot", path, "", 0);
  store->artifacts[0].simulation = store->simulations[0].id;
  snprintf(target, sizeof target, "/v1/simulations/%lld/thermo", (long long)store->simulations[0].id);
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.text, "time_ps\n0.1\n");
  assert_string_equal(client_header(&answer, "ETag"), "\"cafe\"");
  assert_non_null(strstr(client_header(&answer, "Content-Disposition"), "thermo.csv"));
  client_fini(&answer);
  answer = client_send(store, QN_SCOPE_READ, "GET", target, "If-None-Match: \"cafe\"", NULL, 0);
  assert_int_equal(answer.status, 304);
  client_fini(&answer);

  snprintf(target, sizeof target, "/v1/structures/%lld/data", (long long)snapshot);
  answer = client_get(store, target);
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.type, "chemical/x-xyz");
  assert_string_equal(client_header(&answer, "Content-Disposition"),
                      "attachment; filename=\"simulation-1-stage-1-1500K.xyz\"");
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/structures/%lld",
           (long long)thermo); /* there is such an artifact, but it is no structure */
  answer = client_get(store, target);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
  unlink(path);
  snprintf(target, sizeof target, "/v1/structures/%lld/data", (long long)snapshot);
  answer = client_get(store, target);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/simulations/%lld/thermo", 424242LL);
  answer = client_get(store, target);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

/* A file of thirty elements is registered whole, and any few of them are a system. */
static void test_many_elements(void **state) {
  qn_store *store = *state;
  static const char symbols[] = "Ag Al Au Be Ca Co Cr Cu Fe Hf In Ir La Mg Mn Mo Nb Ni Os Pb Pd Pt Re Rh Ru Sn Ta Ti W Zr";
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  fprintf(out, "made\nfor\ntests\n30 %s\n5 1 5 0.25 1.25\n", symbols);
  for (int a = 0; a < 30; a++) fprintf(out, "%d %d 4 fcc\n0 -1 -2 -3 -4\n4 3 2 1 0\n", a + 1, a + 20);
  for (int pair = 0; pair < 30 * 31 / 2; pair++) fputs("0 3 2 1 0\n", out);
  fclose(out);
  client_answer answer = client_send(store, QN_SCOPE_SUBMIT, "POST", "/v1/potentials?name=thirty", "Content-Type: text/plain", text, size);
  assert_int_equal(answer.status, 201);
  assert_int_equal(json_array_size(json_object_get(answer.json, "species")), 30);
  assert_int_equal(json_array_size(json_object_get(answer.json, "elements")), 30);
  client_fini(&answer);
  char *spec = spec_with(BULK, "/potential", "\"thirty\""),
       *other = spec_with(spec, "/initial/composition", "{\"Zr\": 0.5, \"Al\": 0.3, \"W\": 0.2}");
  answer = client_post(store, "/v1/simulations", other);
  assert_int_equal(answer.status, 202);
  client_fini(&answer);
  free(other);
  other = spec_with(spec, "/initial/composition", "{\"Xe\": 1}");
  answer = client_post(store, "/v1/simulations", other);
  client_expect_problem(&answer, 422, "invalid_spec");
  assert_non_null(strstr(client_fault(&answer, "/initial/composition/Xe"), "it knows Ag, Al"));
  assert_non_null(strstr(client_fault(&answer, "/initial/composition/Xe"), "W, Zr"));
  client_fini(&answer);
  free(spec), free(other), free(text);
}

/* A run that goes on, or that failed, shows the rows that it has. */
static void test_thermo_so_far(void **state) {
  qn_store *store = *state;
  client_answer answer = client_post(store, "/v1/simulations", BULK);
  client_fini(&answer);
  char path[] = "/tmp/quenchd-test-XXXXXX", target[64];
  int made = mkstemp(path);
  assert_true(made >= 0 && write(made, "time_ps\n0.1\n", 12) == 12);
  close(made);
  snprintf(target, sizeof target, "/v1/simulations/%lld/thermo", (long long)store->simulations[0].id);
  answer = client_get(store, target);
  client_expect_problem(&answer, 404, "not_found");
  assert_non_null(strstr(client_text(&answer, "detail"), "no thermo series yet"));
  client_fini(&answer);
  static const qn_job_state states[] = {QN_JOB_RUNNING, QN_JOB_FAILED};
  store->series = path;
  for (int s = 0; s < 2; s++) {
    store->jobs[0].state = states[s];
    answer = client_get(store, target);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.text, "time_ps\n0.1\n");
    assert_string_equal(client_header(&answer, "Cache-Control"), "no-store");
    assert_null(client_header(&answer, "ETag"));
    assert_non_null(strstr(client_header(&answer, "Content-Disposition"), "so-far.csv"));
    client_fini(&answer);
  }
  unlink(path);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_pages_hold_everything_once),
      TEST(test_next_keeps_odd_filters),
      TEST(test_an_alloy_has_one_name),
      TEST(test_empty_lists),
      TEST(test_etags),
      TEST(test_a_result_carries_everything),
      TEST(test_unasked_filters_are_absent),
      TEST(test_no_number_is_null_or_empty),
      TEST(test_csv),
      TEST(test_choosing_by_accept),
      TEST(test_csv_cells),
      TEST(test_upload),
      TEST(test_upload_refusals),
      TEST(test_curves),
      TEST(test_jobs),
      TEST(test_events),
      TEST(test_simulation_and_analysis),
      TEST(test_service),
      TEST(test_thermo_and_structures),
      TEST(test_thermo_so_far),
      TEST(test_many_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Finding routes, and what is refused before a handler runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "api/potential.h"
#include "api/route.h"
#include "engine/analysis/analysis.h"

static int set_up(void **state) {
  *state = fake_store_alloc();
  return 0;
}

static int tear_down(void **state) {
  fake_store_free(*state);
  return 0;
}

static void test_table_is_sound(void **state) {
  (void)state;
  size_t count;
  const qn_route *routes = qn_routes(&count);
  assert_true(count >= 30);
  for (size_t i = 0; i < count; i++) {
    assert_non_null(routes[i].handler);
    assert_true(routes[i].pattern[0] == '/');
    bool gets = strcmp(routes[i].method, "GET") == 0, deletes = strcmp(routes[i].method, "DELETE") == 0;
    bool bodied = strcmp(routes[i].method, "POST") == 0 || strcmp(routes[i].method, "PATCH") == 0;
    assert_true(gets || deletes || bodied);
    assert_true(bodied || routes[i].body_limit == 0);
    assert_true(gets || routes[i].scope >= QN_SCOPE_SUBMIT); /* nothing changes anything with less */
    assert_true(!gets || (routes[i].traits & (QN_ROUTE_JSON | QN_ROUTE_KEY)) == 0);
    assert_true((routes[i].traits & QN_ROUTE_JSON) == 0 || routes[i].body_limit > 0);
    assert_true(strstr(routes[i].pattern, "/tokens") == NULL || routes[i].scope == QN_SCOPE_ADMIN);
    assert_true(strncmp(routes[i].pattern, "/v1/", 4) != 0 || routes[i].scope >= QN_SCOPE_READ);
    for (size_t k = 0; k < i; k++) {
      assert_string_not_equal(routes[i].operation, routes[k].operation);
      assert_false(strcmp(routes[i].method, routes[k].method) == 0 &&
                   strcmp(routes[i].pattern, routes[k].pattern) == 0);
    }
  }
}

/* Every route is found by a path made of its pattern, with the parameters in their places. */
static void test_every_route_is_found(void **state) {
  (void)state;
  size_t count;
  const qn_route *routes = qn_routes(&count);
  for (size_t i = 0; i < count; i++) {
    char path[256] = "", buffer[512], allow[64];
    const char *parameters[QN_MAX_PATH_PARAMETERS];
    int status, names = 0;
    for (const char *at = routes[i].pattern; *at != '\0'; at++) {
      if (*at == '{') {
        sprintf(path + strlen(path), "value-%d", names++);
        at = strchr(at, '}');
      } else {
        strncat(path, at, 1);
      }
    }
    assert_ptr_equal(qn_route_find(routes[i].method, path, buffer, parameters, &status, allow), &routes[i]);
    assert_int_equal(status, 200);
    for (int p = 0; p < QN_MAX_PATH_PARAMETERS; p++) {
      char wanted[24];
      snprintf(wanted, sizeof wanted, "value-%d", p);
      if (p < names)
        assert_string_equal(parameters[p], wanted);
      else
        assert_null(parameters[p]);
    }
    if (strcmp(routes[i].method, "GET") == 0)
      assert_ptr_equal(qn_route_find("HEAD", path, buffer, parameters, &status, allow), &routes[i]);
  }
}

static void expect_not_found(qn_store *store, const char *path) {
  client_answer answer = client_get(store, path);
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
}

static void test_unknown_paths(void **state) {
  static const char *const paths[] = {"/v1",
                                      "/v1/",
                                      "/v1/nothing",
                                      "/v1/simulations/",
                                      "/v1/simulations//thermo",
                                      "/v1/simulations/1/thermo/",
                                      "/V1/simulations",
                                      "//",
                                      "/v1/simulations/1/2",
                                      "/v1/jobs/1/eventsx",
                                      "/openapi.yaml/x",
                                      "/livezz",
                                      "/v1/simulations%2F1%2Fx"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) expect_not_found(*state, paths[i]);
  char longer[2000] = "/v1/potentials/";
  memset(longer + strlen(longer), 'x', 1500);
  expect_not_found(*state, longer);
}

static void test_identifiers(void **state) {
  static const char *const ids[] = {
      "0", "-1", "x", "1x", "01", "1.0", "99999999999999999999", "9223372036854775808", "%20", "%2e%2e", "1%00"};
  static const char *const patterns[] = {"/v1/simulations/%s",  "/v1/analyses/%s",          "/v1/jobs/%s",
                                         "/v1/trajectories/%s", "/v1/trajectories/%s/data", "/v1/structures/%s",
                                         "/v1/jobs/%s/events"};
  for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++)
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
      const char *hole = strstr(patterns[p], "%s");
      char path[128];
      snprintf(path, sizeof path, "%.*s%s%s", (int)(hole - patterns[p]), patterns[p], ids[i], hole + 2);
      if (strcmp(ids[i], "1%00") == 0) continue; /* a NUL cannot get here: the server refuses it */
      expect_not_found(*state, path);
    }
}

static void test_wrong_method(void **state) {
  client_answer answer = client_send(*state, QN_SCOPE_ADMIN, "DELETE", "/v1/simulations", NULL, NULL, 0);
  client_expect_problem(&answer, 405, "method_not_allowed");
  assert_string_equal(client_header(&answer, "Allow"), "GET, HEAD, POST");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "GET", "/v1/jobs/1/cancel", NULL, NULL, 0);
  client_expect_problem(&answer, 405, "method_not_allowed");
  assert_string_equal(client_header(&answer, "Allow"), "POST");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "HEAD", "/v1/jobs/1/cancel", NULL, NULL, 0);
  client_expect_problem(&answer, 405, "method_not_allowed");
  client_fini(&answer);
}

static void test_scopes(void **state) {
  size_t count;
  const qn_route *routes = qn_routes(&count);
  for (size_t i = 0; i < count; i++)
    for (int scope = QN_SCOPE_NONE; scope <= QN_SCOPE_ADMIN; scope++) {
      client_answer answer = client_send(*state, (qn_scope)scope, routes[i].method, routes[i].pattern, NULL, NULL, 0);
      if (scope >= (int)routes[i].scope) {
        assert_true(answer.status != 401 && answer.status != 403);
      } else if (scope == QN_SCOPE_NONE) {
        client_expect_problem(&answer, 401, "unauthorized");
        assert_non_null(strstr(client_header(&answer, "WWW-Authenticate"), "Bearer"));
      } else {
        client_expect_problem(&answer, 403, "forbidden");
      }
      client_fini(&answer);
    }
}

static void test_media_types(void **state) {
  static const char *const bad[] = {"Content-Type: text/plain\n", "Content-Type: application/x-www-form-urlencoded\n",
                                    "Content-Type: application/jsonx\n",
                                    "Content-Type: multipart/form-data; boundary=x\n"};
  static const char *const good[] = {"Content-Type: application/json\n",
                                     "Content-Type: Application/JSON; charset=utf-8\n",
                                     "Content-Type: application/json ;x=y\n"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    client_answer answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/simulations", bad[i], "{}", 2);
    client_expect_problem(&answer, 415, "unsupported_media_type");
    client_fini(&answer);
  }
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    client_answer answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/simulations", good[i], "{}", 2);
    client_expect_problem(&answer, 422, "invalid_spec");
    client_fini(&answer);
  }
  client_answer answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/simulations", NULL, NULL, 0);
  client_expect_problem(&answer, 415, "unsupported_media_type");
  client_fini(&answer);
}

static void test_body_sizes(void **state) {
  const size_t size = (1 << 20) + 1;
  char *body = calloc(size, 1);
  memset(body, ' ', size);
  client_answer answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/simulations", NULL, body, size);
  client_expect_problem(&answer, 413, "too_large");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/simulations", NULL, body, size - 1);
  client_expect_problem(&answer, 400, "invalid_json");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "GET", "/v1/simulations", NULL, body, 1);
  client_expect_problem(&answer, 413, "too_large");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "POST", "/v1/jobs/1/cancel", NULL, body, QN_EMPTY_BODY + 1);
  client_expect_problem(&answer, 413, "too_large");
  client_fini(&answer);
  free(body);
}

/* The server asks before the body has come: what the head says is enough for a refusal, and what it does not say is not held against it. */
static void test_admitting_by_the_head(void **state) {
  (void)state;
  char buffer[512];
  qn_response response;
  qn_request request = {
      .method = "POST", .path = "/v1/simulations", .principal.scope = QN_SCOPE_ADMIN, .request_id = "r-1"};
  qn_response_init(&response);
  assert_null(qn_api_admit(&request, 2 << 20, buffer, &response));
  assert_int_equal(response.status, 413);
  qn_response_fini(&response);
  assert_null(qn_api_admit(&request, 0, buffer, &response));
  assert_int_equal(response.status, 415);
  qn_response_fini(&response);
  request.path = "/v1/simulations/12/thermo";
  request.method = "GET";
  assert_non_null(qn_api_admit(&request, 0, buffer, &response));
  assert_string_equal(request.parameter[0], "12");
  qn_response_fini(&response);
}

static void test_unknown_query_parameters(void **state) {
  client_answer answer = client_get(*state, "/v1/jobs?stat=queued");
  client_expect_problem(&answer, 400, "invalid_parameter");
  assert_non_null(strstr(client_fault(&answer, "?stat"), "nearest is state; accepted: state, limit, cursor"));
  client_fini(&answer);
  answer = client_get(*state, "/v1/jobs/1?verbose=1");
  client_expect_problem(&answer, 400, "invalid_parameter");
  assert_non_null(strstr(client_fault(&answer, "?verbose"), "accepted: none"));
  client_fini(&answer);
  answer = client_get(*state, "/v1/jobs?limit=1&limit=2");
  client_expect_problem(&answer, 400, "invalid_parameter");
  assert_non_null(strstr(client_fault(&answer, "?limit"), "comes twice"));
  client_fini(&answer);
}

/* Names and values together, also before a body is looked at. */
static void test_all_query_faults_at_once(void **state) {
  enum { MOST_FAULTS = 10 };
  static const struct {
    const char *method, *target, *at[MOST_FAULTS];
  } cases[] = {
      {"GET", "/v1/simulations?cursor=x&limit=9999&foo=1", {"?cursor", "?limit", "?foo"}},
      {"GET", "/v1/structures?simulation=0&limit=0&x=1", {"?simulation", "?limit", "?x"}},
      {"GET", "/v1/jobs?state=done&limit=x&sate=1", {"?state", "?limit", "?sate"}},
      {"GET",
       "/v1/results?quantity=difusion&status=bad&temperature_min_k=hot&format=xml&foo",
       {"?quantity", "?status", "?temperature_min_k", "?format", "?foo"}},
      {"GET",
       "/v1/results?temperature_min_k=2000&temperature_max_k=1000&analysis=0",
       {"?temperature_min_k", "?analysis"}},
      {"GET", "/v1/potentials/cu-zr/curves?points=1&point=3", {"?points", "?point"}},
      {"GET", "/v1/trajectories/1/data?format=xtc&frame=3", {"?format", "?frame"}},
      {"POST", "/v1/potentials?name=a%20b&nmae=c", {"?name", "?nmae"}},
      {"GET",
       "/v1/results?type=difusion&composition=Cu50&layer_a=deep&method=d&stage=x&fit=0&limit=0&foo",
       {"?type", "?composition", "?layer_a", "?method", "?stage", "?fit", "?limit", "?foo"}},
      {"GET", "/v1/analyses?simulation=1&trajectory=2&limit=0&x=1", {"?trajectory", "?limit", "?x"}},
      {"GET", "/v1/fits?law=vtf&status=bad&composition=CuZr&limit=0&x=1", {"?law", "?status", "?composition", "?limit", "?x"}},
      {"GET", "/v1/jobs/1/attempts?limit=0&x=1", {"?limit", "?x"}},
      {"GET", "/v1/tokens?limit=0&x=1", {"?limit", "?x"}},
      {"GET", "/v1/audit?outcome=bad&resource_id=0&cursor=x&x=1", {"?outcome", "?resource_id", "?cursor", "?x"}},
      {"POST", "/v1/trajectories?temperature_k=-1&interval_ps=x&timestep_fs=0&species=Xx&x=1",
       {"?temperature_k", "?interval_ps", "?timestep_fs", "?species", "?x"}},
      {"POST", "/v1/structures?temperature_k=-1&species=Xx&timestep_fs=2", {"?temperature_k", "?species", "?timestep_fs"}},
  };
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    client_answer answer = client_send(*state, QN_SCOPE_ADMIN, cases[c].method, cases[c].target, NULL, NULL, 0);
    client_expect_problem(&answer, 400, "invalid_parameter");
    size_t count = 0;
    bool good = true;
    for (; count < MOST_FAULTS && cases[c].at[count] != NULL; count++)
      good = client_fault(&answer, cases[c].at[count]) != NULL && good;
    good = good && json_array_size(json_object_get(answer.json, "errors")) == count;
    if (!good) print_error("%s\nfound %s\n", cases[c].target, answer.text);
    assert_true(good);
    client_fini(&answer);
  }
}

static void test_words_that_results_know(void **state) {
  client_answer answer = client_get(*state, "/v1/results?quantity=difusion_coefficient");
  assert_non_null(strstr(client_fault(&answer, "?quantity"), "nearest is diffusion_coefficient; accepted: "));
  assert_non_null(strstr(client_fault(&answer, "?quantity"), "slope_above")); /* the last of them, of a law */
  client_fini(&answer);
  answer = client_get(*state, "/v1/results?status=bad");
  assert_non_null(strstr(client_fault(&answer, "?status"), "accepted: ok, not_diffusive"));
  client_fini(&answer);
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (const char *const *name = (*type)->quantities; *name != NULL; name++) {
      char target[100];
      snprintf(target, sizeof target, "/v1/results?quantity=%s&status=ok", *name);
      answer = client_get(*state, target);
      assert_int_equal(answer.status, 200);
      client_fini(&answer);
    }
}

/* A name that can be registered can be asked for. */
static void test_longest_potential_name(void **state) {
  char name[QN_POTENTIAL_NAME_MOST + 2], target[200];
  memset(name, 'n', sizeof name);
  name[QN_POTENTIAL_NAME_MOST + 1] = '\0';
  snprintf(target, sizeof target, "/v1/results?potential=%s", name);
  client_answer answer = client_get(*state, target);
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
  snprintf(target, sizeof target, "/v1/potentials?name=%s", name);
  answer = client_send(*state, QN_SCOPE_ADMIN, "POST", target, NULL, "x", 1);
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
  name[QN_POTENTIAL_NAME_MOST] = '\0';
  snprintf(target, sizeof target, "/v1/results?potential=%s", name);
  answer = client_get(*state, target);
  assert_int_equal(answer.status, 200);
  client_fini(&answer);
  assert_true(qn_potential_is_name(name));
}

static void test_bad_query_values(void **state) {
  static const char *const targets[] = {
      "/v1/jobs?limit=0",
      "/v1/jobs?limit=1001",
      "/v1/jobs?limit=ten",
      "/v1/jobs?limit=",
      "/v1/jobs?limit",
      "/v1/jobs?limit=1e2",
      "/v1/jobs?limit=+5",
      "/v1/jobs?limit=%205",
      "/v1/jobs?cursor=0",
      "/v1/jobs?cursor=-4",
      "/v1/jobs?cursor=abc",
      "/v1/jobs?cursor=99999999999999999999",
      "/v1/jobs?state=done",
      "/v1/jobs?state=",
      "/v1/results?temperature_min_k=hot",
      "/v1/results?temperature_min_k=nan",
      "/v1/results?temperature_max_k=inf",
      "/v1/results?temperature_max_k=0x10",
      "/v1/results?temperature_max_k=",
      "/v1/results?temperature_max_k=1e999",
      "/v1/results?temperature_max_k=00000000000000000000000000000000000000001",
      "/v1/results?format=xml",
      "/v1/results?quantity=",
      "/v1/results?simulation=0",
      "/v1/results?species="
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      "/v1/trajectories?simulation=x",
      "/v1/potentials/cu-zr/curves?points=1"};
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    client_answer answer = client_get(*state, targets[i]);
    if (answer.status != 400) print_error("%s\n", targets[i]);
    client_expect_problem(&answer, 400, "invalid_parameter");
    client_fini(&answer);
  }
}

/* Storage that is away: 503 with Retry-After wherever it is needed, and nowhere a crash or an empty 200. */
static void test_broken_storage(void **state) {
  qn_store *store = *state;
  static const char *const free_of_storage[] = {"getIndex",          "getLive",        "getDocument",
                                                "listAnalysisTypes", "submitAnalysis", "submitSimulation",
                                                "uploadPotential",   "submitFit",      "uploadTrajectory",
                                                "uploadStructure"}; /* those that need a body look at it first */
  static const struct {
    qn_status status;
    int http;
    const char *code;
  } kinds[] = {{QN_UNAVAILABLE, 503, "unavailable"},
               {QN_INTERNAL, 500, "internal"},
               {QN_NO_MEMORY, 503, "no_memory"},
               {QN_CORRUPT, 500, "corrupt"},
               {QN_IO, 500, "io"},
               {QN_FORBIDDEN, 403, "forbidden"}};
  static const struct {
    const char *operation, *body;
  } bodies[] = {{"changeJob", "{\"priority\": 1}"},
                {"createToken", "{\"name\": \"lab\", \"scope\": \"read\"}"},
                {"applyRetention", "{\"older_than_days\": 1, \"kinds\": [\"thermo\"]}"}};
  size_t count;
  const qn_route *routes = qn_routes(&count);
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
    store->broken = kinds[k].status;
    for (size_t i = 0; i < count; i++) {
      bool needs = true;
      for (size_t f = 0; f < sizeof free_of_storage / sizeof free_of_storage[0]; f++)
        needs = needs && strcmp(free_of_storage[f], routes[i].operation) != 0;
      if (!needs) continue;
      char path[128] = "";
      for (const char *at = routes[i].pattern; *at != '\0'; at++) {
        if (*at == '{')
          strcat(path, "1"), at = strchr(at, '}');
        else
          strncat(path, at, 1);
      }
      const char *body = NULL;
      for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
        if (strcmp(bodies[b].operation, routes[i].operation) == 0) body = bodies[b].body;
      client_answer answer = client_send(store, QN_SCOPE_ADMIN, routes[i].method, path, NULL, body, body != NULL ? strlen(body) : 0);
      if (strcmp(routes[i].operation, "getReady") == 0)
        client_expect_problem(&answer, 503, "not_ready");
      else
        client_expect_problem(&answer, kinds[k].http, kinds[k].code);
      if (answer.status == 503) assert_non_null(client_header(&answer, "Retry-After"));
      client_fini(&answer);
    }
  }
}

static void test_problems_survive_odd_texts(void **state) {
  client_answer answer = client_get(*state, "/v1/jobs?%ff%fe%22%5c=1");
  client_expect_problem(&answer, 400, "invalid_parameter");
  client_fini(&answer);
  answer = client_get(*state, "/v1/potentials/%ff%c3%28%0a%22");
  client_expect_problem(&answer, 404, "not_found");
  client_fini(&answer);
  answer = client_send(*state, QN_SCOPE_ADMIN, "P\xffT", "/v1/jobs", NULL, NULL, 0);
  client_expect_problem(&answer, 405, "method_not_allowed");
  client_fini(&answer);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_table_is_sound),
      TEST(test_every_route_is_found),
      TEST(test_unknown_paths),
      TEST(test_identifiers),
      TEST(test_wrong_method),
      TEST(test_scopes),
      TEST(test_media_types),
      TEST(test_body_sizes),
      TEST(test_admitting_by_the_head),
      TEST(test_unknown_query_parameters),
      TEST(test_all_query_faults_at_once),
      TEST(test_words_that_results_know),
      TEST(test_longest_potential_name),
      TEST(test_bad_query_values),
      TEST(test_broken_storage),
      TEST(test_problems_survive_odd_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

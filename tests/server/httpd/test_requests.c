/* Requests as clients send them, well-formed and not: targets, methods, bodies, keep-alive, downloads. */
#include "server/httpd/fixture.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static fixture at;

static int start(void **state) {
  (void)state;
  fixture_defaults(&at);
  fixture_start(&at);
  return 0;
}

static int stop(void **state) {
  (void)state;
  fixture_stop(&at);
  return 0;
}

/* A whole problem document, whoever made it. */
static void expect_problem(reply *got, int status) {
  static const char *const texts[] = {"type", "title", "code", "detail"};
  char value[512];
  assert_int_equal(got->status, status);
  assert_true(got->whole);
  assert_string_equal(reply_header(got, "Content-Type", value), "application/problem+json");
  json_t *document = json_loads(got->body, 0, NULL);
  if (document == NULL) fail_msg("no JSON after %s: %s", got->head, got->body);
  assert_int_equal(json_integer_value(json_object_get(document, "status")), status);
  for (int i = 0; i < 4; i++) {
    const char *text = json_string_value(json_object_get(document, texts[i]));
    if (text == NULL || text[0] == '\0') fail_msg("no %s in %s", texts[i], got->body);
  }
  json_decref(document);
  reply_fini(got);
}

static void test_get_and_head(void **state) {
  (void)state;
  reply got;
  char value[512];
  client_ask(&at, &got, "GET /public HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_string_equal(got.body, "public");
  assert_string_equal(reply_header(&got, "Content-Type", value), "text/plain");
  assert_string_equal(reply_header(&got, "X-Content-Type-Options", value), "nosniff");
  reply_fini(&got);

  client_ask(&at, &got, "HEAD /public HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_string_equal(reply_header(&got, "Content-Length", value), "6");
  reply_fini(&got);

  /* After HEAD the same connection goes on: no byte of a body was sent. */
  int socket = client_connect(&at);
  for (int i = 0; i < 3; i++) {
    const char *path[] = {"/public", "/stream", "/file"};
    client_send(socket, "HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path[i]);
    client_read(socket, &got, true);
    assert_int_equal(got.status, 200);
  }
  client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(socket, &got, false);
  assert_string_equal(got.body, "public");
  reply_fini(&got);
  close(socket);
}

static void test_request_ids(void **state) {
  (void)state;
  reply got;
  char first[512], second[512];
  client_ask(&at, &got, "GET /public HTTP/1.1\r\nX-Request-Id: run-7.a_B");
  assert_string_equal(reply_header(&got, "X-Request-Id", first), "run-7.a_B");
  reply_fini(&got);
  client_ask(&at, &got, "GET /public HTTP/1.1\r\nX-Request-Id: two words");
  assert_string_not_equal(reply_header(&got, "X-Request-Id", first), "two words");
  reply_fini(&got);
  client_ask(&at, &got, "GET /public HTTP/1.1");
  assert_string_not_equal(reply_header(&got, "X-Request-Id", second), first);
  reply_fini(&got);
}

static void test_no_such_route(void **state) {
  (void)state;
  reply got;
  char value[512];
  int socket = client_connect(&at);
  client_send(socket, "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(socket, &got, false);
  expect_problem(&got, 404);
  client_send(socket, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  client_read(socket, &got, false);
  expect_problem(&got, 404);
  client_send(socket, "DELETE /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(socket, &got, false);
  assert_string_equal(reply_header(&got, "Allow", value), "GET");
  expect_problem(&got, 405);
  client_send(socket, "BREW /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(socket, &got, false);
  expect_problem(&got, 405);
  client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* refusals do not cost the connection */
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  close(socket);
}

static void test_targets(void **state) {
  (void)state;
  static const struct { const char *target; int status; const char *body; } cases[] = {
    {"/pub%6Cic", 200, "public"},
    {"http://some.host:80/public", 200, "public"},
    {"/seen?a=1&b=%C3%A9&c=x+y&d&&e=%26", 200, "a=1;b=\303\251;c=x y;d=;e=&;"},
    {"/public%00", 400, NULL},
    {"/public%2", 400, NULL},
    {"/public%zz", 400, NULL},
    {"/pub%2Flic", 400, NULL},
    {"/%C3%28", 400, NULL},
    {"/%ED%A0%80", 400, NULL},
    {"/%C0%AF", 400, NULL},
    {"/%0d%0aX:y", 400, NULL},
    {"/seen?a=%00", 400, NULL},
    {"/seen?%ff=1", 400, NULL},
    {"/", 404, NULL},
    {"*", 404, NULL},
    {"/public/../public", 404, NULL},
    {"//public", 404, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    reply got;
    client_ask(&at, &got, "GET %s HTTP/1.1", cases[i].target);
    if (got.status != cases[i].status) fail_msg("%s gives %d", cases[i].target, got.status);
    if (cases[i].body != NULL) {
      assert_string_equal(got.body, cases[i].body);
      reply_fini(&got);
    } else {
      expect_problem(&got, cases[i].status);
    }
  }
}

static void test_long_targets(void **state) {
  (void)state;
  reply got;
  static char path[10000];
  memset(path, 'a', 481);
  client_ask(&at, &got, "GET /%s HTTP/1.1", path);
  expect_problem(&got, 414);
  memset(path, 'a', 9000);
  client_ask(&at, &got, "GET /seen?%s HTTP/1.1", path);
  expect_problem(&got, 414);
  for (int i = 0; i < 65; i++) memcpy(path + 4 * i, "a=1&", 5);
  client_ask(&at, &got, "GET /seen?%s HTTP/1.1", path);
  expect_problem(&got, 400);
}

/* What libmicrohttpd refuses by itself, or cuts: never 2xx, never 5xx but for the version, in the words of this program; and the server lives. */
static void test_broken_heads(void **state) {
  (void)state;
  static const struct { const char *text; size_t size; } cases[] = {
#define CASE(text) {text, sizeof text - 1}
    CASE("\r\n\r\n\r\n\r\nnonsense\r\n\r\n"),
    CASE("GET\r\n\r\n"),
    CASE("GET \r\n\r\n"),
    CASE("GET /public\r\n\r\n"),
    CASE("GET /public HTTP/9.9\r\n\r\n"),
    CASE("GET /public HTTP/1.1\r\n\r\n"), /* no Host */
    CASE("GET /public public HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    CASE("GET /pub\0lic HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    CASE("GET /public HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n"),
    CASE("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"),
    CASE("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: five\r\n\r\n"),
    CASE("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
    CASE("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), /* a TLS greeting */
#undef CASE
  };
  int answered = 0;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    reply got;
    int socket = client_connect(&at);
    client_send_bytes(socket, cases[i].text, cases[i].size);
    shutdown(socket, 1);
    client_read(socket, &got, false);
    bool refused = (got.status >= 400 && got.status < 500) || got.status == 505 /* HTTP Version Not Supported */;
    if (got.status != 0 && !refused) fail_msg("case %zu gives %d", i, got.status);
    answered += got.status != 0;
    if (got.status != 0) expect_problem(&got, got.status);
    else reply_fini(&got);
    close(socket);
  }
  assert_true(answered >= 8);
  reply got;
  static char large[60001];
  memset(large, 'x', 60000);
  client_ask(&at, &got, "GET /public HTTP/1.1\r\nX-Large: %s", large);
  expect_problem(&got, 431);
  client_ask(&at, &got, "GET /%s HTTP/1.1", large);
  expect_problem(&got, 414);
  client_ask(&at, &got, "GET /public HTTP/1.1");
  assert_int_equal(got.status, 200);
  reply_fini(&got);
}

static void test_pipelining(void **state) {
  (void)state;
  int socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\none"
                      "GET /seen?n=2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nth\r\n3\r\nree\r\n0\r\n\r\n"
                      "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
                      "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const char *expected[] = {"one", "n=2;", "three", NULL, "public"};
  for (int i = 0; i < 5; i++) {
    reply got;
    client_read(socket, &got, false);
    assert_int_equal(got.status, expected[i] != NULL ? 200 : 404);
    if (expected[i] != NULL) assert_string_equal(got.body, expected[i]);
    reply_fini(&got);
  }
  close(socket);
}

static void test_body_limits(void **state) {
  (void)state;
  reply got;
  char *body = malloc(4 << 20);
  assert_non_null(body);
  memset(body, 'b', 4 << 20);
  int handled = atomic_load(&at.handled);

  int socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", ECHO_LIMIT);
  client_send_bytes(socket, body, ECHO_LIMIT);
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  assert_int_equal(got.size, ECHO_LIMIT);
  reply_fini(&got);

  /* A little too much is read over, and the connection goes on. */
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", ECHO_LIMIT + 1);
  client_send_bytes(socket, body, ECHO_LIMIT + 1);
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  client_send(socket, "POST /bodyless HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  client_send(socket, "POST /bodyless HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  close(socket);

  /* Far too much is answered at once, before the body was sent, and so is a client that asks first. */
  socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n");
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  assert_true(client_closed(socket, 5));
  close(socket);
  socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", ECHO_LIMIT + 1);
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  close(socket);

  /* The same without an announced length: found out on the way. */
  socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", ECHO_LIMIT + 1000);
  client_send_bytes(socket, body, ECHO_LIMIT + 1000);
  client_send(socket, "\r\n0\r\n\r\n");
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  close(socket);
  socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n");
  bool open = true;
  for (int i = 0; i < 16 && open; i++) open = client_send_bytes(socket, body, 4 << 20);
  assert_false(open); /* endless: cut off, but not without a word */
  client_read(socket, &got, false);
  expect_problem(&got, 413);
  close(socket);

  assert_int_equal(atomic_load(&at.handled) - handled, 2);
  free(body);
}

typedef struct sink { size_t size; bool good; } sink;

static size_t check_pattern(char *bytes, size_t one, size_t size, void *context) {
  (void)one;
  sink *into = context;
  for (size_t i = 0; i < size; i++) into->good &= bytes[i] == (char)('a' + (into->size + i) % 23);
  into->size += size;
  return size;
}

/* libcurl as the judge of framing: lengths, chunks, keep-alive, 100-continue. */
static void test_with_curl(void **state) {
  (void)state;
  CURL *curl = curl_easy_init();
  assert_non_null(curl);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* whatever the environment says */
  char url[128];
  const char *paths[] = {"/file", "/stream"};
  for (int i = 0; i < 2; i++) {
    sink into = {.good = true};
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", at.port, paths[i]);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, check_pattern);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &into);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    assert_int_equal(into.size, FILE_SIZE);
    assert_true(into.good);
  }
  snprintf(url, sizeof url, "http://127.0.0.1:%d/broken", at.port);
  sink into = {.good = true};
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &into);
  assert_int_not_equal(curl_easy_perform(curl), CURLE_OK); /* a download that fails must not look whole */

  char *body = malloc(ECHO_LIMIT + 1);
  assert_non_null(body);
  for (int i = 0; i < ECHO_LIMIT; i++) body[i] = (char)('a' + i % 23);
  struct curl_slist *headers = curl_slist_append(NULL, "Expect: 100-continue");
  long status = 0, connections = 0;
  into = (sink){.good = true};
  snprintf(url, sizeof url, "http://127.0.0.1:%d/echo", at.port);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, 60000L); /* "100 Continue" has to come */
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)ECHO_LIMIT);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
  for (int i = 0; i < 2; i++) {
    into.size = 0;
    double from = qn_clock_now();
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    assert_true(qn_clock_now() - from < 20);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    assert_int_equal(status, 200);
    assert_int_equal(into.size, ECHO_LIMIT);
    assert_true(into.good);
  }
  curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
  assert_int_equal(connections, 0); /* the second one went over the connection of the first */
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  free(body);
}

static void test_metrics(void **state) {
  (void)state;
  reply got;
  double before = fixture_metric(&at, "quenchd_http_requests_total{route=\"/public\",method=\"GET\",status=\"200\"}");
  client_ask(&at, &got, "GET /public HTTP/1.1");
  reply_fini(&got);
  assert_true(fixture_settles(&at, "quenchd_http_requests_total{route=\"/public\",method=\"GET\",status=\"200\"}",
                              (before < 0 ? 0 : before) + 1, 2));
  assert_true(fixture_metric(&at, "quenchd_http_request_duration_seconds_bucket{route=\"/public\",method=\"GET\",le=\"+Inf\"}") >= 1);
  assert_true(fixture_metric(&at, "stored") == 1);
  assert_true(fixture_settles(&at, "quenchd_http_requests_in_flight", 1, 2)); /* the one that asks */
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_get_and_head), cmocka_unit_test(test_request_ids),   cmocka_unit_test(test_no_such_route),
    cmocka_unit_test(test_targets),      cmocka_unit_test(test_long_targets),  cmocka_unit_test(test_broken_heads),
    cmocka_unit_test(test_pipelining),   cmocka_unit_test(test_body_limits),   cmocka_unit_test(test_with_curl),
    cmocka_unit_test(test_metrics),
  };
  curl_global_init(CURL_GLOBAL_ALL);
  int failed = cmocka_run_group_tests(tests, start, stop);
  curl_global_cleanup();
  return failed;
}

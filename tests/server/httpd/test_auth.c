/* Who may do what: tokens and their scopes, before a byte of a body is read; guesses slowed; no token, no world. */
#include "server/httpd/fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/httpd/auth.h"

static fixture at;

static int start(void **state) {
  (void)state;
  fixture_defaults(&at);
  at.tokens = 2;
  fixture_start(&at);
  return 0;
}

static int stop(void **state) {
  (void)state;
  fixture_stop(&at);
  return 0;
}

static int ask(const char *request) {
  reply got;
  client_ask(&at, &got, "%s", request);
  int status = got.status;
  reply_fini(&got);
  return status;
}

/* What the server remembers of tokens ends by itself: ask until it answers so. */
static void await_status(const char *request, int wanted) {
  int status = 0;
  for (double end = qn_clock_now() + 20; (status = ask(request)) != wanted && qn_clock_now() < end;) usleep(50000);
  assert_int_equal(status, wanted);
}

static void set(bool *flag, bool value) {
  pthread_mutex_lock(&at.lock);
  *flag = value;
  pthread_mutex_unlock(&at.lock);
}

static void test_scopes(void **state) {
  (void)state;
  assert_int_equal(ask("GET /public HTTP/1.1"), 200);
  assert_int_equal(ask("GET /whoami HTTP/1.1"), 401);
  assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token"), 200);
  assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: bearer  reader-token"), 200);
  assert_int_equal(ask("POST /echo HTTP/1.1\r\nContent-Length: 0\r\nAuthorization: Bearer reader-token"), 403);
  assert_int_equal(ask("POST /echo HTTP/1.1\r\nContent-Length: 0\r\nAuthorization: Bearer writer-token"), 200);
  assert_int_equal(ask("HEAD /whoami HTTP/1.1"), 401);

  reply got;
  char value[512];
  client_ask(&at, &got, "GET /whoami HTTP/1.1\r\nAuthorization: Bearer writer-token");
  assert_string_equal(got.body, "writer");
  reply_fini(&got);
  client_ask(&at, &got, "GET /whoami HTTP/1.1");
  assert_string_equal(reply_header(&got, "Content-Type", value), "application/problem+json");
  reply_fini(&got);
}

static void test_a_token_is_looked_up_once(void **state) {
  (void)state;
  assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token"), 200);
  int before = atomic_load(&at.look_ups);
  double from = qn_clock_now();
  for (int i = 0; i < 20; i++) assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token"), 200);
  if (qn_clock_now() - from < 0.9 * QN_AUTH_SECONDS) assert_true(atomic_load(&at.look_ups) - before <= 1);
}

static void test_wrong_tokens_are_slowed(void **state) {
  (void)state;
  static const char *wrong[] = {"Bearer nobodys-token", "Bearer \"quoted\"", "Bearer ", "Basic dXNlcjpwYXNz"};
  double from = qn_clock_now();
  for (int i = 0; i < 4; i++) {
    reply got;
    client_ask(&at, &got, "GET /whoami HTTP/1.1\r\nAuthorization: %s", wrong[i]);
    assert_int_equal(got.status, 401);
    reply_fini(&got);
  }
  /* 0.25 + 0.5 + 1 + 2 s; the waiting holds no thread: others are served meanwhile. */
  assert_true(qn_clock_now() - from > 3.5);
  int sockets[12];
  for (int i = 0; i < 12; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer another-wrong-%d\r\n\r\n", i);
  }
  from = qn_clock_now();
  assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token"), 200);
  assert_true(qn_clock_now() - from < 3.5); /* what the others wait for lasts longer */
  for (int i = 0; i < 12; i++) close(sockets[i]);
}

static void test_uploads_need_a_token(void **state) {
  (void)state;
  int handled = atomic_load(&at.handled);
  reply got;
  int socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 90000\r\n\r\n");
  client_read(socket, &got, false);
  assert_int_equal(got.status, 401); /* and no "100 Continue" before it */
  reply_fini(&got);
  close(socket);
  socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  client_read(socket, &got, false);
  assert_int_equal(got.status, 401);
  reply_fini(&got);
  /* With one that must first be looked up the body is read after that. */
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer writer-token\r\nContent-Length: 5\r\n\r\nhello");
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  assert_string_equal(got.body, "hello");
  reply_fini(&got);
  close(socket);
  assert_int_equal(atomic_load(&at.handled) - handled, 1);
}

static void test_revocation(void **state) {
  (void)state;
  const char *request = "GET /whoami HTTP/1.1\r\nAuthorization: Bearer writer-token";
  assert_int_equal(ask(request), 200);
  set(&at.revoked, true);
  double from = qn_clock_now(), last_sent = from, sent = from;
  for (; qn_clock_now() - from < 60; usleep(100000)) {
    sent = qn_clock_now();
    if (ask(request) != 200) break;
    last_sent = sent;
  }
  assert_true(qn_clock_now() - from < 60); /* it ended; what a wrong token has to wait is no part of the question */
  assert_true(last_sent - from <= QN_AUTH_SECONDS);
  set(&at.revoked, false);
}

static void test_storage_away(void **state) {
  (void)state;
  set(&at.away, true);
  await_status("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token", 503);
  assert_int_equal(ask("GET /public HTTP/1.1"), 200);
  set(&at.away, false);
  assert_int_equal(ask("GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token"), 200);
}

static void test_the_first_token_closes_the_server(void **state) {
  (void)state;
  pthread_mutex_lock(&at.lock);
  at.tokens = 0;
  pthread_mutex_unlock(&at.lock);
  await_status("GET /whoami HTTP/1.1", 200);
  reply got;
  client_ask(&at, &got, "GET /whoami HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_string_equal(got.body, "local");
  reply_fini(&got);
  pthread_mutex_lock(&at.lock);
  at.tokens = 1;
  pthread_mutex_unlock(&at.lock);
  await_status("GET /whoami HTTP/1.1", 401);
}

static qn_status refuse_start(const char *address, qn_error *error) {
  qn_httpd_backend backend;
  qn_httpd_options options = at.options;
  qn_httpd *httpd = NULL;
  options.listen = address;
  fixture_backend(&at, &backend);
  qn_status status = qn_httpd_start(&httpd, &options, &backend, error);
  if (status == QN_OK) qn_httpd_stop(httpd, 1);
  return status;
}

static void test_addresses(void **state) {
  (void)state;
  qn_error error;
  static const char *bad[] = {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999999", "::1:80", "[::1:80", ":80", "300.0.0.1:0"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    if (refuse_start(bad[i], &error) != QN_INVALID) fail_msg("\"%s\" is taken", bad[i]);
  char taken[32];
  snprintf(taken, sizeof taken, "127.0.0.1:%d", at.port);
  assert_int_equal(refuse_start(taken, &error), QN_IO);
  assert_int_equal(refuse_start("localhost:0", &error), QN_OK);

  at.tokens = 0;
  assert_int_equal(refuse_start("0.0.0.0:0", &error), QN_INVALID);
  assert_non_null(strstr(error.message, "token create"));
  set(&at.away, true);
  assert_int_equal(refuse_start("0.0.0.0:0", &error), QN_UNAVAILABLE);
  set(&at.away, false);
  at.tokens = 1;
  assert_int_equal(refuse_start("0.0.0.0:0", &error), QN_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_scopes),
    cmocka_unit_test(test_a_token_is_looked_up_once),
    cmocka_unit_test(test_uploads_need_a_token),
    cmocka_unit_test(test_wrong_tokens_are_slowed),
    cmocka_unit_test(test_revocation),
    cmocka_unit_test(test_storage_away),
    cmocka_unit_test(test_the_first_token_closes_the_server),
    cmocka_unit_test(test_addresses),
  };
  return cmocka_run_group_tests(tests, start, stop);
}

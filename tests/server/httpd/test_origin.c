/* On a server without tokens a web page must not act for the reader's: which requests are taken for a page's, and that they are refused. */
#include "server/httpd/origin.h"

#include <unistd.h>

#include "server/httpd/fixture.h"

static bool accept(const char *method, const char *host, const char *origin, const char *site) {
  char reason[256] = "";
  const qn_origin from = {host, origin, site};
  bool accepted = qn_origin_accept(&from, method, "lab-server:8080", reason);
  assert_int_equal(accepted, reason[0] == '\0');
  return accepted;
}

static void test_hosts(void **state) {
  (void)state;
  static const char *const own[] = {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3:80", "[::1]", "[::1]:8080",
                                    "lab-server:8080", "Lab-Server"};
  static const char *const foreign[] = {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.1",
                                        "[::2]", "", ":80", "localhost:x", "127.0.0.1@evil.example", "[::1", "[127.0.0.1]x", "128.0.0.1", "0.0.0.0"};
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    for (int unsafe = 0; unsafe < 2; unsafe++)
      if (!accept(unsafe ? "POST" : "GET", own[i], NULL, NULL)) fail_msg("%s is refused", own[i]);
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
    for (int unsafe = 0; unsafe < 2; unsafe++)
      if (accept(unsafe ? "POST" : "GET", foreign[i], NULL, NULL)) fail_msg("%s is accepted", foreign[i]);
  assert_true(accept("POST", NULL, NULL, NULL)); /* HTTP/1.0; no browser */
}

static void test_pages(void **state) {
  (void)state;
  static const char host[] = "127.0.0.1:8080";
  static const char *const unsafe[] = {"POST", "PATCH", "DELETE", "PUT"};
  for (int i = 0; i < 4; i++) {
    assert_true(accept(unsafe[i], host, "http://127.0.0.1:8080", "same-origin"));
    assert_true(accept(unsafe[i], host, NULL, "none"));
    assert_false(accept(unsafe[i], host, "http://evil.example", "cross-site"));
    assert_false(accept(unsafe[i], host, "http://evil.example", NULL));
    assert_false(accept(unsafe[i], host, NULL, "cross-site"));
    assert_false(accept(unsafe[i], host, "null", NULL));
    assert_false(accept(unsafe[i], host, "http://127.0.0.1:9090", "same-site")); /* another program on this machine */
    assert_false(accept(unsafe[i], host, "http://127.0.0.1:80801", NULL));
    assert_false(accept(unsafe[i], host, "file://127.0.0.1:8080", NULL));
  }
  assert_true(accept("GET", host, "http://evil.example", "cross-site")); /* a link; without CORS the page cannot read it */
}

static int ask(fixture *at, const char *request) {
  reply got;
  int socket = client_connect(at);
  client_send(socket, "%s\r\n\r\n", request);
  client_read(socket, &got, false);
  int status = got.status;
  reply_fini(&got);
  close(socket);
  return status;
}

static void test_over_http(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  fixture_start(&at);
#define EMPTY "\r\nContent-Length: 0"
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: localhost" EMPTY), 200);
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example" EMPTY), 403);
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site" EMPTY), 403);
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: same-origin" EMPTY), 403);
  assert_int_equal(ask(&at, "GET /whoami HTTP/1.1\r\nHost: evil.example"), 403);
  assert_int_equal(ask(&at, "GET /public HTTP/1.1\r\nHost: evil.example"), 200);
  int handled = atomic_load(&at.handled);
  assert_int_equal(ask(&at, "POST /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"), 403);
  assert_int_equal(atomic_load(&at.handled), handled);
  fixture_stop(&at);
}

/* A page must know the token to act: then it may, from anywhere. */
static void test_with_tokens(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.tokens = 2;
  fixture_start(&at);
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: lab.example\r\nOrigin: http://notebook.example\r\nAuthorization: Bearer writer-token" EMPTY), 200);
  assert_int_equal(ask(&at, "POST /bodyless HTTP/1.1\r\nHost: lab.example\r\nOrigin: http://evil.example" EMPTY), 401);
  fixture_stop(&at);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_hosts), cmocka_unit_test(test_pages), cmocka_unit_test(test_over_http),
                                     cmocka_unit_test(test_with_tokens)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

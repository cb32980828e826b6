/* More than can be done: requests wait for a handler in a bounded queue and for a bounded time, and hear 503 after that; failed authentications hold
 * a bounded number of sockets. */
#include "server/httpd/fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/httpd/auth.h"
#include "server/httpd/server.h"

static void stick_handlers(fixture *at, int sockets[4]) {
  for (int i = 0; i < 4; i++) {
    sockets[i] = client_connect(at);
    client_send(sockets[i], "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (double from = qn_clock_now(); atomic_load(&at->waiting) <= i && qn_clock_now() - from < 20;) usleep(2000);
    assert_int_equal(atomic_load(&at->waiting), i + 1);
  }
}

/* Until so many requests wait for a handler. */
static void await_queue(const fixture *at, int waiting) {
  for (double end = qn_clock_now() + 20; qn_pool_waiting(at->httpd->pool) != waiting && qn_clock_now() < end;) usleep(2000);
  assert_int_equal(qn_pool_waiting(at->httpd->pool), waiting);
}

static void unstick_handlers(fixture *at, int sockets[4]) {
  fixture_release(at);
  for (int i = 0; i < 4; i++) {
    reply got;
    client_read(sockets[i], &got, false);
    assert_int_equal(got.status, 200);
    reply_fini(&got);
    close(sockets[i]);
  }
}

static void expect_busy(reply *got) {
  char value[512];
  assert_int_equal(got->status, 503);
  assert_non_null(reply_header(got, "Retry-After", value));
  assert_string_equal(reply_header(got, "Content-Type", value), "application/problem+json");
  reply_fini(got);
}

static void test_waiting_ends(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.wait_s = 0.5;
  fixture_start(&at);
  int stuck[4];
  stick_handlers(&at, stuck);
  double from = qn_clock_now();
  reply got;
  client_ask(&at, &got, "GET /public HTTP/1.1");
  double took = qn_clock_now() - from;
  assert_true(took > 0.4 && took < 20);
  expect_busy(&got);
  /* One with a token that has to be looked up first, and with a body. */
  int socket = client_connect(&at);
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  client_read(socket, &got, false);
  expect_busy(&got);
  /* The connection lives on, and so do the numbers of this process. */
  client_send(socket, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  close(socket);
  client_ask(&at, &got, "GET /metrics HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_non_null(strstr(got.body, "quenchd_database_up 0"));
  reply_fini(&got);
  unstick_handlers(&at, stuck);
  client_ask(&at, &got, "GET /public HTTP/1.1");
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  fixture_stop(&at);
}

static void test_the_queue_is_bounded(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.waiting = 3;
  at.options.wait_s = 20;
  fixture_start(&at);
  int stuck[4], sockets[10];
  stick_handlers(&at, stuck);
  for (int i = 0; i < 10; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (i < 3) await_queue(&at, i + 1); /* in order; there is no place for the others */
  }
  double from = qn_clock_now();
  for (int i = 3; i < 10; i++) {
    reply got;
    client_read(sockets[i], &got, false);
    expect_busy(&got);
  }
  assert_true(qn_clock_now() - from < 15); /* at once, not after those that wait */
  unstick_handlers(&at, stuck);
  for (int i = 0; i < 3; i++) {
    reply got;
    client_read(sockets[i], &got, false);
    assert_int_equal(got.status, 200);
    reply_fini(&got);
  }
  for (int i = 0; i < 10; i++) close(sockets[i]);
  fixture_stop(&at);
}

/* Event streams wait behind all other requests, in any number: after a restart a thousand of them come back in the same second, and a browser that is
 * told 503 does not come again. */
static void test_streams_are_patient(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.waiting = 3;
  at.options.wait_s = 3;
  fixture_start(&at);
  fixture_add_event(&at, false);
  int stuck[4], streams[20];
  stick_handlers(&at, stuck);
  for (int i = 0; i < 20; i++) {
    streams[i] = client_connect(&at);
    client_send(streams[i], "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  await_queue(&at, 20);
  double from = qn_clock_now();
  reply got;
  client_ask(&at, &got, "GET /public HTTP/1.1");
  assert_true(qn_clock_now() - from < 15); /* its own three seconds, not the fifteen of the streams before it */
  expect_busy(&got);
  unstick_handlers(&at, stuck);
  for (int i = 0; i < 20; i++) {
    char seen[2048];
    assert_true(client_wait_for(streams[i], "\"number\":1", seen, sizeof seen, 20));
    close(streams[i]);
  }
  fixture_stop(&at);
}

/* What waits when the server stops is still done. */
static void test_stopping_with_a_queue(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.wait_s = 20;
  fixture_start(&at);
  int stuck[4];
  stick_handlers(&at, stuck);
  int socket = client_connect(&at);
  client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await_queue(&at, 1);
  fixture_stop(&at); /* releases the handlers */
  reply got;
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  close(socket);
  for (int i = 0; i < 4; i++) close(stuck[i]);
}

enum { GUESSES = 60, HELD = 32 };

static void test_few_failures_are_held(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.tokens = 2;
  at.options.report_s = 1;
  fixture_start(&at);
  reply got;
  client_ask(&at, &got, "GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token");
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  double forgotten = qn_clock_now() + QN_AUTH_SECONDS;
  int sockets[GUESSES], refused = 0;
  for (int i = 0; i < GUESSES; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong-token-%d\r\n\r\n", i);
    usleep(2000);
  }
  assert_true(fixture_metric(&at, "quenchd_http_answers_held") <= HELD + 4); /* those that were being looked up at once */
  for (int i = 0; i < GUESSES; i++) {
    char value[512];
    client_read(sockets[i], &got, false);
    assert_true(got.status == 401 || got.status == 429);
    if (got.status == 429) {
      assert_non_null(reply_header(&got, "Retry-After", value));
      assert_true(client_closed(sockets[i], 20));
      refused++;
    }
    reply_fini(&got);
    close(sockets[i]);
    if (i == GUESSES / 2) { /* a token that was good lately is looked up all the same, and what needs none is answered */
      while (qn_clock_now() < forgotten) usleep(20000);
      for (int k = 0; k < 40; k++) {
        sockets[k] = client_connect(&at);
        client_send(sockets[k], "GET /whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer more-wrong-%d\r\n\r\n", k);
      }
      client_ask(&at, &got, "GET /whoami HTTP/1.1\r\nAuthorization: Bearer reader-token");
      assert_int_equal(got.status, 200);
      reply_fini(&got);
      client_ask(&at, &got, "GET /public HTTP/1.1");
      assert_int_equal(got.status, 200);
      reply_fini(&got);
      for (int k = 0; k < 40; k++)
        if (k <= i) close(sockets[k]);
    }
  }
  assert_true(refused >= GUESSES - HELD - 8 - 4);
  double counted = fixture_metric(&at, "quenchd_auth_failures_total");
  assert_true(counted >= GUESSES - refused);
  assert_true(fixture_settles(&at, "quenchd_http_answers_held", 0, 30));
  /* Every one of them was reported to the backend, in summaries. */
  double end = qn_clock_now() + 20;
  int64_t told = 0;
  while (told < (int64_t)counted && qn_clock_now() < end) {
    usleep(50000);
    pthread_mutex_lock(&at.lock);
    told = at.failures;
    pthread_mutex_unlock(&at.lock);
  }
  assert_true(told >= (int64_t)counted);
  assert_string_equal(at.failed_address, "127.0.0.1");
  fixture_stop(&at);
}

/* A summary that was not due yet is told when the server stops. */
static void test_failures_are_told_at_the_end(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.tokens = 2;
  fixture_start(&at);
  reply got;
  client_ask(&at, &got, "GET /whoami HTTP/1.1\r\nAuthorization: Bearer wrong-token");
  assert_int_equal(got.status, 401);
  reply_fini(&got);
  assert_int_equal(at.failures, 0);
  fixture_stop(&at);
  assert_int_equal(at.failures, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_waiting_ends),
    cmocka_unit_test(test_the_queue_is_bounded),
    cmocka_unit_test(test_streams_are_patient),
    cmocka_unit_test(test_stopping_with_a_queue),
    cmocka_unit_test(test_few_failures_are_held),
    cmocka_unit_test(test_failures_are_told_at_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

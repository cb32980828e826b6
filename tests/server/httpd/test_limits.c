/* Limits hold: connections, time, memory. Slow, stuck and vanished clients cost nothing that is not given back. */
#include "server/httpd/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/httpd/server.h"

static int count_entries(const char *folder) {
  int count = 0;
  DIR *open = opendir(folder);
  assert_non_null(open);
  while (readdir(open) != NULL) count++;
  closedir(open);
  return count;
}

static void expect_alive(const fixture *at) {
  reply got;
  double from = qn_clock_now();
  client_ask(at, &got, "GET /livez HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_true(qn_clock_now() - from < 8); /* before those that wait for a handler are refused */
  reply_fini(&got);
}

/* As soon as the server has noticed that others are gone. */
static void expect_alive_soon(const fixture *at) {
  int status = 0;
  for (double end = qn_clock_now() + 20; status != 200 && qn_clock_now() < end; usleep(20000)) {
    reply got;
    client_ask(at, &got, "GET /livez HTTP/1.1");
    status = got.status;
    reply_fini(&got);
  }
  assert_int_equal(status, 200);
}

static void test_connections_from_one_address(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.connections_per_address = 5;
  fixture_start(&at);
  int sockets[12];
  for (int i = 0; i < 12; i++) sockets[i] = client_connect(&at);
  int served = 0;
  for (int i = 0; i < 12; i++) {
    reply got;
    client_send(sockets[i], "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(sockets[i], &got, false);
    served += got.status == 200;
    reply_fini(&got);
  }
  assert_int_equal(served, 5);
  for (int i = 0; i < 12; i++) close(sockets[i]);
  expect_alive_soon(&at);
  fixture_stop(&at);
}

/* Beyond the limit connections wait in the kernel until others end. */
static void test_connections_in_all(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.connections = 8;
  fixture_start(&at);
  int sockets[20];
  for (int i = 0; i < 20; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  int answered = 0;
  bool done[20] = {false};
  for (double from = qn_clock_now(), enough = 0; qn_clock_now() - from < 20 && (enough == 0 || qn_clock_now() - enough < 0.5);) {
    for (int i = 0; i < 20; i++) {
      char seen[4096];
      if (!done[i]) answered += done[i] = client_wait_for(sockets[i], "public", seen, sizeof seen, 0.01);
    }
    if (answered >= 4 && enough == 0) enough = qn_clock_now(); /* and a moment for those that must not be answered */
  }
  assert_true(answered >= 4 && answered <= 8);
  for (int i = 0; i < 20; i++) close(sockets[i]);
  expect_alive_soon(&at);
  fixture_stop(&at);
}

static void test_slow_clients(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.idle_timeout_s = 2;
  at.options.request_timeout_s = 3;
  fixture_start(&at);

  /* Each byte comes well within the idle timeout, the whole does not. A client that was late itself begins again. */
  double longest = 2;
  for (int tries = 0; tries < 10 && longest > 1.5; tries++) {
    int silent = client_connect(&at), head = client_connect(&at), body = client_connect(&at);
    double from = qn_clock_now(), last = from;
    bool open = true, body_open = true;
    longest = 0;
    client_send(body, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    client_send(head, "GET /public HTTP/1.1\r\nX: ");
    while ((open || body_open) && qn_clock_now() - from < 20) {
      usleep(100000);
      body_open = client_send_bytes(body, "b", 1);
      open = client_send_bytes(head, "h", 1);
      double gap = qn_clock_now() - last;
      if (gap > longest) longest = gap;
      last = qn_clock_now();
    }
    assert_false(open || body_open);
    assert_true(client_closed(silent, 20));
    char seen[1024];
    if (longest <= 1.5) {
      assert_true(client_wait_for(body, "408 Request Timeout", seen, sizeof seen, 20));
      assert_true(strstr(seen, "\"detail\":\"The request did not arrive in time") != NULL ||
                  client_wait_for(body, "\"detail\":\"The request did not arrive in time", seen, sizeof seen, 20));
    }
    assert_true(client_closed(body, 20));
    close(silent);
    close(head);
    close(body);
  }
  assert_true(longest <= 1.5);

  /* A connection that is kept alive between requests may rest for the idle timeout, not longer. */
  longest = 2;
  for (int tries = 0; tries < 10 && longest > 1.7; tries++) {
    int socket = client_connect(&at);
    double last = qn_clock_now();
    longest = 0;
    for (int i = 0; i < 3 && longest <= 1.7; i++) {
      reply got;
      client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
      if (qn_clock_now() - last > longest) longest = qn_clock_now() - last;
      client_read(socket, &got, false);
      if (longest <= 1.7) assert_int_equal(got.status, 200);
      last = qn_clock_now();
      reply_fini(&got);
      usleep(900000);
    }
    assert_true(client_closed(socket, 20));
    close(socket);
  }
  assert_true(longest <= 1.7);
  fixture_stop(&at);
}

/* An answer that takes long is not cut off by timeouts of the request. */
static void test_slow_handlers(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.idle_timeout_s = 2;
  at.options.request_timeout_s = 2;
  at.options.wait_s = 60;
  fixture_start(&at);
  int sockets[9];
  for (int i = 0; i < 9; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  double from = qn_clock_now();
  while (atomic_load(&at.waiting) < 4 && qn_clock_now() - from < 20) usleep(10000);
  assert_int_equal(atomic_load(&at.waiting), 4); /* every handler is stuck */
  for (int i = 0; i < 5; i++) expect_alive(&at);
  reply got;
  client_ask(&at, &got, "GET /nowhere HTTP/1.1");
  assert_int_equal(got.status, 404);
  reply_fini(&got);
  usleep(3000000);
  fixture_release(&at);
  for (int i = 0; i < 9; i++) {
    client_read(sockets[i], &got, false);
    assert_int_equal(got.status, 200);
    reply_fini(&got);
    close(sockets[i]);
  }
  fixture_stop(&at);
}

static void test_memory_for_bodies(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.body_memory = 3 * ECHO_LIMIT;
  fixture_start(&at);
  char *body = malloc(ECHO_LIMIT);
  assert_non_null(body);
  memset(body, 'm', ECHO_LIMIT);
  int sockets[8], served = 0, refused = 0;
  for (int i = 0; i < 8; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", ECHO_LIMIT);
    client_send_bytes(sockets[i], body, ECHO_LIMIT - 1);
  }
  /* All of them have begun when the first comes to its end: as many as there is memory for hold it. */
  assert_true(fixture_settles(&at, "quenchd_http_requests_in_flight", 9, 20)); /* with the question itself */
  for (double end = qn_clock_now() + 20; atomic_load(&at.httpd->body_memory) < 2 * ECHO_LIMIT && qn_clock_now() < end;) usleep(10000);
  usleep(300000);
  for (int i = 0; i < 8; i++) {
    reply got;
    client_send_bytes(sockets[i], body, 1);
    client_read(sockets[i], &got, false);
    served += got.status == 200;
    refused += got.status == 503;
    reply_fini(&got);
    close(sockets[i]);
  }
  assert_int_equal(served + refused, 8);
  assert_true(served >= 1 && served <= 3);
  reply got;
  int socket = client_connect(&at); /* the memory was given back */
  client_send(socket, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", ECHO_LIMIT);
  client_send_bytes(socket, body, ECHO_LIMIT);
  client_read(socket, &got, false);
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  close(socket);
  free(body);
  fixture_stop(&at);
}

static void vanish(int socket, bool reset) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (reset) setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(socket);
}

static void test_clients_that_vanish(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  /* libmicrohttpd can miss a farewell that comes in one packet with data; then the idle timeout finds it. */
  at.options.idle_timeout_s = 2;
  at.options.event_heartbeat_s = 0.2; /* a dead event stream is found out by the next write */
  fixture_start(&at);
  expect_alive(&at);
  assert_true(fixture_settles(&at, "quenchd_http_connections", 1, 20));
  int descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
  for (int i = 0; i < 20; i++, usleep(10000)) /* without that of the question itself */
    if (count_entries("/proc/self/fd") < descriptors) descriptors = count_entries("/proc/self/fd");
  static const char *begun[] = {
    "GET /pub",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nhalf a body",
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nhalf",
    "GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
  };
  enum { KINDS = sizeof begun / sizeof begun[0] };
  for (int i = 0; i < 10 * KINDS; i++) {
    int socket = client_connect(&at), small = 4096;
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(socket, "%s", begun[i % KINDS]);
    if (i % 3 != 0) usleep(3000);
    vanish(socket, i % 2 == 0);
  }
  fixture_release(&at);
  assert_true(fixture_settles(&at, "quenchd_http_requests_in_flight", 1, 20));
  assert_true(fixture_settles(&at, "quenchd_http_event_streams", 0, 20));
  assert_true(fixture_settles(&at, "quenchd_http_connections", 1, 20));
  for (int i = 0; i < 400 && count_entries("/proc/self/fd") > descriptors; i++) usleep(50000);
  assert_true(count_entries("/proc/self/fd") <= descriptors);
  assert_int_equal(count_entries("/proc/self/task"), threads);
  expect_alive(&at);
  fixture_stop(&at);
}

static void test_stopping(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  fixture_start(&at);
  int idle = client_connect(&at), slow = client_connect(&at), half = client_connect(&at), download = client_connect(&at);
  reply got;
  client_send(idle, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_read(idle, &got, false);
  reply_fini(&got);
  client_send(slow, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client_send(half, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhalf");
  client_send(download, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* and never reads on */
  while (atomic_load(&at.waiting) < 1) usleep(10000);
  /* The download has begun, and may lie in the kernel as a whole; the other two, and the question itself, are under way. */
  char seen[64];
  assert_true(client_wait_for(download, "HTTP/1.1 200", seen, sizeof seen, 20));
  for (double end = qn_clock_now() + 20; fixture_metric(&at, "quenchd_http_requests_in_flight") < 3 && qn_clock_now() < end;) usleep(10000);
  assert_true(fixture_metric(&at, "quenchd_http_requests_in_flight") >= 3);
  fixture_release(&at);
  double from = qn_clock_now();
  fixture_stop(&at);
  double took = qn_clock_now() - from;
  assert_true(took > 1.5 && took < 20); /* 2 s for the two that do not end by themselves */
  client_read(slow, &got, false);
  assert_int_equal(got.status, 200);
  assert_string_equal(got.body, "slow");
  reply_fini(&got);
  assert_true(client_closed(idle, 10));
  assert_true(client_closed(half, 10));
  assert_true(client_closed(download, 10));
  close(idle);
  close(slow);
  close(half);
  close(download);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_connections_from_one_address),
    cmocka_unit_test(test_connections_in_all),
    cmocka_unit_test(test_slow_clients),
    cmocka_unit_test(test_slow_handlers),
    cmocka_unit_test(test_memory_for_bodies),
    cmocka_unit_test(test_clients_that_vanish),
    cmocka_unit_test(test_stopping),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

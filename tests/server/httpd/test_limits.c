/* Limits hold: connections, time, memory. Slow, stuck and vanished clients cost nothing that is not given back. */
#include "server/httpd/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
  double from = seconds_now();
  client_ask(at, &got, "GET /livez HTTP/1.1");
  assert_int_equal(got.status, 200);
  assert_true(seconds_now() - from < 2);
  reply_fini(&got);
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
  usleep(200000);
  expect_alive(&at);
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
  usleep(300000);
  int answered = 0;
  for (int i = 0; i < 20; i++) {
    char seen[4096];
    answered += client_wait_for(sockets[i], "public", seen, sizeof seen, 0.02);
  }
  assert_true(answered >= 4 && answered <= 8);
  for (int i = 0; i < 20; i++) close(sockets[i]);
  usleep(300000);
  expect_alive(&at);
  fixture_stop(&at);
}

static void test_slow_clients(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.idle_timeout_s = 1;
  at.options.request_timeout_s = 2;
  fixture_start(&at);

  int silent = client_connect(&at), head = client_connect(&at), body = client_connect(&at);
  client_send(body, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
  double from = seconds_now();
  bool open = true;
  client_send(head, "GET /public HTTP/1.1\r\nX: ");
  /* Each byte comes well within the idle timeout, the whole does not. */
  for (int i = 0; i < 40 && open; i++) {
    usleep(100000);
    client_send(body, "b");
    open = client_send_bytes(head, "h", 1);
  }
  assert_false(open);
  assert_true(seconds_now() - from < 3);
  assert_true(client_closed(silent, 3));
  char seen[1024];
  assert_true(client_wait_for(body, "408 Request Timeout", seen, sizeof seen, 3));
  assert_true(strstr(seen, "\"detail\":\"The request did not arrive in time") != NULL ||
              client_wait_for(body, "\"detail\":\"The request did not arrive in time", seen, sizeof seen, 3));
  assert_true(client_closed(body, 3));
  close(silent);
  close(head);
  close(body);

  /* A connection that is kept alive between requests may rest for the idle timeout, not longer. */
  reply got;
  int socket = client_connect(&at);
  for (int i = 0; i < 3; i++) {
    client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(socket, &got, false);
    assert_int_equal(got.status, 200);
    reply_fini(&got);
    usleep(600000);
  }
  assert_true(client_closed(socket, 3));
  close(socket);
  fixture_stop(&at);
}

/* An answer that takes long is not cut off by timeouts of the request. */
static void test_slow_handlers(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.idle_timeout_s = 1;
  at.options.request_timeout_s = 1;
  at.options.wait_s = 10;
  fixture_start(&at);
  int sockets[9];
  for (int i = 0; i < 9; i++) {
    sockets[i] = client_connect(&at);
    client_send(sockets[i], "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  double from = seconds_now();
  while (atomic_load(&at.waiting) < 4 && seconds_now() - from < 5) usleep(10000);
  assert_int_equal(atomic_load(&at.waiting), 4); /* every handler is stuck */
  for (int i = 0; i < 5; i++) expect_alive(&at);
  reply got;
  client_ask(&at, &got, "GET /nowhere HTTP/1.1");
  assert_int_equal(got.status, 404);
  reply_fini(&got);
  usleep(1500000);
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
  usleep(200000);
  int descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
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
  assert_true(fixture_settles(&at, "quenchd_http_requests_in_flight", 1, 5));
  assert_true(fixture_settles(&at, "quenchd_http_event_streams", 0, 5));
  assert_true(fixture_settles(&at, "quenchd_http_connections", 1, 5));
  for (int i = 0; i < 50 && count_entries("/proc/self/fd") > descriptors; i++) usleep(50000);
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
  fixture_release(&at);
  double from = seconds_now();
  fixture_stop(&at);
  double took = seconds_now() - from;
  assert_true(took > 1.5 && took < 4); /* 2 s for the two that do not end by themselves */
  client_read(slow, &got, false);
  assert_int_equal(got.status, 200);
  assert_string_equal(got.body, "slow");
  reply_fini(&got);
  assert_true(client_closed(idle, 1));
  assert_true(client_closed(half, 1));
  assert_true(client_closed(download, 1));
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

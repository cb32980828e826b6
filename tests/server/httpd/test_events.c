/* Event streams: order, resuming, heartbeats, endings, and a thousand of them without a thousand threads. */
#include "server/httpd/auth.h"
#include "server/httpd/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STREAMS = 1000 };

static int count_threads(void) {
  int count = 0;
  DIR *open = opendir("/proc/self/task");
  assert_non_null(open);
  while (readdir(open) != NULL) count++;
  closedir(open);
  return count;
}

static int open_stream(const fixture *at, const char *query, int64_t last) {
  int socket = client_connect(at);
  client_send(socket, "GET /events%s HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %lld\r\n\r\n", query, (long long)last);
  return socket;
}

static void test_events_in_order(void **state) {
  (void)state;
  fixture at;
  char seen[8192];
  fixture_defaults(&at);
  at.options.idle_timeout_s = at.options.event_heartbeat_s = 60;
  fixture_start(&at);
  fixture_add_event(&at, false);
  fixture_add_event(&at, false);
  int socket = open_stream(&at, "", 0);
  assert_true(client_wait_for(socket, "{\"number\":2}", seen, sizeof seen, 20));
  assert_non_null(strstr(seen, "Content-Type: text/event-stream"));
  assert_non_null(strstr(seen, "retry: "));
  assert_non_null(strstr(seen, "id: 1\nevent: progress\ndata: {\"number\":1}\n\nid: 2\nevent: progress\ndata: {\"number\":2}"));
  fixture_add_event(&at, false);
  assert_true(client_wait_for(socket, "id: 3\nevent: progress", seen, sizeof seen, 20)); /* long before the next heartbeat */
  fixture_add_event(&at, true);
  assert_true(client_wait_for(socket, "id: 4", seen, sizeof seen, 20));
  /* The last chunk, by itself or with the event before it: the job is final. */
  assert_true(strstr(seen, "\r\n0\r\n\r\n") != NULL || client_wait_for(socket, "0\r\n\r\n", seen, sizeof seen, 20));
  close(socket);

  /* Resuming gives what was missed; once everything was seen there is nothing to come back for. */
  reply got;
  client_ask(&at, &got, "GET /events HTTP/1.1\r\nLast-Event-ID: 3");
  assert_int_equal(got.status, 200);
  assert_true(got.whole);
  assert_null(strstr(got.body, "id: 3"));
  assert_non_null(strstr(got.body, "id: 4"));
  reply_fini(&got);
  client_ask(&at, &got, "GET /events HTTP/1.1\r\nLast-Event-ID: 4");
  assert_int_equal(got.status, 204);
  reply_fini(&got);
  client_ask(&at, &got, "GET /events?job=7 HTTP/1.1");
  assert_int_equal(got.status, 404);
  reply_fini(&got);
  client_ask(&at, &got, "HEAD /events HTTP/1.1");
  assert_int_equal(got.status, 200);
  reply_fini(&got);
  assert_true(fixture_settles(&at, "quenchd_http_event_streams", 0, 20));
  fixture_stop(&at);
}

/* More than one page, to a client that reads slowly. */
static void test_many_events(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  fixture_start(&at);
  for (int i = 1; i <= MOST_EVENTS; i++) fixture_add_event(&at, i == MOST_EVENTS);
  reply got;
  client_ask(&at, &got, "GET /events HTTP/1.1");
  assert_true(got.whole);
  int64_t expected = 1;
  for (const char *line = strstr(got.body, "id: "); line != NULL; line = strstr(line + 1, "\nid: "), line += line != NULL)
    assert_int_equal(atoll(line + 4), expected++);
  assert_int_equal(expected, MOST_EVENTS + 1);
  reply_fini(&got);
  fixture_stop(&at);
}

static void test_heartbeats(void **state) {
  (void)state;
  fixture at;
  char seen[4096];
  fixture_defaults(&at);
  at.options.event_heartbeat_s = 0.3;
  at.options.idle_timeout_s = 2; /* a stream outlives it by its heartbeats */
  fixture_start(&at);
  int socket = open_stream(&at, "", 0);
  assert_true(client_wait_for(socket, "retry", seen, sizeof seen, 20));
  double from = qn_clock_now();
  for (int i = 0; i < 10; i++) assert_true(client_wait_for(socket, ":\n\n", seen, sizeof seen, 20));
  assert_true(qn_clock_now() - from < 20); /* ten in the time of two */
  fixture_add_event(&at, false);
  assert_true(client_wait_for(socket, "id: 1", seen, sizeof seen, 20));
  close(socket);
  fixture_stop(&at);
}

static void test_a_thousand_streams(void **state) {
  (void)state;
  struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
  setrlimit(RLIMIT_NOFILE, &limit);
  fixture at;
  static int sockets[STREAMS];
  char seen[4096];
  fixture_defaults(&at);
  fixture_start(&at);
  int threads = count_threads();
  double from = qn_clock_now();
  for (int i = 0; i < STREAMS; i++) sockets[i] = open_stream(&at, "", 0);
  for (int i = 0; i < STREAMS; i++) assert_true(client_wait_for(sockets[i], "retry", seen, sizeof seen, 20));
  printf("%d streams opened in %.2f s\n", STREAMS, qn_clock_now() - from);
  assert_true(fixture_settles(&at, "quenchd_http_event_streams", STREAMS, 20));
  assert_int_equal(count_threads(), threads);

  /* The rest of the service goes on. */
  double worst = 0;
  for (int i = 0; i < 100; i++) {
    reply got;
    double begin = qn_clock_now();
    client_ask(&at, &got, "GET /public HTTP/1.1");
    assert_int_equal(got.status, 200);
    reply_fini(&got);
    if (qn_clock_now() - begin > worst) worst = qn_clock_now() - begin;
  }
  from = qn_clock_now();
  fixture_add_event(&at, false);
  for (int i = 0; i < STREAMS; i++) assert_true(client_wait_for(sockets[i], "id: 1", seen, sizeof seen, 20));
  printf("an event reached all of them in %.2f s; the slowest of 100 other requests took %.4f s\n", qn_clock_now() - from, worst);
  fixture_add_event(&at, true);
  for (int i = 0; i < STREAMS; i++) {
    assert_true(client_wait_for(sockets[i], "0\r\n\r\n", seen, sizeof seen, 20));
    close(sockets[i]);
  }
  assert_true(fixture_settles(&at, "quenchd_http_event_streams", 0, 20));
  fixture_stop(&at);
}

static void test_stopping_ends_streams(void **state) {
  (void)state;
  fixture at;
  char seen[4096];
  fixture_defaults(&at);
  fixture_start(&at);
  int sockets[20];
  for (int i = 0; i < 20; i++) {
    sockets[i] = open_stream(&at, "", 0);
    assert_true(client_wait_for(sockets[i], "retry", seen, sizeof seen, 20));
  }
  double from = qn_clock_now();
  fixture_stop_within(&at, 60);
  assert_true(qn_clock_now() - from < 20); /* they end by themselves */
  for (int i = 0; i < 20; i++) {
    assert_true(client_wait_for(sockets[i], "0\r\n\r\n", seen, sizeof seen, 20));
    assert_non_null(strstr(seen, "retry: 1000"));
    close(sockets[i]);
  }
}

static int open_stream_as(const fixture *at, const char *token) {
  int socket = client_connect(at);
  client_send(socket, "GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token);
  return socket;
}

/* Whose token was revoked gets no more events; others do, and so does everybody while nobody can tell. */
static void test_a_stream_ends_with_its_token(void **state) {
  (void)state;
  fixture at;
  char seen[8192];
  fixture_defaults(&at);
  at.tokens = 2;
  at.options.idle_timeout_s = at.options.event_heartbeat_s = 60;
  fixture_start(&at);
  fixture_add_event(&at, false);
  int reader = open_stream_as(&at, "reader-token"), writer = open_stream_as(&at, "writer-token");
  assert_true(client_wait_for(reader, "{\"number\":1}", seen, sizeof seen, 20));
  assert_true(client_wait_for(writer, "{\"number\":1}", seen, sizeof seen, 20));
  pthread_mutex_lock(&at.lock);
  at.revoked = at.away = true;
  pthread_mutex_unlock(&at.lock);
  assert_false(client_wait_for(writer, "\r\n0\r\n\r\n", seen, sizeof seen, 1.5 * QN_AUTH_SECONDS));
  pthread_mutex_lock(&at.lock);
  at.away = false;
  pthread_mutex_unlock(&at.lock);
  assert_true(client_wait_for(writer, "0\r\n\r\n", seen, sizeof seen, 20));
  fixture_add_event(&at, false);
  assert_true(client_wait_for(reader, "{\"number\":2}", seen, sizeof seen, 20));
  close(reader);
  close(writer);
  fixture_stop(&at);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_events_in_order), cmocka_unit_test(test_many_events),           cmocka_unit_test(test_heartbeats),
    cmocka_unit_test(test_a_thousand_streams), cmocka_unit_test(test_stopping_ends_streams),
    cmocka_unit_test(test_a_stream_ends_with_its_token),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bodies that go to files: whole, with their hash, of any length; and nothing is left of those that did not come to their end. */
#include "server/httpd/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/hash.h"
#include "server/httpd/server.h"

static char folder[] = "/tmp/quenchd-spool.XXXXXX";

static int set_up(void **state) {
  (void)state;
  strcpy(folder + strlen(folder) - 6, "XXXXXX");
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  return rmdir(folder); /* fails when something was left in it */
}

static void begin(fixture *at) {
  at->options.spool = folder;
  fixture_start(at);
}

static int count_files(void) {
  int count = 0;
  DIR *open = opendir(folder);
  assert_non_null(open);
  for (struct dirent *entry; (entry = readdir(open)) != NULL;) count += entry->d_name[0] != '.';
  closedir(open);
  return count;
}

static void expect_files(int count, double seconds) {
  for (double end = qn_clock_now() + seconds; count_files() != count && qn_clock_now() < end;) usleep(10000);
  assert_int_equal(count_files(), count);
}

static void expect_no_files(double seconds) { expect_files(0, seconds); }

static char *make_body(size_t size) {
  char *body = malloc(size + 1);
  assert_non_null(body);
  for (size_t i = 0; i < size; i++) body[i] = (char)(i * 2654435761u >> 13);
  return body;
}

static void expect_spooled(reply *got, const char *body, size_t size) {
  char hash[QN_HASH_SIZE], wanted[200];
  qn_hash_hex(body, size, hash);
  snprintf(wanted, sizeof wanted, "%zu %zu %s", size, size, hash);
  if (got->status != 200 || strcmp(got->body, wanted) != 0) print_error("%d: %s, wanted %s\n", got->status, got->body != NULL ? got->body : "", wanted);
  assert_int_equal(got->status, 200);
  assert_string_equal(got->body, wanted);
}

static int start_upload(const fixture *at, size_t declared) {
  int socket = client_connect(at);
  client_send(socket, "POST /spool HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", declared);
  return socket;
}

/* ---- bodies ---- */

static void test_sizes(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  static const size_t sizes[] = {1, 1000, 32768, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5000123};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char *body = make_body(sizes[i]);
    reply got;
    int socket = start_upload(&at, sizes[i]);
    assert_true(client_send_bytes(socket, body, sizes[i]));
    client_read(socket, &got, false);
    expect_spooled(&got, body, sizes[i]);
    reply_fini(&got);
    /* The connection is as good as before. */
    client_send(socket, "GET /public HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_read(socket, &got, false);
    assert_int_equal(got.status, 200);
    reply_fini(&got);
    close(socket);
    free(body);
  }
  reply got;
  int socket = start_upload(&at, 0);
  client_read(socket, &got, false);
  assert_string_equal(got.body, "no file, 0");
  reply_fini(&got);
  close(socket);
  expect_no_files(20);
  fixture_stop(&at);
}

static void test_chunks(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  size_t size = 3000001, sent = 0;
  char *body = make_body(size);
  int socket = client_connect(&at);
  client_send(socket, "POST /spool HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (size_t step = 1; sent < size; step = step * 3 % 200003 + 1) {
    size_t now = step < size - sent ? step : size - sent;
    client_send(socket, "%zx\r\n", now);
    assert_true(client_send_bytes(socket, body + sent, now));
    client_send(socket, "\r\n");
    sent += now;
  }
  client_send(socket, "0\r\n\r\n");
  reply got;
  client_read(socket, &got, false);
  expect_spooled(&got, body, size);
  reply_fini(&got);
  close(socket);
  free(body);
  expect_no_files(20);
  fixture_stop(&at);
}

typedef struct uploader {
  pthread_t thread;
  const fixture *at;
  size_t size;
} uploader;

static void *upload(void *context) {
  uploader *u = context;
  char *body = make_body(u->size);
  int socket = start_upload(u->at, u->size);
  assert_true(client_send_bytes(socket, body, u->size));
  reply got;
  client_read(socket, &got, false);
  expect_spooled(&got, body, u->size);
  reply_fini(&got);
  close(socket);
  free(body);
  return NULL;
}

/* Several at once, with one handler thread and one loop: each gets its own, and others are served meanwhile. */
static void test_many(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.event_threads = at.options.handlers = 1;
  begin(&at);
  enum { MANY = 6 };
  uploader u[MANY];
  for (int i = 0; i < MANY; i++) {
    u[i] = (uploader){.at = &at, .size = 6000000 + (size_t)i * 1000};
    assert_int_equal(pthread_create(&u[i].thread, NULL, upload, &u[i]), 0);
  }
  for (int i = 0; i < 10; i++) {
    reply got;
    double from = qn_clock_now();
    client_ask(&at, &got, "GET /livez HTTP/1.1");
    assert_int_equal(got.status, 200);
    assert_true(qn_clock_now() - from < 10);
    reply_fini(&got);
  }
  for (int i = 0; i < MANY; i++) pthread_join(u[i].thread, NULL);
  expect_no_files(20);
  fixture_stop(&at);
}

/* ---- limits ---- */

static void test_size_limit(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  reply got;
  int socket = client_connect(&at);
  client_send(socket, "POST /spool HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", SPOOL_LIMIT + 1);
  client_read(socket, &got, false);
  assert_int_equal(got.status, 413); /* before a byte of it was sent */
  reply_fini(&got);
  close(socket);

  char *body = make_body(1 << 20);
  socket = client_connect(&at);
  client_send(socket, "POST /spool HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  bool open = true;
  for (int i = 0; i < 40 && open; i++) {
    client_send(socket, "%x\r\n", 1 << 20);
    open = client_send_bytes(socket, body, 1 << 20);
    if (open) client_send(socket, "\r\n");
  }
  client_read(socket, &got, false);
  assert_true(got.status == 413 || got.status == 0);
  assert_true(client_closed(socket, 20));
  reply_fini(&got);
  close(socket);
  free(body);
  expect_no_files(20);
  assert_int_equal(atomic_load(&at.handled), 0);
  fixture_stop(&at);
}

/* Who sends on may take longer than a request may; who dribbles may not. */
static void test_pace(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.request_timeout_s = 3;
  at.options.idle_timeout_s = 4;
  begin(&at);
  size_t size = 12 * 20000, sent = 0;
  char *body = make_body(size);
  int socket = start_upload(&at, size);
  for (; sent < size; sent += 20000) {
    assert_true(client_send_bytes(socket, body + sent, 20000));
    usleep(350000);
  }
  reply got;
  client_read(socket, &got, false);
  expect_spooled(&got, body, size);
  reply_fini(&got);
  close(socket);
  expect_no_files(20);
  fixture_stop(&at);

  fixture_defaults(&at);
  at.options.request_timeout_s = at.options.idle_timeout_s = 1;
  begin(&at);
  socket = start_upload(&at, size);
  bool open = true;
  for (double from = qn_clock_now(); open && qn_clock_now() - from < 20; usleep(100000)) open = client_send_bytes(socket, body, 100);
  assert_false(open); /* long before it was through with its bytes */
  assert_true(client_closed(socket, 10));
  close(socket);
  free(body);
  expect_no_files(20);
  fixture_stop(&at);
}

static void test_memory(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.body_memory = 3 << 19; /* one block and a half */
  begin(&at);
  char *body = make_body(3 << 20);
  int first = start_upload(&at, 3 << 20);
  assert_true(client_send_bytes(first, body, 1 << 20));
  for (double end = qn_clock_now() + 20; atomic_load(&at.httpd->body_memory) < 1 << 20 && qn_clock_now() < end;) usleep(10000);
  assert_true(atomic_load(&at.httpd->body_memory) >= 1 << 20);
  reply got;
  int second = client_connect(&at);
  client_send(second, "POST /spool HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n");
  client_read(second, &got, false);
  assert_int_equal(got.status, 503);
  reply_fini(&got);
  close(second);
  assert_true(client_send_bytes(first, body + (1 << 20), 2 << 20));
  client_read(first, &got, false);
  expect_spooled(&got, body, 3 << 20);
  reply_fini(&got);
  close(first);
  for (int i = 0; i < 4; i++) { /* what is given back is enough for the next */
    expect_no_files(20);
    upload(&(uploader){.at = &at, .size = 2000000});
  }
  free(body);
  expect_no_files(20);
  fixture_stop(&at);
}

/* ---- ends that are none ---- */

static void test_clients_that_vanish(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  at.options.body_memory = 12 << 20;
  at.options.idle_timeout_s = 2; /* an end that comes with the last bytes is noticed no earlier */
  begin(&at);
  char *body = make_body(4 << 20);
  for (int i = 0; i < 12; i++) {
    int socket = start_upload(&at, 10 << 20);
    assert_true(client_send_bytes(socket, body, (size_t)(i * 300000)));
    if (i % 2 == 0) usleep(50000);
    close(socket);
  }
  free(body);
  expect_no_files(20);
  upload(&(uploader){.at = &at, .size = 3000000});
  assert_int_equal(atomic_load(&at.handled), 1);
  expect_no_files(20);
  fixture_stop(&at);
}

static void test_stopping(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  char *body = make_body(3 << 20);
  int socket = start_upload(&at, 10 << 20);
  assert_true(client_send_bytes(socket, body, 3 << 20));
  expect_files(1, 20);
  double from = qn_clock_now();
  fixture_stop(&at);
  assert_true(qn_clock_now() - from < 20);
  expect_no_files(0);
  close(socket);
  free(body);
}

/* A file that cannot grow: the client hears that its body cannot be kept, and not where. */
static void test_disk(void **state) {
  (void)state;
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  struct rlimit before, small = {.rlim_cur = 2 << 20};
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  char *body = make_body(5 << 18);
  int socket = start_upload(&at, 5 << 19);
  assert_true(client_send_bytes(socket, body, 5 << 18));
  client_send_bytes(socket, body, 5 << 18);
  reply got;
  client_read(socket, &got, false);
  assert_int_equal(got.status, 500);
  assert_null(strstr(got.body, folder));
  reply_fini(&got);
  close(socket);
  free(body);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  expect_no_files(20);
  fixture_stop(&at);
}

static void put(const char *name, int *held) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int file = open(path, O_CREAT | O_RDWR, 0600);
  assert_true(file >= 0);
  if (held != NULL) assert_int_equal(flock(*held = file, LOCK_EX), 0);
  else close(file);
}

/* What a server that is gone has left is removed by the next; what one that lives holds is not. */
static void test_leftovers(void **state) {
  (void)state;
  int held;
  put("abcdef", NULL);
  put("abcdef.xyz", NULL);
  put("orphan.xyz", NULL);
  put("mine00", &held);
  put("mine00.xyz", NULL);
  fixture at;
  fixture_defaults(&at);
  begin(&at);
  char path[128];
  assert_int_equal(count_files(), 2);
  static const char *const kept[] = {"mine00", "mine00.xyz"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, kept[i]);
    assert_int_equal(unlink(path), 0);
  }
  close(held);
  fixture_stop(&at);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_sizes), TEST(test_chunks), TEST(test_many),     TEST(test_size_limit), TEST(test_pace),
      TEST(test_memory), TEST(test_clients_that_vanish), TEST(test_stopping), TEST(test_disk), TEST(test_leftovers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

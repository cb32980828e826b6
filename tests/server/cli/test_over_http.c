/* The whole service over HTTP with a real PostgreSQL behind it: the same work from a hundred clients at once, answers that are replayed, tokens made and
 * revoked on the way, a database that stands still, a thousand event streams. */
#include "server/cli/program.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "server/fixture.h"
#include "server/job/durable.h"
#include "server/store/relay.h"

static fixture f;
static relay r;
static program server;
static char base[64];

/* ---- the server ---- */

static void start_server(const char *flags) {
  char line[256];
  snprintf(line, sizeof line, "serve --no-worker --no-access-log --listen 127.0.0.1:0 %s", flags);
  setenv("DATABASE_URL", r.url, 1);
  setenv("QUENCHD_DATA_DIR", f.data, 1);
  program_start(&server, line);
  program_await(&server, "out", " serves http://", 30);
  program_await(&server, "out", "\n", 30);
  char *out = program_read(server.folder, "out");
  sscanf(strstr(out, " serves http://") + 8, "%63s", base);
  free(out);
}

static void stop_server(void) {
  kill(server.pid, SIGTERM);
  program_wait(&server, 30);
  if (server.code != 0) fail_msg("the server ended with %d: %s", server.code, server.err);
  program_fini(&server);
}

static int setup(void **state) {
  (void)state;
  const char *url = getenv("DATABASE_URL");
  static char original[2048];
  snprintf(original, sizeof original, "%s", url != NULL ? url : "");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  fixture_init(&f, true);
  relay_start(&r, &f);
  start_server("");
  setenv("DATABASE_URL", original, 1); /* fixture_fini asks for it */
  return 0;
}

static int teardown(void **state) {
  (void)state;
  stop_server();
  relay_stop(&r);
  fixture_fini(&f);
  return 0;
}

/* ---- clients ---- */

typedef struct answer {
  long status;
  double seconds;
  char *body;
  size_t size;
  char location[128], retry_after[16];
} answer;

static size_t take(char *data, size_t one, size_t count, void *context) {
  answer *a = context;
  char *grown = realloc(a->body, a->size + one * count + 1);
  if (grown == NULL) abort();
  a->body = grown;
  memcpy(a->body + a->size, data, one * count);
  a->size += one * count;
  a->body[a->size] = '\0';
  return one * count;
}

static size_t take_header(char *data, size_t one, size_t count, void *context) {
  answer *a = context;
  sscanf(data, "Location: %127s", a->location);
  sscanf(data, "Retry-After: %15s", a->retry_after);
  return one * count;
}

/* `headers`: lines, each a literal; NULL ends them. */
static answer ask(const char *method, const char *path, const char *body, const char *const *headers) {
  answer a = {0};
  char url[256];
  snprintf(url, sizeof url, "%s%s", base, path);
  CURL *curl = curl_easy_init();
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  if (body != NULL) list = curl_slist_append(list, "Content-Type: application/json");
  for (int i = 0; headers != NULL && headers[i] != NULL; i++) list = curl_slist_append(list, headers[i]);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (body != NULL) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
  double from = qn_clock_now();
  CURLcode code = curl_easy_perform(curl);
  a.seconds = qn_clock_now() - from;
  if (code == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
  else print_error("%s %s: %s\n", method, path, curl_easy_strerror(code));
  curl_slist_free_all(list);
  curl_easy_cleanup(curl);
  return a;
}

static long status_of(const char *method, const char *path, const char *body, const char *const *headers) {
  answer a = ask(method, path, body, headers);
  free(a.body);
  return a.status;
}

static json_int_t integer(const answer *a, const char *key) {
  json_t *root = json_loads(a->body != NULL ? a->body : "", 0, NULL);
  json_int_t value = json_integer_value(json_object_get(root, key));
  json_decref(root);
  return value;
}

/* ---- tests ---- */

enum { CLIENTS = 100 };

typedef struct client {
  pthread_t thread;
  pthread_barrier_t *barrier;
  const char *spec;
  const char *key;
  answer got;
} client;

static void *post(void *context) {
  client *c = context;
  const char *const headers[] = {c->key, NULL};
  pthread_barrier_wait(c->barrier);
  /* A machine that stands for a moment makes a queue that is refused; who is told when to come again does so. */
  for (double end = qn_clock_now() + 60;; usleep(200000)) {
    c->got = ask("POST", "/v1/simulations", c->spec, c->key != NULL ? headers : NULL);
    if (c->got.status != 503 || c->got.retry_after[0] == '\0' || qn_clock_now() > end) return NULL;
    free(c->got.body);
  }
}

static void post_at_once(client clients[CLIENTS], const char *spec, const char *key) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, CLIENTS);
  for (int i = 0; i < CLIENTS; i++) {
    clients[i] = (client){.barrier = &barrier, .spec = spec, .key = key};
    assert_int_equal(pthread_create(&clients[i].thread, NULL, post, &clients[i]), 0);
  }
  for (int i = 0; i < CLIENTS; i++) pthread_join(clients[i].thread, NULL);
  pthread_barrier_destroy(&barrier);
}

static void test_a_hundred_clients_make_one_job(void **state) {
  (void)state;
  static client clients[CLIENTS];
  char *spec = fixture_spec(1, 1, true);
  post_at_once(clients, spec, NULL);
  int made = 0;
  for (int i = 0; i < CLIENTS; i++) {
    if (clients[i].got.status != 202 && clients[i].got.status != 200) fail_msg("%ld: %s", clients[i].got.status, clients[i].got.body);
    made += clients[i].got.status == 202;
    assert_int_equal(integer(&clients[i].got, "id"), integer(&clients[0].got, "id"));
    assert_int_equal(integer(&clients[i].got, "job"), integer(&clients[0].got, "job"));
  }
  assert_int_equal(made, 1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE kind = 'simulation'"), 1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs"), 3);
  for (int i = 0; i < CLIENTS; i++) free(clients[i].got.body);
  free(spec);
}

static void test_a_key_from_a_hundred_clients(void **state) {
  (void)state;
  static client clients[CLIENTS];
  char *spec = fixture_spec(2, 1, false), *other = fixture_spec(3, 1, false);
  const char *const key[] = {"Idempotency-Key: hundred", NULL};
  post_at_once(clients, spec, key[0]);
  const answer *first = NULL;
  for (int i = 0; i < CLIENTS; i++) {
    const answer *a = &clients[i].got;
    if (a->status == 409) continue; /* while the first was in flight */
    if (a->status != 202) fail_msg("%ld: %s", a->status, a->body);
    if (first == NULL) first = a;
    assert_string_equal(a->body, first->body);
    assert_string_equal(a->location, first->location);
  }
  assert_non_null(first);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE kind = 'simulation'"), 2);
  assert_int_equal(status_of("POST", "/v1/simulations", other, key), 422);
  assert_int_equal(status_of("POST", "/v1/simulations", "{", key), 422);
  assert_int_equal(status_of("POST", "/v1/analyses", spec, key), 422);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE kind = 'simulation'"), 2);
  for (int i = 0; i < CLIENTS; i++) free(clients[i].got.body);
  free(spec);
  free(other);
}

static void test_pages_of_other_sites(void **state) {
  (void)state;
  const char *const foreign[] = {"Origin: http://evil.example", NULL}, *const rebound[] = {"Host: evil.example", NULL};
  long long job = fixture_number(&f, "SELECT min(id) FROM jobs");
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/%lld/cancel", job);
  assert_int_equal(status_of("POST", path, NULL, foreign), 403);
  assert_int_equal(status_of("GET", "/v1/jobs", NULL, rebound), 403);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", job), "queued");
}

/* What a client sees of a PostgreSQL that says nothing: no hanging, 503 with Retry-After, quickly once it is known; and back as if nothing had been. */
static void test_a_database_that_stands_still(void **state) {
  (void)state;
  assert_int_equal(status_of("GET", "/v1/jobs", NULL, NULL), 200);
  atomic_store(&r.still, true);
  answer a = ask("GET", "/v1/jobs", NULL, NULL);
  assert_int_equal(a.status, 503);
  assert_string_not_equal(a.retry_after, "");
  assert_true(a.seconds < 8);
  free(a.body);
  double worst = 0;
  for (int i = 0; i < 10; i++) {
    a = ask("GET", i % 2 ? "/v1/jobs" : "/readyz", NULL, NULL);
    assert_int_equal(a.status, 503);
    worst = fmax(worst, a.seconds);
    free(a.body);
    a = ask("GET", "/livez", NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_true(a.seconds < 4); /* it does not wait for the database */
    free(a.body);
  }
  print_message("database silent: the slowest of 10 answers took %.2f s\n", worst);
  assert_true(worst < 8);
  atomic_store(&r.still, false);
  double from = qn_clock_now();
  while (status_of("GET", "/v1/jobs", NULL, NULL) != 200) assert_true(qn_clock_now() - from < 30);
  print_message("database back: answered after %.2f s\n", qn_clock_now() - from);
}

/* ---- a thousand streams ---- */

enum { STREAMS = 1000 };

static int open_stream(long long job) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(base, ':') + 1)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(stream, (struct sockaddr *)&to, sizeof to), 0);
  char head[160];
  int size = snprintf(head, sizeof head, "GET /v1/jobs/%lld/events HTTP/1.1\r\nHost: localhost\r\n\r\n", job);
  assert_int_equal(send(stream, head, (size_t)size, MSG_NOSIGNAL), size);
  return stream;
}

/* Read until `word` has come on every stream. */
static double await_word(const int streams[STREAMS], const char *word, double seconds) {
  static char seen[STREAMS][256];
  static bool done[STREAMS];
  memset(seen, 0, sizeof seen);
  memset(done, 0, sizeof done);
  double from = qn_clock_now();
  for (int left = STREAMS; left > 0;) {
    if (qn_clock_now() - from > seconds) fail_msg("%d of %d streams without \"%s\" after %g s", left, STREAMS, word, seconds);
    static struct pollfd sets[STREAMS];
    for (int i = 0; i < STREAMS; i++) sets[i] = (struct pollfd){.fd = done[i] ? -1 : streams[i], .events = POLLIN};
    poll(sets, STREAMS, 100);
    for (int i = 0; i < STREAMS; i++) {
      if (sets[i].revents == 0) continue;
      char buffer[4096];
      ssize_t size = recv(streams[i], buffer, sizeof buffer - 1, 0);
      if (size <= 0) fail_msg("stream %d has ended", i);
      buffer[size] = '\0';
      char both[4608];
      snprintf(both, sizeof both, "%s%s", seen[i], buffer);
      if (strstr(both, word) != NULL) done[i] = true, left--;
      size_t length = strlen(both);
      snprintf(seen[i], sizeof seen[i], "%s", both + (length > 200 ? length - 200 : 0));
    }
  }
  return qn_clock_now() - from;
}

static void test_a_thousand_streams(void **state) {
  (void)state;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  fixture_text(&f, "INSERT INTO jobs (kind, state) SELECT 'simulation', 'queued' FROM generate_series(1, 500)");
  long long first = fixture_number(&f, "SELECT max(id) - 499 FROM jobs");
  static int streams[STREAMS];
  double from = qn_clock_now();
  for (int i = 0; i < STREAMS; i++) streams[i] = open_stream(first + i / 2); /* two for each job */
  await_word(streams, "queued", 60);
  print_message("%d streams opened in %.2f s\n", STREAMS, qn_clock_now() - from);
  fixture_text(&f, "UPDATE jobs SET progress = 0.5 WHERE id >= %lld", first);
  double slowest = 0;
  for (int i = 0; i < 50; i++) {
    answer a = ask("GET", "/v1/jobs?limit=10", NULL, NULL);
    assert_int_equal(a.status, 200);
    slowest = fmax(slowest, a.seconds);
    free(a.body);
  }
  double took = await_word(streams, "\"progress\": 0.5", 30);
  print_message("500 events reached them all within %.2f s; the slowest of 50 other requests took %.3f s\n", took, slowest);
  for (int i = 0; i < STREAMS; i++) close(streams[i]);
}

/* ---- retention ---- */

static void test_files_go(void **state) {
  (void)state;
  char folder[512], file[600];
  long long job = fixture_number(&f, "INSERT INTO jobs (kind, state, finished_at) VALUES ('simulation', 'succeeded', now() - interval '9 days') RETURNING id");
  long long id = fixture_number(&f, "INSERT INTO simulations (job_id, sha256, spec, spec_text, potential_id) SELECT %lld, repeat('e', 64), '{}', '{}', id"
                                    " FROM potentials RETURNING id", job);
  snprintf(folder, sizeof folder, "%s/simulations/%lld/1", f.data, id);
  snprintf(file, sizeof file, "%s/thermo.csv", folder);
  qn_error error;
  assert_status(QN_OK, qn_durable_make(folder, &error), error);
  FILE *made = fopen(file, "w");
  assert_non_null(made);
  fputs("time_ps\n", made);
  fclose(made);
  fixture_text(&f, "INSERT INTO artifacts (simulation_id, kind, stage, path, size, sha256) VALUES (%lld, 'thermo', -1, 'simulations/%lld/1/thermo.csv', 8,"
                   " repeat('e', 64))", id, id);
  char path[64];
  snprintf(path, sizeof path, "/v1/simulations/%lld/thermo", id);
  assert_int_equal(status_of("GET", path, NULL, NULL), 200);
  assert_int_equal(status_of("POST", "/v1/retention", "{\"older_than_days\": 8, \"kinds\": [\"thermo\"]}", NULL), 200);
  assert_int_equal(status_of("GET", path, NULL, NULL), 200); /* it was a dry run */
  assert_int_equal(status_of("POST", "/v1/retention", "{\"older_than_days\": 8, \"kinds\": [\"thermo\"], \"dry_run\": false}", NULL), 200);
  assert_int_equal(status_of("GET", path, NULL, NULL), 410);
  double from = qn_clock_now();
  while (access(folder, F_OK) == 0 && qn_clock_now() - from < 20) usleep(50000);
  assert_int_equal(access(folder, F_OK), -1);
}

/* ---- tokens ---- */

static void test_tokens(void **state) {
  (void)state;
  assert_int_equal(status_of("POST", "/v1/tokens", "{\"name\": \"reader\", \"scope\": \"read\"}", NULL), 409); /* nobody could administer */
  answer made = ask("POST", "/v1/tokens", "{\"name\": \"boss\", \"scope\": \"admin\"}", NULL);
  assert_int_equal(made.status, 201);
  /* From this moment on the server is closed, and the token is good. */
  assert_int_equal(status_of("GET", "/v1/jobs", NULL, NULL), 401);
  json_t *root = json_loads(made.body, 0, NULL);
  char boss[128], reader[128], path[64];
  snprintf(boss, sizeof boss, "Authorization: Bearer %s", json_string_value(json_object_get(root, "token")));
  json_decref(root);
  const char *const as_boss[] = {boss, "X-Request-Id: by-boss", NULL}, *const as_reader[] = {reader, NULL};
  assert_int_equal(status_of("GET", "/v1/jobs", NULL, as_boss), 200);
  answer second = ask("POST", "/v1/tokens", "{\"name\": \"reader\", \"scope\": \"read\"}", as_boss);
  assert_int_equal(second.status, 201);
  root = json_loads(second.body, 0, NULL);
  snprintf(reader, sizeof reader, "Authorization: Bearer %s", json_string_value(json_object_get(root, "token")));
  json_decref(root);
  assert_int_equal(status_of("GET", "/v1/workers", NULL, as_reader), 200);
  assert_int_equal(status_of("GET", "/v1/audit", NULL, as_reader), 403);
  snprintf(path, sizeof path, "/v1/tokens/%lld", (long long)integer(&second, "id"));
  assert_int_equal(status_of("DELETE", path, NULL, as_boss), 200);
  assert_int_equal(status_of("GET", "/v1/workers", NULL, as_reader), 401); /* at once, on this server */
  snprintf(path, sizeof path, "/v1/tokens/%lld", (long long)integer(&made, "id"));
  assert_int_equal(status_of("DELETE", path, NULL, as_boss), 409);
  answer audit = ask("GET", "/v1/audit?resource=token&action=revoke", NULL, as_boss);
  assert_non_null(strstr(audit.body, "\"request_id\":\"by-boss\""));
  free(audit.body);
  free(made.body);
  free(second.body);

  /* The command line: who did it, and that the last administrator may go by it. */
  program cli;
  char line[128], saved[2048];
  snprintf(saved, sizeof saved, "%s", getenv("DATABASE_URL"));
  setenv("DATABASE_URL", f.url, 1);
  program_run(&cli, "token create --name cli --scope submit");
  assert_int_equal(cli.code, 0);
  program_fini(&cli);
  snprintf(line, sizeof line, "token revoke %lld", (long long)fixture_number(&f, "SELECT id FROM tokens WHERE name = 'boss'"));
  program_run(&cli, line);
  assert_int_equal(cli.code, 0);
  program_fini(&cli);
  program_run(&cli, "retain 0 --kinds folder,history --states cancelled");
  assert_int_equal(cli.code, 0);
  assert_non_null(strstr(cli.out, "would be removed: "));
  program_fini(&cli);
  program_run(&cli, "retain 1 --kinds everything");
  assert_int_equal(cli.code, 2);
  assert_non_null(strstr(cli.err, "not everything"));
  program_fini(&cli);
  setenv("DATABASE_URL", saved, 1);
  assert_true(strncmp(fixture_text(&f, "SELECT principal FROM audit WHERE resource = 'token' ORDER BY id DESC LIMIT 1"), "os:", 3) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_hundred_clients_make_one_job), cmocka_unit_test(test_a_key_from_a_hundred_clients),
      cmocka_unit_test(test_pages_of_other_sites),           cmocka_unit_test(test_a_database_that_stands_still),
      cmocka_unit_test(test_a_thousand_streams),             cmocka_unit_test(test_files_go),
      cmocka_unit_test(test_tokens),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

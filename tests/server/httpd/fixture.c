#include "server/httpd/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/problem.h"

/* ---- the backend ---- */

static const qn_route table[] = {
  {.method = "GET", .pattern = "/livez", .operation = "live", .scope = QN_SCOPE_NONE},
  {.method = "GET", .pattern = "/public", .operation = "public", .scope = QN_SCOPE_NONE},
  {.method = "POST", .pattern = "/echo", .operation = "echo", .scope = QN_SCOPE_SUBMIT, .body_limit = ECHO_LIMIT},
  {.method = "POST", .pattern = "/spool", .operation = "spool", .scope = QN_SCOPE_SUBMIT, .body_limit = SPOOL_LIMIT, .traits = QN_ROUTE_SPOOL},
  {.method = "POST", .pattern = "/bodyless", .operation = "bodyless", .scope = QN_SCOPE_READ},
  {.method = "GET", .pattern = "/seen", .operation = "seen", .scope = QN_SCOPE_READ},
  {.method = "GET", .pattern = "/whoami", .operation = "whoami", .scope = QN_SCOPE_READ},
  {.method = "GET", .pattern = "/slow", .operation = "slow", .scope = QN_SCOPE_NONE},
  {.method = "GET", .pattern = "/file", .operation = "file", .scope = QN_SCOPE_NONE},
  {.method = "GET", .pattern = "/stream", .operation = "stream", .scope = QN_SCOPE_NONE},
  {.method = "GET", .pattern = "/broken", .operation = "broken", .scope = QN_SCOPE_NONE},
  {.method = "GET", .pattern = "/events", .operation = "events", .scope = QN_SCOPE_READ, .traits = QN_ROUTE_EVENTS},
  {.method = "GET", .pattern = "/metrics", .operation = "metrics", .scope = QN_SCOPE_NONE},
};
enum { ROUTES = sizeof table / sizeof table[0] };

static const qn_route *routes(size_t *count) {
  *count = ROUTES;
  return table;
}

static const qn_route *find(const char *method, const char *path, char buffer[512], const char *parameters[QN_MAX_PATH_PARAMETERS],
                            int *status, char allow[64]) {
  (void)buffer;
  (void)parameters;
  *status = 404;
  allow[0] = '\0';
  for (int i = 0; i < ROUTES; i++) {
    if (strcmp(table[i].pattern, path) != 0) continue;
    if (strcmp(table[i].method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0) return &table[i];
    strcpy(allow, table[i].method);
    *status = 405;
  }
  return NULL;
}

static const qn_route *admit(qn_request *request, size_t body_size, char buffer[512], qn_response *response) {
  int status;
  char allow[64];
  const qn_route *route = find(request->method, request->path, buffer, request->parameter, &status, allow);
  int refusal = route == NULL                                ? status
                : request->principal.scope >= route->scope   ? body_size > route->body_limit ? 413 : 0
                : request->principal.scope == QN_SCOPE_NONE  ? 401
                                                             : 403;
  if (refusal == 0) return route;
  if (refusal == 405) qn_response_header(response, "Allow", "%s", allow);
  qn_problem_render(response, request, refusal, "refused", NULL, "refused by the fixture");
  return NULL;
}

static void say(qn_response *response, const char *text, size_t size) {
  response->status = 200;
  response->content_type = "text/plain";
  response->bytes = malloc(size + 1);
  if (response->bytes == NULL) abort();
  memcpy(response->bytes, text, size);
  response->size = size;
}

static void pattern_bytes(char *buffer, size_t position, size_t size) {
  for (size_t i = 0; i < size; i++) buffer[i] = (char)('a' + (position + i) % 23);
}

typedef struct source { size_t position, end; bool fails; } source;

static ssize_t source_read(void *context, char *buffer, size_t size) {
  source *at = context;
  size_t left = at->end - at->position;
  if (left == 0) return at->fails ? -1 : 0;
  if (size > left) size = left;
  pattern_bytes(buffer, at->position, size);
  at->position += size;
  return (ssize_t)size;
}

static void answer_file(qn_response *response) {
  response->status = 200;
  response->kind = QN_BODY_FILE;
  response->size = FILE_SIZE;
  response->descriptor = memfd_create("download", MFD_CLOEXEC);
  char *bytes = malloc(FILE_SIZE);
  if (bytes == NULL) abort();
  pattern_bytes(bytes, 0, FILE_SIZE);
  if (write(response->descriptor, bytes, FILE_SIZE) != FILE_SIZE) abort();
  free(bytes);
}

static void answer_stream(qn_response *response, bool fails) {
  source *at = malloc(sizeof *at);
  if (at == NULL) abort();
  *at = (source){.end = fails ? FILE_SIZE / 2 : FILE_SIZE, .fails = fails};
  response->status = 200;
  response->kind = QN_BODY_STREAM;
  response->read = source_read;
  response->close = free;
  response->context = at;
}

static void answer_slow(fixture *at, qn_response *response) {
  atomic_fetch_add(&at->waiting, 1);
  pthread_mutex_lock(&at->lock);
  while (!at->release) pthread_cond_wait(&at->changed, &at->lock);
  pthread_mutex_unlock(&at->lock);
  atomic_fetch_sub(&at->waiting, 1);
  say(response, "slow", 4);
}

static void answer_events(const qn_request *request, qn_response *response) {
  const char *job = qn_request_query(request, "job"), *last = qn_request_header(request, "Last-Event-ID");
  response->status = 200;
  response->content_type = "text/event-stream";
  response->kind = QN_BODY_EVENTS;
  response->job = job != NULL ? atoll(job) : 1;
  response->last_event = last != NULL ? atoll(last) : 0;
}

static void answer_seen(const qn_request *request, qn_response *response) {
  char text[4096] = "";
  for (int i = 0; i < request->query_count; i++) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s=%s;", request->query[i].name, request->query[i].value);
  }
  say(response, text, strlen(text));
}

/* The file that the body has become is looked at for itself. */
static void answer_spool(const qn_request *request, qn_response *response) {
  struct stat file = {0};
  char text[200];
  if (request->body_path == NULL) snprintf(text, sizeof text, "no file, %zu", request->body_size);
  else if (stat(request->body_path, &file) != 0) snprintf(text, sizeof text, "the file is gone");
  else snprintf(text, sizeof text, "%zu %lld %s", request->body_size, (long long)file.st_size, request->body_sha256);
  say(response, text, strlen(text));
}

static void answer(void *context, qn_request *request, qn_response *response) {
  fixture *at = context;
  char buffer[512];
  const qn_route *route = admit(request, request->body_size, buffer, response);
  if (route == NULL) return;
  atomic_fetch_add(&at->handled, 1);
  const char *name = route->operation;
  if (strcmp(name, "echo") == 0) say(response, request->body, request->body_size);
  else if (strcmp(name, "spool") == 0) answer_spool(request, response);
  else if (strcmp(name, "seen") == 0) answer_seen(request, response);
  else if (strcmp(name, "whoami") == 0) say(response, request->principal.name, strlen(request->principal.name));
  else if (strcmp(name, "slow") == 0) answer_slow(at, response);
  else if (strcmp(name, "file") == 0) answer_file(response);
  else if (strcmp(name, "stream") == 0 || strcmp(name, "broken") == 0) answer_stream(response, name[0] == 'b');
  else if (strcmp(name, "events") == 0) answer_events(request, response);
  else if (strcmp(name, "live") == 0) say(response, "alive", 5);
  else if (strcmp(name, "metrics") == 0) say(response, "stored 1\n", 9);
  else say(response, "public", 6);
}

static qn_status authenticate(void *context, const char *secret, qn_principal *principal, qn_error *error) {
  fixture *at = context;
  atomic_fetch_add(&at->look_ups, 1);
  pthread_mutex_lock(&at->lock);
  bool away = at->away, revoked = at->revoked;
  pthread_mutex_unlock(&at->lock);
  if (away) return qn_error_set(error, QN_UNAVAILABLE, "the fixture is away");
  if (strcmp(secret, "reader-token") == 0) {
    *principal = (qn_principal){.token = 1, .name = "reader", .scope = QN_SCOPE_READ};
    return QN_OK;
  }
  if (strcmp(secret, "writer-token") == 0 && !revoked) {
    *principal = (qn_principal){.token = 2, .name = "writer", .scope = QN_SCOPE_SUBMIT};
    return QN_OK;
  }
  return qn_error_set(error, QN_NOT_FOUND, "nobody");
}

static void failed(void *context, const char *address, int64_t count, const char *request_id) {
  fixture *at = context;
  (void)request_id;
  pthread_mutex_lock(&at->lock);
  at->failures += count;
  snprintf(at->failed_address, sizeof at->failed_address, "%s", address);
  pthread_mutex_unlock(&at->lock);
}

static qn_status count_tokens(void *context, int64_t *count, qn_error *error) {
  fixture *at = context;
  pthread_mutex_lock(&at->lock);
  bool away = at->away;
  *count = at->tokens;
  pthread_mutex_unlock(&at->lock);
  return away ? qn_error_set(error, QN_UNAVAILABLE, "the fixture is away") : QN_OK;
}

static qn_status events(void *context, int64_t job, int64_t after, int limit, qn_event_page *page, qn_error *error) {
  fixture *at = context;
  if (job > 1) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)job);
  pthread_mutex_lock(&at->lock);
  int count = at->event_count;
  bool final = at->final;
  pthread_mutex_unlock(&at->lock);
  page->rows = calloc((size_t)limit, sizeof *page->rows);
  if (page->rows == NULL) abort();
  for (int64_t id = after + 1; id <= count && page->count < limit; id++) {
    qn_event_row *row = &page->rows[page->count++];
    row->id = id;
    row->kind = strdup("progress");
    if (asprintf(&row->data, "{\"number\":%lld}", (long long)id) < 0) abort();
  }
  page->final = final && (page->count == 0 || page->rows[page->count - 1].id == count);
  return QN_OK;
}

static qn_status token_holds(void *context, int64_t token, bool *holds, qn_error *error) {
  fixture *at = context;
  pthread_mutex_lock(&at->lock);
  bool away = at->away;
  *holds = token != 2 || !at->revoked;
  pthread_mutex_unlock(&at->lock);
  return away ? qn_error_set(error, QN_UNAVAILABLE, "the fixture is away") : QN_OK;
}

void fixture_defaults(fixture *at) {
  memset(at, 0, sizeof *at);
  pthread_mutex_init(&at->lock, NULL);
  pthread_cond_init(&at->changed, NULL);
  at->options = (qn_httpd_options){.listen = "127.0.0.1:0", .event_threads = 2, .handlers = 4, .connections = 2048,
                                   .connections_per_address = 2048, .idle_timeout_s = 10, .request_timeout_s = 20,
                                   .event_heartbeat_s = 5, .body_memory = 64 << 20};
}

void fixture_backend(fixture *at, qn_httpd_backend *backend) {
  *backend = (qn_httpd_backend){.context = at, .routes = routes, .find = find, .admit = admit, .answer = answer,
                                .authenticate = authenticate, .count_tokens = count_tokens, .failed = failed, .events = events,
                                .token_holds = token_holds};
}

void fixture_start(fixture *at) {
  signal(SIGPIPE, SIG_IGN);
  qn_httpd_backend backend;
  fixture_backend(at, &backend);
  qn_error error = {0};
  if (qn_httpd_start(&at->httpd, &at->options, &backend, &error) != QN_OK) fail_msg("%s", error.message);
  at->port = atoi(strrchr(qn_httpd_url(at->httpd), ':') + 1);
}

void fixture_stop(fixture *at) { fixture_stop_within(at, 2); }

void fixture_stop_within(fixture *at, double seconds) {
  fixture_release(at);
  qn_httpd_stop(at->httpd, seconds);
  pthread_cond_destroy(&at->changed);
  pthread_mutex_destroy(&at->lock);
}

void fixture_release(fixture *at) {
  pthread_mutex_lock(&at->lock);
  at->release = true;
  pthread_cond_broadcast(&at->changed);
  pthread_mutex_unlock(&at->lock);
}

void fixture_add_event(fixture *at, bool final) {
  pthread_mutex_lock(&at->lock);
  at->event_count++;
  at->final = final;
  pthread_mutex_unlock(&at->lock);
}

/* ---- the client ---- */

int client_connect(const fixture *at) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_int_equal(connect(descriptor, (struct sockaddr *)&to, sizeof to), 0);
  return descriptor;
}

bool client_send_bytes(int descriptor, const void *bytes, size_t size) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t sent = send(descriptor, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= (size_t)sent;
  }
  return true;
}

void client_send(int descriptor, const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(&text, format, arguments);
  va_end(arguments);
  assert_true(size >= 0);
  client_send_bytes(descriptor, text, (size_t)size);
  free(text);
}

static bool readable(int descriptor, double seconds) {
  struct pollfd set = {.fd = descriptor, .events = POLLIN};
  return seconds > 0 && poll(&set, 1, (int)(seconds * 1e3) + 1) > 0;
}

/* One byte; -1 at the end. Slow, but never reads into the next answer. */
static int next_byte(int descriptor) {
  unsigned char byte;
  if (!readable(descriptor, 20)) return -1;
  return recv(descriptor, &byte, 1, 0) == 1 ? byte : -1;
}

static bool take(int descriptor, reply *got, size_t size) {
  char *grown = realloc(got->body, got->size + size + 1);
  if (grown == NULL) abort();
  got->body = grown;
  while (size > 0) {
    ssize_t read = readable(descriptor, 20) ? recv(descriptor, got->body + got->size, size, 0) : -1;
    if (read <= 0) return false;
    got->size += (size_t)read;
    size -= (size_t)read;
  }
  got->body[got->size] = '\0';
  return true;
}

static bool take_chunks(int descriptor, reply *got) {
  for (;;) {
    char line[32] = "";
    size_t used = 0;
    int byte;
    while ((byte = next_byte(descriptor)) != '\n') {
      if (byte < 0 || used == sizeof line - 1) return false;
      line[used++] = (char)byte;
    }
    size_t size = strtoul(line, NULL, 16);
    if (size > 0 && !take(descriptor, got, size)) return false;
    if (next_byte(descriptor) != '\r' || next_byte(descriptor) != '\n') return false;
    if (size == 0) return true;
  }
}

const char *reply_header(const reply *got, const char *name, char value[512]) {
  size_t length = strlen(name);
  for (const char *line = strstr(got->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
    line += length + 1;
    line += strspn(line, " ");
    size_t size = strcspn(line, "\r");
    snprintf(value, 512, "%.*s", (int)size, line);
    return value;
  }
  return NULL;
}

void client_read(int descriptor, reply *got, bool bodyless) {
  memset(got, 0, sizeof *got);
  size_t used = 0;
  while (used < sizeof got->head - 1 && strstr(got->head, "\r\n\r\n") == NULL) {
    int byte = next_byte(descriptor);
    if (byte < 0) return;
    got->head[used++] = (char)byte;
  }
  got->status = atoi(got->head + 9);
  char value[512];
  if (bodyless || got->status == 204 || got->status == 304 || got->status < 200) {
    got->whole = true;
  } else if (reply_header(got, "Transfer-Encoding", value) != NULL) {
    got->whole = take_chunks(descriptor, got);
  } else {
    got->whole = reply_header(got, "Content-Length", value) != NULL && take(descriptor, got, strtoul(value, NULL, 10));
  }
}

void reply_fini(reply *got) {
  free(got->body);
  memset(got, 0, sizeof *got);
}

bool client_closed(int descriptor, double seconds) {
  double end = qn_clock_now() + seconds;
  char buffer[65536];
  while (readable(descriptor, end - qn_clock_now()))
    if (recv(descriptor, buffer, sizeof buffer, 0) <= 0) return true;
  return false;
}

bool client_wait_for(int descriptor, const char *text, char *seen, size_t size, double seconds) {
  double end = qn_clock_now() + seconds;
  size_t used = 0;
  seen[0] = '\0';
  while (strstr(seen, text) == NULL && used < size - 1 && readable(descriptor, end - qn_clock_now())) {
    ssize_t got = recv(descriptor, seen + used, size - 1 - used, 0);
    if (got <= 0) break;
    used += (size_t)got;
    seen[used] = '\0';
  }
  return strstr(seen, text) != NULL;
}

void client_ask(const fixture *at, reply *got, const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(&text, format, arguments);
  va_end(arguments);
  assert_true(size >= 0);
  int descriptor = client_connect(at);
  client_send(descriptor, "%s\r\nHost: localhost\r\n\r\n", text);
  client_read(descriptor, got, strncmp(text, "HEAD", 4) == 0);
  close(descriptor);
  free(text);
}

double fixture_metric(const fixture *at, const char *name) {
  reply got;
  client_ask(at, &got, "GET /metrics HTTP/1.1");
  assert_int_equal(got.status, 200);
  double value = -1;
  size_t length = strlen(name);
  for (const char *line = got.body; line != NULL && line[0] != '\0'; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
    if (strncmp(line, name, length) == 0 && line[length] == ' ') value = atof(line + length);
  reply_fini(&got);
  return value;
}

bool fixture_settles(const fixture *at, const char *name, double value, double seconds) {
  double end = qn_clock_now() + seconds;
  while (fixture_metric(at, name) != value) {
    if (qn_clock_now() > end) return false;
    usleep(50000);
  }
  return true;
}

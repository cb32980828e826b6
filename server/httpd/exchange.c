#include "server/httpd/exchange.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/problem.h"
#include "server/httpd/refusal.h"
#include "server/httpd/respond.h"
#include "server/httpd/target.h"
#include "server/log.h"

typedef enum phase {
  HEAD,    /* nothing was decided yet */
  ADMIT,   /* parked: a handler thread asks who holds the token */
  BODY,    /* the body comes in */
  SWALLOW, /* the answer is a refusal; the body is read over */
  ANSWER,  /* parked: a handler thread makes the answer */
  READY,   /* the answer is at hand */
  SENT
} phase;

/* A refused body of at most this size is read over instead of being cut off. */
enum { SWALLOW_MOST = 1 << 20 };

typedef struct exchange {
  qn_task task;
  qn_delayed delayed;
  qn_httpd *httpd;
  struct MHD_Connection *connection;
  phase phase;
  int target_status;        /* of qn_target_parse */
  const char *target_fault;
  qn_target target;
  const qn_route *route;
  bool head;                /* the method is HEAD */
  bool has_body, expects_continue;
  uint64_t declared;        /* Content-Length */
  char *body;
  size_t size, capacity, swallowed;
  qn_auth auth;
  qn_error auth_error;      /* why tokens cannot be looked up */
  qn_request request;
  qn_response response;
  struct MHD_Response *queued;
  char *refusal;            /* the document of a refusal that comes while the body does, in case it has to go to the bare socket */
  int status;
  bool events;
  char method[16], request_id[65], address[64];
  double began;
} exchange;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static const char *header_of(const void *context, const char *name) {
  return MHD_lookup_connection_value((struct MHD_Connection *)context, MHD_HEADER_KIND, name);
}

static void find_address(struct MHD_Connection *connection, char text[64]) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const struct sockaddr *from = info != NULL ? info->client_addr : NULL;
  strcpy(text, "-");
  if (from == NULL) return;
  if (from->sa_family == AF_INET)
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr, text, 64);
  else if (from->sa_family == AF_INET6)
    inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, text, 64);
}

/* ---- the connection ---- */

static qn_guarded *guarded_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info != NULL ? info->socket_context : NULL;
}

void qn_exchange_connection(void *context, struct MHD_Connection *connection, void **guarded, enum MHD_ConnectionNotificationCode what) {
  qn_httpd *httpd = context;
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *guarded = info != NULL ? qn_guard_add(httpd->guard, info->connect_fd, httpd->options.idle_timeout_s) : NULL;
    qn_metrics_connections(httpd->metrics, 1);
  } else {
    qn_guard_remove(httpd->guard, *guarded);
    *guarded = NULL;
    qn_metrics_connections(httpd->metrics, -1);
  }
}

void *qn_exchange_begin(void *context, const char *target, struct MHD_Connection *connection) {
  qn_httpd *httpd = context;
  exchange *at = calloc(1, sizeof *at);
  if (at == NULL) return NULL;
  at->httpd = httpd;
  at->connection = connection;
  at->began = now();
  at->target_status = qn_target_parse(&at->target, target, &at->target_fault);
  qn_response_init(&at->response);
  atomic_fetch_add(&httpd->under_way, 1);
  qn_metrics_in_flight(httpd->metrics, 1);
  return at;
}

static void write_access_log(const exchange *at, enum MHD_RequestTerminationCode reason) {
  const char *end = reason == MHD_REQUEST_TERMINATED_COMPLETED_OK       ? "complete"
                    : reason == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED  ? "timeout"
                    : reason == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN  ? "shutdown"
                    : reason == MHD_REQUEST_TERMINATED_CLIENT_ABORT     ? "client_gone"
                                                                        : "broken";
  qn_log_fields("info", "request",
                json_pack("{s:s, s:s, s:s, s:s+, s:i, s:f, s:s, s:s, s:s}", "request", at->request_id, "remote", at->address, "method",
                          at->method, "path", at->target.path, "", "status", at->status, "milliseconds",
                          (double)(int64_t)((now() - at->began) * 1e5) / 100, "principal", at->request.principal.name, "route",
                          at->route != NULL ? at->route->operation : "", "end", end));
}

void qn_exchange_end(void *context, struct MHD_Connection *connection, void **held, enum MHD_RequestTerminationCode reason) {
  qn_httpd *httpd = context;
  exchange *at = *held;
  *held = NULL;
  qn_guard_set(httpd->guard, guarded_of(connection), httpd->options.idle_timeout_s, 0);
  if (at == NULL) return;
  /* 499: the client went away before there was an answer; a request that never reached us was refused by libmicrohttpd with 4xx. */
  if (at->phase != SENT) at->status = at->phase == HEAD ? 400 : 499;
  if (at->phase != HEAD && httpd->options.access_log) write_access_log(at, reason);
  qn_metrics_request(httpd->metrics, at->route, at->head, at->status, now() - at->began, at->events);
  qn_metrics_in_flight(httpd->metrics, -1);
  atomic_fetch_sub(&httpd->body_memory, at->capacity);
  atomic_fetch_sub(&httpd->under_way, 1);
  if (at->queued != NULL) MHD_destroy_response(at->queued);
  qn_response_fini(&at->response);
  qn_target_fini(&at->target);
  free(at->refusal);
  free(at->body);
  free(at);
}

/* ---- answers ---- */

static enum MHD_Result send_answer(exchange *at) {
  if (at->queued == NULL) return MHD_NO;
  at->status = at->response.status;
  at->phase = SENT;
  enum MHD_Result result = qn_refusal_queue(at->connection, (unsigned int)at->response.status, at->queued);
  MHD_destroy_response(at->queued);
  at->queued = NULL;
  return result;
}

static void prepare(exchange *at) {
  at->events = at->response.kind == QN_BODY_EVENTS;
  at->queued = qn_respond(at->httpd, at->connection, &at->request, &at->response, at->head);
}

/* /metrics: the route answers with what storage knows; this process adds what it counted, and answers alone when storage is away. */
static void add_metrics(exchange *at) {
  char *own = qn_metrics_render(at->httpd->metrics);
  if (own == NULL) return;
  qn_response *response = &at->response;
  bool stored = response->status == 200 && response->kind == QN_BODY_BYTES && response->bytes != NULL;
  char *both = NULL;
  int size = asprintf(&both, "%.*s# HELP quenchd_database_up Whether the database answers.\n# TYPE quenchd_database_up gauge\n"
                             "quenchd_database_up %d\n%s",
                      stored ? (int)response->size : 0, stored ? response->bytes : "", stored ? 1 : 0, own);
  free(own);
  if (size < 0) return;
  qn_response_fini(response);
  response->status = 200;
  response->content_type = "text/plain; version=0.0.4; charset=utf-8";
  response->bytes = both;
  response->size = (size_t)size;
}

static void answer(exchange *at) {
  at->request.body = at->body != NULL ? at->body : "";
  at->request.body_size = at->size;
  at->httpd->backend.answer(at->httpd->backend.context, &at->request, &at->response);
  if (at->route != NULL && strcmp(at->route->pattern, "/metrics") == 0 && (at->response.status == 200 || at->response.status >= 500))
    add_metrics(at);
  prepare(at);
}

/* Answer with a refusal once the body, if there is one, has been read over. */
static enum MHD_Result refuse_midway(exchange *at) {
  at->refusal = at->response.bytes != NULL ? strdup(at->response.bytes) : NULL;
  prepare(at);
  at->phase = SWALLOW;
  return MHD_YES;
}

/* Answer with a refusal before the body has begun. libmicrohttpd takes an answer only before or after the body, and one before it ends the
 * connection: so a small body is read over, and only a large one, or one that still waits to be asked for, is answered at once. */
static enum MHD_Result refuse(exchange *at) {
  if (!at->has_body || !(at->expects_continue || at->declared > SWALLOW_MOST)) return refuse_midway(at);
  prepare(at);
  return send_answer(at);
}

/* ---- parking: the loop leaves the request to another thread until resume ---- */

static void park(exchange *at, phase next, void (*run)(qn_task *task)) {
  at->phase = next;
  at->task.run = run;
  MHD_suspend_connection(at->connection); /* before the push, or the resume could come first */
  qn_pool_push(at->httpd->pool, &at->task);
}

static void resume_delayed(qn_delayed *delayed) {
  exchange *at = (exchange *)((char *)delayed - offsetof(exchange, delayed));
  MHD_resume_connection(at->connection);
}

static void run_admit(qn_task *task) {
  exchange *at = (exchange *)task;
  at->auth = qn_auth_look_up(at->httpd->authority, header_of(at->connection, "Authorization"), &at->request.principal, &at->auth_error);
  if (at->auth == QN_AUTH_WRONG) {
    at->delayed.run = resume_delayed;
    qn_guard_delay(at->httpd->guard, &at->delayed, qn_auth_penalty(at->httpd->authority, at->address));
  } else {
    MHD_resume_connection(at->connection);
  }
}

static void run_answer(qn_task *task) {
  exchange *at = (exchange *)task;
  answer(at);
  MHD_resume_connection(at->connection);
}

/* ---- the head ---- */

/* The client's own X-Request-Id when it is a plain word, otherwise one of ours. */
static void name_request(exchange *at) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  const char *given = header_of(at->connection, "X-Request-Id");
  size_t length = given != NULL ? strlen(given) : 0;
  if (length > 0 && length < sizeof at->request_id && strspn(given, allowed) == length)
    strcpy(at->request_id, given);
  else
    snprintf(at->request_id, sizeof at->request_id, "%016" PRIx64 "-%08" PRIx64, at->httpd->boot,
             (uint64_t)atomic_fetch_add(&at->httpd->requests, 1));
}

static void read_head(exchange *at, const char *method) {
  snprintf(at->method, sizeof at->method, "%s", method);
  at->head = strcmp(method, "HEAD") == 0;
  find_address(at->connection, at->address);
  name_request(at);
  at->request = (qn_request){.method = at->method, .path = at->target.path, .query_count = at->target.query_count,
                             .query = at->target.query, .body = "", .request_id = at->request_id, .header = header_of,
                             .header_context = at->connection};
  const char *length = header_of(at->connection, "Content-Length"), *expect = header_of(at->connection, "Expect");
  at->declared = length != NULL ? strtoull(length, NULL, 10) : 0;
  at->has_body = at->declared > 0 || header_of(at->connection, "Transfer-Encoding") != NULL;
  at->expects_continue = expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

/* The caller is known as far as it can be: let the body in, or refuse. */
static enum MHD_Result admit(exchange *at) {
  qn_httpd *httpd = at->httpd;
  if (at->auth == QN_AUTH_UNAVAILABLE) {
    at->auth_error.status = QN_UNAVAILABLE;
    qn_error_prefix(&at->auth_error, "tokens cannot be looked up");
    qn_problem_from_error(&at->response, &at->request, &at->auth_error);
    return refuse(at);
  }
  char buffer[512];
  if (httpd->backend.admit(&at->request, (size_t)at->declared, buffer, &at->response) == NULL) return refuse(at);
  at->phase = BODY;
  return MHD_YES;
}

static enum MHD_Result open_head(exchange *at, const char *method) {
  qn_httpd *httpd = at->httpd;
  qn_guard_set(httpd->guard, guarded_of(at->connection), httpd->options.request_timeout_s, 1);
  read_head(at, method);
  if (at->target_status != 0) {
    qn_problem_render(&at->response, &at->request, at->target_status, at->target_status == 414 ? "uri_too_long" : "bad_request", NULL,
                      "The request target is not acceptable: %s.", at->target_fault);
    return refuse(at);
  }
  char buffer[512], allow[64];
  int status;
  at->route = httpd->backend.find(method, at->target.path, buffer, at->request.parameter, &status, allow);
  at->auth = QN_AUTH_KNOWN;
  if (at->route == NULL || at->route->scope == QN_SCOPE_NONE) return admit(at);
  at->auth = qn_auth_recall(httpd->authority, header_of(at->connection, "Authorization"), &at->request.principal);
  if (at->auth == QN_AUTH_LOOK_UP || at->auth == QN_AUTH_WRONG) {
    park(at, ADMIT, run_admit);
    return MHD_YES;
  }
  return admit(at);
}

/* ---- the body ---- */

/* Room for `more` bytes; false when the body is beyond what the server can hold just now. */
static bool grow(exchange *at, size_t more) {
  size_t needed = at->size + more + 1;
  if (needed <= at->capacity) return true;
  size_t capacity = at->declared + 1 >= needed ? (size_t)at->declared + 1 : at->capacity * 2 > needed ? at->capacity * 2 : needed;
  size_t extra = capacity - at->capacity;
  if (atomic_fetch_add(&at->httpd->body_memory, extra) + extra > at->httpd->options.body_memory) {
    atomic_fetch_sub(&at->httpd->body_memory, extra);
    return false;
  }
  char *grown = realloc(at->body, capacity);
  if (grown == NULL) {
    atomic_fetch_sub(&at->httpd->body_memory, extra);
    return false;
  }
  at->body = grown;
  at->capacity = capacity;
  return true;
}

static enum MHD_Result take_body(exchange *at, const char *data, size_t *size) {
  size_t more = *size, limit = at->route->body_limit;
  *size = 0;
  if (more > limit - at->size) {
    char buffer[512];
    if (at->httpd->backend.admit(&at->request, limit + 1, buffer, &at->response) != NULL) return MHD_NO;
    return refuse_midway(at);
  }
  if (!grow(at, more)) {
    qn_error error = {.status = QN_UNAVAILABLE, .message = "there are too many request bodies at once"};
    qn_problem_from_error(&at->response, &at->request, &error);
    return refuse_midway(at);
  }
  memcpy(at->body + at->size, data, more);
  at->size += more;
  at->body[at->size] = '\0';
  return MHD_YES;
}

/* A body that goes on long after it was refused: say so on the bare socket, where libmicrohttpd takes no answer any more, and cut it off. */
static enum MHD_Result swallow(exchange *at, size_t *size) {
  at->swallowed += *size;
  *size = 0;
  if (at->swallowed <= SWALLOW_MOST) return MHD_YES;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(at->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info != NULL && at->refusal != NULL) qn_refusal_send(info->connect_fd, at->response.status, at->refusal);
  at->status = at->response.status;
  at->phase = SENT;
  return MHD_NO;
}

enum MHD_Result qn_exchange_continue(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **held) {
  (void)url;
  (void)version;
  qn_httpd *httpd = context;
  exchange *at = *held;
  if (at == NULL) return MHD_NO; /* there was no memory for it */
  switch (at->phase) {
    case HEAD: return open_head(at, method);
    case ADMIT: return admit(at);
    case BODY:
      if (*size > 0) return take_body(at, data, size);
      qn_guard_set(httpd->guard, guarded_of(connection), 0, 0);
      /* The health check must not wait behind handlers that wait for a database. */
      if (strcmp(at->route->pattern, "/livez") == 0) {
        answer(at);
        return send_answer(at);
      }
      park(at, ANSWER, run_answer);
      return MHD_YES;
    case SWALLOW: return *size > 0 ? swallow(at, size) : send_answer(at);
    case ANSWER: at->phase = READY; return send_answer(at);
    case READY:
    case SENT: break;
  }
  return MHD_NO;
}

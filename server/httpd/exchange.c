#include "server/httpd/exchange.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/problem.h"
#include "server/clock.h"
#include "server/httpd/access.h"
#include "server/httpd/body.h"
#include "server/httpd/origin.h"
#include "server/httpd/peer.h"
#include "server/httpd/refusal.h"
#include "server/httpd/respond.h"
#include "server/httpd/scrape.h"
#include "server/httpd/spool.h"
#include "server/httpd/target.h"

typedef enum phase {
  HEAD,    /* nothing was decided yet */
  ADMIT,   /* parked: a handler thread asks who holds the token */
  OPEN,    /* parked: a handler thread makes the file for the body */
  BODY,    /* the body comes in */
  SWALLOW, /* the answer is a refusal; the body is read over */
  ANSWER,  /* parked: a handler thread makes the answer */
  READY,   /* the answer is at hand */
  SENT
} phase;

/* A refused body of at most this size is read over instead of being cut off. */
enum { SWALLOW_MOST = 1 << 20 };

/* A body that goes to a file may take its time, but not one byte at a time: so much has to come within the idle time-out. */
enum { SPOOL_PACE = 1 << 14 };

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
  qn_body body;
  qn_spool *spool;          /* instead, when the route wants a file */
  char spool_sha256[QN_HASH_SIZE];
  size_t paced;             /* bytes since the deadline was set anew */
  size_t swallowed;
  qn_auth auth;
  qn_error auth_error;      /* why tokens cannot be looked up */
  qn_request request;
  qn_response response;
  struct MHD_Response *queued;
  char *refusal;            /* the document of a refusal that comes while the body does, in case it has to go to the bare socket */
  int status;
  bool events;
  bool turned_away;         /* there was no room for it among the requests that wait */
  char method[16], request_id[65], address[64];
  double began;
} exchange;

static const char *header_of(const void *context, const char *name) {
  return MHD_lookup_connection_value((struct MHD_Connection *)context, MHD_HEADER_KIND, name);
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
  at->began = qn_clock_now();
  at->target_status = qn_target_parse(&at->target, target, &at->target_fault);
  qn_response_init(&at->response);
  atomic_fetch_add(&httpd->under_way, 1);
  qn_metrics_in_flight(httpd->metrics, 1);
  return at;
}

void qn_exchange_end(void *context, struct MHD_Connection *connection, void **held, enum MHD_RequestTerminationCode reason) {
  qn_httpd *httpd = context;
  exchange *at = *held;
  *held = NULL;
  qn_guard_set(httpd->guard, guarded_of(connection), httpd->options.idle_timeout_s, 0);
  if (at == NULL) return;
  /* 499: the client went away before there was an answer; a request that never reached us was refused by libmicrohttpd with 4xx. */
  if (at->phase != SENT) at->status = at->phase == HEAD ? 400 : 499;
  if (at->phase != HEAD && httpd->options.access_log)
    qn_access_write(&(qn_access){.request = &at->request, .address = at->address, .route = at->route, .status = at->status,
                                 .seconds = qn_clock_now() - at->began, .end = reason});
  qn_metrics_request(httpd->metrics, at->route, at->head, at->status, qn_clock_now() - at->began, at->events);
  qn_metrics_in_flight(httpd->metrics, -1);
  atomic_fetch_sub(&httpd->under_way, 1);
  if (at->queued != NULL) MHD_destroy_response(at->queued);
  qn_response_fini(&at->response);
  qn_target_fini(&at->target);
  free(at->refusal);
  qn_body_fini(&at->body, httpd);
  qn_spool_free(at->spool);
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

static bool is_metrics(const exchange *at) { return at->route != NULL && strcmp(at->route->pattern, "/metrics") == 0; }

/* False: the body could not be kept. */
static bool hand_over_body(exchange *at) {
  at->request.body = at->body.bytes != NULL ? at->body.bytes : "";
  at->request.body_size = at->body.size;
  if (at->spool == NULL) return true;
  qn_error error;
  qn_spool_finish(at->spool, at->spool_sha256);
  at->request.body_size = qn_spool_size(at->spool);
  at->request.body_path = qn_spool_path(at->spool);
  at->request.body_sha256 = at->spool_sha256;
  if (qn_spool_status(at->spool, &error) == QN_OK) return true;
  qn_problem_from_error(&at->response, &at->request, &error);
  return false;
}

static void answer(exchange *at) {
  if (!hand_over_body(at)) {
    prepare(at);
    return;
  }
  at->httpd->backend.answer(at->httpd->backend.context, &at->request, &at->response);
  if (is_metrics(at)) qn_scrape_complete(at->httpd, &at->response);
  if (at->route != NULL && at->route->scope == QN_SCOPE_ADMIN && strcmp(at->request.method, "GET") != 0)
    qn_auth_forget(at->httpd->authority); /* tokens may have changed */
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

static void park(exchange *at, phase next, void (*run)(qn_task *task), void (*turn_away)(qn_task *task)) {
  at->phase = next;
  at->task.run = run;
  at->task.refuse = turn_away;
  at->task.patient = at->route != NULL && (at->route->traits & (QN_ROUTE_EVENTS | QN_ROUTE_SPOOL)) != 0;
  MHD_suspend_connection(at->connection); /* before the push, or the resume could come first */
  qn_pool_push(at->httpd->pool, &at->task);
}

static void resume_held(qn_delayed *delayed) {
  exchange *at = (exchange *)((char *)delayed - offsetof(exchange, delayed));
  qn_failures_release(at->httpd->failures, at->address);
  qn_metrics_held(at->httpd->metrics, -1);
  MHD_resume_connection(at->connection);
}

/* A wrong token: the connection, which is parked, goes on later. */
static void hold_back(exchange *at) {
  at->delayed.run = resume_held;
  qn_metrics_held(at->httpd->metrics, 1);
  qn_guard_delay(at->httpd->guard, &at->delayed, qn_failures_hold(at->httpd->failures, at->address, at->request_id));
}

static void run_admit(qn_task *task) {
  exchange *at = (exchange *)task;
  at->auth = qn_auth_look_up(at->httpd->authority, header_of(at->connection, "Authorization"), &at->request.principal, &at->auth_error);
  if (at->auth == QN_AUTH_WRONG)
    hold_back(at);
  else
    MHD_resume_connection(at->connection);
}

static void run_answer(qn_task *task) {
  exchange *at = (exchange *)task;
  answer(at);
  MHD_resume_connection(at->connection);
}

static const qn_error busy = {.status = QN_UNAVAILABLE, .message = "more requests wait than can be answered soon: come back a little later"};

static void say_busy(exchange *at) { qn_problem_from_error(&at->response, &at->request, &busy); }

static void run_open(qn_task *task) {
  exchange *at = (exchange *)task;
  qn_spool_open(at->spool, at->declared);
  MHD_resume_connection(at->connection);
}

static void run_write(qn_task *task) {
  exchange *at = (exchange *)task;
  qn_spool_write(at->spool);
  MHD_resume_connection(at->connection);
}

static void turn_away_spool(qn_task *task) {
  exchange *at = (exchange *)task;
  qn_spool_fail(at->spool, &busy);
  MHD_resume_connection(at->connection);
}

static void turn_away_admit(qn_task *task) {
  exchange *at = (exchange *)task;
  at->turned_away = true;
  MHD_resume_connection(at->connection);
}

static void turn_away_answer(qn_task *task) {
  exchange *at = (exchange *)task;
  say_busy(at);
  if (is_metrics(at)) qn_scrape_complete(at->httpd, &at->response);
  prepare(at);
  MHD_resume_connection(at->connection);
}

/* ---- the head ---- */

static void read_head(exchange *at, const char *method) {
  snprintf(at->method, sizeof at->method, "%s", method);
  at->head = strcmp(method, "HEAD") == 0;
  qn_peer_address(at->connection, at->address);
  qn_peer_request_id(at->httpd, at->connection, at->request_id);
  at->request = (qn_request){.method = at->method, .path = at->target.path, .query_count = at->target.query_count,
                             .query = at->target.query, .body = "", .request_id = at->request_id, .header = header_of,
                             .header_context = at->connection};
  const char *length = header_of(at->connection, "Content-Length"), *expect = header_of(at->connection, "Expect");
  at->declared = length != NULL ? strtoull(length, NULL, 10) : 0;
  at->has_body = at->declared > 0 || header_of(at->connection, "Transfer-Encoding") != NULL;
  at->expects_continue = expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

/* Without tokens everyone is the administrator: not so what a web page sends. */
static bool from_elsewhere(exchange *at) {
  if (at->route == NULL || at->route->scope == QN_SCOPE_NONE || at->request.principal.token != 0 ||
      at->request.principal.scope == QN_SCOPE_NONE)
    return false;
  const qn_origin from = {header_of(at->connection, "Host"), header_of(at->connection, "Origin"), header_of(at->connection, "Sec-Fetch-Site")};
  char reason[256];
  if (qn_origin_accept(&from, at->method, at->httpd->options.listen, reason)) return false;
  qn_problem_render(&at->response, &at->request, 403, "foreign_origin", NULL, "%s", reason);
  return true;
}

static enum MHD_Result open_spool(exchange *at) {
  at->spool = qn_spool_alloc(at->httpd);
  if (at->spool == NULL) return MHD_NO;
  qn_guard_set(at->httpd->guard, guarded_of(at->connection), 0, 0);
  park(at, OPEN, run_open, turn_away_spool);
  return MHD_YES;
}

/* The file is there, or there is a reason against it, which is told before the body comes. */
static enum MHD_Result begin_spool(exchange *at) {
  qn_error error;
  qn_guard_set(at->httpd->guard, guarded_of(at->connection), at->httpd->options.idle_timeout_s, 1);
  at->phase = BODY;
  if (qn_spool_status(at->spool, &error) == QN_OK) return MHD_YES;
  qn_problem_from_error(&at->response, &at->request, &error);
  return refuse(at);
}

/* The caller is known as far as it can be: let the body in, or refuse. */
static enum MHD_Result admit(exchange *at) {
  qn_httpd *httpd = at->httpd;
  if (at->turned_away) {
    say_busy(at);
    return refuse(at);
  }
  if (at->auth == QN_AUTH_UNAVAILABLE) {
    at->auth_error.status = QN_UNAVAILABLE;
    qn_error_prefix(&at->auth_error, "tokens cannot be looked up");
    qn_problem_from_error(&at->response, &at->request, &at->auth_error);
    return refuse(at);
  }
  if (from_elsewhere(at)) return refuse(at);
  char buffer[512];
  if (httpd->backend.admit(&at->request, (size_t)at->declared, buffer, &at->response) == NULL) return refuse(at);
  at->phase = BODY;
  if (at->has_body && (at->route->traits & QN_ROUTE_SPOOL) != 0) return open_spool(at);
  return MHD_YES;
}

/* Too many wrong tokens from this address are being held back: what is not known to be right is not even looked up. */
static enum MHD_Result refuse_crowd(exchange *at) {
  qn_response_header(&at->response, "Retry-After", "5");
  qn_response_header(&at->response, "Connection", "close");
  qn_problem_render(&at->response, &at->request, 429, "too_many_failures", NULL, "There were too many wrong tokens from this address.");
  return refuse(at);
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
  const char *authorization = header_of(at->connection, "Authorization");
  at->auth = qn_auth_recall(httpd->authority, authorization, &at->request.principal);
  if (at->auth != QN_AUTH_LOOK_UP && at->auth != QN_AUTH_WRONG) return admit(at);
  if (qn_failures_crowded(httpd->failures, at->address) && !qn_auth_trusted(httpd->authority, authorization)) return refuse_crowd(at);
  if (at->auth == QN_AUTH_LOOK_UP) {
    park(at, ADMIT, run_admit, turn_away_admit);
  } else {
    at->phase = ADMIT;
    MHD_suspend_connection(at->connection);
    hold_back(at);
  }
  return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result refuse_size(exchange *at) {
  char buffer[512];
  if (at->httpd->backend.admit(&at->request, at->route->body_limit + 1, buffer, &at->response) != NULL) return MHD_NO;
  return refuse_midway(at);
}

static enum MHD_Result take_spooled(exchange *at, const char *data, size_t *size) {
  qn_httpd *httpd = at->httpd;
  qn_error error;
  bool good = qn_spool_status(at->spool, &error) == QN_OK;
  if (!good || *size > at->route->body_limit - qn_spool_size(at->spool)) {
    *size = 0;
    qn_guard_set(httpd->guard, guarded_of(at->connection), httpd->options.request_timeout_s, 1);
    if (good) return refuse_size(at);
    qn_problem_from_error(&at->response, &at->request, &error);
    return refuse_midway(at);
  }
  size_t taken = qn_spool_add(at->spool, data, *size);
  *size -= taken;
  at->paced += taken;
  /* Parked is only with something left: libmicrohttpd may go on to the next chunk otherwise, suspended or not. */
  bool full = *size > 0;
  if (at->paced >= SPOOL_PACE || full) { /* the disk is not the client's to hurry */
    at->paced = 0;
    qn_guard_set(httpd->guard, guarded_of(at->connection), full ? 0 : httpd->options.idle_timeout_s, !full);
  }
  if (full) park(at, BODY, run_write, turn_away_spool);
  return MHD_YES;
}

static enum MHD_Result take_body(exchange *at, const char *data, size_t *size) {
  if (at->spool != NULL) return take_spooled(at, data, size);
  size_t more = *size;
  *size = 0;
  if (more > at->route->body_limit - at->body.size) return refuse_size(at);
  if (!qn_body_add(&at->body, at->httpd, data, more, at->declared)) {
    qn_error error = {.status = QN_UNAVAILABLE, .message = "there are too many request bodies at once"};
    qn_problem_from_error(&at->response, &at->request, &error);
    return refuse_midway(at);
  }
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
    case OPEN: return begin_spool(at);
    case BODY:
      if (*size > 0) return take_body(at, data, size);
      qn_guard_set(httpd->guard, guarded_of(connection), 0, 0);
      /* The health check must not wait behind handlers that wait for a database. */
      if (strcmp(at->route->pattern, "/livez") == 0) {
        answer(at);
        return send_answer(at);
      }
      park(at, ANSWER, run_answer, turn_away_answer);
      return MHD_YES;
    case SWALLOW: return *size > 0 ? swallow(at, size) : send_answer(at);
    case ANSWER: at->phase = READY; return send_answer(at);
    case READY:
    case SENT: break;
  }
  return MHD_NO;
}

/* The HTTP server: libmicrohttpd's epoll loops in front, handler threads behind.
 *
 * Handlers talk to PostgreSQL and may wait; the loops that accept connections and move bytes must not. So a loop parks (suspends) a request as
 * soon as something has to wait, a handler thread does it, and the loop takes the request up again. A database that hangs costs handler
 * threads, never the loops: new connections, downloads, event streams and /livez go on.
 *
 * The server knows nothing of storage: what it needs it asks of a backend, which the tests replace. */
#ifndef QN_SERVER_HTTPD_HTTPD_H
#define QN_SERVER_HTTPD_HTTPD_H

#include "api/route.h"

/* All functions may be called from any thread; those that take the context may wait. */
typedef struct qn_httpd_backend {
  void *context;
  /* The table of routes, as qn_routes; and the one of a request, as qn_route_find. */
  const qn_route *(*routes)(size_t *count);
  const qn_route *(*find)(const char *method, const char *path, char buffer[512], const char *parameters[QN_MAX_PATH_PARAMETERS],
                          int *status, char allow[64]);
  /* Everything that can be said against a request by its head, as qn_api_admit: NULL with `response` filled. Does not wait. */
  const qn_route *(*admit)(qn_request *request, size_t body_size, char buffer[512], qn_response *response);
  /* Answer a whole request, as qn_api_answer. */
  void (*answer)(void *context, qn_request *request, qn_response *response);
  /* Who holds this token? QN_NOT_FOUND: nobody. */
  qn_status (*authenticate)(void *context, const char *secret, qn_principal *principal, qn_error *error);
  qn_status (*count_tokens)(void *context, int64_t *count, qn_error *error);
  /* So many tokens from `address` were wrong since the last call, `request_id` being the first of them. May be NULL. */
  void (*failed)(void *context, const char *address, int64_t count, const char *request_id);
  /* Events of a job after `after`, as qn_store_list_events. */
  qn_status (*events)(void *context, int64_t job, int64_t after, int limit, qn_event_page *page, qn_error *error);
  /* Wait at most `seconds` for news of any job: its id in *job; 0: nothing came; -1: look at all of them. Returns at once when `wake` becomes
   * readable. An error means that no news can be had for now; the server then looks by itself. May be NULL: it always looks by itself. */
  qn_status (*listen)(void *context, double seconds, int wake, int64_t *job, qn_error *error);
  /* Does a token (qn_principal's) hold still? Asked while streams are open that were opened with it. May be NULL: it does. */
  qn_status (*token_holds)(void *context, int64_t token, bool *holds, qn_error *error);
  /* Before a body is put into the folder for them: is it the right one? May be NULL: it is. */
  qn_status (*may_spool)(void *context, qn_error *error);
} qn_httpd_backend;

typedef struct qn_httpd_options {
  const char *listen;          /* "address:port", "[::1]:port"; port 0: a free one */
  int event_threads, handlers; /* loops; handler threads */
  int waiting;                 /* requests that wait for a handler at most, each for at most */
  double wait_s;               /* so long; then they are told to come back (503). 0: 256 and 2 s */
  double report_s;             /* how often failed authentications are reported; 0: 30 s */
  int connections, connections_per_address;
  double idle_timeout_s;       /* without a byte moved, or for the head of a request to arrive */
  double request_timeout_s;    /* for a request with its body to arrive */
  double event_heartbeat_s;
  size_t body_memory;          /* bytes of request bodies held at once */
  const char *spool;           /* folder for the bodies of routes that want a file (QN_ROUTE_SPOOL), made with the first of them; NULL: there are
                                * none. Their requests have no time-out as long as they go on: 16 KiB within the idle time-out */
  bool access_log;             /* a line in the log for each request */
} qn_httpd_options;

typedef struct qn_httpd qn_httpd;

/* Bind and serve. Without any token in the backend only a loopback address is accepted (QN_INVALID); when the backend cannot tell, neither
 * (QN_UNAVAILABLE). `options` and `backend` are copied. */
qn_status qn_httpd_start(qn_httpd **httpd, const qn_httpd_options *options, const qn_httpd_backend *backend, qn_error *error);

/* "http://127.0.0.1:8080". */
const char *qn_httpd_url(const qn_httpd *httpd);

/* Accept no more connections, end event streams with a hint when to come back, finish what is under way within `seconds`, cut the rest, free
 * everything. Handlers that are still running are waited for. */
void qn_httpd_stop(qn_httpd *httpd, double seconds);

#endif

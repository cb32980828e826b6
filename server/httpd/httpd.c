#include "server/httpd/httpd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/httpd/exchange.h"
#include "server/httpd/spool.h"
#include "server/log.h"

/* For the head of a request and for what is being sent of an answer. */
enum { CONNECTION_MEMORY = 32 * 1024, CONNECTION_STEP = 4 * 1024 };

static void on_panic(void *context, const char *file, unsigned int line, const char *reason) {
  (void)context;
  qn_log("error", "libmicrohttpd gives up at %s:%u: %s", file, line, reason != NULL ? reason : "");
  abort();
}

/* libmicrohttpd must leave the target alone: target.c decodes it, strictly. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
  (void)context;
  (void)connection;
  return strlen(text);
}

/* Without tokens everyone is the administrator, so nobody but this machine may reach the server. */
static qn_status check_exposure(const qn_httpd *httpd, qn_error *error) {
  if (httpd->listening.loopback) return QN_OK;
  int64_t tokens = 0;
  qn_status status = httpd->backend.count_tokens(httpd->backend.context, &tokens, error);
  if (status != QN_OK) return qn_error_prefix(error, "cannot tell whether there are tokens, without which only loopback is served");
  if (tokens > 0) return QN_OK;
  return qn_error_set(error, QN_INVALID, "%s can be reached from other machines, and there is no token: make one with `quenchd token create "
                                         "--name NAME --scope admin`, or listen on 127.0.0.1", httpd->listening.url);
}

static qn_status start_parts(qn_httpd *httpd, qn_error *error) {
  size_t routes = 0;
  const qn_route *table = httpd->backend.routes(&routes);
  httpd->metrics = qn_metrics_alloc(table, routes);
  httpd->authority = qn_auth_alloc(&httpd->backend, httpd->listening.loopback);
  if (httpd->metrics == NULL || httpd->authority == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the server");
  qn_status status = qn_guard_alloc(&httpd->guard, error);
  if (status == QN_OK)
    status = qn_pool_alloc(&httpd->pool, httpd->options.handlers, httpd->options.waiting, httpd->options.wait_s, error);
  if (status == QN_OK)
    httpd->failures = qn_failures_alloc(&httpd->backend, httpd->guard, httpd->pool, httpd->metrics, httpd->options.report_s);
  if (status == QN_OK && httpd->failures == NULL) status = qn_error_set(error, QN_NO_MEMORY, "out of memory for the server");
  if (status == QN_OK)
    status = qn_events_alloc(&httpd->events, &httpd->backend, httpd->metrics, httpd->options.event_heartbeat_s, error);
  return status;
}

static struct MHD_Daemon *start_daemon(qn_httpd *httpd) {
  const qn_httpd_options *options = &httpd->options;
  unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
  unsigned int loops = (unsigned int)options->event_threads, connections = (unsigned int)options->connections;
  if (connections < loops) connections = loops;
  return MHD_start_daemon(flags, 0, NULL, NULL, qn_exchange_continue, httpd,                              //
                          MHD_OPTION_LISTEN_SOCKET, httpd->listening.descriptor,                          //
                          MHD_OPTION_THREAD_POOL_SIZE, loops > 1 ? loops : 0,                             //
                          MHD_OPTION_CONNECTION_LIMIT, connections,                                       //
                          MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)options->connections_per_address, //
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)ceil(options->idle_timeout_s),     //
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,                  //
                          MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)CONNECTION_STEP,                //
                          MHD_OPTION_STRICT_FOR_CLIENT, 1,                                                //
                          MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,                               //
                          MHD_OPTION_URI_LOG_CALLBACK, qn_exchange_begin, httpd,                          //
                          MHD_OPTION_NOTIFY_COMPLETED, qn_exchange_end, httpd,                            //
                          MHD_OPTION_NOTIFY_CONNECTION, qn_exchange_connection, httpd,                    //
                          MHD_OPTION_END);
}

static void free_parts(qn_httpd *httpd) {
  qn_guard_free(httpd->guard);
  qn_pool_free(httpd->pool);
  qn_failures_free(httpd->failures);
  qn_events_free(httpd->events);
  qn_auth_free(httpd->authority);
  qn_metrics_free(httpd->metrics);
  if (httpd->listening.descriptor >= 0) close(httpd->listening.descriptor);
  free(httpd);
}

qn_status qn_httpd_start(qn_httpd **out, const qn_httpd_options *options, const qn_httpd_backend *backend, qn_error *error) {
  qn_httpd *httpd = calloc(1, sizeof *httpd);
  if (httpd == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the server");
  httpd->options = *options;
  httpd->backend = *backend;
  httpd->listening.descriptor = -1;
  if (options->waiting <= 0) httpd->options.waiting = 256;
  if (options->wait_s <= 0) httpd->options.wait_s = 2;
  if (options->report_s <= 0) httpd->options.report_s = 30;
  if (getrandom(&httpd->boot, sizeof httpd->boot, 0) != sizeof httpd->boot) httpd->boot = (uint64_t)time(NULL);

  qn_status status = qn_listen_open(&httpd->listening, options->listen, error);
  if (status == QN_OK) status = check_exposure(httpd, error);
  if (status == QN_OK && options->spool != NULL) qn_spool_clean(options->spool);
  if (status == QN_OK) status = start_parts(httpd, error);
  if (status == QN_OK) {
    MHD_set_panic_func(on_panic, NULL);
    httpd->daemon = start_daemon(httpd);
    if (httpd->daemon == NULL) status = qn_error_set(error, QN_INTERNAL, "libmicrohttpd does not start");
  }
  if (status != QN_OK) {
    free_parts(httpd);
    return status;
  }
  *out = httpd;
  return QN_OK;
}

const char *qn_httpd_url(const qn_httpd *httpd) { return httpd->listening.url; }

void qn_httpd_stop(qn_httpd *httpd, double seconds) {
  if (httpd == NULL) return;
  double deadline = qn_clock_now() + seconds;
  atomic_store(&httpd->draining, true);
  MHD_quiesce_daemon(httpd->daemon);
  close(httpd->listening.descriptor); /* from here on new connections are refused at once instead of waiting */
  httpd->listening.descriptor = -1;
  qn_events_end(httpd->events);
  while (atomic_load(&httpd->under_way) > 0 && qn_clock_now() < deadline) usleep(20000);
  long left = atomic_load(&httpd->under_way);
  if (left > 0) qn_log("warning", "%ld requests were cut off after %g s of draining", left, seconds);
  /* libmicrohttpd must be stopped with no connection parked: what is still begun its own loops do from here on. */
  qn_pool_end(httpd->pool);
  qn_guard_end(httpd->guard);
  MHD_stop_daemon(httpd->daemon);
  free_parts(httpd);
}

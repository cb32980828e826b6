/* quenchd serve: the HTTP server on the store, and the worker process beside it. */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "engine/base/version.h"
#include "server/cli/commands.h"
#include "server/cli/signals.h"
#include "server/cli/sweeper.h"
#include "server/httpd/httpd.h"
#include "server/job/durable.h"
#include "server/keeper/keeper.h"
#include "server/log.h"
#include "server/store/audit.h"
#include "server/store/news.h"
#include "server/store/tokens.h"
#include "server/store/uploads.h"
#include "server/supervise/supervise.h"

/* What a request may spend on the database, s: whoever asks is told 503 rather than kept waiting. */
static const double answer_s = 5;

typedef struct service {
  qn_store *store;
  qn_news *news;
} service;

static void answer(void *context, qn_request *request, qn_response *response) {
  qn_api_answer(((service *)context)->store, request, response);
}
static qn_status authenticate(void *context, const char *secret, qn_principal *principal, qn_error *error) {
  return qn_token_authenticate(((service *)context)->store, secret, principal, error);
}
static qn_status count_tokens(void *context, int64_t *count, qn_error *error) {
  return qn_token_count(((service *)context)->store, count, error);
}
static void failed(void *context, const char *address, int64_t count, const char *request_id) {
  qn_audit_failed_authentications(((service *)context)->store, address, count, request_id);
}
static qn_status events(void *context, int64_t job, int64_t after, int limit, qn_event_page *page, qn_error *error) {
  return qn_store_list_events(((service *)context)->store, job, after, limit, page, error);
}
static qn_status listen_for_news(void *context, double seconds, int wake, int64_t *job, qn_error *error) {
  return qn_news_wait(((service *)context)->news, seconds, wake, job, error);
}

static qn_status token_holds(void *context, int64_t token, bool *holds, qn_error *error) {
  return qn_token_holds(((service *)context)->store, token, holds, error);
}
static qn_status may_spool(void *context, qn_error *error) { return qn_upload_check(((service *)context)->store, error); }

/* A socket for each connection, and a few dozen descriptors for everything else. */
static void allow_descriptors(int connections) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t needed = (rlim_t)connections + 512;
  if (limit.rlim_cur >= needed) return;
  limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
    qn_log("warning", "only %llu open files are allowed, fewer than %d connections need", (unsigned long long)limit.rlim_cur, connections);
}

static void on_death(void *context, const char *name, const char *how) { qn_keeper_mourn(context, name, how); }

static void run(const qn_config *config, qn_httpd *httpd, qn_keeper *keeper) {
  qn_supervised worker;
  qn_supervise_init(&worker, "work", "QUENCHD_WORKER_NAME");
  worker.stopping = config->no_worker;
  worker.context = keeper;
  worker.died = on_death;
  for (;;) {
    int number = qn_signals_wait(qn_supervise_turn(&worker));
    if (number == SIGTERM || number == SIGINT) break;
  }
  qn_log("info", "draining for at most %g s", config->drain_s);
  static atomic_int stop = 1; /* the first signal has come */
  qn_signals_watch(&stop, config->drain_s, false);
  qn_supervise_signal(&worker, SIGTERM); /* it drains while the server does */
  qn_httpd_stop(httpd, config->drain_s);
  qn_supervise_stop(&worker, config->drain_s);
}

/* Whether an address that others can reach may be served is for the database to say; one that is away is waited for. */
static qn_status start_httpd(qn_httpd **httpd, const qn_httpd_options *options, const qn_httpd_backend *backend, bool *stopped, qn_error *error) {
  for (bool told = false;; told = true) {
    qn_status status = qn_httpd_start(httpd, options, backend, error);
    if (status != QN_UNAVAILABLE) return status;
    if (!told) qn_log("warning", "%s; waiting for it", error->message);
    int number = qn_signals_wait(1);
    *stopped = number == SIGTERM || number == SIGINT;
    if (*stopped) return status;
  }
}

static qn_status serve(const qn_config *config, service *parts, qn_error *error) {
  char spool[QN_PATH_SIZE];
  qn_status status = qn_durable_join(spool, config->data_directory, "uploads", error);
  if (status != QN_OK) return status;
  qn_httpd_backend backend = {.context = parts,
                              .routes = qn_routes,
                              .find = qn_route_find,
                              .admit = qn_api_admit,
                              .answer = answer,
                              .authenticate = authenticate,
                              .count_tokens = count_tokens,
                              .failed = failed,
                              .events = events,
                              .listen = listen_for_news,
                              .token_holds = token_holds,
                              .may_spool = may_spool};
  qn_httpd_options options = {.listen = config->listen,
                              .event_threads = config->event_threads,
                              .handlers = config->handlers,
                              .connections = config->connections,
                              .connections_per_address = config->connections_per_address,
                              .idle_timeout_s = config->idle_timeout_s,
                              .request_timeout_s = config->request_timeout_s,
                              .event_heartbeat_s = config->event_heartbeat_s,
                              .body_memory = (size_t)config->body_memory_mb << 20,
                              .spool = spool,
                              .access_log = !config->no_access_log};
  const qn_keeper_options keeping = {.database_url = config->database_url, .data_directory = config->data_directory, .lease_s = config->lease_s};
  qn_keeper *keeper = NULL;
  qn_httpd *httpd = NULL;
  qn_sweeper *sweeper = NULL;
  bool stopped = false;
  status = start_httpd(&httpd, &options, &backend, &stopped, error);
  if (status != QN_OK) return stopped ? QN_OK : status;
  status = qn_keeper_start(&keeper, &keeping, error);
  if (status == QN_OK) status = qn_sweeper_start(&sweeper, config->database_url, config->data_directory, error);
  if (status != QN_OK) {
    qn_keeper_stop(keeper);
    qn_httpd_stop(httpd, 0);
    return status;
  }
  printf("quenchd %s serves %s\n", qn_version(), qn_httpd_url(httpd));
  fflush(stdout);
  qn_log("info", "serving %s", qn_httpd_url(httpd));
  if (qn_store_ready(parts->store, error) != QN_OK) qn_log("warning", "not ready yet: %s", error->message);
  run(config, httpd, keeper);
  qn_sweeper_stop(sweeper);
  qn_keeper_stop(keeper);
  qn_log("info", "stopped");
  return QN_OK;
}

int qn_command_serve(const qn_config *config, const char *const *arguments, int count) {
  (void)arguments;
  (void)count;
  qn_error error;
  service parts = {0};
  allow_descriptors(config->connections);
  qn_signals_block();
  /* One connection for each handler, one for the thread that feeds event streams. */
  qn_store_options options = {.database_url = config->database_url, .data_directory = config->data_directory,
                              .connections = config->handlers + 1, .answer_s = answer_s};
  qn_status status = qn_config_export(config, QN_FOR_WORK, &error);
  if (status == QN_OK) status = qn_store_open(&parts.store, &options, &error);
  if (status == QN_OK) status = qn_news_alloc(&parts.news, config->database_url, &error);
  if (status == QN_OK) status = serve(config, &parts, &error);
  qn_news_free(parts.news);
  qn_store_close(parts.store);
  return status == QN_OK ? QN_EXIT_OK : qn_command_failed(&error);
}

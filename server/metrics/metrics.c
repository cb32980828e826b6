#include "server/metrics/metrics.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
enum { BOUNDS = sizeof bounds / sizeof bounds[0] };

/* Statuses that the service answers with; any other is counted under the last one. */
static const int statuses[] = {200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 422, 428,
                               429, 431, 499, 500, 502, 503, 504, 0};
enum { STATUSES = sizeof statuses / sizeof statuses[0] };

typedef struct series {
  atomic_uint_least64_t status[2][STATUSES]; /* [GET or other, HEAD] */
  atomic_uint_least64_t bucket[BOUNDS + 1];
  atomic_uint_least64_t microseconds;
} series;

struct qn_metrics {
  size_t routes;
  const qn_route *table;
  atomic_long in_flight, streams, connections, held;
  atomic_uint_least64_t auth_failures;
  double started;
  series series[]; /* one for each route, and one for requests without a route */
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

qn_metrics *qn_metrics_alloc(const qn_route *table, size_t routes) {
  qn_metrics *metrics = calloc(1, sizeof *metrics + (routes + 1) * sizeof metrics->series[0]);
  if (metrics == NULL) return NULL;
  metrics->routes = routes;
  metrics->table = table;
  metrics->started = now();
  return metrics;
}

void qn_metrics_free(qn_metrics *metrics) { free(metrics); }

static void count(atomic_uint_least64_t *counter, uint64_t by) { atomic_fetch_add_explicit(counter, by, memory_order_relaxed); }
static uint64_t read(const atomic_uint_least64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

void qn_metrics_request(qn_metrics *metrics, const qn_route *route, bool head, int status, double seconds, bool stream) {
  size_t index = metrics->routes;
  for (size_t i = 0; route != NULL && i < metrics->routes; i++)
    if (&metrics->table[i] == route) index = i;
  series *at = &metrics->series[index];
  int slot = 0;
  while (slot < STATUSES - 1 && statuses[slot] != status) slot++;
  count(&at->status[head ? 1 : 0][slot], 1);
  if (stream) return;
  int bucket = 0;
  while (bucket < BOUNDS && seconds > bounds[bucket]) bucket++;
  count(&at->bucket[bucket], 1);
  count(&at->microseconds, (uint64_t)(seconds * 1e6));
}

void qn_metrics_in_flight(qn_metrics *metrics, int change) { atomic_fetch_add(&metrics->in_flight, change); }
void qn_metrics_streams(qn_metrics *metrics, int change) { atomic_fetch_add(&metrics->streams, change); }
void qn_metrics_connections(qn_metrics *metrics, int change) { atomic_fetch_add(&metrics->connections, change); }
void qn_metrics_auth_failure(qn_metrics *metrics) { count(&metrics->auth_failures, 1); }
void qn_metrics_held(qn_metrics *metrics, int change) { atomic_fetch_add(&metrics->held, change); }

static void render_requests(FILE *out, const qn_metrics *metrics) {
  fputs("# HELP quenchd_http_requests_total Requests answered.\n# TYPE quenchd_http_requests_total counter\n", out);
  for (size_t i = 0; i <= metrics->routes; i++) {
    const char *pattern = i < metrics->routes ? metrics->table[i].pattern : "other";
    for (int head = 0; head < 2; head++) {
      const char *method = head == 1 ? "HEAD" : i < metrics->routes ? metrics->table[i].method : "other";
      for (int slot = 0; slot < STATUSES; slot++) {
        uint64_t total = read(&metrics->series[i].status[head][slot]);
        if (total == 0) continue;
        fprintf(out, "quenchd_http_requests_total{route=\"%s\",method=\"%s\",status=\"", pattern, method);
        fprintf(out, slot < STATUSES - 1 ? "%d" : "other", statuses[slot]);
        fprintf(out, "\"} %llu\n", (unsigned long long)total);
      }
    }
  }
}

static void render_durations(FILE *out, const qn_metrics *metrics) {
  fputs("# HELP quenchd_http_request_duration_seconds Time from a request's first line to the end of its answer.\n"
        "# TYPE quenchd_http_request_duration_seconds histogram\n",
        out);
  for (size_t i = 0; i <= metrics->routes; i++) {
    const series *at = &metrics->series[i];
    char label[256];
    snprintf(label, sizeof label, "route=\"%s\",method=\"%s\"", i < metrics->routes ? metrics->table[i].pattern : "other",
             i < metrics->routes ? metrics->table[i].method : "other");
    uint64_t total = 0;
    for (int bucket = 0; bucket <= BOUNDS; bucket++) total += read(&at->bucket[bucket]);
    if (total == 0) continue;
    total = 0;
    for (int bucket = 0; bucket <= BOUNDS; bucket++) {
      char bound[32] = "+Inf";
      if (bucket < BOUNDS) snprintf(bound, sizeof bound, "%g", bounds[bucket]);
      total += read(&at->bucket[bucket]);
      fprintf(out, "quenchd_http_request_duration_seconds_bucket{%s,le=\"%s\"} %llu\n", label, bound, (unsigned long long)total);
    }
    fprintf(out, "quenchd_http_request_duration_seconds_sum{%s} %.6f\n", label, 1e-6 * (double)read(&at->microseconds));
    fprintf(out, "quenchd_http_request_duration_seconds_count{%s} %llu\n", label, (unsigned long long)total);
  }
}

static void render_gauge(FILE *out, const char *name, const char *help, double value) {
  fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.15g\n", name, help, name, name, value);
}

char *qn_metrics_render(const qn_metrics *metrics, int waiting) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  render_requests(out, metrics);
  render_durations(out, metrics);
  render_gauge(out, "quenchd_http_requests_in_flight", "Requests under way, event streams among them.",
               (double)atomic_load(&metrics->in_flight));
  render_gauge(out, "quenchd_http_requests_waiting", "Requests that wait for a handler.", waiting);
  render_gauge(out, "quenchd_http_event_streams", "Event streams open.", (double)atomic_load(&metrics->streams));
  render_gauge(out, "quenchd_http_connections", "Connections open.", (double)atomic_load(&metrics->connections));
  render_gauge(out, "quenchd_http_answers_held", "Answers to wrong tokens that are held back.", (double)atomic_load(&metrics->held));
  fprintf(out, "# HELP quenchd_auth_failures_total Requests with a wrong token.\n# TYPE quenchd_auth_failures_total counter\n"
               "quenchd_auth_failures_total %llu\n", (unsigned long long)read(&metrics->auth_failures));
  render_gauge(out, "quenchd_process_start_time_seconds", "When the server process started, Unix time.", metrics->started);
  if (fclose(out) != 0) {
    free(text);
    return NULL;
  }
  return text;
}

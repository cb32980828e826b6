#include "server/httpd/failures.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

enum { ADDRESSES = 256, HELD_OF_ONE = 32, HELD_OF_ALL = 256 };
static const double penalty_first_s = 0.25, penalty_most_s = 5, forgotten_s = 60;

/* A place of the hash table: of the last address that fell there. */
typedef struct place {
  char address[64], request_id[65]; /* the request: the first that was not reported yet */
  int recent, held;
  int64_t unreported;
  double last;
} place;

struct qn_failures {
  const qn_httpd_backend *backend;
  qn_guard *guard;
  qn_pool *pool;
  qn_metrics *metrics;
  double report_s;
  pthread_mutex_t lock;
  int held;
  int64_t displaced; /* failures not reported yet whose place another address has taken */
  bool due;          /* a report is on its way */
  qn_delayed delayed;
  qn_task task;
  place places[ADDRESSES];
};

/* ---- reports ---- */

static void run_report(qn_task *task) {
  qn_failures *failures = (qn_failures *)((char *)task - offsetof(qn_failures, task));
  for (int i = 0; i <= ADDRESSES; i++) {
    char address[64] = "other addresses", request_id[65] = "";
    pthread_mutex_lock(&failures->lock);
    int64_t count = failures->displaced;
    if (i == ADDRESSES) {
      failures->displaced = 0;
      failures->due = false;
    } else {
      place *at = &failures->places[i];
      count = at->unreported;
      at->unreported = 0;
      strcpy(address, at->address);
      strcpy(request_id, at->request_id);
    }
    pthread_mutex_unlock(&failures->lock);
    if (count > 0) failures->backend->failed(failures->backend->context, address, count, request_id);
  }
}

static void push_report(qn_delayed *delayed) {
  qn_failures *failures = (qn_failures *)((char *)delayed - offsetof(qn_failures, delayed));
  failures->task.run = run_report;
  qn_pool_push(failures->pool, &failures->task);
}

qn_failures *qn_failures_alloc(const qn_httpd_backend *backend, qn_guard *guard, qn_pool *pool, qn_metrics *metrics, double report_s) {
  qn_failures *failures = calloc(1, sizeof *failures);
  if (failures == NULL) return NULL;
  failures->backend = backend;
  failures->guard = guard;
  failures->pool = pool;
  failures->metrics = metrics;
  failures->report_s = report_s;
  pthread_mutex_init(&failures->lock, NULL);
  return failures;
}

void qn_failures_free(qn_failures *failures) {
  if (failures == NULL) return;
  pthread_mutex_destroy(&failures->lock);
  free(failures);
}

/* ---- holding back ---- */

static place *place_of(qn_failures *failures, const char *address) {
  unsigned int hash = 5381;
  for (const char *at = address; *at != '\0'; at++) hash = hash * 33 + (unsigned char)*at;
  return &failures->places[hash % ADDRESSES];
}

bool qn_failures_crowded(qn_failures *failures, const char *address) {
  pthread_mutex_lock(&failures->lock);
  bool crowded = failures->held >= HELD_OF_ALL || place_of(failures, address)->held >= HELD_OF_ONE;
  pthread_mutex_unlock(&failures->lock);
  return crowded;
}

double qn_failures_hold(qn_failures *failures, const char *address, const char *request_id) {
  double time = qn_clock_now(), penalty = penalty_first_s;
  pthread_mutex_lock(&failures->lock);
  place *at = place_of(failures, address);
  if (strcmp(at->address, address) != 0) {
    failures->displaced += at->unreported;
    at->unreported = 0;
    at->recent = 0;
    snprintf(at->address, sizeof at->address, "%s", address);
  }
  if (time - at->last > forgotten_s) at->recent = 0;
  for (int i = 0; i < at->recent && penalty < penalty_most_s; i++) penalty *= 2;
  if (at->recent < 16) at->recent++;
  at->last = time;
  at->held++;
  failures->held++;
  if (at->unreported++ == 0) snprintf(at->request_id, sizeof at->request_id, "%s", request_id);
  bool report = failures->backend->failed != NULL && !failures->due;
  if (report) failures->due = true;
  pthread_mutex_unlock(&failures->lock);

  qn_metrics_auth_failure(failures->metrics);
  if (report) {
    failures->delayed.run = push_report;
    qn_guard_delay(failures->guard, &failures->delayed, failures->report_s);
  }
  return penalty < penalty_most_s ? penalty : penalty_most_s;
}

void qn_failures_release(qn_failures *failures, const char *address) {
  pthread_mutex_lock(&failures->lock);
  place_of(failures, address)->held--;
  failures->held--;
  pthread_mutex_unlock(&failures->lock);
}

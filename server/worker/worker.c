#include "server/worker/worker.h"

#include <errno.h>
#include <math.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"
#include "server/worker/work.h"

/* What is to become of a running job. Only ever raised. */
enum { GO, DRAIN, CANCEL, LOST };

typedef struct worker worker;

typedef struct slot {
  worker *worker;
  pthread_t thread;
  bool busy;                 /* under the worker's lock, with `claim` */
  qn_claim claim;
  atomic_int verdict;
  _Atomic double progress;
} slot;

struct worker {
  qn_worker_options options;
  char name[160];
  qn_store *store;
  pthread_mutex_t lock;
  pthread_cond_t woken;      /* job threads: something may be in the queue */
  pthread_cond_t beat_now;   /* heartbeat thread: do not wait */
  unsigned wakes;
  bool draining, beats, hurry;
  slot *slots;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct timespec deadline(double seconds) {
  double end = now() + seconds;
  return (struct timespec){.tv_sec = (time_t)end, .tv_nsec = (long)((end - floor(end)) * 1e9)};
}

static void raise_verdict(slot *s, int verdict) {
  int seen = atomic_load(&s->verdict);
  while (seen < verdict && !atomic_compare_exchange_weak(&s->verdict, &seen, verdict)) continue;
}

/* ---- heartbeats: a thread and a connection of their own, so that a long force call never costs a lease ---- */

static bool beat_all(worker *w, qn_connection *connection, qn_error *error) {
  for (int i = 0; i < w->options.jobs; i++) {
    slot *s = &w->slots[i];
    pthread_mutex_lock(&w->lock);
    bool busy = s->busy;
    qn_claim claim = s->claim;
    pthread_mutex_unlock(&w->lock);
    if (!busy) continue;
    if (connection->pg == NULL && qn_connection_open(connection, w->options.database_url, "quenchd heartbeat", error) != QN_OK) return false;
    qn_heartbeat heartbeat;
    if (qn_queue_beat(connection, &claim.lease, w->options.lease_s, atomic_load(&s->progress), &heartbeat, error) != QN_OK) {
      if (connection->lost) qn_connection_close(connection);
      return false;
    }
    if (heartbeat == QN_HEARTBEAT_KEPT) continue;
    pthread_mutex_lock(&w->lock);
    if (s->busy && strcmp(s->claim.lease.token, claim.lease.token) == 0)
      raise_verdict(s, heartbeat == QN_HEARTBEAT_CANCEL ? CANCEL : LOST);
    pthread_mutex_unlock(&w->lock);
  }
  return true;
}

static void *beat_thread(void *context) {
  worker *w = context;
  qn_connection connection = {0};
  bool away = false;
  pthread_mutex_lock(&w->lock);
  while (w->beats) {
    w->hurry = false;
    pthread_mutex_unlock(&w->lock);
    qn_error error;
    bool well = beat_all(w, &connection, &error);
    if (!well && !away) qn_log("warning", "heartbeat: %s", error.message);
    if (well && away) qn_log("info", "heartbeat: the database is back");
    away = !well;
    struct timespec until = deadline(well ? w->options.heartbeat_s : fmin(w->options.heartbeat_s, 0.5));
    pthread_mutex_lock(&w->lock);
    while (w->beats && !w->hurry && pthread_cond_timedwait(&w->beat_now, &w->lock, &until) != ETIMEDOUT) continue;
  }
  pthread_mutex_unlock(&w->lock);
  qn_connection_close(&connection);
  return NULL;
}

/* ---- jobs ---- */

static qn_status on_check(void *context, double progress, qn_error *error) {
  slot *s = context;
  atomic_store(&s->progress, progress);
  switch (atomic_load(&s->verdict)) {
    case DRAIN: return qn_error_set(error, QN_UNAVAILABLE, "the worker drains");
    case CANCEL: return qn_error_set(error, QN_CANCELLED, "cancelled on request");
    case LOST: return qn_error_set(error, QN_CONFLICT, "the lease was lost");
    default: return QN_OK;
  }
}

/* Store the ending, however long the database is away; but a worker that drains does not wait for it longer than a lease. */
static qn_status end_job(slot *s, qn_ending ending, const char *why, qn_work_result *result, qn_error *error) {
  worker *w = s->worker;
  double give_up = INFINITY, pause = 0.1;
  for (;;) {
    qn_connection *connection;
    qn_status status = qn_pool_take(w->store, &connection, error);
    if (status == QN_OK) {
      status = qn_queue_end(connection, &s->claim.lease, ending, why, result != NULL ? qn_work_write : NULL, result, error);
      qn_pool_give(w->store, connection);
    }
    if (status != QN_UNAVAILABLE) return status;
    pthread_mutex_lock(&w->lock);
    bool draining = w->draining;
    pthread_mutex_unlock(&w->lock);
    if (draining && isinf(give_up)) give_up = now() + w->options.lease_s;
    if (now() > give_up) return status;
    nanosleep(&(struct timespec){.tv_nsec = (long)(pause * 1e9)}, NULL);
    pause = fmin(2 * pause, 0.8);
  }
}

static void conclude(slot *s, const qn_work *work, qn_status status, qn_work_result *result, const qn_error *why, double took) {
  const char *kind = s->claim.kind;
  long long job = s->claim.lease.job, resource = s->claim.resource;
  qn_ending ending = status == QN_OK          ? QN_ENDING_SUCCEEDED
                     : status == QN_CANCELLED ? QN_ENDING_CANCELLED
                     : status == QN_UNAVAILABLE ? QN_ENDING_RELEASED : QN_ENDING_FAILED;
  static const char *const words[] = {"succeeded", "failed", "was cancelled", "was handed back"};
  qn_error error;
  qn_status stored = QN_CONFLICT;
  if (status != QN_CONFLICT || atomic_load(&s->verdict) != LOST)
    stored = end_job(s, ending, ending == QN_ENDING_FAILED ? why->message : NULL, result, &error);
  if (stored != QN_OK && stored != QN_CONFLICT && stored != QN_UNAVAILABLE && ending == QN_ENDING_SUCCEEDED) {
    /* The results cannot be stored: a fault, but the job must not run for ever because of it. */
    qn_error reason = error;
    ending = QN_ENDING_FAILED;
    why = &reason;
    stored = end_job(s, ending, reason.message, NULL, &error);
    if (stored == QN_OK) qn_log("error", "job %lld: %s", job, reason.message);
  }
  if (stored == QN_OK) {
    qn_work_tidy(work, ending);
    qn_log(ending == QN_ENDING_FAILED ? "error" : "info", "job %lld (%s %lld) %s after %.1f s%s%s", job, kind, resource, words[ending], took,
           ending == QN_ENDING_FAILED ? ": " : "", ending == QN_ENDING_FAILED ? why->message : "");
  } else if (stored == QN_CONFLICT) {
    qn_log("warning", "job %lld (%s %lld): the lease was lost; nothing of this attempt was stored", job, kind, resource);
  } else {
    qn_log("warning", "job %lld (%s %lld) stays as it is until its lease expires: %s", job, kind, resource, error.message);
  }
}

static void run_claim(slot *s) {
  worker *w = s->worker;
  const qn_job_control control = {.context = s, .check = on_check, .checkpoint_s = w->options.checkpoint_s};
  const qn_work work = {.store = w->store, .claim = &s->claim, .threads = w->options.threads, .control = &control};
  qn_log("info", "job %lld (%s %lld) started, attempt %d", (long long)s->claim.lease.job, s->claim.kind,
         (long long)s->claim.resource, s->claim.lease.attempt);
  double began = now();
  qn_work_result *result;
  qn_error why = {0};
  qn_status status = qn_work_run(&work, &result, &why);
  conclude(s, &work, status, result, &why, now() - began);
  qn_work_result_free(result);
  /* Handed back for want of a database, not of time: not again at once. */
  if (status == QN_UNAVAILABLE && atomic_load(&s->verdict) == GO) nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
}

static bool claim_job(slot *s, double *wait_s) {
  worker *w = s->worker;
  qn_connection *connection;
  qn_error error;
  bool found = false;
  *wait_s = (double)NAN;
  if (qn_pool_take(w->store, &connection, &error) != QN_OK) return false;
  qn_claim claim;
  qn_queue_claim(connection, w->name, w->options.lease_s, &claim, &found, wait_s, &error);
  qn_pool_give(w->store, connection);
  if (!found) return false;
  pthread_mutex_lock(&w->lock);
  s->claim = claim;
  atomic_store(&s->progress, (double)NAN); /* a resumed job has to read its checkpoint first */
  atomic_store(&s->verdict, w->draining ? DRAIN : GO);
  s->busy = true;
  pthread_mutex_unlock(&w->lock);
  return true;
}

/* The API is to answer while every core computes: job threads, and the OpenMP threads that they start, yield to everyone else. */
static void be_nice(void) {
  struct sched_param none = {0};
  sched_setscheduler(0, SCHED_BATCH, &none);
  setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

static void *job_thread(void *context) {
  slot *s = context;
  worker *w = s->worker;
  be_nice();
  pthread_mutex_lock(&w->lock);
  while (!w->draining) {
    unsigned wakes = w->wakes;
    double wait_s;
    pthread_mutex_unlock(&w->lock);
    bool claimed = claim_job(s, &wait_s);
    if (claimed) run_claim(s);
    pthread_mutex_lock(&w->lock);
    s->busy = false;
    if (claimed) continue;
    struct timespec until = deadline(isnan(wait_s) ? w->options.poll_s : fmin(w->options.poll_s, fmax(wait_s, 0.01)));
    while (!w->draining && w->wakes == wakes && pthread_cond_timedwait(&w->woken, &w->lock, &until) != ETIMEDOUT) continue;
  }
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

/* ---- the main thread: listens, looks after lost jobs, tells that the worker lives ---- */

static void wake_jobs(worker *w) {
  pthread_mutex_lock(&w->lock);
  w->wakes++;
  pthread_cond_broadcast(&w->woken);
  pthread_mutex_unlock(&w->lock);
}

static void hurry_beat(worker *w, int64_t job) {
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++)
    if (w->slots[i].busy && w->slots[i].claim.lease.job == job) w->hurry = true;
  if (w->hurry) pthread_cond_signal(&w->beat_now);
  pthread_mutex_unlock(&w->lock);
}

static void hear(worker *w, qn_connection *connection) {
  if (PQconsumeInput(connection->pg) == 0) {
    qn_connection_close(connection);
    return;
  }
  for (PGnotify *note; (note = PQnotifies(connection->pg)) != NULL; PQfreemem(note)) {
    if (strcmp(note->relname, "quenchd_queue") == 0) wake_jobs(w);
    else hurry_beat(w, strtoll(note->extra, NULL, 10));
  }
}

static qn_status look_after(worker *w, qn_connection *connection, bool greet, qn_error *error) {
  qn_status status = QN_OK;
  if (connection->pg == NULL) {
    status = qn_connection_open(connection, w->options.database_url, "quenchd worker", error);
    if (status == QN_OK) status = qn_connection_script(connection, "LISTEN quenchd_queue; LISTEN quenchd_cancel", error);
    greet = true;
    if (status == QN_OK) wake_jobs(w); /* what was announced meanwhile was not heard */
  }
  int reaped = 0;
  if (status == QN_OK) status = qn_queue_reap(connection, &reaped, error);
  if (reaped > 0) qn_log("warning", "%d job(s) were taken from workers that fell silent", reaped);
  if (status == QN_OK && greet) status = qn_queue_greet(connection, w->name, w->options.jobs, w->options.threads, error);
  if (status != QN_OK && connection->lost) qn_connection_close(connection);
  return status;
}

static void main_loop(worker *w, const atomic_int *stop) {
  qn_connection connection = {0};
  double look = 0, greet = 0;
  bool away = false;
  while (atomic_load(stop) == 0) {
    if (now() >= look) {
      qn_error error;
      qn_status status = look_after(w, &connection, now() >= greet, &error);
      if (now() >= greet) greet = now() + 4;
      if (status != QN_OK && !away) qn_log("warning", "%s", error.message);
      if (status == QN_OK && away) qn_log("info", "the database is back");
      away = status != QN_OK;
      look = now() + (away ? fmin(w->options.poll_s, 0.5) : w->options.poll_s);
    }
    struct pollfd socket = {.fd = connection.pg != NULL ? PQsocket(connection.pg) : -1, .events = POLLIN};
    int ready = poll(&socket, 1, 100);
    if (ready > 0) hear(w, &connection);
  }
  pthread_mutex_lock(&w->lock);
  w->draining = true;
  for (int i = 0; i < w->options.jobs; i++)
    if (w->slots[i].busy) raise_verdict(&w->slots[i], DRAIN);
  pthread_cond_broadcast(&w->woken);
  pthread_mutex_unlock(&w->lock);
  qn_error ignored;
  if (connection.pg != NULL) qn_queue_leave(&connection, w->name, &ignored);
  qn_connection_close(&connection);
}

static int cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void set_name(worker *w) {
  char host[100] = "host";
  unsigned char random[2] = {0};
  gethostname(host, sizeof host - 1);
  RAND_bytes(random, sizeof random);
  /* Containers share process numbers, sometimes also the host's name. */
  if (w->options.name != NULL) snprintf(w->name, sizeof w->name, "%.150s", w->options.name);
  else snprintf(w->name, sizeof w->name, "%s:%d-%02x%02x", host, (int)getpid(), random[0], random[1]);
}

qn_status qn_worker_run(const qn_worker_options *options, const atomic_int *stop, qn_error *error) {
  worker w = {.options = *options, .beats = true};
  if (w.options.threads <= 0) w.options.threads = 1;
  if (w.options.jobs <= 0) w.options.jobs = cores() / w.options.threads > 0 ? cores() / w.options.threads : 1;
  if (w.options.lease_s <= 0) w.options.lease_s = 10;
  if (w.options.heartbeat_s <= 0) w.options.heartbeat_s = w.options.lease_s / 5;
  if (w.options.poll_s <= 0) w.options.poll_s = 2;
  if (w.options.checkpoint_s <= 0) w.options.checkpoint_s = 30;
  set_name(&w);
  const qn_store_options storage = {.database_url = options->database_url, .data_directory = options->data_directory, .connections = 4};
  qn_status status = qn_store_open(&w.store, &storage, error);
  if (status != QN_OK) return status;
  w.slots = calloc((size_t)w.options.jobs, sizeof *w.slots);
  if (w.slots == NULL) {
    qn_store_close(w.store);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for %d jobs", w.options.jobs);
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&w.lock, NULL);
  pthread_cond_init(&w.woken, &monotonic);
  pthread_cond_init(&w.beat_now, &monotonic);
  pthread_condattr_destroy(&monotonic);

  pthread_t beats;
  int started = 0;
  bool beating = pthread_create(&beats, NULL, beat_thread, &w) == 0;
  while (beating && started < w.options.jobs) {
    w.slots[started].worker = &w;
    if (pthread_create(&w.slots[started].thread, NULL, job_thread, &w.slots[started]) != 0) break;
    started++;
  }
  if (started == 0) status = qn_error_set(error, QN_NO_MEMORY, "no thread could be started");
  else {
    qn_log("info", "worker %s: %d job(s) at once, %d thread(s) each", w.name, started, w.options.threads);
    main_loop(&w, stop);
    qn_log("info", "worker %s drains", w.name);
  }
  for (int i = 0; i < started; i++) pthread_join(w.slots[i].thread, NULL);
  pthread_mutex_lock(&w.lock);
  w.beats = false;
  pthread_cond_broadcast(&w.beat_now);
  pthread_mutex_unlock(&w.lock);
  if (beating) pthread_join(beats, NULL);
  pthread_cond_destroy(&w.woken);
  pthread_cond_destroy(&w.beat_now);
  pthread_mutex_destroy(&w.lock);
  free(w.slots);
  qn_store_close(w.store);
  return status;
}

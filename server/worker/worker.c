#include "server/worker/worker.h"

#include <errno.h>
#include <math.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/keeper/keeper.h"
#include "server/log.h"
#include "server/worker/worker_state.h"

/* A process that was told to stop, and has nothing to save, is killed after this time, s. */
static const double grace_s = 5;
/* A job that could not even be started is put by for so long, s. */
static const double hold_s = 30;

void qn_worker_wake(int descriptor) {
  eventfd_write(descriptor, 1);
}

void qn_worker_hush(int descriptor) {
  eventfd_t ignored;
  eventfd_read(descriptor, &ignored);
}

bool qn_worker_holds(const slot *s) { return s->state == SLOT_CLAIMED || s->state == SLOT_STARTING || s->state == SLOT_RUNNING; }

void qn_worker_raise(slot *s, qn_verdict verdict) {
  if (verdict > s->verdict) {
    s->verdict = verdict;
    s->verdict_at = qn_clock_now();
  }
  if (s->state == SLOT_RUNNING) qn_board_raise(s->process.board, s->verdict);
}

/* ---- processes; under the lock, which is held by nobody who waits for anything ---- */

static void end_slot(worker *w, slot *s, int tell, const char *why, double pause_s) {
  s->state = SLOT_ENDED;
  s->tell = tell;
  s->pause_s = pause_s;
  snprintf(s->why, sizeof s->why, "%.159s", why);
  qn_worker_wake(w->wake_leases);
}

static void vacate(worker *w, slot *s) {
  s->state = SLOT_FREE;
  qn_worker_wake(w->wake_leases);
}

/* It runs no more, and the database does not know. */
static void conclude(worker *w, slot *s, const char *obituary) {
  switch (s->verdict) {
    case QN_VERDICT_LOST: vacate(w, s); break;
    case QN_VERDICT_CANCEL: end_slot(w, s, TELL_CANCELLED, "", 0); break;
    case QN_VERDICT_DRAIN: end_slot(w, s, TELL_RELEASED, "", 0); break;
    case QN_VERDICT_GO: end_slot(w, s, TELL_LOSS, obituary, 0); break;
  }
}

static qn_status fill(const worker *w, const slot *s, qn_board *board, qn_error *error) {
  board->claim = s->claim;
  board->threads = w->options.threads;
  board->lease_s = w->options.lease_s;
  board->checkpoint_s = w->options.checkpoint_s;
  if ((size_t)snprintf(board->database_url, sizeof board->database_url, "%s", w->options.database_url) >= sizeof board->database_url ||
      (size_t)snprintf(board->data_directory, sizeof board->data_directory, "%s", w->options.data_directory) >= sizeof board->data_directory)
    return qn_error_set(error, QN_INVALID, "the database URL or the path of the data directory is too long");
  qn_storage_id(w->storage, board->data_id);
  return QN_OK;
}

/* The lock is given up meanwhile: a program on a disk that does not answer must cost no lease. */
static void start(worker *w, slot *s) {
  qn_error error;
  s->state = SLOT_STARTING;
  pthread_mutex_unlock(&w->lock);
  qn_status status = qn_process_prepare(&s->process, &error);
  if (status == QN_OK) status = fill(w, s, s->process.board, &error);
  if (status == QN_OK) status = qn_process_start(&s->process, w->options.program, &error);
  pthread_mutex_lock(&w->lock);
  if (status == QN_OK) {
    s->state = SLOT_RUNNING;
    qn_board_raise(s->process.board, s->verdict);
    return;
  }
  qn_log("error", "job %lld cannot be started: %s", (long long)s->claim.lease.job, error.message);
  qn_process_fini(&s->process);
  end_slot(w, s, TELL_RELEASED, error.message, hold_s);
}

static void bury(worker *w, slot *s, int how) {
  qn_board *board = s->process.board;
  char obituary[128];
  qn_process_obituary(&s->process, how, obituary);
  s->checkpoint_step = atomic_load(&board->checkpoint);
  bool told = atomic_load(&board->told) != 0;
  if (atomic_load(&board->doubt) != 0) {
    board->why[sizeof board->why - 1] = '\0';
    qn_storage_doubt(w->storage, board->why);
  }
  if (how != 0 && (told || s->verdict == QN_VERDICT_GO))
    qn_log(told ? "warning" : "error", "the process of job %lld was %s", (long long)s->claim.lease.job, obituary);
  qn_process_fini(&s->process);
  if (told) vacate(w, s);
  else conclude(w, s, obituary);
}

/* Simulations have until `kill_at` to save what they did; the rest has nothing to save. */
static void hurry(slot *s, double kill_at) {
  bool saves = s->verdict == QN_VERDICT_DRAIN && strcmp(s->claim.kind, "simulation") == 0;
  double at = saves ? kill_at : s->verdict == QN_VERDICT_GO ? (double)INFINITY : fmin(s->verdict_at + grace_s, kill_at);
  if (qn_clock_now() < at || s->killed) return;
  if (s->verdict != QN_VERDICT_LOST)
    qn_log("warning", "the process of job %lld does not stop and is killed", (long long)s->claim.lease.job);
  s->killed = true;
  qn_process_kill(&s->process);
}

/* How many slots are in use, and of how many jobs only the database has still to hear. */
typedef struct use { int busy, untold; } use;

static use look_at_slots(worker *w, double kill_at) {
  use now = {0};
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++) {
    slot *s = &w->slots[i];
    int how = 0;
    if (s->state == SLOT_CLAIMED && s->verdict != QN_VERDICT_GO) conclude(w, s, "");
    if (s->state == SLOT_CLAIMED) start(w, s);
    if (s->state == SLOT_RUNNING && qn_process_ended(&s->process, &how)) bury(w, s, how);
    else if (s->state == SLOT_RUNNING) hurry(s, kill_at);
    now.busy += qn_worker_holds(s);
    now.untold += s->state == SLOT_ENDED;
  }
  pthread_mutex_unlock(&w->lock);
  return now;
}

static void await(worker *w, struct pollfd *sets) {
  nfds_t count = 0;
  sets[count++] = (struct pollfd){.fd = w->wake_main, .events = POLLIN};
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++)
    if (w->slots[i].state == SLOT_RUNNING && w->slots[i].process.watch >= 0)
      sets[count++] = (struct pollfd){.fd = w->slots[i].process.watch, .events = POLLIN};
  pthread_mutex_unlock(&w->lock);
  poll(sets, count, 100);
  qn_worker_hush(w->wake_main);
}

static void drain(worker *w) {
  pthread_mutex_lock(&w->lock);
  w->draining = true;
  for (int i = 0; i < w->options.jobs; i++) qn_worker_raise(&w->slots[i], QN_VERDICT_DRAIN);
  pthread_mutex_unlock(&w->lock);
  qn_worker_wake(w->wake_leases);
}

static void mind_processes(worker *w, struct pollfd *sets, const atomic_int *stop) {
  double kill_at = (double)INFINITY, end_at = (double)INFINITY, patience_at = (double)INFINITY;
  for (;;) {
    if (!w->draining && atomic_load(stop) != 0) {
      qn_log("info", "worker %s drains", w->name);
      drain(w);
      end_at = qn_clock_now() + w->options.drain_s;
      kill_at = end_at - fmin(3, 0.3 * w->options.drain_s);
    }
    use present = look_at_slots(w, kill_at);
    /* A database that is away for a whole lease will see that it has run out. */
    if (w->draining && present.busy == 0 && isinf(patience_at)) patience_at = qn_clock_now() + w->options.lease_s;
    bool done = present.busy == 0 && (present.untold == 0 || qn_clock_now() > patience_at);
    if (w->draining && (done || qn_clock_now() > end_at)) break;
    await(w, sets);
  }
  /* Whoever is left has no lease that anybody keeps. */
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++) {
    slot *s = &w->slots[i];
    if (s->state != SLOT_RUNNING) continue;
    qn_process_kill(&s->process);
    qn_process_fini(&s->process);
    s->state = SLOT_FREE;
  }
  pthread_mutex_unlock(&w->lock);
}

/* ---- the whole ---- */

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

static void set_options(worker *w) {
  qn_worker_options *o = &w->options;
  if (o->threads <= 0) o->threads = 1;
  if (o->jobs <= 0) o->jobs = cores() / o->threads > 0 ? cores() / o->threads : 1;
  if (o->lease_s <= 0) o->lease_s = 10;
  if (o->heartbeat_s <= 0) o->heartbeat_s = o->lease_s / 5;
  if (o->poll_s <= 0) o->poll_s = 2;
  if (o->checkpoint_s <= 0) o->checkpoint_s = 30;
  if (o->drain_s <= 0) o->drain_s = 20;
}

/* Others' jobs are taken only by a worker that has just kept its own: then silence is not the database's. */
static bool leases_are_fresh(void *context) {
  worker *w = context;
  return qn_clock_now() - atomic_load(&w->fresh_at) < 2 * w->options.heartbeat_s + 0.5;
}

static qn_status make_parts(worker *w, struct pollfd **sets, qn_error *error) {
  w->slots = calloc((size_t)w->options.jobs, sizeof *w->slots);
  *sets = calloc((size_t)w->options.jobs + 1, sizeof **sets);
  w->wake_main = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  w->wake_leases = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (w->slots == NULL || *sets == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for %d jobs", w->options.jobs);
  if (w->wake_main < 0 || w->wake_leases < 0) return qn_error_set(error, QN_NO_MEMORY, "no descriptors for a worker: %s", strerror(errno));
  for (int i = 0; i < w->options.jobs; i++) w->slots[i].process.watch = w->slots[i].process.descriptor = -1;
  return qn_storage_alloc(&w->storage, w->options.data_directory, error);
}

static qn_status run(worker *w, struct pollfd *sets, const atomic_int *stop, qn_error *error) {
  const qn_keeper_options keeping = {.database_url = w->options.database_url, .data_directory = w->options.data_directory,
                                     .lease_s = w->options.lease_s, .context = w, .ready = leases_are_fresh};
  qn_keeper *keeper = NULL;
  pthread_t leases;
  qn_status status = qn_keeper_start(&keeper, &keeping, error);
  if (status != QN_OK) return status;
  if (pthread_create(&leases, NULL, qn_worker_keep_leases, w) == 0) {
    qn_log("info", "worker %s: %d job(s) at once, %d thread(s) each", w->name, w->options.jobs, w->options.threads);
    mind_processes(w, sets, stop);
    atomic_store(&w->over, true);
    qn_worker_wake(w->wake_leases);
    pthread_join(leases, NULL);
  } else {
    status = qn_error_set(error, QN_NO_MEMORY, "no thread could be started");
  }
  qn_keeper_stop(keeper);
  return status;
}

qn_status qn_worker_run(const qn_worker_options *options, const atomic_int *stop, qn_error *error) {
  worker w = {.options = *options, .wake_main = -1, .wake_leases = -1};
  struct pollfd *sets = NULL;
  qn_status status = qn_connection_check_url(options->database_url, error);
  if (status != QN_OK) return status;
  set_options(&w);
  set_name(&w);
  atomic_store(&w.fresh_at, qn_clock_now());
  pthread_mutex_init(&w.lock, NULL);
  status = make_parts(&w, &sets, error);
  if (status == QN_OK) status = run(&w, sets, stop, error);
  qn_storage_free(w.storage);
  if (w.wake_main >= 0) close(w.wake_main);
  if (w.wake_leases >= 0) close(w.wake_leases);
  pthread_mutex_destroy(&w.lock);
  free(sets);
  free(w.slots);
  return status;
}

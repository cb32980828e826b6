/* The database's side of a worker: one thread on one connection. Leases come first: each is renewed, whatever else waits, and no statement may take
 * longer than they last. */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/queue/loss.h"
#include "server/queue/peers.h"
#include "server/store/migrate.h"
#include "server/worker/worker_state.h"

static const double greet_every = 4;   /* s */
static const double retry_every = 0.5; /* after a failure */
static const double locked_again = 0.3; /* after a row that somebody else held */
static const double file_system_s = 0.5; /* how long the data directory may take to answer */
enum { UNSURE = 8 };

/* A claim whose answer did not come: it may have been made, or be made by a statement that is still on its way. */
typedef struct unsure {
  qn_claim claim;
  double until;
} unsure;

typedef struct side {
  worker *w;
  qn_connection connection;
  bool away;                 /* the log has been told */
  bool settled;              /* the schema is ours, the data directory's id known */
  qn_directory directory;
  char trouble[1024];        /* why no job is claimed; "" */
  qn_peer self;
  bool greeted;              /* this process, before it claims anything */
  double retry_at, beat_at, claim_at, greet_at;
  int unsure_count;
  unsure unsure[UNSURE];
  qn_beat *beats;            /* [jobs] */
} side;

/* ---- leases ---- */

static int collect(side *l) {
  worker *w = l->w;
  int count = 0;
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++) {
    const slot *s = &w->slots[i];
    if (!qn_worker_holds(s)) continue;
    l->beats[count] = (qn_beat){.lease = s->claim.lease, .progress = (double)NAN, .checkpoint_step = -1};
    if (s->state == SLOT_RUNNING) {
      l->beats[count].progress = atomic_load(&s->process.board->progress);
      l->beats[count].checkpoint_step = atomic_load(&s->process.board->checkpoint);
    }
    count++;
  }
  pthread_mutex_unlock(&w->lock);
  return count;
}

static void pass_on(worker *w, const qn_beat *beat) {
  if (beat->heartbeat != QN_HEARTBEAT_CANCEL && beat->heartbeat != QN_HEARTBEAT_LOST) return;
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs; i++) {
    slot *s = &w->slots[i];
    if (qn_worker_holds(s) && strcmp(s->claim.lease.token, beat->lease.token) == 0)
      qn_worker_raise(s, beat->heartbeat == QN_HEARTBEAT_LOST ? QN_VERDICT_LOST : QN_VERDICT_CANCEL);
  }
  pthread_mutex_unlock(&w->lock);
}

static qn_status beat(side *l, qn_error *error) {
  worker *w = l->w;
  double began = qn_clock_now();
  int count = collect(l);
  l->beat_at = began + retry_every;
  qn_status status = qn_queue_beat(&l->connection, l->beats, count, w->options.lease_s, error);
  if (status != QN_OK) return status;
  bool locked = false;
  for (int i = 0; i < count; i++) {
    pass_on(w, &l->beats[i]);
    locked = locked || l->beats[i].heartbeat == QN_HEARTBEAT_LOCKED;
  }
  l->beat_at = began + (locked ? fmin(locked_again, w->options.heartbeat_s) : w->options.heartbeat_s);
  if (!locked) atomic_store(&w->fresh_at, began);
  return QN_OK;
}

/* What processes could not tell by themselves. */
static qn_status tell_endings(side *l, qn_error *error) {
  worker *w = l->w;
  for (int i = 0; i < w->options.jobs; i++) {
    slot *s = &w->slots[i];
    slot ended = {.state = SLOT_FREE};
    pthread_mutex_lock(&w->lock);
    if (s->state == SLOT_ENDED) ended = *s; /* one that starts is filled without the lock */
    pthread_mutex_unlock(&w->lock);
    if (ended.state != SLOT_ENDED) continue;
    long long job = ended.claim.lease.job;
    bool lost = false;
    qn_status status;
    switch (ended.tell) {
      case TELL_LOSS: status = qn_loss_attempt(&l->connection, &ended.claim.lease, ended.why, ended.checkpoint_step, 0, &lost, error); break;
      case TELL_CANCELLED: status = qn_queue_end(&l->connection, &ended.claim.lease, QN_ENDING_CANCELLED, NULL, NULL, NULL, error); break;
      default: status = qn_queue_release(&l->connection, &ended.claim.lease, ended.pause_s, ended.why, error); break;
    }
    if (status == QN_UNAVAILABLE) return status;
    if (status != QN_OK && status != QN_CONFLICT) qn_log("error", "job %lld: %s", job, error->message);
    pthread_mutex_lock(&w->lock);
    s->state = SLOT_FREE;
    pthread_mutex_unlock(&w->lock);
    qn_worker_wake(w->wake_main);
  }
  return QN_OK;
}

/* ---- claims ---- */

static slot *find_free(worker *w) {
  slot *found = NULL;
  pthread_mutex_lock(&w->lock);
  for (int i = 0; i < w->options.jobs && found == NULL && !w->draining; i++)
    if (w->slots[i].state == SLOT_FREE) found = &w->slots[i];
  pthread_mutex_unlock(&w->lock);
  return found; /* it stays free: nobody else claims */
}

static void occupy(worker *w, slot *s, const qn_claim *claim) {
  pthread_mutex_lock(&w->lock);
  *s = (slot){.state = SLOT_CLAIMED, .claim = *claim, .process = {.watch = -1, .descriptor = -1}};
  if (w->draining) qn_worker_raise(s, QN_VERDICT_DRAIN);
  pthread_mutex_unlock(&w->lock);
  qn_worker_wake(w->wake_main);
}

static void remember(side *l, const qn_claim *claim) {
  if (l->unsure_count == UNSURE) memmove(l->unsure, l->unsure + 1, (size_t)--l->unsure_count * sizeof *l->unsure);
  l->unsure[l->unsure_count++] = (unsure){*claim, qn_clock_now() + 60};
}

/* Take up claims that were made unseen, or hand them back when there is no room. */
static qn_status recall(side *l, qn_error *error) {
  for (int i = 0; i < l->unsure_count;) {
    unsure *u = &l->unsure[i];
    bool found;
    qn_status status = qn_queue_recall(&l->connection, &u->claim, &found, error);
    if (status != QN_OK) return status;
    slot *s = found ? find_free(l->w) : NULL;
    if (s != NULL) occupy(l->w, s, &u->claim);
    else if (found) status = qn_queue_release(&l->connection, &u->claim.lease, 0, "", error);
    if (status == QN_UNAVAILABLE) return status;
    if (!found && qn_clock_now() < u->until) i++;
    else memmove(u, u + 1, (size_t)(--l->unsure_count - i) * sizeof *u);
  }
  return QN_OK;
}

static void set_trouble(side *l, const char *trouble) {
  if (strcmp(l->trouble, trouble) == 0) return;
  snprintf(l->trouble, sizeof l->trouble, "%s", trouble);
  l->greet_at = 0;
  if (trouble[0] != '\0') qn_log("error", "no jobs are claimed: %s", trouble);
  else qn_log("info", "jobs are claimed again");
}

/* Is the data directory in order? Its first use marks it. */
static qn_status check_directory(side *l, bool *sound, qn_error *error) {
  qn_error why = {0};
  *sound = qn_storage_check(l->w->storage, file_system_s, &why) == QN_OK;
  set_trouble(l, *sound ? "" : why.message);
  if (!*sound || l->directory.marked) return QN_OK;
  qn_status status = qn_directory_confirm(&l->connection, error);
  if (status != QN_OK) return status;
  l->directory.marked = true;
  qn_storage_expect(l->w->storage, &l->directory);
  return QN_OK;
}

static qn_status claim(side *l, qn_error *error) {
  worker *w = l->w;
  for (slot *s; qn_clock_now() >= l->claim_at && (s = find_free(w)) != NULL;) {
    bool sound, found;
    qn_status status = check_directory(l, &sound, error);
    if (status != QN_OK) return status;
    if (!sound) {
      l->claim_at = qn_clock_now() + fmin(w->options.poll_s, 1);
      return QN_OK;
    }
    qn_claim got;
    double wait_s;
    status = qn_queue_claim(&l->connection, w->name, w->options.lease_s, &got, &found, &wait_s, error);
    if (status != QN_OK && !found && l->connection.lost) remember(l, &got);
    if (status != QN_OK) return status;
    if (found) occupy(w, s, &got);
    else l->claim_at = qn_clock_now() + (isnan(wait_s) ? w->options.poll_s : fmin(w->options.poll_s, fmax(wait_s, 0.01)));
    if (qn_clock_now() >= l->beat_at) return QN_OK; /* many claims in a row must not cost those before them */
  }
  return QN_OK;
}

/* ---- the connection ---- */

static qn_status connect(side *l, qn_error *error) {
  char script[160];
  qn_status status = qn_connection_open(&l->connection, l->w->options.database_url, "quenchd worker", error);
  if (status != QN_OK) return status;
  snprintf(script, sizeof script, "SET lock_timeout = '1s'; SET statement_timeout = %d; LISTEN quenchd_queue; LISTEN quenchd_cancel",
           (int)(1e3 * fmax(1, l->w->options.lease_s / 3)));
  status = qn_connection_script(&l->connection, script, error);
  l->settled = false;
  l->beat_at = l->claim_at = l->greet_at = 0; /* what was announced meanwhile was not heard */
  return status;
}

static qn_status greet(side *l, qn_error *error) {
  const qn_greeting greeting = {.worker = l->w->name, .trouble = l->trouble, .jobs = l->w->options.jobs, .threads = l->w->options.threads,
                                .process = l->self};
  l->greet_at = qn_clock_now() + greet_every;
  return qn_queue_greet(&l->connection, &greeting, error);
}

static qn_status settle(side *l, qn_error *error) {
  qn_status status = qn_migrate_check_on(&l->connection, error);
  int lost;
  if (status == QN_OK && !l->greeted) { /* one before us, perhaps of the same name, may have left jobs behind */
    status = qn_peers_bury(&l->connection, &l->self, &lost, error);
    if (status == QN_OK) status = greet(l, error);
    l->greeted = status == QN_OK;
  }
  if (status == QN_OK) status = qn_directory_read(&l->connection, &l->directory, error);
  if (status != QN_OK) return status;
  qn_storage_expect(l->w->storage, &l->directory);
  l->settled = true;
  return QN_OK;
}

/* News that came with other answers lies ready in libpq; poll(2) does not tell of it. */
static void hear(side *l) {
  if (l->connection.pg == NULL) return;
  if (PQconsumeInput(l->connection.pg) == 0) {
    qn_connection_close(&l->connection);
    return;
  }
  for (PGnotify *note; (note = PQnotifies(l->connection.pg)) != NULL; PQfreemem(note)) {
    if (strcmp(note->relname, "quenchd_queue") == 0) {
      l->claim_at = 0;
      continue;
    }
    long long job = strtoll(note->extra, NULL, 10);
    pthread_mutex_lock(&l->w->lock);
    for (int i = 0; i < l->w->options.jobs; i++)
      if (l->w->slots[i].state != SLOT_FREE && l->w->slots[i].claim.lease.job == job) l->beat_at = 0;
    pthread_mutex_unlock(&l->w->lock);
  }
}

static qn_status turn(side *l, qn_error *error) {
  qn_status status = l->connection.pg == NULL ? connect(l, error) : QN_OK;
  if (status == QN_OK && qn_clock_now() >= l->beat_at) status = beat(l, error);
  if (status == QN_OK && qn_clock_now() < l->retry_at) return QN_OK; /* beats do not wait for what failed after them */
  if (status == QN_OK) status = tell_endings(l, error);
  if (status == QN_OK && !l->settled) status = settle(l, error);
  if (status == QN_OK) status = recall(l, error);
  if (status == QN_OK) status = claim(l, error);
  if (status == QN_OK && qn_clock_now() >= l->greet_at) status = greet(l, error);
  return status;
}

static void take_turn(side *l) {
  qn_error error;
  if (l->connection.pg == NULL && qn_clock_now() < l->retry_at) return;
  qn_status status = turn(l, &error);
  if (status == QN_OK) {
    if (l->away && qn_clock_now() >= l->retry_at) {
      qn_log("info", "the database is back");
      l->away = false;
    }
    return;
  }
  if (!l->away) qn_log("warning", "%s", error.message);
  l->away = true;
  l->settled = false; /* the schema may be another when it is back */
  l->retry_at = qn_clock_now() + retry_every;
  if (l->connection.lost) qn_connection_close(&l->connection);
}

static void await(side *l) {
  worker *w = l->w;
  double next = l->retry_at;
  if (l->connection.pg != NULL) {
    next = fmin(l->beat_at, l->greet_at);
    if (find_free(w) != NULL) next = fmin(next, l->claim_at);
    if (l->unsure_count > 0) next = fmin(next, qn_clock_now() + retry_every);
    if (l->away) next = fmin(fmax(next, l->retry_at), l->beat_at);
  }
  struct pollfd sets[2] = {{.fd = w->wake_leases, .events = POLLIN},
                           {.fd = l->connection.pg != NULL ? PQsocket(l->connection.pg) : -1, .events = POLLIN}};
  double left = next - qn_clock_now();
  if (left > 0) poll(sets, 2, (int)ceil(1e3 * fmin(left, 5)));
  qn_worker_hush(w->wake_leases);
}

void *qn_worker_keep_leases(void *context) {
  side l = {.w = context, .self = qn_peer_self()};
  qn_error ignored;
  l.beats = calloc((size_t)l.w->options.jobs, sizeof *l.beats);
  if (l.beats == NULL) {
    qn_log("error", "no memory for heartbeats");
    return NULL;
  }
  while (!atomic_load(&l.w->over)) {
    take_turn(&l);
    hear(&l);
    await(&l);
  }
  if (l.connection.pg != NULL) qn_queue_leave(&l.connection, l.w->name, &ignored);
  qn_connection_close(&l.connection);
  free(l.beats);
  return NULL;
}

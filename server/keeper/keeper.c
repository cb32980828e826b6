#include "server/keeper/keeper.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/queue/loss.h"
#include "server/queue/peers.h"
#include "server/storage/storage.h"
#include "server/store/migrate.h"

/* s: after a failure; between two times of forgetting; that the file system may take to answer; until others may try what one is removing. */
static const double retry_every = 0.5, forget_every = 60, file_system_s = 0.2;
enum { MOURNED = 16 };

typedef struct dead { char worker[160], why[160]; } dead;

struct qn_keeper {
  qn_keeper_options options;
  qn_storage *storage;
  pthread_t thread;
  pthread_mutex_t lock;        /* of the next three */
  pthread_cond_t changed;
  bool ending;
  int dead_count;
  dead dead[MOURNED];

  qn_connection connection;    /* the thread's own, like the rest */
  double up_since;             /* monotonic, s: from when on the database has answered without a gap */
  double forget_at;
  qn_peer self;
  bool away, settled;
  qn_directory directory;
  int64_t leftover;            /* the row whose files are being removed; 0: none */
};

static const qn_statement take_leftover = {
    "keeper_take",
    "UPDATE leftovers SET due_at = now() + interval '10 s' WHERE id ="
    " (SELECT id FROM leftovers WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING id, simulation_id, attempt, kept"};
static const qn_statement drop_leftover = {"keeper_drop", "DELETE FROM leftovers WHERE id = $1::bigint"};
static const qn_statement put_off_leftover = {
    "keeper_put_off", "UPDATE leftovers SET due_at = now() + $2::float8 * interval '1 s' WHERE id = $1::bigint"};

/* ---- jobs ---- */

static qn_status bury_dead(qn_keeper *k, qn_error *error) {
  for (;;) {
    dead first;
    pthread_mutex_lock(&k->lock);
    bool any = k->dead_count > 0;
    if (any) first = k->dead[0];
    pthread_mutex_unlock(&k->lock);
    if (!any) return QN_OK;
    int lost;
    qn_status status = qn_loss_worker(&k->connection, first.worker, NULL, first.why, &lost, error);
    if (status == QN_OK && lost == 0) status = qn_loss_explain(&k->connection, first.worker, first.why, error);
    if (status != QN_OK) return status;
    if (lost > 0) qn_log("warning", "%d job(s) were taken from worker %s: %s", lost, first.worker, first.why);
    pthread_mutex_lock(&k->lock);
    memmove(k->dead, k->dead + 1, (size_t)--k->dead_count * sizeof *k->dead);
    pthread_mutex_unlock(&k->lock);
  }
}

/* An answer that took long is a gap: others could not keep their leases meanwhile. */
static qn_status take_silent(qn_keeper *k, qn_error *error) {
  if (k->options.ready != NULL && !k->options.ready(k->options.context)) return QN_OK;
  double began = qn_clock_now();
  int lost;
  qn_status status = qn_loss_expired(&k->connection, began - k->up_since, &lost, error);
  if (status != QN_OK || qn_clock_now() - began > k->options.lease_s / 2) k->up_since = qn_clock_now();
  if (status == QN_OK && lost > 0) qn_log("warning", "%d job(s) were taken from workers that fell silent", lost);
  return status;
}

/* ---- files ---- */

static qn_status finish_removal(qn_keeper *k, const qn_error *outcome, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, k->leftover);
  k->leftover = 0;
  if (outcome->status == QN_OK) return qn_connection_run(&k->connection, &drop_leftover, &params, NULL, error);
  bool in_use = outcome->status == QN_UNAVAILABLE;
  if (!in_use) qn_log("warning", "files could not be removed: %s", outcome->message);
  qn_params_real(&params, in_use ? 5 : 60);
  return qn_connection_run(&k->connection, &put_off_leftover, &params, NULL, error);
}

/* One set of files at a time, in the background; another keeper may do the same again, if this one dies. */
static qn_status remove_files(qn_keeper *k, qn_error *error) {
  qn_error outcome = {.status = QN_OK}, why;
  if (k->leftover != 0) {
    if (!qn_storage_cleared(k->storage, &outcome)) return QN_OK;
    qn_status status = finish_removal(k, &outcome, error);
    if (status != QN_OK) return status;
  }
  if (qn_storage_check(k->storage, file_system_s, &why) != QN_OK) return QN_OK;
  if (!k->directory.marked) {
    qn_status status = qn_directory_confirm(&k->connection, error);
    if (status != QN_OK) return status;
    k->directory.marked = true;
    qn_storage_expect(k->storage, &k->directory);
  }
  PGresult *row;
  qn_status status = qn_connection_run(&k->connection, &take_leftover, NULL, &row, error);
  if (status != QN_OK) return status;
  if (PQntuples(row) == 1 &&
      qn_storage_clear(k->storage, qn_field_int(row, 0, 1), (int)qn_field_int(row, 0, 2), qn_field_bool(row, 0, 3)))
    k->leftover = qn_field_int(row, 0, 0);
  PQclear(row);
  return QN_OK;
}

/* ---- the thread ---- */

static qn_status connect(qn_keeper *k, qn_error *error) {
  k->settled = false;
  qn_status status = qn_connection_open(&k->connection, k->options.database_url, "quenchd keeper", error);
  k->up_since = qn_clock_now();
  return status;
}

static qn_status settle(qn_keeper *k, qn_error *error) {
  qn_status status = qn_migrate_check_on(&k->connection, error);
  if (status == QN_OK) status = qn_directory_read(&k->connection, &k->directory, error);
  if (status != QN_OK) return status;
  qn_storage_expect(k->storage, &k->directory);
  k->settled = true;
  return QN_OK;
}

static qn_status turn(qn_keeper *k, qn_error *error) {
  qn_status status = k->connection.pg == NULL ? connect(k, error) : QN_OK;
  if (status == QN_OK && !k->settled) status = settle(k, error);
  int lost;
  if (status == QN_OK) status = bury_dead(k, error);
  if (status == QN_OK) status = qn_peers_bury(&k->connection, &k->self, &lost, error);
  if (status == QN_OK) status = take_silent(k, error);
  if (status == QN_OK) status = remove_files(k, error);
  if (status == QN_OK && qn_clock_now() >= k->forget_at) {
    status = qn_loss_forget(&k->connection, error);
    k->forget_at = qn_clock_now() + forget_every;
  }
  if (status != QN_OK) k->settled = false;
  if (status != QN_OK && k->connection.lost) qn_connection_close(&k->connection);
  return status;
}

static void *run(void *context) {
  qn_keeper *k = context;
  double every = fmin(1, k->options.lease_s / 5);
  pthread_mutex_lock(&k->lock);
  while (!k->ending) {
    pthread_mutex_unlock(&k->lock);
    qn_error error;
    bool well = turn(k, &error) == QN_OK;
    if (!well && !k->away) qn_log("warning", "keeper: %s", error.message);
    if (well && k->away) qn_log("info", "keeper: the database is back");
    k->away = !well;
    double end = qn_clock_now() + (well ? every : retry_every);
    const struct timespec until = qn_clock_moment(end);
    pthread_mutex_lock(&k->lock);
    int known = k->dead_count;
    while (!k->ending && k->dead_count == known && pthread_cond_timedwait(&k->changed, &k->lock, &until) != ETIMEDOUT) continue;
  }
  pthread_mutex_unlock(&k->lock);
  qn_error ignored;
  if (k->connection.pg != NULL && k->settled) bury_dead(k, &ignored); /* whoever died while this process stopped */
  qn_connection_close(&k->connection);
  return NULL;
}

static void destroy(qn_keeper *k) {
  qn_storage_free(k->storage);
  pthread_cond_destroy(&k->changed);
  pthread_mutex_destroy(&k->lock);
  free(k);
}

qn_status qn_keeper_start(qn_keeper **out, const qn_keeper_options *options, qn_error *error) {
  *out = NULL;
  qn_keeper *k = calloc(1, sizeof *k);
  if (k == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the keeper of the queue");
  k->options = *options;
  k->self = qn_peer_self();
  if (!(k->options.lease_s > 0)) k->options.lease_s = 10;
  pthread_mutex_init(&k->lock, NULL);
  qn_clock_condition(&k->changed);
  qn_status status = qn_storage_alloc(&k->storage, options->data_directory, error);
  if (status == QN_OK && pthread_create(&k->thread, NULL, run, k) != 0)
    status = qn_error_set(error, QN_NO_MEMORY, "no thread for the keeper of the queue");
  if (status == QN_OK) *out = k;
  else destroy(k);
  return status;
}

void qn_keeper_stop(qn_keeper *k) {
  if (k == NULL) return;
  pthread_mutex_lock(&k->lock);
  k->ending = true;
  pthread_cond_signal(&k->changed);
  pthread_mutex_unlock(&k->lock);
  pthread_join(k->thread, NULL);
  destroy(k);
}

void qn_keeper_mourn(qn_keeper *k, const char *worker, const char *why) {
  if (k == NULL) return;
  pthread_mutex_lock(&k->lock);
  if (k->dead_count < MOURNED) { /* those beyond lose their leases in time */
    dead *last = &k->dead[k->dead_count++];
    snprintf(last->worker, sizeof last->worker, "%s", worker);
    snprintf(last->why, sizeof last->why, "%s", why);
  }
  pthread_cond_signal(&k->changed);
  pthread_mutex_unlock(&k->lock);
}

#include "server/store/pool.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/clock.h"
#include "server/store/deadline.h"

enum { DEFAULT_CONNECTIONS = 8, REPEATS = 4 };
static const double default_wait = 5.0;
/* After a failed attempt to connect everyone is told so for this long, s, instead of waiting in turn for the same answer. */
static const double rest = 0.25;

typedef struct slot {
  qn_connection connection;
  unsigned generation;
  struct slot *next;
} slot;

struct qn_store {
  char *url, *data;
  int capacity, open, idle_count;
  double wait, answer;
  pthread_mutex_t lock;
  pthread_cond_t freed;
  slot *idle;             /* last given first taken */
  unsigned generation;    /* connections of an older one are not trusted: one of their kind was found lost */
  double resting_until;
  qn_error why_resting;
  bool away, probing;     /* the database let someone wait in vain: one caller at a time tries to reach it, the others are told at once */
};

static qn_status make_directory(const char *path, qn_error *error) {
  char part[4096];
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof part) return qn_error_set(error, QN_INVALID, "the data directory's path is empty or too long");
  for (size_t i = 1; i <= length; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
      return qn_error_set(error, QN_IO, "data directory: cannot make %s: %s", part, strerror(errno));
  }
  struct stat what;
  if (stat(path, &what) != 0 || !S_ISDIR(what.st_mode)) return qn_error_set(error, QN_IO, "data directory: %s is no directory", path);
  return QN_OK;
}

qn_status qn_store_open(qn_store **store, const qn_store_options *options, qn_error *error) {
  *store = NULL;
  qn_status status = qn_connection_check_url(options->database_url, error);
  if (status == QN_OK) status = make_directory(options->data_directory, error);
  if (status != QN_OK) return status;

  qn_store *made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->url = strdup(options->database_url);
    made->data = strdup(options->data_directory);
  }
  if (made == NULL || made->url == NULL || made->data == NULL) {
    if (made != NULL) free(made->url), free(made->data);
    free(made);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for the store");
  }
  made->capacity = options->connections > 0 ? options->connections : DEFAULT_CONNECTIONS;
  made->wait = options->wait_s > 0 ? options->wait_s : default_wait;
  made->answer = options->answer_s > 0 ? options->answer_s : QN_ANSWER_S;
  pthread_mutex_init(&made->lock, NULL);
  qn_clock_condition(&made->freed);
  *store = made;
  return QN_OK;
}

void qn_store_close(qn_store *store) {
  if (store == NULL) return;
  while (store->idle != NULL) {
    slot *next = store->idle->next;
    qn_connection_close(&store->idle->connection);
    free(store->idle);
    store->idle = next;
  }
  pthread_cond_destroy(&store->freed);
  pthread_mutex_destroy(&store->lock);
  free(store->url);
  free(store->data);
  free(store);
}

const char *qn_store_data_directory(const qn_store *store) { return store->data; }

qn_pool_use qn_pool_count(qn_store *store) {
  pthread_mutex_lock(&store->lock);
  qn_pool_use use = {store->open, store->idle_count, store->capacity};
  pthread_mutex_unlock(&store->lock);
  return use;
}

static slot *pop(qn_store *store) {
  slot *taken = store->idle;
  store->idle = taken->next;
  store->idle_count--;
  return taken;
}

static void forget(qn_store *store, slot *one) {
  qn_connection_close(&one->connection);
  free(one);
  pthread_mutex_lock(&store->lock);
  store->open--;
  pthread_cond_signal(&store->freed);
  pthread_mutex_unlock(&store->lock);
}

/* With the lock held: an idle connection, or NULL with leave to make one (`open` counts it already); else QN_UNAVAILABLE. */
static qn_status find_room(qn_store *store, double until, slot **found, qn_error *error) {
  double end = fmin(qn_clock_now() + store->wait, until);
  for (;;) {
    while (store->idle != NULL) {
      *found = pop(store);
      if ((*found)->generation == store->generation) return QN_OK;
      pthread_mutex_unlock(&store->lock);
      forget(store, *found);
      pthread_mutex_lock(&store->lock);
    }
    *found = NULL;
    double now = qn_clock_now();
    bool resting = store->resting_until > now;
    if ((store->away && (store->probing || resting)) || (resting && store->open == 0)) {
      if (error != NULL) *error = store->why_resting;
      return QN_UNAVAILABLE;
    }
    if (!resting && store->open < store->capacity) {
      store->open++;
      return QN_OK;
    }
    if (now >= end) return qn_error_set(error, QN_UNAVAILABLE, "all %d database connections are busy", store->open);
    /* Others hold connections that work, or will soon be found not to: wait for one of theirs. */
    const struct timespec limit = qn_clock_moment(resting ? fmin(store->resting_until, end) : end);
    pthread_cond_timedwait(&store->freed, &store->lock, &limit);
  }
}

/* With the lock held. */
static void stay_away(qn_store *store, const qn_error *why) {
  store->away = true;
  store->why_resting = *why;
}

static qn_status take(qn_store *store, double until, qn_connection **connection, qn_error *error) {
  slot *found;
  *connection = NULL;
  pthread_mutex_lock(&store->lock);
  qn_status status = find_room(store, until, &found, error);
  unsigned generation = store->generation;
  bool probe = status == QN_OK && found == NULL && store->away;
  if (probe) store->probing = true;
  pthread_mutex_unlock(&store->lock);
  if (status != QN_OK) return status;
  if (found != NULL) {
    *connection = &found->connection;
    return QN_OK;
  }

  slot *made = calloc(1, sizeof *made);
  qn_error why = {0};
  status = made != NULL ? qn_connection_open_within(&made->connection, store->url, "quenchd", store->answer, until, &why)
                        : qn_error_set(&why, QN_NO_MEMORY, "no memory for a connection");
  pthread_mutex_lock(&store->lock);
  if (probe) store->probing = false;
  if (status == QN_OK) {
    store->away = false;
    made->generation = generation;
    *connection = &made->connection;
  } else {
    store->open--;
    if (status == QN_UNAVAILABLE) {
      store->resting_until = qn_clock_now() + rest;
      store->why_resting = why;
      if (made->connection.silent) stay_away(store, &why);
    }
    if (error != NULL) *error = why;
  }
  pthread_cond_broadcast(&store->freed);
  pthread_mutex_unlock(&store->lock);
  if (status != QN_OK) free(made);
  return status;
}

qn_status qn_pool_take(qn_store *store, qn_connection **connection, qn_error *error) {
  return take(store, qn_clock_now() + store->answer, connection, error);
}

void qn_pool_give(qn_store *store, qn_connection *connection) {
  slot *given = (slot *)connection; /* its first member */
  bool fit = connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK && PQtransactionStatus(connection->pg) == PQTRANS_IDLE &&
             connection->deferred_count == 0;
  connection->until = (double)INFINITY;
  pthread_mutex_lock(&store->lock);
  if (connection->lost && given->generation == store->generation) {
    store->generation++;
    qn_error why;
    qn_error_set(&why, QN_UNAVAILABLE, "the database does not answer");
    if (connection->silent) stay_away(store, &why);
  }
  fit = fit && !connection->lost && given->generation == store->generation;
  if (fit) {
    given->next = store->idle;
    store->idle = given;
    store->idle_count++;
    pthread_cond_signal(&store->freed);
  }
  pthread_mutex_unlock(&store->lock);
  if (!fit) forget(store, given);
}

/* Is it worth to begin again on another connection? */
static bool repeats(const qn_connection *connection, double until) {
  return (connection->again || connection->lost) && !connection->silent && qn_clock_now() < until;
}

qn_status qn_pool_run(qn_store *store, const qn_statement *statement, const qn_params *params, PGresult **result, qn_error *error) {
  if (result != NULL) *result = NULL;
  double until = qn_clock_now() + store->answer;
  for (int attempt = 1;; attempt++) {
    qn_connection *connection;
    qn_status status = take(store, until, &connection, error);
    if (status != QN_OK) return status;
    connection->until = until;
    status = qn_connection_run(connection, statement, params, result, error);
    bool repeat = status != QN_OK && repeats(connection, until);
    qn_pool_give(store, connection);
    if (!repeat || attempt == 2) return status;
  }
}

/* What went wrong stays known over the ROLLBACK. */
static void undo(qn_connection *connection) {
  char sqlstate[sizeof connection->sqlstate];
  bool again = connection->again;
  memcpy(sqlstate, connection->sqlstate, sizeof sqlstate);
  if (connection->lost || qn_connection_script(connection, "ROLLBACK", NULL) != QN_OK) return;
  memcpy(connection->sqlstate, sqlstate, sizeof sqlstate);
  connection->again = again;
}

qn_status qn_connection_transact(qn_connection *connection, qn_transaction *work, void *context, bool *unknown, qn_error *error) {
  if (unknown != NULL) *unknown = false;
  qn_status status = qn_connection_begin(connection, error);
  if (status != QN_OK) return status;
  status = work(connection, context, error);
  if (status == QN_OK) {
    status = qn_connection_commit(connection, error);
    if (status != QN_OK && connection->lost && unknown != NULL) *unknown = true;
  }
  if (status != QN_OK) undo(connection);
  return status;
}

qn_status qn_pool_transact(qn_store *store, qn_transaction *work, void *context, bool repeatable, qn_error *error) {
  double until = qn_clock_now() + store->answer;
  for (int attempt = 1;; attempt++) {
    qn_connection *connection;
    qn_status status = take(store, until, &connection, error);
    if (status != QN_OK) return status;
    connection->until = until;
    bool unknown;
    status = qn_connection_transact(connection, work, context, &unknown, error);
    bool lost = connection->lost, repeat = status != QN_OK && repeats(connection, until);
    qn_pool_give(store, connection);
    if (unknown && !repeatable)
      return qn_error_set(error, QN_UNAVAILABLE, "the database went away while it committed: whether the change was made is not known");
    if (!repeat || attempt == REPEATS || (lost && attempt >= 2)) return status;
  }
}

#include "server/store/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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
  double wait;
  pthread_mutex_t lock;
  pthread_cond_t freed;
  slot *idle;             /* last given first taken */
  unsigned generation;    /* connections of an older one are not trusted: one of their kind was found lost */
  double resting_until;
  qn_error why_resting;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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
  pthread_mutex_init(&made->lock, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&made->freed, &monotonic);
  pthread_condattr_destroy(&monotonic);
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

qn_status qn_pool_take(qn_store *store, qn_connection **connection, qn_error *error) {
  *connection = NULL;
  double end = now() + store->wait;
  pthread_mutex_lock(&store->lock);
  for (;;) {
    while (store->idle != NULL) {
      slot *taken = pop(store);
      if (taken->generation == store->generation) {
        pthread_mutex_unlock(&store->lock);
        *connection = &taken->connection;
        return QN_OK;
      }
      pthread_mutex_unlock(&store->lock);
      forget(store, taken);
      pthread_mutex_lock(&store->lock);
    }
    bool resting = store->resting_until > now();
    if (resting && store->open == 0) {
      if (error != NULL) *error = store->why_resting;
      pthread_mutex_unlock(&store->lock);
      return QN_UNAVAILABLE;
    }
    if (!resting && store->open < store->capacity) break;
    /* Others hold connections that work, or will soon be found not to: wait for one of theirs. */
    double limit = resting && store->resting_until < end ? store->resting_until : end;
    const struct timespec until = {.tv_sec = (time_t)limit, .tv_nsec = (long)((limit - (double)(time_t)limit) * 1e9)};
    pthread_cond_timedwait(&store->freed, &store->lock, &until);
    if (now() >= end && store->idle == NULL) {
      pthread_mutex_unlock(&store->lock);
      return qn_error_set(error, QN_UNAVAILABLE, "all %d database connections are busy", store->open);
    }
  }
  store->open++;
  unsigned generation = store->generation;
  pthread_mutex_unlock(&store->lock);

  slot *made = calloc(1, sizeof *made);
  qn_error why = {0};
  qn_status status = made != NULL ? qn_connection_open(&made->connection, store->url, "quenchd", &why)
                                  : qn_error_set(&why, QN_NO_MEMORY, "no memory for a connection");
  if (status == QN_OK) {
    made->generation = generation;
    *connection = &made->connection;
    return QN_OK;
  }
  free(made);
  pthread_mutex_lock(&store->lock);
  store->open--;
  if (status == QN_UNAVAILABLE) {
    store->resting_until = now() + rest;
    store->why_resting = why;
  }
  pthread_cond_broadcast(&store->freed);
  pthread_mutex_unlock(&store->lock);
  if (error != NULL) *error = why;
  return status;
}

void qn_pool_give(qn_store *store, qn_connection *connection) {
  slot *given = (slot *)connection; /* its first member */
  bool fit = connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK && PQtransactionStatus(connection->pg) == PQTRANS_IDLE;
  pthread_mutex_lock(&store->lock);
  if (connection->lost && given->generation == store->generation) store->generation++;
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

qn_status qn_pool_run(qn_store *store, const qn_statement *statement, const qn_params *params, PGresult **result, qn_error *error) {
  if (result != NULL) *result = NULL;
  for (int attempt = 1;; attempt++) {
    qn_connection *connection;
    qn_status status = qn_pool_take(store, &connection, error);
    if (status != QN_OK) return status;
    status = qn_connection_run(connection, statement, params, result, error);
    bool repeat = status != QN_OK && (connection->again || connection->lost);
    qn_pool_give(store, connection);
    if (!repeat || attempt == 2) return status;
  }
}

qn_status qn_connection_transact(qn_connection *connection, qn_transaction *work, void *context, bool *unknown, qn_error *error) {
  if (unknown != NULL) *unknown = false;
  qn_status status = qn_connection_script(connection, "BEGIN", error);
  if (status != QN_OK) return status;
  status = work(connection, context, error);
  if (status != QN_OK) {
    bool lost = connection->lost, again = connection->again;
    if (!lost) {
      qn_connection_script(connection, "ROLLBACK", NULL);
      connection->again = again;
    }
    return status;
  }
  status = qn_connection_script(connection, "COMMIT", error);
  if (status != QN_OK && connection->lost && unknown != NULL) *unknown = true;
  return status;
}

qn_status qn_pool_transact(qn_store *store, qn_transaction *work, void *context, bool repeatable, qn_error *error) {
  for (int attempt = 1;; attempt++) {
    qn_connection *connection;
    qn_status status = qn_pool_take(store, &connection, error);
    if (status != QN_OK) return status;
    bool unknown;
    status = qn_connection_transact(connection, work, context, &unknown, error);
    bool again = connection->again, lost = connection->lost;
    qn_pool_give(store, connection);
    if (status == QN_OK || !(again || lost)) return status;
    if (unknown && !repeatable)
      return qn_error_set(error, QN_UNAVAILABLE, "the database went away while it committed: whether the change was made is not known");
    if (attempt == REPEATS || (lost && attempt >= 2)) return status;
  }
}

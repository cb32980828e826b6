#include "server/cli/sweeper.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/store/deadline.h"
#include "server/store/removals.h"

static const double every_s = 5;
enum { BATCH = 50 };

struct qn_sweeper {
  const char *database_url, *data_directory;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool ending;
};

/* A turn; true when there may be more to do at once. Troubles are said when they begin. */
static bool turn(const qn_sweeper *sweeper, qn_connection *connection, bool *well) {
  qn_error error;
  int done = 0;
  qn_status status = connection->pg == NULL ? qn_connection_open(connection, sweeper->database_url, "quenchd sweeper", &error) : QN_OK;
  if (status == QN_OK) status = qn_removals_work(connection, sweeper->data_directory, BATCH, &done, &error);
  if (status != QN_OK && *well) qn_log("warning", "retention: %s", error.message);
  *well = status == QN_OK;
  if (connection->lost) qn_connection_close(connection);
  return done == BATCH;
}

static void *run(void *context) {
  qn_sweeper *sweeper = context;
  qn_connection connection = {0};
  bool well = true;
  pthread_mutex_lock(&sweeper->lock);
  while (!sweeper->ending) {
    pthread_mutex_unlock(&sweeper->lock);
    double end = turn(sweeper, &connection, &well) ? 0 : qn_clock_now() + every_s;
    const struct timespec until = qn_clock_moment(end);
    pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->ending && pthread_cond_timedwait(&sweeper->changed, &sweeper->lock, &until) != ETIMEDOUT) continue;
  }
  pthread_mutex_unlock(&sweeper->lock);
  qn_connection_close(&connection);
  return NULL;
}

static void destroy(qn_sweeper *sweeper) {
  pthread_cond_destroy(&sweeper->changed);
  pthread_mutex_destroy(&sweeper->lock);
  free(sweeper);
}

qn_status qn_sweeper_start(qn_sweeper **out, const char *database_url, const char *data_directory, qn_error *error) {
  qn_sweeper *sweeper = calloc(1, sizeof *sweeper);
  if (sweeper == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the sweeper");
  sweeper->database_url = database_url;
  sweeper->data_directory = data_directory;
  qn_clock_condition(&sweeper->changed);
  pthread_mutex_init(&sweeper->lock, NULL);
  if (pthread_create(&sweeper->thread, NULL, run, sweeper) != 0) {
    destroy(sweeper);
    return qn_error_set(error, QN_NO_MEMORY, "no thread for the sweeper");
  }
  *out = sweeper;
  return QN_OK;
}

void qn_sweeper_stop(qn_sweeper *sweeper) {
  if (sweeper == NULL) return;
  pthread_mutex_lock(&sweeper->lock);
  sweeper->ending = true;
  pthread_cond_signal(&sweeper->changed);
  pthread_mutex_unlock(&sweeper->lock);
  pthread_join(sweeper->thread, NULL);
  destroy(sweeper);
}

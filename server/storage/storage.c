#include "server/storage/storage.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/storage/folder.h"

/* Between two probes of a directory in doubt; and how long a thread that waits for the file system is waited for at the end, s. */
static const double probe_every = 5, farewell = 0.5;

typedef struct removal {
  enum { NOTHING, WANTED, DONE } state;
  int64_t simulation;
  int attempt;
  bool kept;
  qn_error outcome;
} removal;

/* Under the lock, all of it, but for `path`. */
struct qn_storage {
  char *path;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t asked, answered;
  qn_directory directory;
  bool expected, ending, ended, abandoned;
  unsigned question, answer; /* numbers of the last ones */
  qn_error state;            /* the last answer */
  bool doubted;
  double probed;
  qn_error doubt;
  removal removal;
};

static void destroy(qn_storage *storage) {
  pthread_cond_destroy(&storage->asked);
  pthread_cond_destroy(&storage->answered);
  pthread_mutex_destroy(&storage->lock);
  free(storage->path);
  free(storage);
}

/* The lock is held, and given up while the file system is asked. */
static void look(qn_storage *storage) {
  unsigned question = storage->question;
  qn_directory directory = storage->directory;
  bool expected = storage->expected, doubted = storage->doubted, probe = doubted && qn_clock_now() - storage->probed >= probe_every;
  qn_error state = {.status = QN_OK};
  pthread_mutex_unlock(&storage->lock);
  if (!expected) qn_error_set(&state, QN_NO_STORAGE, "data directory %s: the database has not told its id yet", storage->path);
  else if (qn_directory_enter(storage->path, &directory, &state) == QN_OK) state.status = QN_OK;
  qn_error found = {.status = QN_OK};
  bool sound = state.status == QN_OK && probe && qn_directory_probe(storage->path, &found) == QN_OK;
  pthread_mutex_lock(&storage->lock);
  if (probe) {
    storage->probed = qn_clock_now();
    if (!sound && found.status != QN_OK) storage->doubt = found;
    if (sound) {
      storage->doubted = false;
      qn_log("info", "data directory %s is in order again", storage->path);
    }
  }
  if (state.status == QN_OK && storage->doubted) state = storage->doubt;
  storage->state = state;
  storage->answer = question;
  pthread_cond_broadcast(&storage->answered);
}

static void clear(qn_storage *storage) {
  removal what = storage->removal;
  qn_directory directory = storage->directory;
  pthread_mutex_unlock(&storage->lock);
  qn_status status = qn_directory_check(storage->path, directory.id, &what.outcome);
  if (status == QN_OK) status = qn_folder_clear(storage->path, what.simulation, what.attempt, what.kept, &what.outcome);
  if (status == QN_OK) what.outcome = (qn_error){.status = QN_OK};
  pthread_mutex_lock(&storage->lock);
  what.state = DONE;
  storage->removal = what;
}

static void *run(void *context) {
  qn_storage *storage = context;
  pthread_mutex_lock(&storage->lock);
  while (!storage->ending) {
    if (storage->question != storage->answer) look(storage);
    else if (storage->removal.state == WANTED) clear(storage);
    else pthread_cond_wait(&storage->asked, &storage->lock);
  }
  storage->ended = true;
  bool abandoned = storage->abandoned;
  pthread_cond_broadcast(&storage->answered);
  pthread_mutex_unlock(&storage->lock);
  if (abandoned) destroy(storage);
  return NULL;
}

qn_status qn_storage_alloc(qn_storage **out, const char *path, qn_error *error) {
  *out = NULL;
  qn_storage *storage = calloc(1, sizeof *storage);
  char *copy = strdup(path);
  if (storage == NULL || copy == NULL) {
    free(storage);
    free(copy);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for the data directory");
  }
  storage->path = copy;
  pthread_mutex_init(&storage->lock, NULL);
  qn_clock_condition(&storage->asked);
  qn_clock_condition(&storage->answered);
  int failure = pthread_create(&storage->thread, NULL, run, storage);
  if (failure != 0) {
    destroy(storage);
    return qn_error_set(error, QN_NO_MEMORY, "no thread for the data directory: %s", strerror(failure));
  }
  *out = storage;
  return QN_OK;
}

void qn_storage_free(qn_storage *storage) {
  if (storage == NULL) return;
  pthread_mutex_lock(&storage->lock);
  storage->ending = true;
  pthread_cond_signal(&storage->asked);
  struct timespec until = qn_clock_moment(qn_clock_now() + farewell);
  while (!storage->ended && pthread_cond_timedwait(&storage->answered, &storage->lock, &until) != ETIMEDOUT) continue;
  bool ended = storage->ended;
  storage->abandoned = !ended; /* its thread frees it, if it ever comes back */
  pthread_t thread = storage->thread;
  pthread_mutex_unlock(&storage->lock);
  if (!ended) {
    pthread_detach(thread);
    return;
  }
  pthread_join(thread, NULL);
  destroy(storage);
}

void qn_storage_expect(qn_storage *storage, const qn_directory *directory) {
  pthread_mutex_lock(&storage->lock);
  storage->directory = *directory;
  storage->expected = true;
  pthread_mutex_unlock(&storage->lock);
}

void qn_storage_id(qn_storage *storage, char id[40]) {
  pthread_mutex_lock(&storage->lock);
  memcpy(id, storage->directory.id, 40);
  pthread_mutex_unlock(&storage->lock);
}

qn_status qn_storage_check(qn_storage *storage, double seconds, qn_error *error) {
  struct timespec until = qn_clock_moment(qn_clock_now() + seconds);
  pthread_mutex_lock(&storage->lock);
  unsigned mine = ++storage->question;
  pthread_cond_signal(&storage->asked);
  bool late = false;
  while (!late && (int)(storage->answer - mine) < 0) late = pthread_cond_timedwait(&storage->answered, &storage->lock, &until) == ETIMEDOUT;
  qn_error state = storage->state;
  bool answered = (int)(storage->answer - mine) >= 0;
  pthread_mutex_unlock(&storage->lock);
  if (!answered) return qn_error_set(error, QN_NO_STORAGE, "data directory %s: the file system does not answer", storage->path);
  if (state.status != QN_OK && error != NULL) *error = state;
  return state.status;
}

void qn_storage_doubt(qn_storage *storage, const char *why) {
  pthread_mutex_lock(&storage->lock);
  storage->doubted = true;
  qn_error_set(&storage->doubt, QN_NO_STORAGE, "%s", why);
  pthread_mutex_unlock(&storage->lock);
}

bool qn_storage_clear(qn_storage *storage, int64_t simulation, int attempt, bool kept) {
  pthread_mutex_lock(&storage->lock);
  bool free_now = storage->removal.state == NOTHING && storage->expected;
  if (free_now) {
    storage->removal = (removal){.state = WANTED, .simulation = simulation, .attempt = attempt, .kept = kept};
    pthread_cond_signal(&storage->asked);
  }
  pthread_mutex_unlock(&storage->lock);
  return free_now;
}

bool qn_storage_cleared(qn_storage *storage, qn_error *outcome) {
  pthread_mutex_lock(&storage->lock);
  bool done = storage->removal.state == DONE;
  if (done) {
    *outcome = storage->removal.outcome;
    storage->removal.state = NOTHING;
  }
  pthread_mutex_unlock(&storage->lock);
  return done;
}

#include "server/httpd/pool.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct qn_pool {
  pthread_mutex_t lock;
  pthread_cond_t filled, stale; /* for the threads that run tasks; for the one that refuses those that wait too long */
  qn_task *first, **last;
  int waiting, most;
  double wait_s;
  bool ending; /* no more is queued */
  bool watched, watch_sleeps; /* the thread that refuses runs; it waits for a task that may be refused */
  pthread_t watch;
  int count;
  pthread_t threads[];
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* With the lock held: take the task at `link` out. */
static qn_task *unlink_task(qn_pool *pool, qn_task **link) {
  qn_task *task = *link;
  *link = task->next;
  if (task->next == NULL) pool->last = link;
  pool->waiting--;
  return task;
}

static void *serve(void *argument) {
  qn_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (pool->first == NULL && !pool->ending) pthread_cond_wait(&pool->filled, &pool->lock);
    if (pool->first == NULL) break;
    qn_task *task = unlink_task(pool, &pool->first);
    pthread_mutex_unlock(&pool->lock);
    task->run(task);
    pthread_mutex_lock(&pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* With the lock held: the first task that may be refused, whose turn to be refused comes before all others'. */
static qn_task **find_refusable(qn_pool *pool) {
  for (qn_task **link = &pool->first; *link != NULL; link = &(*link)->next)
    if ((*link)->refuse != NULL) return link;
  return NULL;
}

static void *watch(void *argument) {
  qn_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  while (!pool->ending) {
    qn_task **link = find_refusable(pool);
    if (link == NULL) {
      pool->watch_sleeps = true;
      pthread_cond_wait(&pool->stale, &pool->lock);
      pool->watch_sleeps = false;
      continue;
    }
    double end = (*link)->pushed + pool->wait_s;
    if (now() < end) {
      struct timespec until = {.tv_sec = (time_t)end, .tv_nsec = (long)((end - floor(end)) * 1e9)};
      pthread_cond_timedwait(&pool->stale, &pool->lock, &until);
      continue;
    }
    qn_task *task = unlink_task(pool, link);
    pthread_mutex_unlock(&pool->lock);
    task->refuse(task);
    pthread_mutex_lock(&pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

qn_status qn_pool_alloc(qn_pool **out, int threads, int waiting, double wait_s, qn_error *error) {
  qn_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof pool->threads[0]);
  if (pool == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for %d handler threads", threads);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->filled, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&pool->stale, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pool->last = &pool->first;
  pool->most = waiting;
  pool->wait_s = wait_s;
  int failure = pthread_create(&pool->watch, NULL, watch, pool);
  pool->watched = failure == 0;
  for (; failure == 0 && pool->count < threads; pool->count += failure == 0)
    failure = pthread_create(&pool->threads[pool->count], NULL, serve, pool);
  if (failure != 0) {
    qn_pool_free(pool);
    return qn_error_set(error, QN_NO_MEMORY, "cannot start %d handler threads: %s", threads, strerror(failure));
  }
  *out = pool;
  return QN_OK;
}

void qn_pool_push(qn_pool *pool, qn_task *task) {
  pthread_mutex_lock(&pool->lock);
  bool here = pool->ending, full = task->refuse != NULL && pool->waiting >= pool->most;
  if (!here && !full) {
    task->next = NULL;
    task->pushed = now();
    *pool->last = task;
    pool->last = &task->next;
    pool->waiting++;
    pthread_cond_signal(&pool->filled);
    if (pool->watch_sleeps && task->refuse != NULL) pthread_cond_signal(&pool->stale);
  }
  pthread_mutex_unlock(&pool->lock);
  if (here) task->run(task);
  else if (full) task->refuse(task);
}

int qn_pool_waiting(qn_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  int waiting = pool->waiting;
  pthread_mutex_unlock(&pool->lock);
  return waiting;
}

void qn_pool_end(qn_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->ending = true;
  pthread_cond_broadcast(&pool->filled);
  pthread_cond_broadcast(&pool->stale);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->count; i++) pthread_join(pool->threads[i], NULL);
  pool->count = 0;
  if (pool->watched) pthread_join(pool->watch, NULL);
  pool->watched = false;
}

void qn_pool_free(qn_pool *pool) {
  if (pool == NULL) return;
  qn_pool_end(pool);
  pthread_cond_destroy(&pool->filled);
  pthread_cond_destroy(&pool->stale);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

#include "server/httpd/pool.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"

static const double patience = 5;

typedef struct queue {
  qn_task *first, **last;
  int count;
  double wait_s;
} queue;

struct qn_pool {
  pthread_mutex_t lock;
  pthread_cond_t filled, stale; /* for the threads that run tasks; for the one that refuses those that wait too long */
  queue queues[2]; /* the first is served first; the second is that of the patient */
  int most;
  bool ending; /* no more is queued */
  bool watched;       /* the thread that refuses runs */
  double watch_until; /* when it looks again by itself */
  pthread_t watch;
  int count;
  pthread_t threads[];
};

/* With the lock held: take the task at `link` out. */
static qn_task *unlink_task(queue *from, qn_task **link) {
  qn_task *task = *link;
  *link = task->next;
  if (task->next == NULL) from->last = link;
  from->count--;
  return task;
}

/* With the lock held: the task whose turn it is, or NULL. */
static qn_task *take_next(qn_pool *pool) {
  for (int q = 0; q < 2; q++)
    if (pool->queues[q].first != NULL) return unlink_task(&pool->queues[q], &pool->queues[q].first);
  return NULL;
}

static void *serve(void *argument) {
  qn_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    qn_task *task = take_next(pool);
    if (task == NULL && pool->ending) break;
    if (task == NULL) {
      pthread_cond_wait(&pool->filled, &pool->lock);
      continue;
    }
    pthread_mutex_unlock(&pool->lock);
    task->run(task);
    pthread_mutex_lock(&pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* With the lock held: the task of a queue that will be refused first, and when. NULL when there is none. */
static qn_task **find_refusable(queue *in, double *when) {
  for (qn_task **link = &in->first; *link != NULL; link = &(*link)->next)
    if ((*link)->refuse != NULL) {
      *when = (*link)->pushed + in->wait_s;
      return link;
    }
  *when = (double)INFINITY;
  return NULL;
}

static void *watch(void *argument) {
  qn_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  while (!pool->ending) {
    double when[2];
    qn_task **links[2];
    for (int q = 0; q < 2; q++) links[q] = find_refusable(&pool->queues[q], &when[q]);
    int q = when[0] <= when[1] ? 0 : 1;
    pool->watch_until = when[q];
    if (links[q] == NULL) {
      pthread_cond_wait(&pool->stale, &pool->lock);
      continue;
    }
    if (qn_clock_now() < when[q]) {
      struct timespec until = qn_clock_moment(when[q]);
      pthread_cond_timedwait(&pool->stale, &pool->lock, &until);
      continue;
    }
    qn_task *task = unlink_task(&pool->queues[q], links[q]);
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
  qn_clock_condition(&pool->stale);
  for (int q = 0; q < 2; q++) pool->queues[q] = (queue){.last = &pool->queues[q].first, .wait_s = q == 0 ? wait_s : patience * wait_s};
  pool->most = waiting;
  pool->watch_until = (double)INFINITY;
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
  queue *to = &pool->queues[task->patient ? 1 : 0];
  bool here = pool->ending, full = !task->patient && task->refuse != NULL && to->count >= pool->most;
  if (!here && !full) {
    task->next = NULL;
    task->pushed = qn_clock_now();
    *to->last = task;
    to->last = &task->next;
    to->count++;
    pthread_cond_signal(&pool->filled);
    if (task->refuse != NULL && task->pushed + to->wait_s < pool->watch_until) pthread_cond_signal(&pool->stale);
  }
  pthread_mutex_unlock(&pool->lock);
  if (here) task->run(task);
  else if (full) task->refuse(task);
}

int qn_pool_waiting(qn_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  int waiting = pool->queues[0].count + pool->queues[1].count;
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

#include "server/httpd/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct qn_pool {
  pthread_mutex_t lock;
  pthread_cond_t filled;
  qn_task *first, **last;
  bool ending; /* no more is queued */
  int count;
  pthread_t threads[];
};

static void *serve(void *argument) {
  qn_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (pool->first == NULL && !pool->ending) pthread_cond_wait(&pool->filled, &pool->lock);
    qn_task *task = pool->first;
    if (task == NULL) break;
    pool->first = task->next;
    if (pool->first == NULL) pool->last = &pool->first;
    pthread_mutex_unlock(&pool->lock);
    task->run(task);
    pthread_mutex_lock(&pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

qn_status qn_pool_alloc(qn_pool **out, int threads, qn_error *error) {
  qn_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof pool->threads[0]);
  if (pool == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for %d handler threads", threads);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->filled, NULL);
  pool->last = &pool->first;
  for (; pool->count < threads; pool->count++) {
    int failure = pthread_create(&pool->threads[pool->count], NULL, serve, pool);
    if (failure != 0) {
      qn_pool_free(pool);
      return qn_error_set(error, QN_NO_MEMORY, "cannot start %d handler threads: %s", threads, strerror(failure));
    }
  }
  *out = pool;
  return QN_OK;
}

void qn_pool_push(qn_pool *pool, qn_task *task) {
  pthread_mutex_lock(&pool->lock);
  bool here = pool->ending;
  if (!here) {
    task->next = NULL;
    *pool->last = task;
    pool->last = &task->next;
    pthread_cond_signal(&pool->filled);
  }
  pthread_mutex_unlock(&pool->lock);
  if (here) task->run(task);
}

void qn_pool_end(qn_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->ending = true;
  pthread_cond_broadcast(&pool->filled);
  pthread_mutex_unlock(&pool->lock);
  for (int i = 0; i < pool->count; i++) pthread_join(pool->threads[i], NULL);
  pool->count = 0;
}

void qn_pool_free(qn_pool *pool) {
  if (pool == NULL) return;
  qn_pool_end(pool);
  pthread_cond_destroy(&pool->filled);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

/* A fixed set of threads and a queue of work for them: where handlers run, so that they may wait. */
#ifndef QN_SERVER_HTTPD_POOL_H
#define QN_SERVER_HTTPD_POOL_H

#include "engine/base/status.h"

/* A piece of work; it lives inside what it works on and belongs to the pool from push until `run` is called. */
typedef struct qn_task {
  struct qn_task *next;
  void (*run)(struct qn_task *task);
} qn_task;

typedef struct qn_pool qn_pool;

qn_status qn_pool_alloc(qn_pool **pool, int threads, qn_error *error);
void qn_pool_push(qn_pool *pool, qn_task *task);
/* Runs what is queued, then ends the threads. From then on qn_pool_push runs its task itself. */
void qn_pool_end(qn_pool *pool);
void qn_pool_free(qn_pool *pool); /* ends it too; also fine on NULL */

#endif

/* A fixed set of threads and a bounded queue of work for them: where handlers run, so that they may wait. What cannot be begun soon is refused, so
 * that a client hears it while it still listens. Patient work waits behind all other, in any number and five times as long. */
#ifndef QN_SERVER_HTTPD_POOL_H
#define QN_SERVER_HTTPD_POOL_H

#include <stdbool.h>

#include "engine/base/status.h"

/* A piece of work; it lives inside what it works on and belongs to the pool from push until `run` or `refuse` is called, whichever it is. */
typedef struct qn_task {
  struct qn_task *next;
  double pushed; /* monotonic, s */
  bool patient;
  void (*run)(struct qn_task *task);
  void (*refuse)(struct qn_task *task); /* does not wait; NULL: it is never refused */
} qn_task;

typedef struct qn_pool qn_pool;

/* At most `waiting` tasks that are not patient are queued, each for at most `wait_s`. */
qn_status qn_pool_alloc(qn_pool **pool, int threads, int waiting, double wait_s, qn_error *error);
/* `refuse` may be called before this returns. */
void qn_pool_push(qn_pool *pool, qn_task *task);
int qn_pool_waiting(qn_pool *pool);
/* Runs what is queued, then ends the threads. From then on qn_pool_push runs its task itself. */
void qn_pool_end(qn_pool *pool);
void qn_pool_free(qn_pool *pool); /* ends it too; also fine on NULL */

#endif

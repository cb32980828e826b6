/* The inside of a worker, shared by the files that make it up and by nobody else: worker.c (processes, the beginning and the end), leases.c (the
 * database's side). */
#ifndef QN_SERVER_WORKER_WORKER_STATE_H
#define QN_SERVER_WORKER_WORKER_STATE_H

#include <pthread.h>

#include "server/storage/storage.h"
#include "server/worker/process.h"
#include "server/worker/worker.h"

/* A slot goes round: the database thread claims, the main thread starts and buries, the database thread tells what the process did not. */
typedef enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_STARTING, SLOT_RUNNING, SLOT_ENDED } slot_state;

typedef struct slot {
  slot_state state;
  qn_claim claim;
  qn_verdict verdict;
  double verdict_at;         /* monotonic, s */
  bool killed;
  qn_process process;        /* while RUNNING; the main thread's alone while STARTING */
  enum { TELL_LOSS, TELL_CANCELLED, TELL_RELEASED } tell; /* while ENDED */
  char why[160];
  double pause_s;            /* of a release */
  int64_t checkpoint_step;
} slot;

typedef struct worker {
  qn_worker_options options;
  char name[160];
  qn_storage *storage;
  int wake_main, wake_leases; /* eventfds */
  atomic_bool over;           /* the database thread is to end */
  _Atomic double fresh_at;    /* monotonic, s: when all leases were last renewed, or there were none */
  pthread_mutex_t lock;       /* of what follows */
  bool draining;
  slot *slots;
} worker;

void qn_worker_wake(int descriptor);
void qn_worker_hush(int descriptor);

/* Whether somebody keeps the lease of the slot's job; with the lock, as is the next. */
bool qn_worker_holds(const slot *s);
/* Raise a slot's verdict. */
void qn_worker_raise(slot *s, qn_verdict verdict);

/* The thread of the database's side; `context` is the worker. */
void *qn_worker_keep_leases(void *context);

#endif

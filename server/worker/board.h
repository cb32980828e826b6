/* A piece of memory that a worker shares with the process of one job: what the job is, how far it is, and what is to become of it.
 *
 * The process only ever stores numbers there and looks at one, so neither side waits for the other, and what was last said stays readable when the
 * process dies. The database URL, which may hold a password, is seen by nobody else. */
#ifndef QN_SERVER_WORKER_BOARD_H
#define QN_SERVER_WORKER_BOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "server/queue/queue.h"

/* What is to become of a running job. Only ever raised, by the worker. */
typedef enum qn_verdict {
  QN_VERDICT_GO,
  QN_VERDICT_DRAIN,         /* write a checkpoint, hand the job back */
  QN_VERDICT_CANCEL,
  QN_VERDICT_LOST           /* the lease is: stop, write nothing */
} qn_verdict;

typedef struct qn_board {
  /* Set by the worker before the process starts. */
  char program[64];         /* version of the program, "" before anything is set */
  pid_t worker;
  qn_claim claim;
  int threads;
  double lease_s, checkpoint_s;
  char database_url[4096], data_directory[4096];
  char data_id[40];         /* that the directory must carry */

  atomic_int verdict;       /* qn_verdict */

  /* By the process. */
  _Atomic double progress;  /* NAN: not known yet */
  atomic_llong step;        /* reached */
  atomic_llong checkpoint;  /* step of the newest checkpoint of this attempt, before that where it began; -1: not known yet */
  atomic_int told;          /* the database knows how the attempt ended, or that its lease is lost */
  atomic_int doubt;         /* `why` tells why the data directory cannot be used */
  char why[512];
} qn_board;

/* A fresh board and the descriptor by which a child finds it; NULL with errno. */
qn_board *qn_board_alloc(int *descriptor);
/* That of the process that was started with it, from its descriptor; NULL when there is none, or one of another program. */
qn_board *qn_board_find(int descriptor);
void qn_board_free(qn_board *board, int descriptor); /* `descriptor` -1: none */

/* Raise the verdict. */
void qn_board_raise(qn_board *board, qn_verdict verdict);

#endif

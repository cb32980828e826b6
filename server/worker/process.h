/* The process of one job: this same program with the command run-job. A job that crashes, or eats all memory, takes nobody with it. */
#ifndef QN_SERVER_WORKER_PROCESS_H
#define QN_SERVER_WORKER_PROCESS_H

#include "server/worker/board.h"

/* Where the process finds its board. */
enum { QN_BOARD_DESCRIPTOR = 3 };

typedef struct qn_process {
  pid_t pid;             /* 0: not running */
  int watch;             /* a descriptor that becomes readable when it ends; -1: the kernel has none */
  int descriptor;        /* of the board */
  qn_board *board;
} qn_process;

/* Start it from `program` (NULL: the running one), its board filled in by the caller after qn_process_prepare. Called from the thread that lives as
 * long as the worker does: the kernel kills the process when that thread is gone. QN_NO_MEMORY: not now. */
qn_status qn_process_prepare(qn_process *process, qn_error *error);
qn_status qn_process_start(qn_process *process, const char *program, qn_error *error);

/* Has it ended? Then *how is its status as of waitpid(2). */
bool qn_process_ended(qn_process *process, int *how);
void qn_process_kill(const qn_process *process);
void qn_process_fini(qn_process *process); /* frees the board */

/* "ended by SIGSEGV at step 120", "ended with status 3 before its first step". */
void qn_process_obituary(const qn_process *process, int how, char text[128]);

#endif

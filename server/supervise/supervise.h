/* One child process that is kept alive: the worker beside the server.
 *
 * The child runs this same program with another command, in a process group of its own: what a terminal sends to the group of this process, it does
 * not get. When it dies it is started again, at once the first time, then after longer and longer pauses while it keeps dying young. When
 * this process dies, however it dies, the kernel sends the child SIGINT. */
#ifndef QN_SERVER_SUPERVISE_SUPERVISE_H
#define QN_SERVER_SUPERVISE_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct qn_supervised {
  const char *command;  /* such as "work" */
  const char *variable; /* of its environment, which tells each child its name */
  char name[160];       /* of the present child, or the last: no two have the same */
  unsigned children;    /* started so far */
  unsigned mark;        /* of this process, in their names */
  void *context;
  void (*died)(void *context, const char *name, const char *how); /* told of each child that is gone; may be NULL */
  pid_t pid;            /* 0: not running */
  double started;       /* monotonic, s */
  double start_at;      /* when it is to be started again */
  double pause;         /* the last one, s */
  bool stopping;        /* it is not started again */
} qn_supervised;

void qn_supervise_init(qn_supervised *child, const char *command, const char *variable);

/* Reap the child if it died, start it if it is due. To be called from the main thread alone (the kernel ties the child to the thread that
 * started it), after SIGCHLD and not later than after the seconds returned. */
double qn_supervise_turn(qn_supervised *child);

/* Ask the child to end; wait at most so many seconds, then end it by force. */
void qn_supervise_signal(qn_supervised *child, int signal_number);
void qn_supervise_stop(qn_supervised *child, double seconds);

/* In the child: be told when the parent dies. False, and nothing is done, in a process that was not started by qn_supervise_turn. */
bool qn_supervise_follow_parent(void);

#endif

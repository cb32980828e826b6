/* What a process that computes owes to those that answer. */
#ifndef QN_SERVER_WORKER_COURTESY_H
#define QN_SERVER_WORKER_COURTESY_H

/* From here on this process, the leader of a session of its own, and the threads it starts let every other process go first, and are the first to end
 * when memory runs out. What the system does not grant is left out. */
void qn_courtesy_show(void);

#endif

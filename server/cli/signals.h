/* How a long-lived command is stopped: SIGTERM or SIGINT asks it to drain, a second one ends it at once, and so does the end of the time that
 * draining may take. */
#ifndef QN_SERVER_CLI_SIGNALS_H
#define QN_SERVER_CLI_SIGNALS_H

#include <stdatomic.h>
#include <sys/types.h>

/* Block SIGTERM, SIGINT, SIGHUP and SIGCHLD in this thread and those that it starts: to be called before any other thread exists. */
void qn_signals_block(void);

/* Wait at most so many seconds for one of them: its number, or 0. */
int qn_signals_wait(double seconds);

/* Start a thread that sets *stop at the first SIGTERM or SIGINT and ends the process with status 1 at a second one, or `drain_s` and a grace
 * after the first. */
void qn_signals_watch(atomic_int *stop, double drain_s);

#endif

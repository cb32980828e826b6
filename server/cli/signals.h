/* How a long-lived command is stopped: SIGTERM or SIGINT asks it to drain, a second one ends it at once, and so does the end of the time that
 * draining may take.
 *
 * One wish to stop may come from several sides (an init system that signals every process, a terminal, a supervisor): a SIGTERM within a second of
 * the first signal is the same wish. Under a supervisor every SIGTERM is, and SIGINT alone, which the kernel sends when the supervisor dies,
 * is another. A person's second Ctrl-C is a SIGINT and always counts. */
#ifndef QN_SERVER_CLI_SIGNALS_H
#define QN_SERVER_CLI_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Block SIGTERM, SIGINT, SIGHUP and SIGCHLD in this thread and those that it starts: to be called before any other thread exists. */
void qn_signals_block(void);

/* Wait at most so many seconds for one of them: its number, or 0. */
int qn_signals_wait(double seconds);

/* Start a thread that sets *stop at the first SIGTERM or SIGINT and ends the process with status 1 at a second one, or `drain_s` and a grace
 * after the first. When *stop is set already, the first has just come. */
void qn_signals_watch(atomic_int *stop, double drain_s, bool supervised);

#endif

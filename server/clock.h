/* The monotonic clock, in seconds, which no change of the date moves: what waits for an end waits by it. */
#ifndef QN_SERVER_CLOCK_H
#define QN_SERVER_CLOCK_H

#include <pthread.h>
#include <time.h>

double qn_clock_now(void);

/* A moment of that clock as pthread_cond_timedwait takes it, on a condition of qn_clock_condition. */
struct timespec qn_clock_moment(double at);

/* Initialize a condition whose waits end by that clock; to be destroyed as any other. */
void qn_clock_condition(pthread_cond_t *condition);

#endif

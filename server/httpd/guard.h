/* Deadlines: connections whose client is too slow to send a request, and answers that are held back on purpose.
 *
 * libmicrohttpd's own timeout starts anew with every byte, so a client that sends one byte at a time would stay for ever. */
#ifndef QN_SERVER_HTTPD_GUARD_H
#define QN_SERVER_HTTPD_GUARD_H

#include "engine/base/status.h"

typedef struct qn_guard qn_guard;
typedef struct qn_guarded qn_guarded; /* one connection */

qn_status qn_guard_alloc(qn_guard **guard, qn_error *error);
/* Do what was delayed, then end the watch. From then on nothing is delayed and no deadline holds. */
void qn_guard_end(qn_guard *guard);
void qn_guard_free(qn_guard *guard); /* ends it too; also fine on NULL */

/* Watch over the socket of a connection until qn_guard_remove. NULL without memory: then it goes unwatched, and the others take NULL too. */
qn_guarded *qn_guard_add(qn_guard *guard, int descriptor, double seconds);
void qn_guard_remove(qn_guard *guard, qn_guarded *guarded);
/* Shut the socket down in so many seconds unless set anew; 0: no deadline. With `answer` the client is told 408 first. */
void qn_guard_set(qn_guard *guard, qn_guarded *guarded, double seconds, int answer);

/* Something to be done later. It lives inside what it is about. */
typedef struct qn_delayed {
  struct qn_delayed *next;
  double at;
  void (*run)(struct qn_delayed *delayed);
} qn_delayed;
void qn_guard_delay(qn_guard *guard, qn_delayed *delayed, double seconds);

#endif

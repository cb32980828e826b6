/* libpq with an end: connecting and waiting for an answer, never beyond a moment of the monotonic clock.
 *
 * libpq by itself waits for as long as the peer keeps its socket open, and a PostgreSQL that was stopped, or whose machine is stuck, does that for
 * ever. Only the look-up of a host's name, in libc, cannot be cut short. */
#ifndef QN_SERVER_STORE_DEADLINE_H
#define QN_SERVER_STORE_DEADLINE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "engine/base/status.h"
#include "server/clock.h"

/* Each `until` is a moment of qn_clock_now; INFINITY: no end. */

/* Connect as PQconnectdbParams does with these words and `expand_dbname`. Of several hosts each has the connect_timeout to itself, so that one
 * that hangs does not keep from the next. The connection is non-blocking. QN_UNAVAILABLE says why the last host was not reached; *pg is NULL then,
 * and *silent tells whether it let the time pass without a word. */
qn_status qn_deadline_connect(PGconn **pg, const char *const *names, const char *const *values, double until, bool *silent, qn_error *error);

/* Send what is still to be sent, and wait until PQgetResult will not block. False when the time is over. */
bool qn_deadline_await(PGconn *pg, double until);

/* Send what is still to be sent, and wait for the answer: the last result of the query, or the first that is a failure; the caller clears it. NULL
 * when the time is over, and the query may be running still: close the connection. */
PGresult *qn_deadline_result(PGconn *pg, double until);

#endif

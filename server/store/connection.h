/* One connection to PostgreSQL: prepared statements, typed parameters, and what a failure means.
 *
 * A connection is used by one thread at a time. Times are PostgreSQL's own everywhere, so clocks of machines need not agree. */
#ifndef QN_SERVER_STORE_CONNECTION_H
#define QN_SERVER_STORE_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "server/clock.h"

/* A statement has one object in the program, whose address is its identity. */
typedef struct qn_statement {
  const char *name, *sql;
} qn_statement;

enum { QN_MAX_STATEMENTS = 192, QN_MAX_PARAMS = 24, QN_MAX_DEFERRED = 16 };

/* How long an answer is waited for, s, unless a connection is opened with another time. */
#define QN_ANSWER_S 25.0

typedef struct qn_connection {
  PGconn *pg;                 /* NULL when closed */
  double answer_s;            /* each statement is answered within this time, or the connection is closed and counts as lost */
  double until;               /* and none waits beyond this moment of qn_clock_now; INFINITY: no such moment */
  bool lost;                  /* the connection broke: its transaction is gone, a statement in flight may have happened */
  bool silent;                /* it was lost because no answer came in time */
  bool again;                 /* the transaction was rolled back for the sake of another (deadlock, serialization): repeat it */
  char sqlstate[6];           /* of the last failure, "" without one */
  int deferred_count;         /* statements that were sent and whose answers are still to come */
  const char *deferred[QN_MAX_DEFERRED];
  int prepared_count;
  const qn_statement *prepared[QN_MAX_STATEMENTS];
} qn_connection;

/* QN_INVALID for a URL that libpq cannot read. */
qn_status qn_connection_check_url(const char *url, qn_error *error);

/* Connect; `role` names the connection in pg_stat_activity. Any failure to reach the database is QN_UNAVAILABLE. */
qn_status qn_connection_open(qn_connection *connection, const char *url, const char *role, qn_error *error);
/* The same, with another `answer_s`, and given up at `until`. PostgreSQL itself ends a statement a little before `answer_s`. */
qn_status qn_connection_open_within(qn_connection *connection, const char *url, const char *role, double answer_s, double until,
                                    qn_error *error);
void qn_connection_close(qn_connection *connection); /* also fine on an all-zero object */

/* Parameters in order; each is text in PostgreSQL's spelling, NULL, or bytes. Texts and bytes are borrowed. */
typedef struct qn_params {
  int count;
  const char *value[QN_MAX_PARAMS];
  int length[QN_MAX_PARAMS], format[QN_MAX_PARAMS];
  char number[QN_MAX_PARAMS][32];
} qn_params;

void qn_params_text(qn_params *params, const char *text); /* NULL is NULL */
void qn_params_int(qn_params *params, int64_t value);
void qn_params_id(qn_params *params, int64_t value);      /* 0 is NULL */
void qn_params_real(qn_params *params, double value);     /* 17 digits; NAN is NULL */
void qn_params_bool(qn_params *params, bool value);
void qn_params_bytes(qn_params *params, const void *bytes, size_t size);

/* Run a statement, prepared on its first use here. `result` (may be NULL) becomes the caller's: PQclear. On failure it is NULL, and `lost`,
 * `again` and `sqlstate` say more: QN_UNAVAILABLE when trying later may help, QN_INTERNAL for what only a fault of this program
 * explains, unless the caller knows better from `sqlstate` (a unique key that is taken). */
qn_status qn_connection_run(qn_connection *connection, const qn_statement *statement, const qn_params *params, PGresult **result,
                            qn_error *error);

/* Send a statement of a transaction whose result nobody needs: its answer is awaited together with that of the next one, which reports its
 * failure as its own. So a transaction takes as many round trips as it has answers that it needs. */
qn_status qn_connection_defer(qn_connection *connection, const qn_statement *statement, const qn_params *params, qn_error *error);

/* The two ends of a transaction: the first is deferred, the second awaits what was. */
qn_status qn_connection_begin(qn_connection *connection, qn_error *error);
qn_status qn_connection_commit(qn_connection *connection, qn_error *error);

/* Text that is no prepared statement: LISTEN, ROLLBACK, and the many statements of a migration. */
qn_status qn_connection_script(qn_connection *connection, const char *sql, qn_error *error);

/* Fields of a result. Text is malloc'ed, "" for NULL; on exhausted memory it is NULL and *whole becomes false. Numbers: 0 or NAN for NULL. */
char *qn_field_text(const PGresult *result, int row, int column, bool *whole);
int64_t qn_field_int(const PGresult *result, int row, int column);
double qn_field_real(const PGresult *result, int row, int column);
bool qn_field_bool(const PGresult *result, int row, int column);
const char *qn_field(const PGresult *result, int row, int column); /* borrowed from the result */

#endif

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

/* A statement has one object in the program, whose address is its identity. */
typedef struct qn_statement {
  const char *name, *sql;
} qn_statement;

enum { QN_MAX_STATEMENTS = 96, QN_MAX_PARAMS = 24 };

typedef struct qn_connection {
  PGconn *pg;                 /* NULL when closed */
  bool lost;                  /* the connection broke: its transaction is gone, a statement in flight may have happened */
  bool again;                 /* the transaction was rolled back for the sake of another (deadlock, serialization): repeat it */
  char sqlstate[6];           /* of the last failure, "" without one */
  int prepared_count;
  const qn_statement *prepared[QN_MAX_STATEMENTS];
} qn_connection;

/* QN_INVALID for a URL that libpq cannot read. */
qn_status qn_connection_check_url(const char *url, qn_error *error);

/* Connect; `role` names the connection in pg_stat_activity. Any failure to reach the database is QN_UNAVAILABLE. */
qn_status qn_connection_open(qn_connection *connection, const char *url, const char *role, qn_error *error);
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
 * `again` and `sqlstate` say more: QN_UNAVAILABLE when trying later may help, QN_CONFLICT for a unique key that is taken,
 * QN_INTERNAL for what only a fault of this program explains. */
qn_status qn_connection_run(qn_connection *connection, const qn_statement *statement, const qn_params *params, PGresult **result,
                            qn_error *error);

/* Text that is no prepared statement: BEGIN, COMMIT, LISTEN, and the many statements of a migration. */
qn_status qn_connection_script(qn_connection *connection, const char *sql, qn_error *error);

/* Fields of a result. Text is malloc'ed, "" for NULL; on exhausted memory it is NULL and *whole becomes false. Numbers: 0 or NAN for NULL. */
char *qn_field_text(const PGresult *result, int row, int column, bool *whole);
int64_t qn_field_int(const PGresult *result, int row, int column);
double qn_field_real(const PGresult *result, int row, int column);
bool qn_field_bool(const PGresult *result, int row, int column);
const char *qn_field(const PGresult *result, int row, int column); /* borrowed from the result */

#endif

/* The pool behind a qn_store: borrow a connection, run a statement or a transaction, give it back. */
#ifndef QN_SERVER_STORE_POOL_H
#define QN_SERVER_STORE_POOL_H

#include "server/store/connection.h"
#include "server/store/store.h"

/* A free connection, made when there is none and room for one. QN_UNAVAILABLE when all are busy for too long, or the database is away. */
qn_status qn_pool_take(qn_store *store, qn_connection **connection, qn_error *error);
void qn_pool_give(qn_store *store, qn_connection *connection);

/* One statement that may be repeated: tried again once on a fresh connection when the first was lost. */
qn_status qn_pool_run(qn_store *store, const qn_statement *statement, const qn_params *params, PGresult **result, qn_error *error);

/* One transaction. `work` may be called again from its beginning: after a deadlock, after the connection was lost before COMMIT was sent, and
 * when `repeatable`, after it was lost during COMMIT; without, the outcome is then unknown and the caller is told so (QN_UNAVAILABLE).
 * A status of `work` other than QN_OK rolls back. */
typedef qn_status qn_transaction(qn_connection *connection, void *context, qn_error *error);
qn_status qn_pool_transact(qn_store *store, qn_transaction *work, void *context, bool repeatable, qn_error *error);

/* The same on a connection that the caller holds; nothing is repeated. *unknown (may be NULL): COMMIT was sent and no answer came. */
qn_status qn_connection_transact(qn_connection *connection, qn_transaction *work, void *context, bool *unknown, qn_error *error);

typedef struct qn_pool_use { int open, idle, capacity; } qn_pool_use;
qn_pool_use qn_pool_count(qn_store *store);

#endif

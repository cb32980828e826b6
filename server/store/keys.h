/* Idempotency keys inside the transactions of changes. A NULL key is none: both functions then do nothing. */
#ifndef QN_SERVER_STORE_KEYS_H
#define QN_SERVER_STORE_KEYS_H

#include "server/store/pool.h"

/* First thing in the transaction: hold the key, so that its second request cannot overtake, and look it up. *go_on is false when the key is known, or
 * held by another: then QN_OK for a replay, and QN_CONFLICT, with the verdict. */
qn_status qn_keys_begin(qn_connection *connection, qn_idempotency *idempotency, bool *go_on, qn_error *error);

/* Last thing in it: render the answer to `outcome` and keep it; deferred. */
qn_status qn_keys_keep(qn_connection *connection, qn_idempotency *idempotency, const void *outcome, qn_error *error);

#endif

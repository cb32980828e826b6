/* Notes of who did what: each change adds its own in its transaction, and each refusal one of its own. */
#ifndef QN_SERVER_STORE_AUDIT_H
#define QN_SERVER_STORE_AUDIT_H

#include "server/store/pool.h"

/* `id` 0: none. `detail`: a JSON object, NULL for {}. Deferred: a failure is that of the transaction's next statement. */
qn_status qn_audit_note(qn_connection *connection, const qn_principal *principal, const char *action, const char *resource, int64_t id,
                        const char *detail, qn_error *error);

/* Something was not done for want of the right to. A note that cannot be made is no reason for another answer. */
void qn_audit_refusal(qn_store *store, const qn_principal *principal, const char *action, const char *resource, int64_t id);

/* `count` requests from `address` came with tokens that are unknown, expired or revoked; `request_id` is the first of them. */
void qn_audit_failed_authentications(qn_store *store, const char *address, int64_t count, const char *request_id);

#endif

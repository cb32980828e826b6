/* Bearer tokens: 256 random bits, shown once, kept only as their SHA-256. Making, listing and revoking them is in api/operations.h; this is what the
 * server itself asks. */
#ifndef QN_SERVER_STORE_TOKENS_H
#define QN_SERVER_STORE_TOKENS_H

#include "server/store/store.h"

/* Who holds `secret`? QN_NOT_FOUND for one that is unknown, expired or revoked. */
qn_status qn_token_authenticate(qn_store *store, const char *secret, qn_principal *principal, qn_error *error);
/* Is the token of this row neither expired nor revoked? */
qn_status qn_token_holds(qn_store *store, int64_t id, bool *holds, qn_error *error);
/* Tokens that were not revoked: 0 means the server runs open, and so on loopback only. */
qn_status qn_token_count(qn_store *store, int64_t *count, qn_error *error);

#endif

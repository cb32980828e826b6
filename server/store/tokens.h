/* Bearer tokens: 256 random bits, shown once, kept only as their SHA-256. */
#ifndef QN_SERVER_STORE_TOKENS_H
#define QN_SERVER_STORE_TOKENS_H

#include "server/store/store.h"

enum { QN_TOKEN_SIZE = 48 }; /* "qn_" and 43 characters of base64url, with the final NUL */

typedef struct qn_token_row {
  int64_t id;
  char name[64];
  qn_scope scope;
  char created_at[32], expires_at[32], revoked_at[32], last_used_at[32]; /* RFC 3339, "" for never */
} qn_token_row;

/* `lifetime_s` 0: it does not expire. QN_INVALID for a bad name or scope, QN_CONFLICT when a live token has this name. */
qn_status qn_token_create(qn_store *store, const char *name, qn_scope scope, double lifetime_s, char secret[QN_TOKEN_SIZE],
                          int64_t *id, qn_error *error);
/* All tokens, oldest first; `rows` is malloc'ed, freed by the caller. */
qn_status qn_token_list(qn_store *store, qn_token_row **rows, int *count, qn_error *error);
/* QN_NOT_FOUND when there is no such token; revoking twice is no error. */
qn_status qn_token_revoke(qn_store *store, int64_t id, qn_error *error);
/* Who holds `secret`? QN_NOT_FOUND for one that is unknown, expired or revoked. */
qn_status qn_token_authenticate(qn_store *store, const char *secret, qn_principal *principal, qn_error *error);
/* Tokens that are neither expired nor revoked: 0 means the server runs open, and so on loopback only. */
qn_status qn_token_count(qn_store *store, int64_t *count, qn_error *error);

/* "read", "submit", "admin"; QN_SCOPE_NONE for any other word. */
qn_scope qn_token_scope_parse(const char *name);

#endif

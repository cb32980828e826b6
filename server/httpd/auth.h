/* Who is asking: bearer tokens, looked up through the backend and remembered for a few seconds by their SHA-256.
 *
 * While the backend holds no token at all and the server is bound to loopback, everyone is the local administrator; the first token ends that
 * within QN_AUTH_SECONDS. A revoked token is refused, and a new one known, within the same time. */
#ifndef QN_SERVER_HTTPD_AUTH_H
#define QN_SERVER_HTTPD_AUTH_H

#include <stdbool.h>

#include "server/httpd/httpd.h"

enum { QN_AUTH_SECONDS = 3 };

typedef enum qn_auth {
  QN_AUTH_KNOWN,      /* the principal is filled */
  QN_AUTH_MISSING,    /* no token, and one is needed to be anyone */
  QN_AUTH_WRONG,      /* not a token, or one that is unknown, expired or revoked */
  QN_AUTH_LOOK_UP,    /* not remembered: ask qn_auth_look_up, which waits for the backend */
  QN_AUTH_UNAVAILABLE /* the backend cannot be asked */
} qn_auth;

typedef struct qn_authority qn_authority;

/* `backend` is borrowed. NULL without memory. */
qn_authority *qn_auth_alloc(const qn_httpd_backend *backend, bool loopback);
void qn_auth_free(qn_authority *authority);

/* `authorization`: the header of this name, or NULL. The first never waits; the second may, and fills `error` when the backend cannot be asked. */
qn_auth qn_auth_recall(qn_authority *authority, const char *authorization, qn_principal *principal);
qn_auth qn_auth_look_up(qn_authority *authority, const char *authorization, qn_principal *principal, qn_error *error);

/* Was this token good when it was last looked up, however long ago? Then asking with it is no guess. */
bool qn_auth_trusted(qn_authority *authority, const char *authorization);

/* Tokens were made or revoked through this server: what it remembers of them holds no longer. */
void qn_auth_forget(qn_authority *authority);

#endif

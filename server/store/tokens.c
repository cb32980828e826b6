#include "server/store/tokens.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/pool.h"

enum { SECRET_BYTES = 32 };
static const char prefix[] = "qn_";

static const qn_statement insert = {
    "token_insert",
    "INSERT INTO tokens (name, scope, sha256, expires_at)"
    " VALUES ($1, $2::token_scope, $3::bytea, now() + $4::float8 * interval '1 s') RETURNING id"};
/* A name whose token has expired is free again. */
static const qn_statement retire = {
    "token_retire", "UPDATE tokens SET revoked_at = expires_at WHERE name = $1 AND revoked_at IS NULL AND expires_at <= now()"};
static const qn_statement list = {
    "token_list",
    "SELECT id, name, scope, rfc3339(created_at), rfc3339(expires_at), rfc3339(revoked_at), rfc3339(last_used_at) FROM tokens ORDER BY id"};
static const qn_statement revoke = {"token_revoke",
                                    "UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1::bigint RETURNING id"};
static const qn_statement authenticate = {
    "token_authenticate",
    "SELECT id, name, scope, coalesce(last_used_at < now() - interval '1 min', true) FROM tokens"
    " WHERE sha256 = $1::bytea AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"};
static const qn_statement touch = {"token_touch", "UPDATE tokens SET last_used_at = now() WHERE id = $1::bigint"};
static const qn_statement count_live = {
    "token_count", "SELECT count(*) FROM tokens WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"};
static const qn_statement note = {
    "token_audit", "INSERT INTO audit (principal, action, resource, resource_id) VALUES ('operator', $1, 'token', $2::bigint)"};

qn_scope qn_token_scope_parse(const char *name) {
  if (strcmp(name, "read") == 0) return QN_SCOPE_READ;
  if (strcmp(name, "submit") == 0) return QN_SCOPE_SUBMIT;
  if (strcmp(name, "admin") == 0) return QN_SCOPE_ADMIN;
  return QN_SCOPE_NONE;
}

typedef struct creation {
  const char *name, *secret;
  qn_scope scope;
  double lifetime;
  int64_t id;
} creation;

static qn_status audit(qn_connection *connection, const char *action, int64_t id, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, action);
  qn_params_int(&params, id);
  return qn_connection_run(connection, &note, &params, NULL, error);
}

static qn_status create(qn_connection *connection, void *context, qn_error *error) {
  creation *c = context;
  qn_params name = {0};
  qn_params_text(&name, c->name);
  qn_status status = qn_connection_run(connection, &retire, &name, NULL, error);
  if (status != QN_OK) return status;

  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)c->secret, strlen(c->secret), hash);
  qn_params params = {0};
  qn_params_text(&params, c->name);
  qn_params_text(&params, qn_scope_name(c->scope));
  qn_params_bytes(&params, hash, sizeof hash);
  if (c->lifetime > 0) qn_params_real(&params, c->lifetime);
  else qn_params_text(&params, NULL);
  PGresult *result;
  status = qn_connection_run(connection, &insert, &params, &result, error);
  if (status == QN_CONFLICT) return qn_error_set(error, QN_CONFLICT, "there is a live token named %s: revoke it first", c->name);
  if (status != QN_OK) return status;
  c->id = qn_field_int(result, 0, 0);
  PQclear(result);
  return audit(connection, "create", c->id, error);
}

qn_status qn_token_create(qn_store *store, const char *name, qn_scope scope, double lifetime_s, char secret[QN_TOKEN_SIZE], int64_t *id,
                          qn_error *error) {
  size_t length = strlen(name);
  if (length == 0 || length >= sizeof ((qn_token_row *)0)->name || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") != length)
    return qn_error_set(error, QN_INVALID, "a token's name has 1 to 63 letters, digits, dots, dashes, underscores or @");
  if (scope == QN_SCOPE_NONE) return qn_error_set(error, QN_INVALID, "a token's scope is read, submit or admin");
  if (!(lifetime_s >= 0 && lifetime_s < 1e10)) return qn_error_set(error, QN_INVALID, "a token's lifetime is 0 or more seconds");

  unsigned char random[SECRET_BYTES + 1] = {0}, text[64];
  if (RAND_bytes(random, SECRET_BYTES) != 1) return qn_error_set(error, QN_INTERNAL, "no random numbers for a token");
  EVP_EncodeBlock(text, random, SECRET_BYTES + 1); /* 33 bytes are 44 characters without padding; the last one is left off */
  for (unsigned char *c = text; *c != '\0'; c++) *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
  snprintf(secret, QN_TOKEN_SIZE, "%s%.43s", prefix, (const char *)text);

  creation c = {.name = name, .secret = secret, .scope = scope, .lifetime = lifetime_s};
  qn_status status = qn_pool_transact(store, create, &c, false, error);
  if (status != QN_OK) memset(secret, 0, QN_TOKEN_SIZE);
  else *id = c.id;
  return status;
}

static void copy(char *to, size_t size, const PGresult *result, int row, int column) {
  snprintf(to, size, "%s", qn_field(result, row, column));
}

qn_status qn_token_list(qn_store *store, qn_token_row **rows, int *count, qn_error *error) {
  *rows = NULL;
  *count = 0;
  PGresult *result;
  qn_status status = qn_pool_run(store, &list, NULL, &result, error);
  if (status != QN_OK) return status;
  int found = PQntuples(result);
  *rows = calloc(found > 0 ? (size_t)found : 1, sizeof **rows);
  if (*rows == NULL) {
    PQclear(result);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for %d tokens", found);
  }
  for (int i = 0; i < found; i++) {
    qn_token_row *row = &(*rows)[i];
    row->id = qn_field_int(result, i, 0);
    copy(row->name, sizeof row->name, result, i, 1);
    row->scope = qn_token_scope_parse(qn_field(result, i, 2));
    copy(row->created_at, sizeof row->created_at, result, i, 3);
    copy(row->expires_at, sizeof row->expires_at, result, i, 4);
    copy(row->revoked_at, sizeof row->revoked_at, result, i, 5);
    copy(row->last_used_at, sizeof row->last_used_at, result, i, 6);
  }
  *count = found;
  PQclear(result);
  return QN_OK;
}

static qn_status end(qn_connection *connection, void *context, qn_error *error) {
  int64_t id = *(const int64_t *)context;
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &revoke, &params, &result, error);
  if (status != QN_OK) return status;
  bool found = PQntuples(result) == 1;
  PQclear(result);
  if (!found) return qn_error_set(error, QN_NOT_FOUND, "there is no token %lld", (long long)id);
  return audit(connection, "revoke", id, error);
}

qn_status qn_token_revoke(qn_store *store, int64_t id, qn_error *error) { return qn_pool_transact(store, end, &id, true, error); }

qn_status qn_token_authenticate(qn_store *store, const char *secret, qn_principal *principal, qn_error *error) {
  memset(principal, 0, sizeof *principal);
  if (strlen(secret) != QN_TOKEN_SIZE - 2 || strncmp(secret, prefix, sizeof prefix - 1) != 0)
    return qn_error_set(error, QN_NOT_FOUND, "the token is not known");
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)secret, strlen(secret), hash);
  qn_params params = {0};
  qn_params_bytes(&params, hash, sizeof hash);
  PGresult *result;
  qn_status status = qn_pool_run(store, &authenticate, &params, &result, error);
  if (status != QN_OK) return status;
  bool found = PQntuples(result) == 1, stale = false;
  if (found) {
    principal->token = qn_field_int(result, 0, 0);
    copy(principal->name, sizeof principal->name, result, 0, 1);
    principal->scope = qn_token_scope_parse(qn_field(result, 0, 2));
    stale = qn_field_bool(result, 0, 3);
  }
  PQclear(result);
  if (!found) return qn_error_set(error, QN_NOT_FOUND, "the token is not known, has expired or was revoked");
  if (stale) { /* a note at most once a minute, and no reason to turn anyone away */
    qn_params id = {0};
    qn_params_int(&id, principal->token);
    qn_pool_run(store, &touch, &id, NULL, NULL);
  }
  return QN_OK;
}

qn_status qn_token_count(qn_store *store, int64_t *count, qn_error *error) {
  PGresult *result;
  qn_status status = qn_pool_run(store, &count_live, NULL, &result, error);
  if (status != QN_OK) return status;
  *count = qn_field_int(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

#include "server/store/tokens.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/operations.h"
#include "server/store/audit.h"
#include "server/store/rows.h"

enum { SECRET_BYTES = 32 };
static const char prefix[] = "qn_";

#define LIVE "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
#define COLUMNS "id, name, scope, created_by, rfc3339(created_at), rfc3339(expires_at), rfc3339(revoked_at), rfc3339(last_used_at)"

/* Whether there is an administrator must not change between the question and the change: one at a time. */
static const qn_statement take_turns = {"token_turns", "LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE"};
static const qn_statement count_admins = {
    "token_admins", "SELECT count(*) FROM tokens WHERE scope = 'admin' AND " LIVE " AND id <> $1::bigint"};
static const qn_statement insert = {
    "token_insert",
    "INSERT INTO tokens (name, scope, sha256, created_by, expires_at)"
    " VALUES ($1, $2::token_scope, $3::bytea, $4, now() + $5::float8 * interval '1 s') RETURNING " COLUMNS};
/* A name whose token has expired is free again. */
static const qn_statement retire = {
    "token_retire", "UPDATE tokens SET revoked_at = expires_at WHERE name = $1 AND revoked_at IS NULL AND expires_at <= now()"};
static const qn_statement list = {
    "token_list", "SELECT " COLUMNS " FROM tokens WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::integer"};
static const qn_statement is_admin = {"token_is_admin", "SELECT scope = 'admin' AND " LIVE " FROM tokens WHERE id = $1::bigint"};
static const qn_statement revoke = {"token_revoke",
                                    "UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1::bigint RETURNING " COLUMNS};
static const qn_statement authenticate = {
    "token_authenticate",
    "SELECT id, name, scope, coalesce(last_used_at < now() - interval '1 min', true) FROM tokens WHERE sha256 = $1::bytea AND " LIVE};
static const qn_statement holds = {"token_holds", "SELECT 1 FROM tokens WHERE id = $1::bigint AND " LIVE};
static const qn_statement touch = {"token_touch", "UPDATE tokens SET last_used_at = now() WHERE id = $1::bigint"};
/* Also those that have expired: a server does not become open to all because nobody renewed a token in time. */
static const qn_statement count_known = {"token_count", "SELECT count(*) FROM tokens WHERE revoked_at IS NULL"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_token_row *t = out;
  bool whole = true;
  t->id = qn_field_int(result, row, 0);
  t->name = qn_field_text(result, row, 1, &whole);
  t->scope = qn_scope_parse(qn_field(result, row, 2));
  t->created_by = qn_field_text(result, row, 3, &whole);
  t->created_at = qn_field_text(result, row, 4, &whole);
  t->expires_at = qn_field_text(result, row, 5, &whole);
  t->revoked_at = qn_field_text(result, row, 6, &whole);
  t->last_used_at = qn_field_text(result, row, 7, &whole);
  return whole;
}

/* A user of the command line has the database in his hands anyway. */
static bool is_operator(const qn_principal *principal) { return strncmp(principal->name, "os:", 3) == 0; }

static qn_status other_admins(qn_connection *connection, int64_t than, int64_t *count, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, than);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &count_admins, &params, &result, error);
  if (status != QN_OK) return status;
  *count = qn_field_int(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

typedef struct creation {
  const char *name, *secret;
  qn_scope scope;
  double lifetime;
  const qn_principal *principal;
  qn_token_row *row;
} creation;

static qn_status create(qn_connection *connection, void *context, qn_error *error) {
  creation *c = context;
  int64_t admins = 1;
  qn_params name = {0};
  qn_params_text(&name, c->name);
  qn_status status = qn_connection_run(connection, &take_turns, NULL, NULL, error);
  if (status == QN_OK && c->scope != QN_SCOPE_ADMIN && !is_operator(c->principal)) status = other_admins(connection, 0, &admins, error);
  if (status == QN_OK && admins == 0)
    status = qn_error_set(error, QN_CONFLICT, "the first token must have the scope \"admin\": with it the server is open no longer, and nobody "
                                              "could administer it");
  if (status == QN_OK) status = qn_connection_run(connection, &retire, &name, NULL, error);
  if (status != QN_OK) return status;

  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256((const unsigned char *)c->secret, strlen(c->secret), hash);
  qn_params params = {0};
  qn_params_text(&params, c->name);
  qn_params_text(&params, qn_scope_name(c->scope));
  qn_params_bytes(&params, hash, sizeof hash);
  qn_params_text(&params, c->principal->name);
  if (c->lifetime > 0) qn_params_real(&params, c->lifetime);
  else qn_params_text(&params, NULL);
  PGresult *result;
  status = qn_connection_run(connection, &insert, &params, &result, error);
  if (strcmp(connection->sqlstate, "23505") == 0) return qn_error_set(error, QN_CONFLICT, "there is a live token named %s: revoke it first", c->name);
  if (status != QN_OK) return status;
  qn_token_row_fini(c->row); /* of a call that was repeated */
  if (!fill(result, 0, c->row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a token");
  PQclear(result);
  char detail[160]; /* a name holds nothing that JSON would escape */
  snprintf(detail, sizeof detail, "{\"name\": \"%s\", \"scope\": \"%s\"}", c->name, qn_scope_name(c->scope));
  return status == QN_OK ? qn_audit_note(connection, c->principal, "create", "token", c->row->id, detail, error) : status;
}

static bool is_name(const char *name) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
  size_t length = strlen(name);
  return length > 0 && length < sizeof ((qn_principal *)0)->name && strspn(name, allowed) == length && strcmp(name, "local") != 0;
}

static qn_status make_secret(char secret[QN_SECRET_SIZE], qn_error *error) {
  unsigned char random[SECRET_BYTES + 1] = {0}, text[64];
  if (RAND_bytes(random, SECRET_BYTES) != 1) return qn_error_set(error, QN_INTERNAL, "no random numbers for a token");
  EVP_EncodeBlock(text, random, SECRET_BYTES + 1); /* 33 bytes are 44 characters without padding; the last one is left off */
  for (unsigned char *c = text; *c != '\0'; c++) *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
  snprintf(secret, QN_SECRET_SIZE, "%s%.43s", prefix, (const char *)text);
  return QN_OK;
}

qn_status qn_store_create_token(qn_store *store, const char *name, qn_scope scope, double lifetime_s, const qn_principal *principal,
                                char secret[QN_SECRET_SIZE], qn_token_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  memset(secret, 0, QN_SECRET_SIZE);
  if (!is_name(name))
    return qn_error_set(error, QN_INVALID, "a token's name has 1 to 63 letters, digits, dots, dashes, underscores or @, and is not \"local\"");
  if (scope == QN_SCOPE_NONE) return qn_error_set(error, QN_INVALID, "a token's scope is read, submit or admin");
  if (!(lifetime_s >= 0 && lifetime_s < 1e10)) return qn_error_set(error, QN_INVALID, "a token's lifetime is 0 or more seconds");
  qn_status status = make_secret(secret, error);
  creation c = {.name = name, .secret = secret, .scope = scope, .lifetime = lifetime_s, .principal = principal, .row = row};
  if (status == QN_OK) status = qn_pool_transact(store, create, &c, false, error);
  if (status == QN_OK) return QN_OK;
  qn_token_row_fini(row);
  memset(row, 0, sizeof *row);
  memset(secret, 0, QN_SECRET_SIZE);
  return status;
}

qn_status qn_store_list_tokens(qn_store *store, qn_page_query query, qn_token_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_token_page_fini(page);
  return status;
}

typedef struct revocation {
  int64_t id;
  const qn_principal *principal;
  qn_token_row *row;
} revocation;

static qn_status end(qn_connection *connection, void *context, qn_error *error) {
  revocation *r = context;
  int64_t admins = 1;
  qn_params params = {0};
  qn_params_int(&params, r->id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &take_turns, NULL, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &is_admin, &params, &result, error);
  if (status != QN_OK) return status;
  bool found = PQntuples(result) == 1, admin = found && qn_field_bool(result, 0, 0);
  PQclear(result);
  if (!found) return qn_error_set(error, QN_NOT_FOUND, "there is no token %lld", (long long)r->id);
  if (admin && !is_operator(r->principal)) status = other_admins(connection, r->id, &admins, error);
  if (status == QN_OK && admins == 0)
    status = qn_error_set(error, QN_CONFLICT, "token %lld is the last one with the scope \"admin\": make another first", (long long)r->id);
  if (status == QN_OK) status = qn_connection_run(connection, &revoke, &params, &result, error);
  if (status != QN_OK) return status;
  qn_token_row_fini(r->row);
  if (!fill(result, 0, r->row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a token");
  PQclear(result);
  return status == QN_OK ? qn_audit_note(connection, r->principal, "revoke", "token", r->id, NULL, error) : status;
}

qn_status qn_store_revoke_token(qn_store *store, int64_t id, const qn_principal *principal, qn_token_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  revocation r = {id, principal, row};
  qn_status status = qn_pool_transact(store, end, &r, true, error);
  if (status == QN_OK) return QN_OK;
  qn_token_row_fini(row);
  memset(row, 0, sizeof *row);
  return status;
}

qn_status qn_token_authenticate(qn_store *store, const char *secret, qn_principal *principal, qn_error *error) {
  memset(principal, 0, sizeof *principal);
  if (strlen(secret) != QN_SECRET_SIZE - 2 || strncmp(secret, prefix, sizeof prefix - 1) != 0)
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
    snprintf(principal->name, sizeof principal->name, "%s", qn_field(result, 0, 1));
    principal->scope = qn_scope_parse(qn_field(result, 0, 2));
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

qn_status qn_token_holds(qn_store *store, int64_t id, bool *held, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_pool_run(store, &holds, &params, &result, error);
  if (status != QN_OK) return status;
  *held = PQntuples(result) > 0;
  PQclear(result);
  return QN_OK;
}

qn_status qn_token_count(qn_store *store, int64_t *count, qn_error *error) {
  PGresult *result;
  qn_status status = qn_pool_run(store, &count_known, NULL, &result, error);
  if (status != QN_OK) return status;
  *count = qn_field_int(result, 0, 0);
  PQclear(result);
  return QN_OK;
}

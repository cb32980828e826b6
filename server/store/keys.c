#include "server/store/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A name for the advisory lock of one key of one principal; the length keeps "a" + "bc" and "ab" + "c" apart. */
static const qn_statement hold = {
    "key_hold", "SELECT pg_try_advisory_xact_lock(hashtextextended(length($1::text)::text || ' ' || $1::text || $2::text, 0))"};
static const qn_statement find = {
    "key_find",
    "SELECT request_sha256, status, content_type, location, body FROM idempotency_keys WHERE principal = $1 AND key = $2"};
static const qn_statement keep = {
    "key_keep",
    "INSERT INTO idempotency_keys (principal, key, request_sha256, status, content_type, location, body)"
    " VALUES ($1, $2, $3, $4::integer, $5, $6, $7) ON CONFLICT (principal, key) DO NOTHING"};

static const char problem[] = "application/problem+json", plain[] = "application/json";

static void name_key(qn_params *params, const qn_idempotency *idempotency) {
  qn_params_text(params, idempotency->principal);
  qn_params_text(params, idempotency->key);
}

static void forget_answer(qn_idempotency *idempotency) {
  free(idempotency->answer.body);
  idempotency->answer = (qn_answer){0};
  idempotency->verdict = QN_KEY_FRESH;
}

/* The verdict on what the table says of the key. */
static qn_status judge(qn_idempotency *idempotency, const PGresult *found, qn_error *error) {
  forget_answer(idempotency); /* of a transaction that is repeated */
  if (PQntuples(found) == 0) return QN_OK;
  if (strcmp(qn_field(found, 0, 0), idempotency->request_sha256) != 0) {
    idempotency->verdict = QN_KEY_REUSED;
    return QN_OK;
  }
  bool whole = true;
  idempotency->verdict = QN_KEY_REPLAYED;
  idempotency->answer.status = (int)qn_field_int(found, 0, 1);
  idempotency->answer.problem = strcmp(qn_field(found, 0, 2), problem) == 0;
  snprintf(idempotency->answer.location, sizeof idempotency->answer.location, "%s", qn_field(found, 0, 3));
  idempotency->answer.body = qn_field_text(found, 0, 4, &whole);
  return whole ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for an answer");
}

qn_status qn_keys_begin(qn_connection *connection, qn_idempotency *idempotency, bool *go_on, qn_error *error) {
  *go_on = true;
  if (idempotency == NULL || idempotency->key == NULL) return QN_OK;
  qn_params params = {0};
  name_key(&params, idempotency);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &hold, &params, &result, error);
  if (status != QN_OK) return status;
  bool held = qn_field_bool(result, 0, 0);
  PQclear(result);
  if (!held) {
    *go_on = false;
    forget_answer(idempotency);
    idempotency->verdict = QN_KEY_IN_FLIGHT;
    return qn_error_set(error, QN_CONFLICT, "the first request with this Idempotency-Key is still being answered");
  }
  status = qn_connection_run(connection, &find, &params, &result, error);
  if (status != QN_OK) return status;
  status = judge(idempotency, result, error);
  PQclear(result);
  *go_on = idempotency->verdict == QN_KEY_FRESH;
  if (status == QN_OK && idempotency->verdict == QN_KEY_REUSED)
    status = qn_error_set(error, QN_CONFLICT, "this Idempotency-Key was used with another request");
  return status;
}

static void keep_params(qn_params *params, const qn_idempotency *idempotency) {
  const qn_answer *answer = &idempotency->answer;
  name_key(params, idempotency);
  qn_params_text(params, idempotency->request_sha256);
  qn_params_int(params, answer->status);
  qn_params_text(params, answer->problem ? problem : plain);
  qn_params_text(params, answer->location);
  qn_params_text(params, answer->body);
}

qn_status qn_keys_keep(qn_connection *connection, qn_idempotency *idempotency, const void *outcome, qn_error *error) {
  if (idempotency == NULL || idempotency->key == NULL) return QN_OK;
  forget_answer(idempotency);
  if (!idempotency->render(outcome, idempotency->context, &idempotency->answer))
    return qn_error_set(error, QN_NO_MEMORY, "no memory for an answer");
  qn_params params = {0};
  keep_params(&params, idempotency);
  return qn_connection_defer(connection, &keep, &params, error);
}

qn_status qn_store_find_key(qn_store *store, qn_idempotency *idempotency, qn_error *error) {
  qn_params params = {0};
  name_key(&params, idempotency);
  PGresult *result;
  qn_status status = qn_pool_run(store, &find, &params, &result, error);
  if (status != QN_OK) return status;
  status = judge(idempotency, result, error);
  PQclear(result);
  return status;
}

qn_status qn_store_keep_answer(qn_store *store, const qn_idempotency *idempotency, qn_error *error) {
  qn_params params = {0};
  keep_params(&params, idempotency);
  return qn_pool_run(store, &keep, &params, NULL, error);
}

#include "api/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/problem.h"

static bool is_key(const char *key) {
  size_t length = strlen(key);
  bool good = length >= 1 && length <= 255;
  for (size_t i = 0; good && i < length; i++) good = key[i] >= 0x20 && key[i] < 0x7f;
  return good;
}

/* What makes two requests the same: method, path, query and body. Each part has a hash of its own, so that none can run into the next. */
static void fingerprint(const qn_request *request, char hash[QN_HASH_SIZE]) {
  json_t *parts = json_array();
  char body[QN_HASH_SIZE];
  json_array_append_new(parts, qn_json_text(request->method));
  json_array_append_new(parts, qn_json_text(request->path));
  for (int i = 0; i < request->query_count; i++) {
    json_array_append_new(parts, qn_json_text(request->query[i].name));
    json_array_append_new(parts, qn_json_text(request->query[i].value));
  }
  if (request->body_path == NULL)
    qn_hash_hex(request->body, request->body_size, body);
  else
    snprintf(body, sizeof body, "%s", request->body_sha256);
  json_array_append_new(parts, json_string(body));
  char *text = qn_json_write(parts, false);
  qn_hash_hex(text != NULL ? text : "", text != NULL ? strlen(text) : 0, hash);
  free(text);
  json_decref(parts);
}

/* Gives the body of `answer` away. */
static void send(qn_answer *answer, qn_response *response) {
  if (answer->location[0] != '\0') qn_response_header(response, "Location", "%s", answer->location);
  free(response->bytes);
  response->status = answer->status;
  response->content_type = answer->problem ? "application/problem+json" : "application/json";
  response->kind = QN_BODY_BYTES;
  response->bytes = answer->body;
  response->size = strlen(answer->body);
  answer->body = NULL;
}

/* The verdicts that settle a request; false when it is to be answered by what it did. */
static bool settle(const qn_request *request, qn_idempotency *idempotency, qn_response *response) {
  switch (idempotency->verdict) {
  case QN_KEY_FRESH:
    return false;
  case QN_KEY_REPLAYED:
    qn_response_header(response, "Idempotent-Replayed", "true");
    send(&idempotency->answer, response);
    return true;
  case QN_KEY_REUSED:
    qn_problem_render(response, request, 422, "idempotency_key_reused", NULL,
                      "This Idempotency-Key was used with another request; a new one is needed.");
    return true;
  case QN_KEY_IN_FLIGHT:
    qn_response_header(response, "Retry-After", "1");
    qn_problem_render(response, request, 409, "idempotency_key_in_flight", NULL,
                      "The first request with this Idempotency-Key is still being answered.");
    return true;
  }
  return false;
}

bool qn_idempotency_begin(qn_store *store, const qn_route *route, qn_request *request, qn_keyed *keyed, qn_response *response) {
  memset(keyed, 0, sizeof *keyed);
  request->idempotency = NULL;
  const char *key = (route->traits & QN_ROUTE_KEY) != 0 ? qn_request_header(request, "Idempotency-Key") : NULL;
  if (key == NULL) return true;
  if (!is_key(key)) {
    qn_problem_render(response, request, 400, "invalid_header", NULL,
                      "Idempotency-Key must be 1 to 255 printable ASCII characters.");
    return false;
  }
  fingerprint(request, keyed->request_sha256);
  keyed->idempotency = (qn_idempotency){.key = key, .principal = request->principal.name, .request_sha256 = keyed->request_sha256};
  request->idempotency = &keyed->idempotency;
  qn_error error;
  if (qn_store_find_key(store, &keyed->idempotency, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return false;
  }
  return !settle(request, &keyed->idempotency, response);
}

void qn_idempotency_end(qn_store *store, qn_request *request, qn_keyed *keyed, const qn_response *response) {
  qn_idempotency *idempotency = request->idempotency;
  request->idempotency = NULL;
  bool refused = idempotency != NULL && idempotency->verdict == QN_KEY_FRESH && response->status == 409 && response->bytes != NULL;
  if (refused) {
    qn_error ignored; /* the refusal stands; a repetition will be judged anew */
    idempotency->answer = (qn_answer){.status = 409, .problem = true, .body = response->bytes};
    qn_store_keep_answer(store, idempotency, &ignored);
    idempotency->answer.body = NULL;
  }
  free(keyed->idempotency.answer.body);
  keyed->idempotency.answer.body = NULL;
}

void qn_idempotency_prepare(const qn_request *request, qn_render *render, const void *context) {
  if (request->idempotency == NULL) return;
  request->idempotency->render = render;
  request->idempotency->context = context;
}

void qn_idempotency_reply(const qn_request *request, qn_response *response, qn_status status, const qn_error *error,
                          qn_render *render, const void *outcome, const void *context) {
  static const qn_error no_memory = {QN_NO_MEMORY, "no memory for the answer"};
  qn_idempotency *idempotency = request->idempotency;
  qn_answer answer = {0};
  if (idempotency != NULL && settle(request, idempotency, response)) return;
  if (status != QN_OK)
    qn_problem_from_error(response, request, error);
  else if (idempotency != NULL && idempotency->answer.body != NULL)
    send(&idempotency->answer, response);
  else if (render(outcome, context, &answer))
    send(&answer, response);
  else
    qn_problem_from_error(response, request, &no_memory);
}

bool qn_answer_json(qn_answer *answer, int status, json_t *value) {
  answer->status = status;
  answer->body = qn_json_write(value, false);
  json_decref(value);
  return answer->body != NULL;
}

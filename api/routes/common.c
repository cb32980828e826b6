#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/json.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

json_t *qn_link(const char *format, ...) {
  char path[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  return json_sprintf("/v1/%s", path);
}

json_t *qn_text_or_null(const char *text) { return text == NULL || text[0] == '\0' ? json_null() : qn_json_text(text); }

json_t *qn_stored_json(const char *text) {
  json_t *value = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
  return value != NULL ? value : json_null();
}

int64_t qn_handler_id(const qn_request *request, qn_response *response) {
  int64_t id = qn_path_id(request->parameter[0]);
  if (id == 0)
    qn_problem_render(response, request, 404, "not_found", NULL,
                      "\"%.40s\" is no identifier; a positive integer is needed.", request->parameter[0]);
  return id;
}

void qn_handler_page(const qn_request *request, qn_response *response, qn_status status, const qn_error *error,
                     json_t *items, bool more, int64_t last) {
  if (status == QN_OK) {
    qn_reply_page(response, request, items, more, last);
  } else {
    json_decref(items);
    qn_problem_from_error(response, request, error);
  }
}

qn_status qn_handler_simulation_spec(qn_store *store, int64_t id, qn_simulation_spec **spec, qn_error *error) {
  qn_simulation_row row = {0};
  qn_faults faults = {0};
  *spec = NULL;
  qn_status status = qn_store_get_simulation(store, id, &row, error);
  if (status == QN_OK && (*spec = malloc(sizeof **spec)) == NULL)
    status = qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  if (status == QN_OK) {
    qn_spec_parse_stored(row.spec, strlen(row.spec), *spec, &faults);
    if (qn_faults_total(&faults) > 0)
      status = qn_error_set(error, QN_CORRUPT, "the stored spec of simulation %lld is damaged", (long long)id);
  }
  if (status != QN_OK) {
    free(*spec);
    *spec = NULL;
  }
  qn_faults_fini(&faults);
  qn_simulation_row_fini(&row);
  return status;
}

static bool is_key(const char *key) {
  size_t length = strlen(key);
  bool good = length >= 1 && length <= 255;
  for (size_t i = 0; good && i < length; i++) good = key[i] >= 0x20 && key[i] < 0x7f;
  return good;
}

/* "state" of the job just submitted or found: whoever posts work that has failed before should hear of it. The work is accepted all the same
 * when storage does not answer any more. */
static void add_state(qn_store *store, int64_t job, json_t *answer) {
  qn_job_row row = {0};
  qn_error error;
  if (qn_store_get_job(store, job, &row, &error) == QN_OK)
    json_object_set_new(answer, "state", json_string(qn_job_state_name(row.state)));
  qn_job_row_fini(&row);
}

void qn_handler_submit(qn_store *store, const qn_request *request, const qn_submission *submission,
                       const char *collection, qn_response *response) {
  const char *key = qn_request_header(request, "Idempotency-Key");
  if (key != NULL && !is_key(key)) {
    qn_problem_render(response, request, 400, "invalid_header", NULL,
                      "Idempotency-Key must be 1 to 255 printable ASCII characters.");
    return;
  }
  char body_hash[QN_HASH_SIZE];
  qn_hash_hex(request->body, request->body_size, body_hash);
  const qn_idempotency idempotency = {key, key != NULL ? body_hash : NULL,
                                      key != NULL ? request->principal.name : NULL};
  qn_submitted submitted = {0};
  qn_error error;
  if (qn_store_submit(store, submission, &idempotency, &request->principal, &submitted, &error) != QN_OK) {
    if (error.status == QN_INVALID && key != NULL)
      qn_problem_render(response, request, 422, "idempotency_key_reused", NULL, "%s", error.message);
    else if (error.status == QN_CONFLICT && key != NULL)
      qn_problem_render(response, request, 409, "idempotency_key_in_flight", NULL, "%s", error.message);
    else
      qn_problem_from_error(response, request, &error);
    return;
  }
  const long long id = submitted.id, job = submitted.job;
  qn_response_header(response, "Location", "/v1/%s/%lld", collection, id);
  json_t *links = json_object(), *answer = json_object();
  json_object_set_new(links, "self", qn_link("%s/%lld", collection, id));
  json_object_set_new(links, "job", qn_link("jobs/%lld", job));
  json_object_set_new(links, "events", qn_link("jobs/%lld/events", job));
  json_object_set_new(links, "results", qn_link("results?%s=%lld", submission->kind, id));
  json_object_set_new(answer, "id", json_integer(id));
  json_object_set_new(answer, "job", json_integer(job));
  json_object_set_new(answer, "created", json_boolean(submitted.created));
  add_state(store, submitted.job, answer);
  json_object_set_new(answer, "spec_sha256", json_string(submission->sha256));
  json_object_set_new(answer, "links", links);
  qn_reply_json(response, request, submitted.created ? 202 : 200, answer);
}

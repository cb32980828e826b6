#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/idempotency.h"
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

typedef struct submitted {
  const qn_submission *submission;
  const char *collection;
} submitted;

static bool render_submitted(const void *outcome, const void *context, qn_answer *answer) {
  const qn_submitted *made = outcome;
  const submitted *what = context;
  const long long id = made->id, job = made->job;
  const char *kind = what->submission->kind;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("%s/%lld", what->collection, id));
  json_object_set_new(links, "job", qn_link("jobs/%lld", job));
  json_object_set_new(links, "events", qn_link("jobs/%lld/events", job));
  json_object_set_new(links, "results", qn_link("results?%s=%lld", strcmp(kind, "import") == 0 ? "trajectory" : kind, id));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "job", json_integer(job));
  json_object_set_new(object, "created", json_boolean(made->created));
  json_object_set_new(object, "state", json_string(qn_job_state_name(made->state)));
  json_object_set_new(object, "spec_sha256", json_string(what->submission->sha256));
  json_object_set_new(object, "links", links);
  snprintf(answer->location, sizeof answer->location, "/v1/%s/%lld", what->collection, id);
  return qn_answer_json(answer, made->created ? 202 : 200, object);
}

void qn_handler_submit(qn_store *store, const qn_request *request, const qn_submission *submission,
                       const char *collection, qn_response *response) {
  const submitted context = {submission, collection};
  qn_submitted made = {0};
  qn_error error;
  if (submission->prioritised && !qn_handler_may_prioritise(request, submission->priority, response)) return;
  qn_idempotency_prepare(request, render_submitted, &context);
  qn_status status = qn_store_submit(store, submission, request->idempotency, &request->principal, &made, &error);
  qn_idempotency_reply(request, response, status, &error, render_submitted, &made, &context);
}

bool qn_handler_may_prioritise(const qn_request *request, int priority, qn_response *response) {
  bool modest = priority >= -QN_MOST_PRIORITY && priority <= QN_MOST_PRIORITY;
  if (modest || request->principal.scope >= QN_SCOPE_ADMIN) return true;
  qn_problem_render(response, request, 403, "forbidden", NULL,
                    "A priority beyond -%d and %d needs a token with the scope \"admin\"; this one has \"%s\".",
                    QN_MOST_PRIORITY, QN_MOST_PRIORITY, qn_scope_name(request->principal.scope));
  return false;
}

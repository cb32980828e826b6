#include <stdlib.h>
#include <string.h>

#include "api/idempotency.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/read.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

/* The collection that a job's resource is in. */
static const char *collection_of(const char *kind) {
  static const struct {
    const char *kind, *collection;
  } known[] = {{"analysis", "analyses"}, {"fit", "fits"}, {"import", "trajectories"}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(kind, known[i].kind) == 0) return known[i].collection;
  return "simulations";
}

/* What became of the wish to end it; null when there was none. */
static json_t *cancel_effect(const qn_job_row *row) {
  if (row->cancel_requested_at[0] == '\0') return json_null();
  return json_string(row->state == QN_JOB_CANCELLED      ? "took_effect"
                     : qn_job_state_final(row->state) ? "too_late"
                                                      : "pending");
}

static json_t *job_json(const qn_job_row *row) {
  const long long id = row->id;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("jobs/%lld", id));
  json_object_set_new(links, "resource", qn_link("%s/%lld", collection_of(row->kind), (long long)row->resource));
  json_object_set_new(links, "events", qn_link("jobs/%lld/events", id));
  json_object_set_new(links, "attempts", qn_link("jobs/%lld/attempts", id));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "kind", qn_json_text(row->kind));
  json_object_set_new(object, "resource", json_integer(row->resource));
  json_object_set_new(object, "state", json_string(qn_job_state_name(row->state)));
  json_object_set_new(object, "attempt", json_integer(row->attempt));
  json_object_set_new(object, "failures", json_integer(row->failures));
  json_object_set_new(object, "max_attempts", json_integer(row->max_attempts));
  json_object_set_new(object, "priority", json_integer(row->priority));
  json_object_set_new(object, "progress", qn_json_number(row->progress));
  json_object_set_new(object, "eta_s", qn_json_number(row->eta_s));
  json_object_set_new(object, "parents", qn_stored_json(row->parents));
  json_object_set_new(object, "failed_by", row->failed_by != 0 ? json_integer(row->failed_by) : json_null());
  json_object_set_new(object, "cancel_requested", json_boolean(row->cancel_requested_at[0] != '\0'));
  json_object_set_new(object, "cancel_requested_at", qn_text_or_null(row->cancel_requested_at));
  json_object_set_new(object, "cancel_effect", cancel_effect(row));
  json_object_set_new(object, "waiting", qn_text_or_null(row->waiting));
  json_object_set_new(object, "error", qn_text_or_null(row->error));
  json_object_set_new(object, "worker", qn_text_or_null(row->worker));
  json_object_set_new(object, "submitted_by", qn_json_text(row->submitted_by));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "started_at", qn_text_or_null(row->started_at));
  json_object_set_new(object, "finished_at", qn_text_or_null(row->finished_at));
  json_object_set_new(object, "links", links);
  return object;
}

static const char *const STATES[] = {"blocked", "queued", "running", "succeeded", "failed", "cancelled", NULL};

void qn_check_jobs(const qn_request *request, qn_faults *faults) {
  qn_query_page(request, faults);
  qn_query_word(request, "state", STATES, faults);
}

void qn_list_jobs(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  int state = qn_query_word(request, "state", STATES, NULL);
  qn_job_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_jobs(store, state >= 0 ? STATES[state] : NULL, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, job_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_job_page_fini(&page);
}

void qn_get_job(qn_store *store, const qn_request *request, qn_response *response) {
  qn_job_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_get_job(store, id, &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_resource(response, request, job_json(&row));
  qn_job_row_fini(&row);
}

/* 200 when the job is in its new state already, 202 when a worker has to hear of it first. */
static bool render_cancelled(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  const qn_job_row *row = outcome;
  return qn_answer_json(answer, row->state == QN_JOB_RUNNING ? 202 : 200, job_json(row));
}

static bool render_changed(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  return qn_answer_json(answer, 200, job_json(outcome));
}

void qn_cancel_job(qn_store *store, const qn_request *request, qn_response *response) {
  qn_job_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  qn_idempotency_prepare(request, render_cancelled, NULL);
  qn_status status = qn_store_cancel_job(store, id, request->idempotency, &request->principal, &row, &error);
  qn_idempotency_reply(request, response, status, &error, render_cancelled, &row, NULL);
  qn_job_row_fini(&row);
}

void qn_retry_job(qn_store *store, const qn_request *request, qn_response *response) {
  qn_job_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  qn_idempotency_prepare(request, render_changed, NULL);
  qn_status status = qn_store_retry_job(store, id, request->idempotency, &request->principal, &row, &error);
  qn_idempotency_reply(request, response, status, &error, render_changed, &row, NULL);
  qn_job_row_fini(&row);
}

static int read_priority(const qn_request *request, qn_faults *faults) {
  int64_t priority = 0;
  json_t *root = qn_json_parse(request->body, request->body_size, faults);
  if (root == NULL) return 0;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  priority = qn_reader_integer(&reader, "priority", -QN_MOST_ADMIN_PRIORITY, QN_MOST_ADMIN_PRIORITY, NULL);
  qn_reader_end(&reader, "a change of a job");
  json_decref(root);
  return (int)priority;
}

void qn_change_job(qn_store *store, const qn_request *request, qn_response *response) {
  qn_job_row row = {0};
  qn_faults faults = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  int priority = read_priority(request, &faults);
  if (qn_faults_total(&faults) > 0) {
    qn_problem_from_faults(response, request, &faults);
  } else if (qn_handler_may_prioritise(request, priority, response)) {
    qn_idempotency_prepare(request, render_changed, NULL);
    qn_status status = qn_store_set_priority(store, id, priority, request->idempotency, &request->principal, &row, &error);
    qn_idempotency_reply(request, response, status, &error, render_changed, &row, NULL);
  }
  qn_job_row_fini(&row);
  qn_faults_fini(&faults);
}

static json_t *attempt_json(const qn_attempt_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "attempt", json_integer(row->attempt));
  json_object_set_new(object, "worker", qn_json_text(row->worker));
  json_object_set_new(object, "started_at", qn_json_text(row->started_at));
  json_object_set_new(object, "ended_at", qn_text_or_null(row->ended_at));
  json_object_set_new(object, "outcome", qn_text_or_null(row->outcome));
  json_object_set_new(object, "error", qn_text_or_null(row->error));
  return object;
}

void qn_list_attempts(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  qn_attempt_page page = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  qn_status status = qn_store_list_attempts(store, id, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, attempt_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].attempt : 0);
  qn_attempt_page_fini(&page);
}

void qn_get_job_events(qn_store *store, const qn_request *request, qn_response *response) {
  qn_job_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response), last = 0;
  if (id == 0) return;
  const char *text = qn_request_header(request, "Last-Event-ID");
  if (text != NULL && strcmp(text, "0") != 0 && text[0] != '\0') {
    last = qn_path_id(text);
    if (last == 0) {
      qn_problem_render(response, request, 400, "invalid_header", NULL,
                        "Last-Event-ID must be the id of an event, a whole number.");
      return;
    }
  }
  if (qn_store_get_job(store, id, &row, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  qn_job_row_fini(&row);
  qn_response_header(response, "Cache-Control", "no-store");
  response->status = 200;
  response->content_type = "text/event-stream";
  response->kind = QN_BODY_EVENTS;
  response->job = id;
  response->last_event = last;
}

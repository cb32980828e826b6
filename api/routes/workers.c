/* The workers, and what they do. */
#include "api/json.h"
#include "api/operations.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *worker_json(const qn_worker_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "alive", json_boolean(row->alive));
  json_object_set_new(object, "jobs", json_integer(row->jobs));
  json_object_set_new(object, "threads", json_integer(row->threads));
  json_object_set_new(object, "running", qn_stored_json(row->running));
  json_object_set_new(object, "trouble", qn_text_or_null(row->trouble));
  json_object_set_new(object, "started_at", qn_json_text(row->started_at));
  json_object_set_new(object, "seen_at", qn_json_text(row->seen_at));
  return object;
}

void qn_list_workers(qn_store *store, const qn_request *request, qn_response *response) {
  qn_worker_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_workers(store, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, worker_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, false, 0);
  qn_worker_page_fini(&page);
}

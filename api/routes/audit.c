/* Who did what, when, by which request, and whether it was done or refused. */
#include "api/json.h"
#include "api/operations.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *audit_json(const qn_audit_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "id", json_integer(row->id));
  json_object_set_new(object, "at", qn_json_text(row->at));
  json_object_set_new(object, "principal", qn_json_text(row->principal));
  json_object_set_new(object, "token", row->token != 0 ? json_integer(row->token) : json_null());
  json_object_set_new(object, "action", qn_json_text(row->action));
  json_object_set_new(object, "resource", qn_json_text(row->resource));
  json_object_set_new(object, "resource_id", row->resource_id != 0 ? json_integer(row->resource_id) : json_null());
  json_object_set_new(object, "request_id", qn_text_or_null(row->request_id));
  json_object_set_new(object, "outcome", qn_json_text(row->outcome));
  json_object_set_new(object, "detail", qn_stored_json(row->detail));
  return object;
}

static qn_audit_query read_query(const qn_request *request, qn_faults *faults) {
  static const char *const outcomes[] = {"done", "refused", NULL};
  int outcome = qn_query_word(request, "outcome", outcomes, faults);
  return (qn_audit_query){.principal = qn_query_text(request, "principal", faults),
                          .action = qn_query_text(request, "action", faults),
                          .resource = qn_query_text(request, "resource", faults),
                          .resource_id = qn_query_integer(request, "resource_id", 1, INT64_MAX, 0, faults),
                          .outcome = outcome >= 0 ? outcomes[outcome] : NULL,
                          .page = qn_query_page(request, faults)};
}

void qn_check_audit(const qn_request *request, qn_faults *faults) { read_query(request, faults); }

void qn_list_audit(qn_store *store, const qn_request *request, qn_response *response) {
  const qn_audit_query query = read_query(request, NULL);
  qn_audit_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_audit(store, &query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, audit_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_audit_page_fini(&page);
}

/* Who may do what: tokens made, listed and revoked by an administrator. */
#include <math.h>
#include <string.h>

#include "api/json.h"
#include "api/operations.h"
#include "api/query.h"
#include "api/read.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static const double SECONDS_A_DAY = 86400.0;

static json_t *token_json(const qn_token_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "id", json_integer(row->id));
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "scope", json_string(qn_scope_name(row->scope)));
  json_object_set_new(object, "created_by", qn_text_or_null(row->created_by));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "expires_at", qn_text_or_null(row->expires_at));
  json_object_set_new(object, "revoked_at", qn_text_or_null(row->revoked_at));
  json_object_set_new(object, "last_used_at", qn_text_or_null(row->last_used_at));
  return object;
}

void qn_list_tokens(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  qn_token_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_tokens(store, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, token_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_token_page_fini(&page);
}

typedef struct wish {
  char name[64];
  qn_scope scope;
  double days; /* 0: for ever */
} wish;

static void parse(const qn_request *request, wish *wanted, qn_faults *faults) {
  static const char *const scopes[] = {"read", "submit", "admin", NULL};
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
  json_t *root = qn_json_parse(request->body, request->body_size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  qn_reader_text(&reader, "name", wanted->name, sizeof wanted->name, NULL);
  if (strspn(wanted->name, allowed) != strlen(wanted->name) || strcmp(wanted->name, "local") == 0)
    qn_reader_fault(&reader, "name",
                    "must be of 1 to 63 letters, digits, dots, dashes, underscores or @, and not \"local\", which is everyone's name "
                    "while there are no tokens");
  int scope = qn_reader_word(&reader, "scope", scopes, -1);
  wanted->scope = scope >= 0 ? qn_scope_parse(scopes[scope]) : QN_SCOPE_NONE;
  /* A minute is the shortest that makes sense, a hundred years the longest. */
  wanted->days = qn_reader_number(&reader, "expires_days", (qn_bounds){1.0 / 1440.0, 36500.0, "d"}, 0.0);
  qn_reader_end(&reader, "a token");
  json_decref(root);
}

void qn_create_token(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  wish wanted = {0};
  qn_token_row row = {0};
  qn_error error;
  char secret[QN_SECRET_SIZE];
  parse(request, &wanted, &faults);
  if (qn_faults_total(&faults) > 0) {
    qn_problem_from_faults(response, request, &faults);
  } else if (qn_store_create_token(store, wanted.name, wanted.scope, wanted.days * SECONDS_A_DAY, &request->principal, secret,
                                   &row, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
  } else {
    json_t *object = token_json(&row);
    json_object_set_new(object, "token", json_string(secret));
    qn_response_header(response, "Cache-Control", "no-store");
    qn_reply_json(response, request, 201, object);
  }
  qn_token_row_fini(&row);
  qn_faults_fini(&faults);
}

void qn_revoke_token(qn_store *store, const qn_request *request, qn_response *response) {
  qn_token_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_revoke_token(store, id, &request->principal, &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_json(response, request, 200, token_json(&row));
  qn_token_row_fini(&row);
}

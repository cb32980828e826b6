#include "server/store/audit.h"

#include <stdio.h>
#include <string.h>

#include "api/operations.h"
#include "server/log.h"
#include "server/store/rows.h"

static const qn_statement note = {
    "audit_note",
    "INSERT INTO audit (principal, token_id, action, resource, resource_id, request_id, outcome, detail)"
    " VALUES ($1, $2::bigint, $3, $4, $5::bigint, $6, $7, $8::text::jsonb)"};
static const qn_statement list = {
    "audit_list",
    "SELECT id, rfc3339(at), principal, coalesce(token_id, 0), action, resource, coalesce(resource_id, 0), request_id, outcome, detail FROM audit"
    " WHERE id < $1::bigint AND ($3::text IS NULL OR principal = $3) AND ($4::text IS NULL OR action = $4)"
    " AND ($5::text IS NULL OR resource = $5) AND ($6::bigint IS NULL OR resource_id = $6) AND ($7::text IS NULL OR outcome = $7)"
    " ORDER BY id DESC LIMIT $2::integer"};

static void fill_params(qn_params *params, const qn_principal *principal, const char *action, const char *resource, int64_t id,
                        const char *outcome, const char *detail) {
  qn_params_text(params, principal->name);
  qn_params_id(params, principal->token);
  qn_params_text(params, action);
  qn_params_text(params, resource);
  qn_params_id(params, id);
  qn_params_text(params, principal->request_id != NULL ? principal->request_id : "");
  qn_params_text(params, outcome);
  qn_params_text(params, detail != NULL ? detail : "{}");
}

qn_status qn_audit_note(qn_connection *connection, const qn_principal *principal, const char *action, const char *resource, int64_t id,
                        const char *detail, qn_error *error) {
  qn_params params = {0};
  fill_params(&params, principal, action, resource, id, "done", detail);
  return qn_connection_defer(connection, &note, &params, error);
}

static void note_alone(qn_store *store, const qn_params *params) {
  qn_error error;
  if (qn_pool_run(store, &note, params, NULL, &error) != QN_OK) qn_log("warning", "audit: %s", error.message);
}

void qn_audit_refusal(qn_store *store, const qn_principal *principal, const char *action, const char *resource, int64_t id) {
  qn_params params = {0};
  fill_params(&params, principal, action, resource, id, "refused", NULL);
  note_alone(store, &params);
}

void qn_audit_failed_authentications(qn_store *store, const char *address, int64_t count, const char *request_id) {
  char detail[160];
  /* An address is digits, letters, dots and colons, or words of ours. */
  snprintf(detail, sizeof detail, "{\"address\": \"%.64s\", \"count\": %lld}", address, (long long)count);
  const qn_principal nobody = {.name = "-", .request_id = request_id};
  qn_params params = {0};
  fill_params(&params, &nobody, "authenticate", "token", 0, "refused", detail);
  note_alone(store, &params);
}

static bool fill(const PGresult *result, int row, void *out) {
  qn_audit_row *a = out;
  bool whole = true;
  a->id = qn_field_int(result, row, 0);
  a->at = qn_field_text(result, row, 1, &whole);
  a->principal = qn_field_text(result, row, 2, &whole);
  a->token = qn_field_int(result, row, 3);
  a->action = qn_field_text(result, row, 4, &whole);
  a->resource = qn_field_text(result, row, 5, &whole);
  a->resource_id = qn_field_int(result, row, 6);
  a->request_id = qn_field_text(result, row, 7, &whole);
  a->outcome = qn_field_text(result, row, 8, &whole);
  a->detail = qn_field_text(result, row, 9, &whole);
  return whole;
}

qn_status qn_store_list_audit(qn_store *store, const qn_audit_query *query, qn_audit_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query->page);
  qn_params_text(&params, query->principal);
  qn_params_text(&params, query->action);
  qn_params_text(&params, query->resource);
  qn_params_id(&params, query->resource_id);
  qn_params_text(&params, query->outcome);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_audit_page_fini(page);
  return status;
}

#include <string.h>

#include "server/store/audit.h"
#include "server/store/keys.h"
#include "server/store/rows.h"

#define COLUMNS "id, name, sha256, species, format, citation, licence, rfc3339(created_at), details, cutoff_a, octet_length(content)"

static const qn_statement insert = {
    "potential_insert",
    "INSERT INTO potentials (name, sha256, species, format, citation, licence, details, cutoff_a, content)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7::json, $8::float8, $9::bytea) ON CONFLICT (name) DO NOTHING RETURNING id"};
static const qn_statement list = {
    "potential_list", "SELECT " COLUMNS " FROM potentials WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::integer"};
static const qn_statement get = {"potential_get", "SELECT " COLUMNS " FROM potentials WHERE name = $1"};
static const qn_statement get_text = {"potential_text", "SELECT content FROM potentials WHERE name = $1"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_potential_row *p = out;
  bool whole = true;
  p->id = qn_field_int(result, row, 0);
  p->name = qn_field_text(result, row, 1, &whole);
  p->sha256 = qn_field_text(result, row, 2, &whole);
  p->species = qn_field_text(result, row, 3, &whole);
  p->format = qn_field_text(result, row, 4, &whole);
  p->citation = qn_field_text(result, row, 5, &whole);
  p->licence = qn_field_text(result, row, 6, &whole);
  p->created_at = qn_field_text(result, row, 7, &whole);
  p->details = qn_field_text(result, row, 8, &whole);
  p->cutoff_a = qn_field_real(result, row, 9);
  p->size = qn_field_int(result, row, 10);
  return whole;
}

typedef struct addition {
  const qn_potential_row *row;
  const char *text;
  size_t size;
  qn_idempotency *idempotency;
  const qn_principal *principal;
  qn_added_potential out;
} addition;

/* The row as it is kept, by its name. */
static qn_status read_back(qn_connection *connection, addition *a, qn_error *error) {
  qn_params name = {0};
  qn_params_text(&name, a->row->name);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &get, &name, &result, error);
  if (status != QN_OK) return status;
  qn_potential_row_fini(&a->out.row); /* of a call that was repeated */
  memset(&a->out.row, 0, sizeof a->out.row);
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_UNAVAILABLE, "the potential %s is being removed", a->row->name);
  else if (!fill(result, 0, &a->out.row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a potential");
  PQclear(result);
  return status;
}

static qn_status add(qn_connection *connection, void *context, qn_error *error) {
  addition *a = context;
  bool go_on;
  qn_status status = qn_keys_begin(connection, a->idempotency, &go_on, error);
  if (status != QN_OK || !go_on) return status;
  qn_params params = {0};
  qn_params_text(&params, a->row->name);
  qn_params_text(&params, a->row->sha256);
  qn_params_text(&params, a->row->species);
  qn_params_text(&params, a->row->format);
  qn_params_text(&params, a->row->citation);
  qn_params_text(&params, a->row->licence);
  qn_params_text(&params, a->row->details);
  qn_params_real(&params, a->row->cutoff_a);
  qn_params_bytes(&params, a->text, a->size);
  PGresult *result;
  status = qn_connection_run(connection, &insert, &params, &result, error);
  if (status != QN_OK) return status;
  a->out.created = PQntuples(result) == 1;
  PQclear(result);
  status = read_back(connection, a, error);
  if (status == QN_OK && strcmp(a->out.row.sha256, a->row->sha256) != 0)
    status = qn_error_set(error, QN_CONFLICT, "there is another potential named %s", a->row->name);
  if (status == QN_OK && a->out.created)
    status = qn_audit_note(connection, a->principal, "upload", "potential", a->out.row.id, NULL, error);
  return status == QN_OK ? qn_keys_keep(connection, a->idempotency, &a->out, error) : status;
}

qn_status qn_store_add_potential(qn_store *store, const qn_potential_row *row, const char *text, size_t size, qn_idempotency *idempotency,
                                 const qn_principal *principal, qn_added_potential *added, qn_error *error) {
  addition a = {.row = row, .text = text, .size = size, .idempotency = idempotency, .principal = principal};
  qn_status status = qn_pool_transact(store, add, &a, true, error);
  if (status != QN_OK) {
    qn_potential_row_fini(&a.out.row);
    memset(&a.out, 0, sizeof a.out);
  }
  *added = a.out;
  return status;
}

qn_status qn_store_list_potentials(qn_store *store, qn_page_query query, qn_potential_page *page, qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count, &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_potential_page_fini(page);
  return status;
}

static qn_status none(const char *name, qn_error *error) {
  return qn_error_set(error, QN_NOT_FOUND, "there is no potential named %.100s", name);
}

qn_status qn_store_get_potential(qn_store *store, const char *name, qn_potential_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_params params = {0};
  qn_params_text(&params, name);
  PGresult *result;
  qn_status status = qn_pool_run(store, &get, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(name, error);
  else if (!fill(result, 0, row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a potential");
  PQclear(result);
  if (status != QN_OK) qn_potential_row_fini(row);
  return status;
}

qn_status qn_store_get_potential_text(qn_store *store, const char *name, char **text, size_t *size, qn_error *error) {
  *text = NULL;
  *size = 0;
  qn_params params = {0};
  qn_params_text(&params, name);
  PGresult *result;
  qn_status status = qn_pool_run(store, &get_text, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = none(name, error);
  else {
    unsigned char *plain = PQunescapeBytea((const unsigned char *)qn_field(result, 0, 0), size);
    *text = plain != NULL ? malloc(*size + 1) : NULL;
    if (*text == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for the text of a potential");
    else {
      memcpy(*text, plain, *size);
      (*text)[*size] = '\0';
    }
    PQfreemem(plain);
  }
  PQclear(result);
  return status;
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/job/durable.h"
#include "server/store/audit.h"
#include "server/store/keys.h"
#include "server/store/rows.h"
#include "server/store/uploads.h"

/* An upload has the number of the artifact that it becomes, so that an import which has not finished can be asked for too. */
#define COLUMNS                                                                                                                      \
  "q.id, coalesce(a.simulation_id, 0), coalesce(a.kind, u.kind), coalesce(a.stage, -1), coalesce(a.sampling, -1),"                    \
  " coalesce(a.temperature_k, (u.spec->>'temperature_k')::float8), a.path, a.size, a.frames, a.interval_ps, a.sha256,"               \
  " rfc3339(coalesce(a.created_at, u.created_at)), u.name, coalesce(s.composition, u.composition), u.details, j.error,"              \
  " coalesce(s.atoms, u.atoms), coalesce(u.job_id, 0), coalesce(j.state, 'succeeded'), rfc3339(a.removed_at),"                          \
  " coalesce(a.removed_by, '')"
#define JOINS                                                                                                                        \
  " LEFT JOIN uploads u ON u.id = q.id LEFT JOIN simulations s ON s.id = a.simulation_id LEFT JOIN jobs j ON j.id = u.job_id"
#define LIST(filter)                                                                                                                 \
  "SELECT " COLUMNS " FROM (SELECT id FROM artifacts WHERE " filter " id < $1::bigint AND ($3::text IS NULL OR kind = $3)"           \
  " ORDER BY id DESC LIMIT $2::integer) q JOIN artifacts a ON a.id = q.id" JOINS " ORDER BY q.id DESC"

static const qn_statement list = {"artifact_list", LIST("")};
static const qn_statement list_of = {"artifact_list_of", LIST("simulation_id = $4::bigint AND")};
static const qn_statement get = {
    "artifact_get", "SELECT " COLUMNS " FROM (SELECT $1::bigint AS id) q LEFT JOIN artifacts a ON a.id = q.id" JOINS
                    " WHERE a.id IS NOT NULL OR u.id IS NOT NULL"};

static bool fill(const PGresult *result, int row, void *out) {
  qn_artifact_row *a = out;
  bool whole = true;
  a->id = qn_field_int(result, row, 0);
  a->simulation = qn_field_int(result, row, 1);
  a->kind = qn_field_text(result, row, 2, &whole);
  a->stage = (int)qn_field_int(result, row, 3);
  a->sampling = (int)qn_field_int(result, row, 4);
  a->temperature_k = qn_field_real(result, row, 5);
  a->path = qn_field_text(result, row, 6, &whole);
  a->size = qn_field_int(result, row, 7);
  a->frames = qn_field_int(result, row, 8);
  a->interval_ps = qn_field_real(result, row, 9);
  a->sha256 = qn_field_text(result, row, 10, &whole);
  a->created_at = qn_field_text(result, row, 11, &whole);
  a->name = qn_field_text(result, row, 12, &whole);
  a->composition = qn_field_text(result, row, 13, &whole);
  a->details = qn_field_text(result, row, 14, &whole);
  a->error = qn_field_text(result, row, 15, &whole);
  a->atoms = qn_field_int(result, row, 16);
  a->job = qn_field_int(result, row, 17);
  a->state = qn_rows_state(result, row, 18);
  a->removed_at = qn_field_text(result, row, 19, &whole);
  a->removed_by = qn_field_text(result, row, 20, &whole);
  return whole;
}

qn_status qn_store_list_artifacts(qn_store *store, int64_t simulation, const char *kind, qn_page_query query, qn_artifact_page *page,
                                  qn_error *error) {
  memset(page, 0, sizeof *page);
  qn_params params = {0};
  int limit = qn_rows_page(&params, query);
  qn_params_text(&params, kind);
  if (simulation != 0) qn_params_int(&params, simulation);
  void *rows = NULL;
  qn_status status = qn_rows_many(store, simulation != 0 ? &list_of : &list, &params, limit, sizeof *page->rows, fill, &rows, &page->count,
                                  &page->more, error);
  page->rows = rows;
  if (status != QN_OK) qn_artifact_page_fini(page);
  return status;
}

qn_status qn_store_get_artifact(qn_store *store, int64_t id, qn_artifact_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  qn_status status = qn_rows_one(store, &get, id, "artifact", fill, row, error);
  if (status != QN_OK) qn_artifact_row_fini(row);
  return status;
}

qn_status qn_store_open_artifact(qn_store *store, const qn_artifact_row *row, int *descriptor, char path[4096], qn_error *error) {
  *descriptor = -1;
  if ((size_t)snprintf(path, 4096, "%s/%s", qn_store_data_directory(store), row->path) >= 4096)
    return qn_error_set(error, QN_IO, "the path of artifact %lld is too long", (long long)row->id);
  int opened = open(path, O_RDONLY | O_CLOEXEC);
  if (opened < 0) {
    qn_status status = errno == ENOENT || errno == ENOTDIR ? QN_NOT_FOUND : QN_IO;
    return qn_error_set(error, status, "the file of artifact %lld cannot be opened: %s", (long long)row->id, strerror(errno));
  }
  struct stat what;
  if (fstat(opened, &what) != 0 || !S_ISREG(what.st_mode) || what.st_size != row->size) {
    close(opened);
    return qn_error_set(error, QN_CORRUPT, "the file of artifact %lld is not the one that was written", (long long)row->id);
  }
  *descriptor = opened;
  return QN_OK;
}

/* ---- structures that were uploaded ---- */

static const qn_statement find_upload = {"artifact_find_upload", "SELECT id FROM uploads WHERE sha256 = $1"};
static const qn_statement insert_upload = {
    "artifact_insert_upload",
    "INSERT INTO uploads (id, kind, name, sha256, spec, spec_text, atoms, composition, details)"
    " SELECT nextval(pg_get_serial_sequence('artifacts', 'id')), 'snapshot', $1, $2, $3::text::jsonb, $3::text, $4::bigint, $5, $6::json"
    " ON CONFLICT (sha256) DO NOTHING RETURNING id"};
static const qn_statement insert_structure = {
    "artifact_insert_structure",
    "INSERT INTO artifacts (id, upload_id, kind, stage, temperature_k, path, size, frames, sha256) OVERRIDING SYSTEM VALUE"
    " VALUES ($1::bigint, $1::bigint, 'snapshot', -1, $2::float8, $3, $4::bigint, 1, $5)"};

typedef struct addition {
  qn_store *store;
  const qn_artifact_row *row;
  const char *spec, *work, *path;
  qn_idempotency *idempotency;
  const qn_principal *principal;
  int64_t placed; /* upload whose file was put into its folder; 0: none */
  qn_added_structure out;
} addition;

static qn_status find_id(qn_connection *connection, const qn_statement *statement, const qn_params *params, int64_t *id, qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, params, &result, error);
  if (status != QN_OK) return status;
  *id = PQntuples(result) > 0 ? qn_field_int(result, 0, 0) : 0;
  PQclear(result);
  return QN_OK;
}

/* The row as it is kept. */
static qn_status read_back(qn_connection *connection, addition *a, int64_t id, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &get, &params, &result, error);
  if (status != QN_OK) return status;
  qn_artifact_row_fini(&a->out.row); /* of a call that was repeated */
  memset(&a->out.row, 0, sizeof a->out.row);
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_UNAVAILABLE, "the structure is being removed");
  else if (!fill(result, 0, &a->out.row)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a structure");
  PQclear(result);
  return status;
}

static qn_status place(qn_connection *connection, addition *a, int64_t id, qn_error *error) {
  char path[128];
  qn_params artifact = {0};
  qn_status status = qn_upload_place(a->store, QN_UPLOAD_STRUCTURES, id, a->path, "structure.xyz", path, error);
  if (status != QN_OK) return status;
  qn_params_int(&artifact, id);
  qn_params_real(&artifact, a->row->temperature_k);
  qn_params_text(&artifact, path);
  qn_params_int(&artifact, a->row->size);
  qn_params_text(&artifact, a->row->sha256);
  status = qn_connection_run(connection, &insert_structure, &artifact, NULL, error);
  return status == QN_OK ? qn_audit_note(connection, a->principal, "upload", "structure", id, NULL, error) : status;
}

static qn_status add(qn_connection *connection, void *context, qn_error *error) {
  addition *a = context;
  bool go_on;
  qn_status status = qn_keys_begin(connection, a->idempotency, &go_on, error);
  if (status != QN_OK || !go_on) return status;
  qn_params look = {0}, upload = {0};
  qn_params_text(&look, a->work);
  qn_params_text(&upload, a->row->name);
  qn_params_text(&upload, a->work);
  qn_params_text(&upload, a->spec);
  qn_params_int(&upload, a->row->atoms);
  qn_params_text(&upload, a->row->composition);
  qn_params_text(&upload, a->row->details);
  int64_t id = 0;
  status = find_id(connection, &insert_upload, &upload, &id, error);
  a->out.created = status == QN_OK && id != 0;
  if (status == QN_OK && !a->out.created) status = find_id(connection, &find_upload, &look, &id, error);
  if (status == QN_OK && id == 0) status = qn_error_set(error, QN_UNAVAILABLE, "the structure is being removed");
  if (status != QN_OK) return status;
  /* What an attempt that was rolled back has put down; but one that was committed unseen was just found again. */
  if (a->placed != 0 && a->placed != id) qn_upload_drop(a->store, QN_UPLOAD_STRUCTURES, a->placed);
  a->placed = a->out.created ? id : 0;
  if (a->out.created) status = place(connection, a, id, error);
  if (status == QN_OK) status = read_back(connection, a, id, error);
  return status == QN_OK ? qn_keys_keep(connection, a->idempotency, &a->out, error) : status;
}

qn_status qn_store_add_structure(qn_store *store, const qn_artifact_row *row, const char *spec, const char *work, const char *path,
                                 qn_idempotency *idempotency, const qn_principal *principal, qn_added_structure *added, qn_error *error) {
  addition a = {.store = store, .row = row, .spec = spec, .work = work, .path = path, .idempotency = idempotency, .principal = principal};
  qn_status status = qn_upload_prepare(store, path, error);
  if (status == QN_OK) status = qn_pool_transact(store, add, &a, true, error);
  if (status != QN_OK) {
    qn_upload_forget(store, QN_UPLOAD_STRUCTURES, a.placed);
    qn_artifact_row_fini(&a.out.row);
    memset(&a.out, 0, sizeof a.out);
  }
  *added = a.out;
  return status;
}

/* Retention: what is old enough to go, what holds it back, and marking it as removed. The files go later (removals.h). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/operations.h"
#include "server/job/durable.h"
#include "server/store/audit.h"
#include "server/store/rows.h"

/* Parameters: $1 states, $2 days, $3 the most rows; then kinds or who asks. Every listing gives the columns of `fill`. */
#define OLD "j.state = ANY($1::job_state[]) AND j.finished_at < now() - $2::float8 * interval '1 day'"

#define ARTIFACT "a.kind, a.id, a.simulation_id, s.job_id, a.path, a.size, rfc3339(j.finished_at)"
#define ARTIFACTS                                                                                                            \
  " FROM artifacts a JOIN simulations s ON s.id = a.simulation_id JOIN jobs j ON j.id = s.job_id"                            \
  " WHERE a.removed_at IS NULL AND a.kind = ANY($4::text[]) AND " OLD
#define OLDEST_ARTIFACTS " ORDER BY j.finished_at, a.id LIMIT $3::integer"

static const qn_statement list_artifacts = {
    "retention_artifacts", "SELECT " ARTIFACT ", coalesce(artifact_needed_by(a), 0)" ARTIFACTS OLDEST_ARTIFACTS};
static const qn_statement list_needed = {
    "retention_needed",
    "SELECT " ARTIFACT ", artifact_needed_by(a)" ARTIFACTS " AND artifact_needed_by(a) IS NOT NULL" OLDEST_ARTIFACTS};
/* Whoever submits work that needs an artifact holds its simulation's job, so one of the two comes first. */
static const qn_statement hold_artifacts = {
    "retention_hold", "SELECT a.id" ARTIFACTS " AND artifact_needed_by(a) IS NULL" OLDEST_ARTIFACTS " FOR NO KEY UPDATE OF j SKIP LOCKED"};
/* In a statement of its own, which sees what was submitted until the jobs were held. */
static const qn_statement mark_artifacts = {
    "retention_mark",
    "WITH gone AS (UPDATE artifacts a SET removed_at = now(), removed_by = $2 WHERE a.id = ANY($1::bigint[]) AND a.removed_at IS NULL"
    " AND artifact_needed_by(a) IS NULL RETURNING a.*),"
    " noted AS (INSERT INTO removals (path, job_id, requested_by)"
    " SELECT g.path, s.job_id, $2 FROM gone g JOIN simulations s ON s.id = g.simulation_id)"
    " SELECT " ARTIFACT ", 0 FROM gone a JOIN simulations s ON s.id = a.simulation_id JOIN jobs j ON j.id = s.job_id"
    " ORDER BY j.finished_at, a.id"};

#define FOLDER "'folder', 0, s.id, j.id, 'simulations/' || s.id, 0, rfc3339(j.finished_at), 0"
#define FOLDERS                                                                                                              \
  " FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE j.state IN ('failed', 'cancelled') AND j.attempt > s.swept_attempt"  \
  " AND " OLD " ORDER BY j.finished_at, j.id LIMIT $3::integer"
static const qn_statement list_folders = {"retention_folders", "SELECT " FOLDER FOLDERS};
static const qn_statement mark_folders = {
    "retention_sweep",
    "WITH held AS (SELECT s.id, j.id AS job_id, j.attempt" FOLDERS " FOR NO KEY UPDATE OF j SKIP LOCKED),"
    " marked AS (UPDATE simulations s SET swept_attempt = h.attempt FROM held h WHERE s.id = h.id),"
    " noted AS (INSERT INTO removals (path, job_id, attempt, requested_by) SELECT 'simulations/' || id, job_id, attempt, $4 FROM held)"
    " SELECT " FOLDER " FROM held h JOIN simulations s ON s.id = h.id JOIN jobs j ON j.id = h.job_id ORDER BY j.finished_at, j.id"};

#define HISTORY                                                                                                              \
  "'history', 0, 0, j.id, '', (SELECT coalesce(sum(pg_column_size(e.*)), 0) FROM job_events e WHERE e.job_id = j.id)"         \
  " + (SELECT coalesce(sum(pg_column_size(h.*)), 0) FROM job_attempts h WHERE h.job_id = j.id), rfc3339(j.finished_at), 0"
#define HISTORIES " FROM jobs j WHERE j.history_kept AND " OLD " ORDER BY j.finished_at, j.id LIMIT $3::integer"
static const qn_statement list_histories = {"retention_histories", "SELECT " HISTORY HISTORIES};
/* The listing is taken from before the deletion: all parts of a statement see the same state. */
static const qn_statement drop_histories = {
    "retention_forget",
    "WITH held AS (SELECT j.id" HISTORIES " FOR NO KEY UPDATE OF j SKIP LOCKED),"
    " events AS (DELETE FROM job_events WHERE job_id IN (SELECT id FROM held)),"
    " attempts AS (DELETE FROM job_attempts WHERE job_id IN (SELECT id FROM held)),"
    " marked AS (UPDATE jobs SET history_kept = false WHERE id IN (SELECT id FROM held))"
    " SELECT " HISTORY " FROM held h JOIN jobs j ON j.id = h.id ORDER BY j.finished_at, j.id"};

typedef struct measure { int64_t job, bytes; } measure; /* -1: there is no folder */

typedef struct context {
  const qn_retention *wanted;
  const qn_principal *principal;
  const char *data;
  char states[64], kinds[64]; /* arrays in PostgreSQL's spelling */
  measure *measured;
  int measured_count;
  qn_retention_report report;
  int capacity;
} context;

/* ---- rows ---- */

static bool fill(const PGresult *result, int row, qn_retention_item *item) {
  bool whole = true;
  for (int k = 0; k < QN_RETAINED_KINDS; k++)
    if (strcmp(qn_field(result, row, 0), qn_retained_name((qn_retained)k)) == 0) item->kind = (qn_retained)k;
  item->artifact = qn_field_int(result, row, 1);
  item->simulation = qn_field_int(result, row, 2);
  item->job = qn_field_int(result, row, 3);
  item->path = qn_field_text(result, row, 4, &whole);
  item->bytes = qn_field_int(result, row, 5);
  item->finished_at = qn_field_text(result, row, 6, &whole);
  item->needed_by = qn_field_int(result, row, 7);
  return whole;
}

static qn_status append(context *c, const PGresult *result, qn_error *error) {
  int found = PQntuples(result), needed = c->report.count + found;
  if (needed > c->capacity) {
    qn_retention_item *grown = realloc(c->report.rows, (size_t)needed * sizeof *grown);
    if (grown == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for %d items", needed);
    c->report.rows = grown;
    c->capacity = needed;
  }
  for (int i = 0; i < found; i++) {
    qn_retention_item *item = &c->report.rows[c->report.count++];
    memset(item, 0, sizeof *item);
    if (!fill(result, i, item)) return qn_error_set(error, QN_NO_MEMORY, "no memory for an item");
  }
  return QN_OK;
}

static void old_params(qn_params *params, const context *c) {
  qn_params_text(params, c->states);
  qn_params_real(params, c->wanted->older_than_days);
  qn_params_int(params, c->wanted->most);
}

/* Run a listing with the parameters of OLD and one more (NULL: none), and take its rows. */
static qn_status collect(qn_connection *connection, context *c, const qn_statement *statement, const char *last, qn_error *error) {
  qn_params params = {0};
  old_params(&params, c);
  if (last != NULL) qn_params_text(&params, last);
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) >= c->wanted->most) c->report.complete = false;
  status = append(c, result, error);
  PQclear(result);
  return status;
}

/* ---- the kinds ---- */

/* {1,2,3} of the first column, malloc'ed. */
static char *spell_ids(const PGresult *result) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  fputc('{', out);
  for (int i = 0; i < PQntuples(result); i++) fprintf(out, "%s%s", i > 0 ? "," : "", qn_field(result, i, 0));
  fputc('}', out);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static qn_status remove_artifacts(qn_connection *connection, context *c, qn_error *error) {
  qn_params params = {0}, marks = {0};
  old_params(&params, c);
  qn_params_text(&params, c->kinds);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &hold_artifacts, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) >= c->wanted->most) c->report.complete = false;
  char *ids = spell_ids(result);
  PQclear(result);
  if (ids == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a list of artifacts");
  qn_params_text(&marks, ids);
  qn_params_text(&marks, c->principal->name);
  status = qn_connection_run(connection, &mark_artifacts, &marks, &result, error);
  free(ids);
  if (status != QN_OK) return status;
  status = append(c, result, error);
  PQclear(result);
  return status == QN_OK ? collect(connection, c, &list_needed, c->kinds, error) : status;
}

static int64_t size_of(const char *path) {
  int64_t total = 0;
  struct stat what;
  if (lstat(path, &what) != 0) return 0;
  if (!S_ISDIR(what.st_mode)) return what.st_size;
  DIR *directory = opendir(path);
  if (directory == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char inner[4096];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < (int)sizeof inner) total += size_of(inner);
  }
  closedir(directory);
  return total;
}

/* Folders are measured before the transaction, which should not last for as long as a file system takes. */
static qn_status measure_folders(context *c, qn_error *error) {
  c->measured = calloc((size_t)c->report.count + 1, sizeof *c->measured);
  if (c->measured == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the sizes of %d folders", c->report.count);
  for (int i = 0; i < c->report.count; i++) {
    char path[QN_PATH_SIZE];
    struct stat what;
    const qn_retention_item *item = &c->report.rows[i];
    qn_status status = qn_durable_join(path, c->data, item->path, error);
    if (status != QN_OK) return status;
    c->measured[i] = (measure){.job = item->job, .bytes = stat(path, &what) == 0 ? size_of(path) : -1};
  }
  c->measured_count = c->report.count;
  return QN_OK;
}

/* Sizes of the folders among the items from `first` on; those that are gone already are left out. Both lists are in one order. */
static void fill_sizes(context *c, int first) {
  int kept = first, at = 0;
  for (int i = first; i < c->report.count; i++) {
    qn_retention_item *item = &c->report.rows[i];
    int same = at;
    while (same < c->measured_count && c->measured[same].job != item->job) same++;
    if (same < c->measured_count) item->bytes = c->measured[same].bytes, at = same + 1;
    if (item->bytes >= 0) {
      c->report.rows[kept++] = *item;
    } else {
      free(item->path);
      free(item->finished_at);
    }
  }
  c->report.count = kept;
}

static qn_status note(qn_connection *connection, const context *c, qn_error *error) {
  int64_t count = 0, bytes = 0;
  for (int i = 0; i < c->report.count; i++) {
    if (c->report.rows[i].needed_by != 0) continue;
    count++;
    bytes += c->report.rows[i].bytes;
  }
  char kinds[128] = "", detail[320];
  for (int k = 0; k < QN_RETAINED_KINDS; k++) {
    size_t used = strlen(kinds);
    if (c->wanted->kinds[k]) snprintf(kinds + used, sizeof kinds - used, "%s\"%s\"", used > 0 ? ", " : "", qn_retained_name((qn_retained)k));
  }
  snprintf(detail, sizeof detail, "{\"older_than_days\": %.6g, \"kinds\": [%s], \"count\": %lld, \"bytes\": %lld}", c->wanted->older_than_days,
           kinds, (long long)count, (long long)bytes);
  return qn_audit_note(connection, c->principal, "retention", "data", 0, detail, error);
}

static void begin_report(context *c) {
  qn_retention_report_fini(&c->report); /* of a call that was repeated */
  c->capacity = 0;
  c->report.complete = true;
}

static qn_status find_folders(qn_connection *connection, void *opaque, qn_error *error) {
  context *c = opaque;
  begin_report(c);
  return collect(connection, c, &list_folders, NULL, error);
}

static qn_status retain(qn_connection *connection, void *opaque, qn_error *error) {
  context *c = opaque;
  const qn_retention *w = c->wanted;
  begin_report(c);
  qn_status status = QN_OK;
  if (c->kinds[1] != '}')
    status = w->dry_run ? collect(connection, c, &list_artifacts, c->kinds, error) : remove_artifacts(connection, c, error);
  int first = c->report.count;
  if (status == QN_OK && w->kinds[QN_RETAINED_FOLDER])
    status = w->dry_run ? collect(connection, c, &list_folders, NULL, error) : collect(connection, c, &mark_folders, c->principal->name, error);
  fill_sizes(c, first);
  if (status == QN_OK && w->kinds[QN_RETAINED_HISTORY])
    status = collect(connection, c, w->dry_run ? &list_histories : &drop_histories, NULL, error);
  return status == QN_OK && !w->dry_run ? note(connection, c, error) : status;
}

static void spell(char *text, size_t size, const char *(*name)(int index), const bool *chosen, int count) {
  snprintf(text, size, "{");
  for (int i = 0; i < count; i++)
    if (chosen[i]) snprintf(text + strlen(text), size - strlen(text), "%s%s", text[1] != '\0' ? "," : "", name(i));
  snprintf(text + strlen(text), size - strlen(text), "}");
}

static const char *state_name(int index) { return qn_job_state_name((qn_job_state)index); }
static const char *kind_name(int index) { return qn_retained_name((qn_retained)index); }

qn_status qn_store_retain(qn_store *store, const qn_retention *wanted, const qn_principal *principal, qn_retention_report *report,
                          qn_error *error) {
  context c = {.wanted = wanted, .principal = principal, .data = qn_store_data_directory(store)};
  bool final[QN_JOB_CANCELLED + 1] = {false};
  for (int s = 0; s <= QN_JOB_CANCELLED; s++) final[s] = wanted->states[s] && qn_job_state_final((qn_job_state)s);
  spell(c.states, sizeof c.states, state_name, final, QN_JOB_CANCELLED + 1);
  spell(c.kinds, sizeof c.kinds, kind_name, wanted->kinds, QN_RETAINED_FOLDER); /* the artifacts come first */
  qn_status status = wanted->kinds[QN_RETAINED_FOLDER] ? qn_pool_transact(store, find_folders, &c, true, error) : QN_OK;
  if (status == QN_OK) status = measure_folders(&c, error);
  if (status == QN_OK) status = qn_pool_transact(store, retain, &c, true, error);
  free(c.measured);
  if (status != QN_OK) qn_retention_report_fini(&c.report);
  *report = c.report;
  return status;
}

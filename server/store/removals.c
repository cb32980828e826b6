#include "server/store/removals.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/job/durable.h"
#include "server/log.h"
#include "server/storage/directory.h"
#include "server/store/pool.h"

static const qn_statement take = {
    "removal_take",
    "SELECT id, path, job_id, coalesce(attempt, -1) FROM removals WHERE due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"};
/* A job that was retried works in its folder again, or is about to: while it is held it stays as it is. */
static const qn_statement hold_job = {
    "removal_hold",
    "SELECT state IN ('succeeded', 'failed', 'cancelled') AND attempt = $2::integer FROM jobs WHERE id = $1::bigint FOR NO KEY UPDATE"};
/* Files of a large folder go while the transaction waits, which must not be ended as one that was forgotten. */
static const qn_statement take_time = {"removal_take_time", "SELECT set_config('idle_in_transaction_session_timeout', '10min', true)"};
static const qn_statement finish = {"removal_finish", "DELETE FROM removals WHERE id = $1::bigint"};
/* 10 s, 20 s, ... an hour. */
static const qn_statement postpone = {
    "removal_postpone",
    "UPDATE removals SET tries = tries + 1, error = $2, due_at = now() + least(3600, 10 * power(2, least(tries, 10))) * interval '1 s'"
    " WHERE id = $1::bigint"};

typedef struct removal {
  const char *data;
  bool found, gone;
} removal;

/* Of the folder of a simulation or an import the attempts up to `most`, and itself when nothing is left. */
static qn_status remove_attempts(const char *folder, int64_t most, qn_error *error) {
  DIR *directory = opendir(folder);
  if (directory == NULL) return errno == ENOENT ? QN_OK : qn_error_set(error, QN_IO, "cannot read %s: %s", folder, strerror(errno));
  qn_status status = QN_OK;
  for (struct dirent *entry; status == QN_OK && (entry = readdir(directory)) != NULL;) {
    char *end, path[QN_PATH_SIZE];
    long number = strtol(entry->d_name, &end, 10);
    if (*end != '\0' || number <= 0 || number > most) continue;
    status = qn_durable_join(path, folder, entry->d_name, error);
    if (status == QN_OK) status = qn_durable_remove(path, error);
  }
  closedir(directory);
  if (status == QN_OK) rmdir(folder); /* not while another attempt is in it */
  return status;
}

static qn_status cannot_remove(const char *path, qn_error *error) {
  return qn_error_set(error, QN_IO, "cannot remove %s: %s", path, strerror(errno));
}

/* The file, and the folders above it, as far as "simulations", once they are empty. */
static qn_status remove_file(char *path, size_t root, qn_error *error) {
  if (unlink(path) != 0 && errno != ENOENT) return cannot_remove(path, error);
  for (char *slash = strrchr(path, '/'); slash > path + root; slash = strrchr(path, '/')) {
    *slash = '\0';
    if (rmdir(path) != 0 && errno != ENOENT) break;
  }
  return QN_OK;
}

static bool is_import(const char *path) { return strncmp(path, "imports/", 8) == 0; }

static bool is_inside(const char *path) {
  return path[0] != '/' && strstr(path, "..") == NULL && (strncmp(path, "simulations/", 12) == 0 || is_import(path));
}

static qn_status remove_one(qn_connection *connection, const char *data, const PGresult *row, qn_error *error) {
  char path[QN_PATH_SIZE];
  const char *relative = qn_field(row, 0, 1);
  int64_t attempt = qn_field_int(row, 0, 3);
  if (!is_inside(relative)) return qn_error_set(error, QN_INVALID, "%s is outside of the data directory", relative);
  qn_status status = qn_durable_join(path, data, relative, error);
  if (status != QN_OK) return status;
  if (attempt < 0) return remove_file(path, strlen(data) + strlen("/simulations"), error);
  qn_params params = {0};
  qn_params_int(&params, qn_field_int(row, 0, 2));
  qn_params_int(&params, attempt);
  PGresult *job;
  status = qn_connection_run(connection, &hold_job, &params, &job, error);
  if (status != QN_OK) return status;
  bool rests = PQntuples(job) == 1 && qn_field_bool(job, 0, 0);
  PQclear(job);
  if (!rests) return QN_OK;
  char upload[QN_PATH_SIZE];
  if (is_import(relative)) {
    status = qn_durable_join(upload, path, "upload", error);
    if (status != QN_OK) return status;
    if (unlink(upload) != 0 && errno != ENOENT) return cannot_remove(upload, error);
  }
  return remove_attempts(path, attempt, error);
}

/* An empty mount point is not a directory from which everything was removed, and that of another database has the same names. */
static qn_status check_directory(qn_connection *connection, const char *data, const char *relative, qn_error *error) {
  char top[32], path[QN_PATH_SIZE];
  qn_status status = qn_directory_use(connection, data, error);
  snprintf(top, sizeof top, "%.*s", (int)strcspn(relative, "/"), relative);
  if (status == QN_OK) status = qn_durable_join(path, data, top, error);
  if (status == QN_OK && access(path, F_OK) != 0) return qn_error_set(error, QN_NO_STORAGE, "%s is not there: nothing is removed", path);
  return status;
}

static qn_status work(qn_connection *connection, void *context, qn_error *error) {
  removal *r = context;
  r->found = r->gone = false;
  PGresult *row;
  qn_status status = qn_connection_run(connection, &take, NULL, &row, error);
  if (status != QN_OK) return status;
  r->found = PQntuples(row) == 1;
  if (r->found) status = check_directory(connection, r->data, qn_field(row, 0, 1), error);
  if (r->found && status == QN_OK) status = qn_connection_run(connection, &take_time, NULL, NULL, error);
  if (r->found && status == QN_OK) {
    qn_error why;
    qn_status removed = remove_one(connection, r->data, row, &why);
    qn_params params = {0};
    qn_params_int(&params, qn_field_int(row, 0, 0));
    r->gone = removed == QN_OK;
    if (!r->gone) qn_params_text(&params, why.message);
    /* What the database said against it ends the transaction; what the file system said is noted. */
    if (removed == QN_UNAVAILABLE || removed == QN_INTERNAL) status = error != NULL ? (*error = why, removed) : removed;
    else status = qn_connection_run(connection, r->gone ? &finish : &postpone, &params, NULL, error);
    if (!r->gone && status == QN_OK) qn_log("warning", "retention: %s", why.message);
  }
  PQclear(row);
  return status;
}

qn_status qn_removals_work(qn_connection *connection, const char *data, int most, int *done, qn_error *error) {
  removal r = {.data = data, .found = true};
  qn_status status = QN_OK;
  *done = 0;
  for (int i = 0; status == QN_OK && r.found && i < most; i++) {
    status = qn_connection_transact(connection, work, &r, NULL, error);
    if (status == QN_OK && r.gone) (*done)++;
  }
  return status;
}

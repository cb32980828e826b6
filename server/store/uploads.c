#include "server/store/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/job/durable.h"
#include "server/log.h"
#include "server/storage/directory.h"
#include "server/store/pool.h"

static const qn_statement exists = {"upload_exists", "SELECT 1 FROM uploads WHERE id = $1::bigint"};

static qn_status flush_file(const char *path, qn_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return qn_error_set(error, QN_IO, "cannot open %s: %s", path, strerror(errno));
  qn_status status = fsync(file) == 0 ? QN_OK : qn_error_set(error, QN_IO, "cannot flush %s: %s", path, strerror(errno));
  close(file);
  return status;
}

static qn_status use_directory(qn_connection *connection, void *context, qn_error *error) { return qn_directory_use(connection, context, error); }

qn_status qn_upload_check(qn_store *store, qn_error *error) {
  return qn_pool_transact(store, use_directory, (void *)(uintptr_t)qn_store_data_directory(store), true, error);
}

qn_status qn_upload_prepare(qn_store *store, const char *from, qn_error *error) {
  qn_status status = flush_file(from, error);
  return status == QN_OK ? qn_upload_check(store, error) : status;
}

qn_status qn_upload_place(const qn_store *store, const char *kind, int64_t id, const char *from, const char *name, char path[128], qn_error *error) {
  char base[QN_PATH_SIZE], folder[QN_PATH_SIZE], to[QN_PATH_SIZE], part[128];
  snprintf(part, sizeof part, "%s/%lld", kind, (long long)id);
  snprintf(path, 128, "%.90s/%.32s", part, name);
  qn_status status = qn_durable_join(base, qn_store_data_directory(store), kind, error);
  if (status == QN_OK) status = qn_durable_join(folder, qn_store_data_directory(store), part, error);
  if (status == QN_OK) status = qn_durable_join(to, qn_store_data_directory(store), path, error);
  if (status == QN_OK) status = qn_durable_make(folder, error);
  if (status != QN_OK) return status;
  if (link(from, to) != 0 && errno != EEXIST) {
    /* A file system without links, or another one. */
    status = qn_durable_copy(from, to, QN_DURABLE_SHARED, NULL, error);
    if (status != QN_OK) return status == QN_NOT_FOUND ? qn_error_set(error, QN_IO, "%s is gone", from) : status;
  }
  status = qn_durable_sync(folder, error);
  return status == QN_OK ? qn_durable_sync(base, error) : status;
}

void qn_upload_drop(const qn_store *store, const char *kind, int64_t id) {
  char part[128], folder[QN_PATH_SIZE];
  qn_error error;
  snprintf(part, sizeof part, "%s/%lld", kind, (long long)id);
  qn_status status = qn_durable_join(folder, qn_store_data_directory(store), part, &error);
  if (status == QN_OK) status = qn_durable_remove(folder, &error);
  if (status != QN_OK) qn_log("warning", "%s", error.message);
}

void qn_upload_forget(qn_store *store, const char *kind, int64_t id) {
  qn_params params = {0};
  PGresult *result;
  qn_error error;
  qn_params_int(&params, id);
  if (id == 0 || qn_pool_run(store, &exists, &params, &result, &error) != QN_OK) return;
  if (PQntuples(result) == 0) qn_upload_drop(store, kind, id);
  PQclear(result);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/version.h"
#include "server/job/durable.h"
#include "server/log.h"
#include "server/worker/work_parts.h"

static const qn_statement read_row = {"work_upload", "SELECT u.spec_text FROM jobs j JOIN uploads u ON u.job_id = j.id" QN_WORK_HELD};
static const qn_statement describe = {
    "rows_upload",
    "UPDATE uploads SET atoms = $2::bigint, composition = $3, details = $4::json, engine_version = $5 WHERE id = $1::bigint"};
static const qn_statement insert_artifact = {
    "rows_upload_artifact",
    "INSERT INTO artifacts (id, upload_id, kind, stage, temperature_k, path, size, frames, interval_ps, sha256) OVERRIDING SYSTEM VALUE"
    " SELECT u.id, u.id, 'trajectory', -1, (u.spec->>'temperature_k')::float8, $2, $3::bigint, $4::bigint, $5::float8, $6 FROM uploads u"
    " WHERE u.id = $1::bigint"};

/* What came is of no more use. It goes by this row, also when the process that should remove it does not live to do so. */
static const qn_statement give_up_upload = {
    "rows_upload_given_up",
    "INSERT INTO removals (path, job_id, requested_by) SELECT 'imports/' || u.id || '/upload', j.id, j.submitted_by FROM uploads u"
    " JOIN jobs j ON j.id = u.job_id WHERE u.id = $1::bigint"};

static void base_of(const qn_work *work, char base[QN_PATH_SIZE]) {
  snprintf(base, QN_PATH_SIZE, "%s/imports/%lld", work->data_directory, (long long)work->claim->resource);
}

static qn_status read_input(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error) {
  PGresult *row;
  qn_status status = qn_work_ask(connection, &read_row, claim, &row, error);
  if (status != QN_OK) return status;
  qn_faults faults = {0};
  qn_upload_parse(qn_field(row, 0, 0), &input->upload, &faults);
  status = qn_work_judge(&faults, error);
  PQclear(row);
  qn_faults_fini(&faults);
  return status;
}

static qn_status run_it(const qn_work *work, qn_work_result *result, qn_error *error) {
  /* An attempt has a folder of its own: one whose lease was lost writes where nobody looks. */
  char base[QN_PATH_SIZE], folder[QN_PATH_SIZE + 16], upload[QN_PATH_SIZE + 16];
  base_of(work, base);
  snprintf(folder, sizeof folder, "%s/%d", base, work->claim->lease.attempt);
  snprintf(upload, sizeof upload, "%s/upload", base);
  snprintf(result->folder, sizeof result->folder, "imports/%lld/%d", (long long)work->claim->resource, work->claim->lease.attempt);
  if (access(upload, R_OK) != 0)
    return qn_error_set(error, QN_NOT_FOUND, "the file that was uploaded is gone: post it again, then retry this job");
  const qn_job_import job = {.path = upload, .spec = &work->input->upload, .directory = folder};
  qn_status status = qn_job_import_run(&job, work->control, &result->imported, error);
  if (status != QN_OK) return status;
  status = qn_durable_sync(base, error);
  if (status != QN_OK) qn_job_imported_fini(&result->imported);
  return status;
}

static qn_status write_rows(qn_connection *connection, const qn_work_result *result, qn_error *error) {
  const qn_job_imported *found = &result->imported;
  char path[256];
  snprintf(path, sizeof path, "%s/%s", result->folder, found->path);
  qn_params about = {0}, artifact = {0}, upload = {0};
  qn_params_int(&upload, result->claim->resource);
  qn_params_int(&about, result->claim->resource);
  qn_params_int(&about, found->atoms);
  qn_params_text(&about, found->composition);
  qn_params_text(&about, found->details);
  qn_params_text(&about, qn_version());
  qn_params_int(&artifact, result->claim->resource);
  qn_params_text(&artifact, path);
  qn_params_int(&artifact, found->size);
  qn_params_int(&artifact, found->frames);
  qn_params_real(&artifact, found->interval_ps);
  qn_params_text(&artifact, found->sha256);
  qn_status status = qn_connection_run(connection, &describe, &about, NULL, error);
  if (status == QN_OK) status = qn_connection_run(connection, &insert_artifact, &artifact, NULL, error);
  return status == QN_OK ? qn_connection_run(connection, &give_up_upload, &upload, NULL, error) : status;
}

/* What came is kept for some time after a failure, for a retry: the database sees to its end. */
static void tidy(const qn_work *work, qn_ending ending) {
  char base[QN_PATH_SIZE], path[QN_PATH_SIZE + 16];
  qn_error error;
  base_of(work, base);
  int keep = ending == QN_ENDING_SUCCEEDED ? work->claim->lease.attempt : 0;
  for (int attempt = 1; attempt <= work->claim->lease.attempt; attempt++) {
    if (attempt == keep) continue;
    snprintf(path, sizeof path, "%s/%d", base, attempt);
    if (qn_durable_remove(path, &error) != QN_OK) qn_log("warning", "%s", error.message);
  }
  if (ending != QN_ENDING_SUCCEEDED) return;
  snprintf(path, sizeof path, "%s/upload", base);
  unlink(path);
}

const qn_work_kind qn_work_import = {.name = "import", .read = read_input, .run = run_it, .write = write_rows, .tidy = tidy};

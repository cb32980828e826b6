#include "server/store/submit.h"
#include "server/store/uploads.h"

static const qn_statement find = {"submit_find_import", "SELECT u.id, u.job_id, j.state FROM uploads u JOIN jobs j ON j.id = u.job_id WHERE u.sha256 = $1"};
static const qn_statement insert = {
    "submit_insert_import",
    "INSERT INTO uploads (id, kind, job_id, name, sha256, spec, spec_text)"
    " VALUES (nextval(pg_get_serial_sequence('artifacts', 'id')), 'trajectory', " QN_SUBMIT_NEW_JOB ", $1, $2, $3::text::jsonb, $3::text)"
    " ON CONFLICT (sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
/* Before the job is held, as whoever removes files does it. */
static const qn_statement take_back = {"submit_import_take_back", "DELETE FROM removals WHERE job_id = $1::bigint"};
/* It is kept for a day again. */
static const qn_statement give_up = {
    "submit_import_give_up",
    "INSERT INTO removals (path, job_id, attempt, requested_by, due_at) SELECT 'imports/' || u.id, j.id, j.attempt, j.submitted_by,"
    " now() + interval '1 day' FROM uploads u JOIN jobs j ON j.id = u.job_id WHERE j.id = $1::bigint"};
static const qn_statement is_over = {"submit_import_over",
                                     "SELECT 1 FROM jobs WHERE id = $1::bigint AND state IN ('failed', 'cancelled') FOR SHARE"};

qn_status qn_submit_add_import(qn_connection *connection, qn_submit *submit, qn_error *error) {
  const qn_submission *s = submit->submission;
  qn_params look = {0}, row = {0}, job = {0};
  qn_params_text(&look, s->sha256);
  qn_params_text(&row, s->name);
  qn_params_text(&row, s->sha256);
  qn_params_text(&row, s->spec);
  qn_status status = qn_submit_make_known(connection, &insert, &row, &find, &look, &submit->out, error);
  if (status != QN_OK) return status;
  bool wanted = submit->out.created;
  char path[128];
  if (!wanted) { /* an import that failed may be retried, for which it needs its file */
    int64_t one;
    qn_params_int(&job, submit->out.job);
    status = qn_connection_run(connection, &take_back, &job, NULL, error);
    if (status == QN_OK) status = qn_submit_pair(connection, &is_over, &job, &one, NULL, &wanted, error);
    if (status == QN_OK && wanted) status = qn_connection_run(connection, &give_up, &job, NULL, error);
  }
  /* What an attempt that was rolled back has put down; but one that was committed unseen was just found again. */
  if (submit->placed != 0 && submit->placed != submit->out.id) qn_upload_drop(submit->store, QN_UPLOAD_IMPORTS, submit->placed);
  submit->placed = submit->out.created ? submit->out.id : 0;
  if (status == QN_OK && wanted) status = qn_upload_place(submit->store, QN_UPLOAD_IMPORTS, submit->out.id, s->upload, "upload", path, error);
  if (status != QN_OK || !submit->out.created) return status;
  return qn_submit_enqueue(connection, submit, &submit->out, "import", qn_submit_priority(s, QN_PRIORITY_SHORT), NULL, 0, error);
}

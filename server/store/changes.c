/* Changes of one job on request: cancel, retry, priority. Each is one transaction that looks its key up, locks the job, sees whose it is, changes it,
 * notes who did it, and keeps the answer. */
#include <stdio.h>
#include <string.h>

#include "server/store/audit.h"
#include "server/store/jobs.h"
#include "server/store/keys.h"
#include "server/store/rows.h"

static const qn_statement lock = {"job_lock", "SELECT state, submitted_by, priority FROM jobs WHERE id = $1::bigint FOR NO KEY UPDATE"};
static const qn_statement cancel_waiting = {
    "job_cancel_waiting",
    "UPDATE jobs SET state = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE id = $1::bigint"};
static const qn_statement cancel_running = {
    "job_cancel_running", "UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1::bigint"};
static const qn_statement prioritise = {"job_prioritise", "UPDATE jobs SET priority = $2::integer WHERE id = $1::bigint"};

/* Parents before the child, as everywhere. */
static const qn_statement lock_parents = {
    "job_lock_parents",
    "SELECT p.id, p.state FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id WHERE d.job_id = $1::bigint ORDER BY p.id FOR SHARE OF p"};
/* What the job reads of its parent, when retention has removed it. */
static const qn_statement find_removed = {
    "job_find_removed",
    "WITH needed (simulation_id, kind, stage) AS (SELECT simulation_id, analysis_reads(type), (spec ->> 'stage')::integer FROM analyses"
    " WHERE job_id = $1::bigint UNION ALL SELECT parent_id, 'snapshot', (spec -> 'initial' ->> 'stage')::integer FROM simulations"
    " WHERE job_id = $1::bigint AND parent_id IS NOT NULL)"
    " SELECT f.kind, f.simulation_id FROM needed n JOIN artifacts f ON f.simulation_id = n.simulation_id AND f.kind = n.kind"
    " AND (f.stage = n.stage OR f.kind = 'thermo')"
    " GROUP BY f.kind, f.simulation_id HAVING bool_and(f.removed_at IS NOT NULL) UNION ALL SELECT f.kind, f.simulation_id"
    " FROM simulations s JOIN artifacts f ON f.id = s.structure_id WHERE s.job_id = $1::bigint AND f.removed_at IS NOT NULL"};
static const qn_statement requeue = {
    "job_retry",
    "UPDATE jobs SET state = $2::job_state, failures = 0, losses = 0, checkpoint_step = 0, hold_reason = '', run_after = now(),"
    " cancel_requested_at = NULL, progress = 0, progress_peak = 0,"
    " error = '', failed_by = NULL, worker = '', finished_at = NULL, history_kept = true WHERE id = $1::bigint"};
/* Those that failed because this one did wait for it again, unless they have another parent that failed. */
static const qn_statement block_children = {
    "job_block_children",
    "WITH RECURSIVE fallen AS (SELECT id FROM jobs WHERE failed_by = $1::bigint AND state = 'failed'"
    " UNION SELECT j.id FROM jobs j JOIN fallen f ON j.failed_by = f.id WHERE j.state = 'failed')"
    " UPDATE jobs SET state = 'blocked', error = '', failed_by = NULL, finished_at = NULL WHERE id IN (SELECT id FROM fallen)"
    " AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id WHERE d.job_id = jobs.id"
    " AND p.state IN ('failed', 'cancelled') AND p.id NOT IN (SELECT id FROM fallen))"};

typedef struct change {
  int64_t id;
  int priority;
  qn_idempotency *idempotency;
  const qn_principal *principal;
  qn_job_row row;
} change;

typedef struct locked {
  qn_job_state state;
  int priority;
} locked;

/* Hold the job, and see whether whoever asks may change it. */
static qn_status lock_job(qn_connection *connection, const change *c, locked *job, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, c->id);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &lock, &params, &result, error);
  if (status != QN_OK) return status;
  bool found = PQntuples(result) == 1, own = false;
  if (found) {
    job->state = qn_rows_state(result, 0, 0);
    own = strcmp(qn_field(result, 0, 1), c->principal->name) == 0;
    job->priority = (int)qn_field_int(result, 0, 2);
  }
  PQclear(result);
  if (!found) return qn_error_set(error, QN_NOT_FOUND, "there is no job %lld", (long long)c->id);
  if (own || c->principal->scope >= QN_SCOPE_ADMIN) return QN_OK;
  return qn_error_set(error, QN_FORBIDDEN, "job %lld was submitted by another: changing it needs a token with the scope \"admin\"",
                      (long long)c->id);
}

/* Note who did it, read the row back and keep the answer. */
static qn_status conclude(qn_connection *connection, change *c, const char *action, const char *detail, qn_error *error) {
  qn_status status = qn_audit_note(connection, c->principal, action, "job", c->id, detail, error);
  if (status != QN_OK) return status;
  qn_job_row_fini(&c->row); /* of a call that was repeated */
  status = qn_jobs_read(connection, c->id, &c->row, error);
  return status == QN_OK ? qn_keys_keep(connection, c->idempotency, &c->row, error) : status;
}

/* The beginning of what only a job that has not ended takes. *go_on is false when the answer is known already. */
static qn_status begin(qn_connection *connection, change *c, locked *job, bool *go_on, qn_error *error) {
  qn_status status = qn_keys_begin(connection, c->idempotency, go_on, error);
  if (status != QN_OK || !*go_on) return status;
  status = lock_job(connection, c, job, error);
  if (status != QN_OK || !qn_job_state_final(job->state)) return status;
  return qn_error_set(error, QN_CONFLICT, "job %lld has %s already", (long long)c->id,
                      job->state == QN_JOB_CANCELLED ? "been cancelled" : qn_job_state_name(job->state));
}

static qn_status cancel(qn_connection *connection, void *context, qn_error *error) {
  change *c = context;
  locked job;
  bool go_on;
  qn_status status = begin(connection, c, &job, &go_on, error);
  if (status != QN_OK || !go_on) return status;
  qn_params params = {0};
  qn_params_int(&params, c->id);
  status = qn_connection_defer(connection, job.state == QN_JOB_RUNNING ? &cancel_running : &cancel_waiting, &params, error);
  return status == QN_OK ? conclude(connection, c, "cancel", NULL, error) : status;
}

static qn_status check_inputs(qn_connection *connection, const qn_params *id, qn_error *error) {
  PGresult *gone;
  qn_status status = qn_connection_run(connection, &find_removed, id, &gone, error);
  if (status != QN_OK) return status;
  if (PQntuples(gone) > 0)
    status = qn_error_set(error, QN_CONFLICT, "the %s of simulation %s that it needs was removed by retention", qn_field(gone, 0, 0),
                          qn_field(gone, 0, 1));
  PQclear(gone);
  return status;
}

static qn_status retry(qn_connection *connection, void *context, qn_error *error) {
  change *c = context;
  bool go_on;
  qn_status status = qn_keys_begin(connection, c->idempotency, &go_on, error);
  if (status != QN_OK || !go_on) return status;
  qn_params params = {0};
  qn_params_int(&params, c->id);
  PGresult *parents;
  status = qn_connection_run(connection, &lock_parents, &params, &parents, error);
  if (status != QN_OK) return status;
  const char *next = "queued";
  int64_t broken = 0;
  for (int i = 0; i < PQntuples(parents); i++) {
    qn_job_state state = qn_rows_state(parents, i, 1);
    if (state == QN_JOB_FAILED || state == QN_JOB_CANCELLED) broken = qn_field_int(parents, i, 0);
    else if (state != QN_JOB_SUCCEEDED) next = "blocked";
  }
  PQclear(parents);

  locked job;
  status = lock_job(connection, c, &job, error);
  if (status != QN_OK) return status;
  if (job.state != QN_JOB_FAILED && job.state != QN_JOB_CANCELLED)
    return qn_error_set(error, QN_CONFLICT, "job %lld is %s: only a failed or cancelled job can be retried", (long long)c->id,
                        qn_job_state_name(job.state));
  if (broken != 0)
    return qn_error_set(error, QN_CONFLICT, "job %lld needs job %lld, which did not succeed: retry that one", (long long)c->id,
                        (long long)broken);
  status = check_inputs(connection, &params, error);
  if (status != QN_OK) return status;
  qn_params both = {0};
  qn_params_int(&both, c->id);
  qn_params_text(&both, next);
  status = qn_connection_defer(connection, &requeue, &both, error);
  if (status == QN_OK) status = qn_connection_defer(connection, &block_children, &params, error);
  return status == QN_OK ? conclude(connection, c, "retry", NULL, error) : status;
}

static qn_status set_priority(qn_connection *connection, void *context, qn_error *error) {
  change *c = context;
  locked job;
  bool go_on;
  qn_status status = begin(connection, c, &job, &go_on, error);
  if (status != QN_OK || !go_on) return status;
  qn_params params = {0};
  qn_params_int(&params, c->id);
  qn_params_int(&params, c->priority);
  status = qn_connection_defer(connection, &prioritise, &params, error);
  char detail[64];
  snprintf(detail, sizeof detail, "{\"from\": %d, \"to\": %d}", job.priority, c->priority);
  return status == QN_OK ? conclude(connection, c, "prioritise", detail, error) : status;
}

static qn_status change_job(qn_store *store, qn_transaction *work, const char *action, change *c, qn_job_row *row, qn_error *error) {
  memset(row, 0, sizeof *row);
  /* With a key repeating is safe: the answer of what was committed unseen is found again. */
  qn_status status = qn_pool_transact(store, work, c, c->idempotency != NULL, error);
  if (status == QN_OK) *row = c->row;
  else qn_job_row_fini(&c->row);
  if (status == QN_FORBIDDEN) qn_audit_refusal(store, c->principal, action, "job", c->id);
  return status;
}

qn_status qn_store_cancel_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal, qn_job_row *row,
                              qn_error *error) {
  change c = {.id = id, .idempotency = idempotency, .principal = principal};
  return change_job(store, cancel, "cancel", &c, row, error);
}

qn_status qn_store_retry_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal, qn_job_row *row,
                             qn_error *error) {
  change c = {.id = id, .idempotency = idempotency, .principal = principal};
  return change_job(store, retry, "retry", &c, row, error);
}

qn_status qn_store_set_priority(qn_store *store, int64_t id, int priority, qn_idempotency *idempotency, const qn_principal *principal,
                                qn_job_row *row, qn_error *error) {
  change c = {.id = id, .priority = priority, .idempotency = idempotency, .principal = principal};
  return change_job(store, set_priority, "prioritise", &c, row, error);
}

#include <stdio.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "server/store/rows.h"
#include "server/store/submit.h"

static const qn_statement lock_simulation = {
    "submit_lock_simulation",
    "SELECT j.id, j.kind, j.state, j.error FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE s.id = $1::bigint FOR SHARE OF j"};
/* NULL when the stage left no such files at all; what a spec without a stage needs is not known here. */
static const qn_statement find_removed = {
    "submit_removed",
    "SELECT bool_and(removed_at IS NOT NULL), max(kind) FROM artifacts WHERE simulation_id = $1::bigint"
    " AND kind = CASE WHEN $2::text IS NULL THEN 'snapshot' ELSE analysis_reads($2::text) END AND (kind = 'thermo' OR stage ="
    " (CASE kind WHEN 'snapshot' THEN $3::text::jsonb -> 'initial' ->> 'stage' ELSE $3::text::jsonb ->> 'stage' END)::integer)"};
static const qn_statement insert_dependency = {
    "submit_dependency", "INSERT INTO job_dependencies (job_id, parent_id) VALUES ($1::bigint, $2::bigint) ON CONFLICT DO NOTHING"};
static const qn_statement insert_job = {
    "submit_insert_job",
    "INSERT INTO jobs (id, kind, state, priority, submitted_by, error, failed_by, finished_at)"
    " VALUES ($1::bigint, $2::job_kind, $3::job_state, $4::integer, $5, $6, $7::bigint,"
    " CASE WHEN $3::job_state = 'failed' THEN now() END)"};

void qn_submit_fill_parent(const PGresult *result, int row, qn_submit_parent *out) {
  out->job = qn_field_int(result, row, 0);
  snprintf(out->kind, sizeof out->kind, "%s", qn_field(result, row, 1));
  snprintf(out->state, sizeof out->state, "%s", qn_field(result, row, 2));
  snprintf(out->error, sizeof out->error, "%s", qn_field(result, row, 3));
  qn_utf8_repair(out->error); /* which was cut */
}

qn_status qn_submit_lock(qn_connection *connection, const qn_statement *statement, int64_t resource, const char *what, qn_submit_parent *out,
                         qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, resource);
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_NOT_FOUND, "there is no %s %lld", what, (long long)resource);
  else {
    out->resource = resource;
    qn_submit_fill_parent(result, 0, out);
  }
  PQclear(result);
  return status;
}

qn_status qn_submit_lock_simulation(qn_connection *connection, int64_t id, qn_submit_parent *out, qn_error *error) {
  return qn_submit_lock(connection, &lock_simulation, id, "simulation", out, error);
}

qn_status qn_submit_pair(qn_connection *connection, const qn_statement *statement, const qn_params *params, int64_t *first, int64_t *second,
                         bool *found, qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, params, &result, error);
  if (status != QN_OK) return status;
  *found = PQntuples(result) > 0;
  if (*found) {
    *first = qn_field_int(result, 0, 0);
    if (second != NULL) *second = qn_field_int(result, 0, 1);
  }
  PQclear(result);
  return QN_OK;
}

int qn_submit_priority(const qn_submission *submission, int usual) { return submission->prioritised ? submission->priority : usual; }

int qn_submit_priority_of_children(const qn_submission *submission) {
  int own = qn_submit_priority(submission, QN_PRIORITY_SIMULATION);
  return own >= 0 && own < QN_PRIORITY_SHORT ? QN_PRIORITY_SHORT : own;
}

qn_status qn_submit_check_kept(qn_connection *connection, const qn_submit_parent *on, const char *type, const char *spec, qn_error *error) {
  if (strcmp(on->state, "succeeded") != 0) return QN_OK;
  qn_params params = {0};
  qn_params_int(&params, on->resource);
  qn_params_text(&params, type);
  qn_params_text(&params, spec);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &find_removed, &params, &result, error);
  if (status != QN_OK) return status;
  if (qn_field_bool(result, 0, 0))
    status = qn_error_set(error, QN_CONFLICT, "the %s of simulation %lld that this needs was removed by retention", qn_field(result, 0, 1),
                          (long long)on->resource);
  PQclear(result);
  return status;
}

static qn_status look_up(qn_connection *connection, const qn_statement *statement, const qn_params *params, qn_submitted *out, bool *found,
                         qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, params, &result, error);
  if (status != QN_OK) return status;
  *found = PQntuples(result) > 0;
  if (*found) {
    out->id = qn_field_int(result, 0, 0);
    out->job = qn_field_int(result, 0, 1);
    out->state = qn_rows_state(result, 0, 2);
  }
  PQclear(result);
  return QN_OK;
}

qn_status qn_submit_make(qn_connection *connection, const qn_statement *insert, const qn_params *insert_params, const qn_statement *look,
                         const qn_params *look_params, qn_submitted *out, bool *found, qn_error *error) {
  *out = (qn_submitted){0};
  qn_status status = look_up(connection, insert, insert_params, out, &out->created, error);
  *found = out->created;
  return status != QN_OK || out->created ? status : look_up(connection, look, look_params, out, found, error);
}

qn_status qn_submit_make_known(qn_connection *connection, const qn_statement *insert, const qn_params *insert_params, const qn_statement *look,
                               const qn_params *look_params, qn_submitted *out, qn_error *error) {
  bool found;
  qn_status status = qn_submit_make(connection, insert, insert_params, look, look_params, out, &found, error);
  return status != QN_OK || found ? status : qn_error_set(error, QN_UNAVAILABLE, "the same work is being changed by another request");
}

qn_status qn_submit_enqueue(qn_connection *connection, const qn_submit *submit, qn_submitted *made, const char *kind, int priority,
                            const qn_submit_parent *on, int count, qn_error *error) {
  const char *state = "queued";
  char why[700] = "";
  int64_t failed_by = 0;
  for (int i = 0; i < count && failed_by == 0; i++) {
    if (strcmp(on[i].state, "succeeded") == 0) continue;
    state = "blocked";
    bool failed = strcmp(on[i].state, "failed") == 0, cancelled = strcmp(on[i].state, "cancelled") == 0;
    if (!failed && !cancelled) continue;
    state = "failed";
    failed_by = on[i].job;
    snprintf(why, sizeof why, "it needed job %lld (%s), which %s%s%s", (long long)on[i].job, on[i].kind, failed ? "failed" : "was cancelled",
             on[i].error[0] != '\0' ? ": " : "", on[i].error);
  }
  qn_job_state_parse(state, &made->state);
  qn_params params = {0};
  qn_params_int(&params, made->job);
  qn_params_text(&params, kind);
  qn_params_text(&params, state);
  qn_params_int(&params, priority);
  qn_params_text(&params, submit->principal->name);
  qn_params_text(&params, why);
  qn_params_id(&params, failed_by);
  qn_status status = qn_connection_defer(connection, &insert_job, &params, error);
  for (int i = 0; i < count && status == QN_OK; i++) {
    qn_params edge = {0};
    qn_params_int(&edge, made->job);
    qn_params_int(&edge, on[i].job);
    status = qn_connection_defer(connection, &insert_dependency, &edge, error);
  }
  return status;
}

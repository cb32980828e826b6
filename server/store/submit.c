#include <stdio.h>
#include <string.h>

#include "server/store/audit.h"
#include "server/store/keys.h"

/* The lock makes this transaction and the one that ends the job see each other: whichever is second acts on what the first did. */
static const qn_statement lock_simulation = {
    "submit_lock_simulation",
    "SELECT j.id, j.state, j.error FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE s.id = $1::bigint FOR SHARE OF j"};
/* The resource comes with the number of the job that it will have; no row when it is there, or the potential is not. */
#define NEW_JOB "nextval(pg_get_serial_sequence('jobs', 'id'))"
static const qn_statement find_simulation = {
    "submit_find_simulation", "SELECT s.id, s.job_id, j.state FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE s.sha256 = $1"};
static const qn_statement insert_simulation = {
    "submit_insert_simulation",
    "INSERT INTO simulations (job_id, name, sha256, spec, spec_text, potential_id, parent_id)"
    " SELECT " NEW_JOB ", $1, $2, $3::text::jsonb, $3::text, id, $5::bigint FROM potentials WHERE name = $4"
    " ON CONFLICT (sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
static const qn_statement find_analysis = {
    "submit_find_analysis",
    "SELECT a.id, a.job_id, j.state FROM analyses a JOIN jobs j ON j.id = a.job_id WHERE a.simulation_id = $1::bigint AND a.sha256 = $2"};
static const qn_statement insert_analysis = {
    "submit_insert_analysis",
    "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text)"
    " VALUES (" NEW_JOB ", $1::bigint, $2, $3, $4::text::jsonb, $4::text)"
    " ON CONFLICT (simulation_id, sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
/* NULL when the stage left no such files at all; what a spec without a stage needs is not known here. */
static const qn_statement find_removed = {
    "submit_removed",
    "SELECT bool_and(removed_at IS NOT NULL) FROM artifacts WHERE simulation_id = $1::bigint AND kind = $2 AND stage ="
    " (CASE $2 WHEN 'snapshot' THEN $3::text::jsonb -> 'initial' ->> 'stage' ELSE $3::text::jsonb ->> 'stage' END)::integer"};
static const qn_statement insert_dependency = {
    "submit_dependency", "INSERT INTO job_dependencies (job_id, parent_id) VALUES ($1::bigint, $2::bigint)"};
static const qn_statement insert_job = {
    "submit_insert_job",
    "INSERT INTO jobs (id, kind, state, priority, submitted_by, error, failed_by, finished_at)"
    " VALUES ($1::bigint, $2::job_kind, $3::job_state, $4::integer, $5, $6, $7::bigint,"
    " CASE WHEN $3::job_state = 'failed' THEN now() END)"};

/* Analyses are short and what people wait for: they go before the next simulation of their user, unless its place was chosen. What yields to
 * everyone yields with its analyses. */
enum { SIMULATION_PRIORITY = 0, ANALYSIS_PRIORITY = QN_MOST_PRIORITY };

typedef struct context {
  const qn_submission *submission;
  qn_idempotency *idempotency;
  const qn_principal *principal;
  qn_submitted out;
} context;

typedef struct parent {
  int64_t simulation, job;
  char state[16], error[512];
} parent;

static qn_status lock_parent(qn_connection *connection, int64_t simulation, parent *out, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, simulation);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &lock_simulation, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) == 0) status = qn_error_set(error, QN_NOT_FOUND, "there is no simulation %lld", (long long)simulation);
  else {
    out->simulation = simulation;
    out->job = qn_field_int(result, 0, 0);
    snprintf(out->state, sizeof out->state, "%s", qn_field(result, 0, 1));
    snprintf(out->error, sizeof out->error, "%s", qn_field(result, 0, 2));
  }
  PQclear(result);
  return status;
}

/* The files of a parent that has succeeded may be gone. */
static qn_status check_kept(qn_connection *connection, const parent *on, const char *kind, const char *spec, qn_error *error) {
  if (strcmp(on->state, "succeeded") != 0) return QN_OK;
  qn_params params = {0};
  qn_params_int(&params, on->simulation);
  qn_params_text(&params, kind);
  qn_params_text(&params, spec);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &find_removed, &params, &result, error);
  if (status != QN_OK) return status;
  bool removed = qn_field_bool(result, 0, 0);
  PQclear(result);
  if (!removed) return QN_OK;
  return qn_error_set(error, QN_CONFLICT, "the %s of simulation %lld that this needs was removed by retention", kind,
                      (long long)on->simulation);
}

/* The job row of a resource that was just inserted under out->job, and its dependency; `on` NULL: it depends on nothing. */
static qn_status enqueue(qn_connection *connection, const context *c, qn_submitted *out, const char *kind, int priority, const parent *on,
                         qn_error *error) {
  const char *state = "queued";
  char why[700] = "";
  int64_t failed_by = 0;
  if (on != NULL && strcmp(on->state, "succeeded") != 0) {
    state = "blocked";
    bool failed = strcmp(on->state, "failed") == 0, cancelled = strcmp(on->state, "cancelled") == 0;
    if (failed || cancelled) {
      state = "failed";
      failed_by = on->job;
      snprintf(why, sizeof why, "it needed job %lld (simulation), which %s%s%s", (long long)on->job, failed ? "failed" : "was cancelled",
               on->error[0] != '\0' ? ": " : "", on->error);
    }
  }
  qn_job_state_parse(state, &out->state);
  qn_params params = {0};
  qn_params_int(&params, out->job);
  qn_params_text(&params, kind);
  qn_params_text(&params, state);
  qn_params_int(&params, priority);
  qn_params_text(&params, c->principal->name);
  qn_params_text(&params, why);
  qn_params_id(&params, failed_by);
  qn_status status = qn_connection_defer(connection, &insert_job, &params, error);
  if (status != QN_OK || on == NULL) return status;
  qn_params edge = {0};
  qn_params_int(&edge, out->job);
  qn_params_int(&edge, on->job);
  return qn_connection_defer(connection, &insert_dependency, &edge, error);
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
    qn_job_state_parse(qn_field(result, 0, 2), &out->state);
  }
  PQclear(result);
  return QN_OK;
}

/* Make or get: insert, unless someone else does at this moment (the insert waits for them to commit, and then does nothing) or did before; in that
 * case look, in a statement of its own, which sees what they committed. *found is false when there is neither. */
static qn_status make_or_get(qn_connection *connection, const qn_statement *insert, const qn_params *insert_params, const qn_statement *look,
                             const qn_params *look_params, qn_submitted *out, bool *found, qn_error *error) {
  *out = (qn_submitted){0};
  qn_status status = look_up(connection, insert, insert_params, out, &out->created, error);
  *found = out->created;
  return status != QN_OK || out->created ? status : look_up(connection, look, look_params, out, found, error);
}

static qn_status make_analysis(qn_connection *connection, const context *c, const parent *of, const char *type, const char *spec,
                               const char *sha256, int priority, qn_submitted *out, qn_error *error) {
  qn_params look = {0}, insert = {0};
  qn_params_int(&look, of->simulation);
  qn_params_text(&look, sha256);
  qn_params_int(&insert, of->simulation);
  qn_params_text(&insert, type);
  qn_params_text(&insert, sha256);
  qn_params_text(&insert, spec);
  bool found;
  qn_status status = make_or_get(connection, &insert_analysis, &insert, &find_analysis, &look, out, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_UNAVAILABLE, "the same analysis is being changed by another request");
  if (status == QN_OK && out->created) status = check_kept(connection, of, "trajectory", spec, error);
  if (status != QN_OK || !out->created) return status;
  return enqueue(connection, c, out, "analysis", priority, of, error);
}

static int priority_of(const qn_submission *s, int usual) { return s->prioritised ? s->priority : usual; }

static int priority_of_children(const qn_submission *s) {
  int own = priority_of(s, SIMULATION_PRIORITY);
  return own >= 0 && own < ANALYSIS_PRIORITY ? ANALYSIS_PRIORITY : own;
}

/* What the analyses of a simulation need to know of it: of one that was just made that is known; another one is held, so that its end waits. */
static qn_status become_parent(qn_connection *connection, const qn_submitted *made, parent *self, qn_error *error) {
  if (!made->created || qn_job_state_final(made->state)) return lock_parent(connection, made->id, self, error);
  *self = (parent){.simulation = made->id, .job = made->job};
  snprintf(self->state, sizeof self->state, "%s", qn_job_state_name(made->state));
  return QN_OK;
}

static qn_status make_simulation(qn_connection *connection, context *c, qn_error *error) {
  const qn_submission *s = c->submission;
  parent on = {0};
  qn_status status = s->parent != 0 ? lock_parent(connection, s->parent, &on, error) : QN_OK;
  if (status != QN_OK) return status;
  qn_params look = {0}, insert = {0};
  qn_params_text(&look, s->sha256);
  qn_params_text(&insert, s->name);
  qn_params_text(&insert, s->sha256);
  qn_params_text(&insert, s->spec);
  qn_params_text(&insert, s->potential);
  qn_params_id(&insert, s->parent);
  bool found;
  status = make_or_get(connection, &insert_simulation, &insert, &find_simulation, &look, &c->out, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_NOT_FOUND, "there is no potential named %.100s", s->potential);
  if (status == QN_OK && c->out.created && s->parent != 0) status = check_kept(connection, &on, "snapshot", s->spec, error);
  if (status == QN_OK && c->out.created)
    status = enqueue(connection, c, &c->out, "simulation", priority_of(s, SIMULATION_PRIORITY), s->parent != 0 ? &on : NULL, error);
  if (status != QN_OK || s->child_count == 0) return status;

  parent self = {0};
  status = become_parent(connection, &c->out, &self, error);
  for (int i = 0; status == QN_OK && i < s->child_count; i++) {
    qn_submitted child;
    status = make_analysis(connection, c, &self, s->children[i].type, s->children[i].spec, s->children[i].sha256,
                           priority_of_children(s), &child, error);
  }
  return status;
}

static qn_status submit(qn_connection *connection, void *opaque, qn_error *error) {
  context *c = opaque;
  const qn_submission *s = c->submission;
  c->out = (qn_submitted){0};
  bool go_on;
  qn_status status = qn_keys_begin(connection, c->idempotency, &go_on, error);
  if (status != QN_OK || !go_on) return status;

  bool simulation = strcmp(s->kind, "simulation") == 0;
  if (simulation) status = make_simulation(connection, c, error);
  else {
    parent of = {0};
    status = lock_parent(connection, s->parent, &of, error);
    if (status == QN_OK)
      status = make_analysis(connection, c, &of, s->type, s->spec, s->sha256, priority_of(s, ANALYSIS_PRIORITY), &c->out, error);
  }
  if (status == QN_OK && c->out.created)
    status = qn_audit_note(connection, c->principal, "submit", s->kind, c->out.id, NULL, error);
  return status == QN_OK ? qn_keys_keep(connection, c->idempotency, &c->out, error) : status;
}

qn_status qn_store_submit(qn_store *store, const qn_submission *submission, qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error) {
  context c = {.submission = submission, .idempotency = idempotency, .principal = principal};
  /* Repeating is safe: what was committed unseen is found again by its hash or key. */
  qn_status status = qn_pool_transact(store, submit, &c, true, error);
  if (status == QN_OK) *submitted = c.out;
  return status;
}

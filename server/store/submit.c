#include <stdio.h>
#include <string.h>

#include "server/store/pool.h"

/* A name for the advisory lock of one key of one principal; the length keeps "a" + "bc" and "ab" + "c" apart. */
static const qn_statement try_key = {
    "submit_try_key", "SELECT pg_try_advisory_xact_lock(hashtextextended(length($1::text)::text || ' ' || $1::text || $2::text, 0))"};
static const qn_statement find_key = {
    "submit_find_key",
    "SELECT body_sha256, resource_id, job_id, created FROM idempotency_keys WHERE principal = $1 AND key = $2"};
static const qn_statement keep_key = {
    "submit_keep_key",
    "INSERT INTO idempotency_keys (principal, key, body_sha256, job_id, resource_id, created)"
    " VALUES ($1, $2, $3, $4::bigint, $5::bigint, $6::boolean)"};
static const qn_statement find_potential = {"submit_potential", "SELECT id FROM potentials WHERE name = $1"};
/* The lock makes this transaction and the one that ends the job see each other: whichever is second acts on what the first did. */
static const qn_statement lock_simulation = {
    "submit_lock_simulation",
    "SELECT j.id, j.state, j.error FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE s.id = $1::bigint FOR SHARE OF j"};
static const qn_statement new_job = {"submit_new_job", "SELECT nextval(pg_get_serial_sequence('jobs', 'id'))"};
static const qn_statement find_simulation = {"submit_find_simulation", "SELECT id, job_id FROM simulations WHERE sha256 = $1"};
static const qn_statement insert_simulation = {
    "submit_insert_simulation",
    "INSERT INTO simulations (job_id, name, sha256, spec, spec_text, potential_id, parent_id)"
    " VALUES ($1::bigint, $2, $3, $4::text::jsonb, $4::text, $5::bigint, $6::bigint) ON CONFLICT (sha256) DO NOTHING RETURNING id"};
static const qn_statement find_analysis = {
    "submit_find_analysis", "SELECT id, job_id FROM analyses WHERE simulation_id = $1::bigint AND sha256 = $2"};
static const qn_statement insert_analysis = {
    "submit_insert_analysis",
    "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text)"
    " VALUES ($1::bigint, $2::bigint, $3, $4, $5::text::jsonb, $5::text) ON CONFLICT (simulation_id, sha256) DO NOTHING RETURNING id"};
static const qn_statement insert_dependency = {
    "submit_dependency", "INSERT INTO job_dependencies (job_id, parent_id) VALUES ($1::bigint, $2::bigint)"};
static const qn_statement insert_job = {
    "submit_insert_job",
    "INSERT INTO jobs (id, kind, state, priority, submitted_by, error, failed_by, finished_at)"
    " VALUES ($1::bigint, $2::job_kind, $3::job_state, $4::integer, $5, $6, $7::bigint,"
    " CASE WHEN $3::job_state = 'failed' THEN now() END)"};
static const qn_statement insert_audit = {
    "submit_audit",
    "INSERT INTO audit (principal, token_id, action, resource, resource_id) VALUES ($1, $2::bigint, 'submit', $3, $4::bigint)"};

/* Analyses are short and what people wait for: they go before the next simulation. */
enum { SIMULATION_PRIORITY = 0, ANALYSIS_PRIORITY = 10 };

typedef struct context {
  const qn_submission *submission;
  const qn_idempotency *idempotency;
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

/* The job row of a resource that was just inserted under `job`, and its dependency; `on` NULL: it depends on nothing. */
static qn_status enqueue(qn_connection *connection, const context *c, int64_t job, const char *kind, int priority, const parent *on,
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
  qn_params params = {0};
  qn_params_int(&params, job);
  qn_params_text(&params, kind);
  qn_params_text(&params, state);
  qn_params_int(&params, priority);
  qn_params_text(&params, c->principal->name);
  qn_params_text(&params, why);
  qn_params_id(&params, failed_by);
  qn_status status = qn_connection_run(connection, &insert_job, &params, NULL, error);
  if (status != QN_OK || on == NULL) return status;
  qn_params edge = {0};
  qn_params_int(&edge, job);
  qn_params_int(&edge, on->job);
  return qn_connection_run(connection, &insert_dependency, &edge, NULL, error);
}

/* id and job of the first row of a query with two columns; false in *found without one. */
static qn_status pair(qn_connection *connection, const qn_statement *statement, const qn_params *params, int64_t *id, int64_t *job,
                      bool *found, qn_error *error) {
  PGresult *result;
  qn_status status = qn_connection_run(connection, statement, params, &result, error);
  if (status != QN_OK) return status;
  *found = PQntuples(result) > 0;
  if (*found) {
    *id = qn_field_int(result, 0, 0);
    if (job != NULL) *job = qn_field_int(result, 0, 1);
  }
  PQclear(result);
  return QN_OK;
}

/* Get or make: look; insert under a fresh job number unless someone else does at this moment (the insert waits for them to commit, and then
 * does nothing); in that case look again, in a statement of its own, which sees what they committed. */
static qn_status get_or_make(qn_connection *connection, const qn_statement *look, const qn_params *look_params, const qn_statement *insert,
                             qn_params *insert_params, int64_t *id, int64_t *job, bool *created, qn_error *error) {
  *created = false;
  bool found;
  qn_status status = pair(connection, look, look_params, id, job, &found, error);
  if (status != QN_OK || found) return status;
  status = pair(connection, &new_job, NULL, job, NULL, &found, error);
  if (status != QN_OK) return status;
  snprintf(insert_params->number[0], sizeof insert_params->number[0], "%lld", (long long)*job);
  status = pair(connection, insert, insert_params, id, NULL, created, error);
  if (status != QN_OK || *created) return status;
  status = pair(connection, look, look_params, id, job, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_UNAVAILABLE, "the same work is being changed by another request");
  return status;
}

static qn_status make_analysis(qn_connection *connection, const context *c, const parent *of, const char *type, const char *spec,
                               const char *sha256, qn_submitted *out, qn_error *error) {
  qn_params look = {0}, insert = {0};
  qn_params_int(&look, of->simulation);
  qn_params_text(&look, sha256);
  qn_params_int(&insert, 0);
  qn_params_int(&insert, of->simulation);
  qn_params_text(&insert, type);
  qn_params_text(&insert, sha256);
  qn_params_text(&insert, spec);
  qn_status status =
      get_or_make(connection, &find_analysis, &look, &insert_analysis, &insert, &out->id, &out->job, &out->created, error);
  if (status != QN_OK || !out->created) return status;
  return enqueue(connection, c, out->job, "analysis", ANALYSIS_PRIORITY, of, error);
}

static qn_status make_simulation(qn_connection *connection, context *c, qn_error *error) {
  const qn_submission *s = c->submission;
  qn_params name = {0};
  qn_params_text(&name, s->potential);
  int64_t potential;
  bool found;
  qn_status status = pair(connection, &find_potential, &name, &potential, NULL, &found, error);
  if (status != QN_OK) return status;
  if (!found) return qn_error_set(error, QN_NOT_FOUND, "there is no potential named %.100s", s->potential);
  parent on = {0};
  if (s->parent != 0) status = lock_parent(connection, s->parent, &on, error);
  if (status != QN_OK) return status;

  qn_params look = {0}, insert = {0};
  qn_params_text(&look, s->sha256);
  qn_params_int(&insert, 0);
  qn_params_text(&insert, s->name);
  qn_params_text(&insert, s->sha256);
  qn_params_text(&insert, s->spec);
  qn_params_int(&insert, potential);
  qn_params_id(&insert, s->parent);
  status = get_or_make(connection, &find_simulation, &look, &insert_simulation, &insert, &c->out.id, &c->out.job, &c->out.created, error);
  if (status == QN_OK && c->out.created)
    status = enqueue(connection, c, c->out.job, "simulation", SIMULATION_PRIORITY, s->parent != 0 ? &on : NULL, error);
  if (status != QN_OK || s->child_count == 0) return status;

  parent self = {0};
  status = lock_parent(connection, c->out.id, &self, error);
  for (int i = 0; status == QN_OK && i < s->child_count; i++) {
    qn_submitted child;
    status = make_analysis(connection, c, &self, s->children[i].type, s->children[i].spec, s->children[i].sha256, &child, error);
  }
  return status;
}

/* *replayed: the key is known, and `out` holds its first answer. */
static qn_status use_key(qn_connection *connection, context *c, bool *replayed, qn_error *error) {
  const qn_idempotency *i = c->idempotency;
  qn_params params = {0};
  qn_params_text(&params, i->principal != NULL ? i->principal : "");
  qn_params_text(&params, i->key);
  PGresult *result;
  qn_status status = qn_connection_run(connection, &try_key, &params, &result, error);
  if (status != QN_OK) return status;
  bool taken = qn_field_bool(result, 0, 0);
  PQclear(result);
  if (!taken) return qn_error_set(error, QN_CONFLICT, "the first request with this Idempotency-Key is still being answered");

  status = qn_connection_run(connection, &find_key, &params, &result, error);
  if (status != QN_OK) return status;
  *replayed = PQntuples(result) == 1;
  if (*replayed) {
    if (strcmp(qn_field(result, 0, 0), i->body_sha256) != 0)
      status = qn_error_set(error, QN_INVALID, "this Idempotency-Key was used with another body");
    c->out.id = qn_field_int(result, 0, 1);
    c->out.job = qn_field_int(result, 0, 2);
    c->out.created = qn_field_bool(result, 0, 3);
  }
  PQclear(result);
  return status;
}

static qn_status remember_key(qn_connection *connection, const context *c, qn_error *error) {
  qn_params params = {0};
  qn_params_text(&params, c->idempotency->principal != NULL ? c->idempotency->principal : "");
  qn_params_text(&params, c->idempotency->key);
  qn_params_text(&params, c->idempotency->body_sha256);
  qn_params_int(&params, c->out.job);
  qn_params_int(&params, c->out.id);
  qn_params_bool(&params, c->out.created);
  return qn_connection_run(connection, &keep_key, &params, NULL, error);
}

static qn_status submit(qn_connection *connection, void *opaque, qn_error *error) {
  context *c = opaque;
  const qn_submission *s = c->submission;
  c->out = (qn_submitted){0};
  bool keyed = c->idempotency != NULL && c->idempotency->key != NULL, replayed = false;
  qn_status status = keyed ? use_key(connection, c, &replayed, error) : QN_OK;
  if (status != QN_OK || replayed) return status;

  bool simulation = strcmp(s->kind, "simulation") == 0;
  if (simulation) status = make_simulation(connection, c, error);
  else {
    parent of = {0};
    status = lock_parent(connection, s->parent, &of, error);
    if (status == QN_OK) status = make_analysis(connection, c, &of, s->type, s->spec, s->sha256, &c->out, error);
  }
  if (status == QN_OK && c->out.created) {
    qn_params params = {0};
    qn_params_text(&params, c->principal->name);
    qn_params_id(&params, c->principal->token);
    qn_params_text(&params, s->kind);
    qn_params_int(&params, c->out.id);
    status = qn_connection_run(connection, &insert_audit, &params, NULL, error);
  }
  if (status == QN_OK && keyed) status = remember_key(connection, c, error);
  return status;
}

qn_status qn_store_submit(qn_store *store, const qn_submission *submission, const qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error) {
  context c = {.submission = submission, .idempotency = idempotency, .principal = principal};
  /* Repeating is safe: what was committed unseen is found again by its hash or key. */
  qn_status status = qn_pool_transact(store, submit, &c, true, error);
  if (status == QN_OK) *submitted = c.out;
  return status;
}

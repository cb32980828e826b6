#include <stdio.h>
#include <string.h>

#include "server/store/audit.h"
#include "server/store/keys.h"
#include "server/store/submit.h"
#include "server/store/uploads.h"

/* A structure may be the snapshot of a simulation, whose job is held: so retention and this transaction see each other. */
static const qn_statement lock_owner = {
    "submit_lock_owner",
    "SELECT j.id FROM artifacts a JOIN simulations s ON s.id = a.simulation_id JOIN jobs j ON j.id = s.job_id WHERE a.id = $1::bigint FOR SHARE OF j"};
static const qn_statement find_structure = {
    "submit_find_structure",
    "SELECT id, (removed_at IS NOT NULL)::integer FROM artifacts WHERE id = $1::bigint AND kind = 'snapshot' FOR KEY SHARE"};
static const qn_statement find_simulation = {
    "submit_find_simulation", "SELECT s.id, s.job_id, j.state FROM simulations s JOIN jobs j ON j.id = s.job_id WHERE s.sha256 = $1"};
static const qn_statement insert_simulation = {
    "submit_insert_simulation",
    "INSERT INTO simulations (job_id, name, sha256, spec, spec_text, potential_id, parent_id, structure_id) SELECT " QN_SUBMIT_NEW_JOB
    ", $1, $2, $3::text::jsonb, $3::text, id, $5::bigint, $6::bigint FROM potentials WHERE name = $4"
    " ON CONFLICT (sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
static const qn_statement find_fit = {"submit_find_fit",
                                      "SELECT f.id, f.job_id, j.state FROM fits f JOIN jobs j ON j.id = f.job_id WHERE f.sha256 = $1"};
static const qn_statement insert_fit = {
    "submit_insert_fit",
    "INSERT INTO fits (job_id, name, law, sha256, spec, spec_text) VALUES (" QN_SUBMIT_NEW_JOB
    ", $1, $2, $3, $4::text::jsonb, $4::text) ON CONFLICT (sha256) DO NOTHING RETURNING id, job_id, 'queued'"};

static qn_status require_structure(qn_connection *connection, int64_t id, qn_error *error) {
  qn_params params = {0};
  qn_params_int(&params, id);
  int64_t same, removed = 0;
  bool found;
  qn_status status = qn_submit_pair(connection, &lock_owner, &params, &same, NULL, &found, error);
  if (status == QN_OK) status = qn_submit_pair(connection, &find_structure, &params, &same, &removed, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_NOT_FOUND, "there is no structure %lld", (long long)id);
  if (status == QN_OK && removed != 0) status = qn_error_set(error, QN_CONFLICT, "structure %lld was removed by retention", (long long)id);
  return status;
}

/* What the analyses of a simulation need to know of it: of one that was just made that is known; another one is held, so that its end waits. */
static qn_status become_parent(qn_connection *connection, const qn_submitted *made, qn_submit_parent *self, qn_error *error) {
  if (!made->created || qn_job_state_final(made->state)) return qn_submit_lock_simulation(connection, made->id, self, error);
  *self = (qn_submit_parent){.resource = made->id, .job = made->job, .kind = "simulation"};
  snprintf(self->state, sizeof self->state, "%s", qn_job_state_name(made->state));
  return QN_OK;
}

static qn_status make_simulation(qn_connection *connection, qn_submit *c, qn_error *error) {
  const qn_submission *s = c->submission;
  qn_submit_parent on = {0};
  qn_status status = s->parent != 0 ? qn_submit_lock_simulation(connection, s->parent, &on, error) : QN_OK;
  if (status == QN_OK && s->structure != 0) status = require_structure(connection, s->structure, error);
  if (status != QN_OK) return status;
  qn_params look = {0}, insert = {0};
  qn_params_text(&look, s->sha256);
  qn_params_text(&insert, s->name);
  qn_params_text(&insert, s->sha256);
  qn_params_text(&insert, s->spec);
  qn_params_text(&insert, s->potential);
  qn_params_id(&insert, s->parent);
  qn_params_id(&insert, s->structure);
  bool found;
  status = qn_submit_make(connection, &insert_simulation, &insert, &find_simulation, &look, &c->out, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_NOT_FOUND, "there is no potential named %.100s", s->potential);
  if (status == QN_OK && c->out.created && s->parent != 0) status = qn_submit_check_kept(connection, &on, NULL, s->spec, error);
  if (status == QN_OK && c->out.created)
    status = qn_submit_enqueue(connection, c, &c->out, "simulation", qn_submit_priority(s, QN_PRIORITY_SIMULATION), &on, s->parent != 0, error);
  if (status != QN_OK || s->child_count == 0) return status;

  qn_submit_parent self = {0};
  status = become_parent(connection, &c->out, &self, error);
  for (int i = 0; status == QN_OK && i < s->child_count; i++) {
    qn_submitted child;
    status = qn_submit_add_analysis(connection, c, &self, false, &s->children[i], qn_submit_priority_of_children(s), &child, error);
    /* Of a simulation that is new they are part; one more of somebody else's is an act of its own. */
    if (status == QN_OK && child.created && !c->out.created) status = qn_audit_note(connection, c->principal, "submit", "analysis", child.id, NULL, error);
  }
  return status;
}

static qn_status make_analysis(qn_connection *connection, qn_submit *c, qn_error *error) {
  const qn_submission *s = c->submission;
  qn_submit_parent of = {0};
  struct qn_child analysis = {.type = s->type, .spec = (char *)s->spec, .needs = s->needs};
  memcpy(analysis.sha256, s->sha256, sizeof analysis.sha256);
  bool trajectory = s->trajectory != 0;
  qn_status status = trajectory ? qn_submit_lock_trajectory(connection, s->trajectory, &of, error)
                                : qn_submit_lock_simulation(connection, s->parent, &of, error);
  if (status != QN_OK) return status;
  return qn_submit_add_analysis(connection, c, &of, trajectory, &analysis, qn_submit_priority(s, QN_PRIORITY_SHORT), &c->out, error);
}

static qn_status make_fit(qn_connection *connection, qn_submit *c, qn_error *error) {
  const qn_submission *s = c->submission;
  qn_params look = {0}, insert = {0};
  qn_params_text(&look, s->sha256);
  qn_params_text(&insert, s->name);
  qn_params_text(&insert, s->type);
  qn_params_text(&insert, s->sha256);
  qn_params_text(&insert, s->spec);
  qn_status status = qn_submit_make_known(connection, &insert_fit, &insert, &find_fit, &look, &c->out, error);
  if (status != QN_OK || !c->out.created) return status;
  return qn_submit_enqueue(connection, c, &c->out, "fit", qn_submit_priority(s, QN_PRIORITY_SHORT), NULL, 0, error);
}

typedef qn_status make_work(qn_connection *connection, qn_submit *submit, qn_error *error);

static make_work *find_kind(const char *kind) {
  static const struct {
    const char *kind;
    make_work *make;
  } kinds[] = {{"simulation", make_simulation}, {"analysis", make_analysis}, {"fit", make_fit}, {"import", qn_submit_add_import}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i].kind, kind) == 0) return kinds[i].make;
  return NULL;
}

static qn_status submit(qn_connection *connection, void *opaque, qn_error *error) {
  qn_submit *c = opaque;
  const qn_submission *s = c->submission;
  c->out = (qn_submitted){0};
  bool go_on;
  qn_status status = qn_keys_begin(connection, c->idempotency, &go_on, error);
  if (status != QN_OK || !go_on) return status;

  make_work *make = find_kind(s->kind);
  status = make != NULL ? make(connection, c, error) : qn_error_set(error, QN_INTERNAL, "there is no work of the kind %s", s->kind);
  if (status == QN_OK && c->out.created)
    status = qn_audit_note(connection, c->principal, "submit", s->kind, c->out.id, NULL, error);
  return status == QN_OK ? qn_keys_keep(connection, c->idempotency, &c->out, error) : status;
}

qn_status qn_store_submit(qn_store *store, const qn_submission *submission, qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error) {
  qn_submit c = {.store = store, .submission = submission, .idempotency = idempotency, .principal = principal};
  /* Repeating is safe: what was committed unseen is found again by its hash or key. */
  qn_status status = submission->upload != NULL ? qn_upload_prepare(store, submission->upload, error) : QN_OK;
  if (status != QN_OK) return status;
  status = qn_pool_transact(store, submit, &c, true, error);
  if (status == QN_OK) *submitted = c.out;
  else qn_upload_forget(store, QN_UPLOAD_IMPORTS, c.placed);
  return status;
}

#include <stdio.h>
#include <string.h>

#include "server/store/submit.h"

static const qn_statement lock_trajectory = {
    "submit_lock_trajectory",
    "SELECT j.id, j.kind, j.state, j.error FROM uploads u JOIN jobs j ON j.id = u.job_id WHERE u.id = $1::bigint FOR SHARE OF j"};
static const qn_statement find_of = {"submit_find_analysis",
                                     "SELECT a.id, a.job_id, j.state FROM analyses a JOIN jobs j ON j.id = a.job_id WHERE a.simulation_id = $1::bigint AND a.sha256 = $2"};
static const qn_statement find_on = {"submit_find_analysis_on",
                                     "SELECT a.id, a.job_id, j.state FROM analyses a JOIN jobs j ON j.id = a.job_id WHERE a.trajectory_id = $1::bigint AND a.sha256 = $2"};
static const qn_statement insert_of = {
    "submit_insert_analysis",
    "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text) VALUES (" QN_SUBMIT_NEW_JOB
    ", $1::bigint, $2, $3, $4::text::jsonb, $4::text) ON CONFLICT (simulation_id, sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
static const qn_statement insert_on = {
    "submit_insert_analysis_on",
    "INSERT INTO analyses (job_id, trajectory_id, type, sha256, spec, spec_text) VALUES (" QN_SUBMIT_NEW_JOB
    ", $1::bigint, $2, $3, $4::text::jsonb, $4::text) ON CONFLICT (trajectory_id, sha256) DO NOTHING RETURNING id, job_id, 'queued'"};
/* Locks from the lowest number, as everywhere. */
#define NEEDED(parent)                                                                                                 \
  "SELECT j.id, j.kind, j.state, j.error FROM analyses a JOIN jobs j ON j.id = a.job_id WHERE a." parent               \
  " = $1::bigint AND a.sha256 = ANY ($2::text[]) ORDER BY j.id FOR SHARE OF j"
static const qn_statement lock_needed_of = {"submit_lock_needed", NEEDED("simulation_id")};
static const qn_statement lock_needed_on = {"submit_lock_needed_on", NEEDED("trajectory_id")};

enum { MOST_NEEDS = sizeof((qn_needs *)0)->sha256 / sizeof((qn_needs *)0)->sha256[0] };

qn_status qn_submit_lock_trajectory(qn_connection *connection, int64_t id, qn_submit_parent *out, qn_error *error) {
  return qn_submit_lock(connection, &lock_trajectory, id, "trajectory made elsewhere", out, error);
}

/* How many different analyses are needed, and their hashes as an array of PostgreSQL. */
static int spell(const qn_needs *needs, char text[MOST_NEEDS * 66 + 3]) {
  int different = 0;
  size_t used = (size_t)sprintf(text, "{");
  for (int i = 0; i < needs->count; i++) {
    bool known = false;
    for (int k = 0; k < i; k++) known = known || strcmp(needs->sha256[k], needs->sha256[i]) == 0;
    if (known) continue;
    used += (size_t)sprintf(text + used, "%s%.64s", different > 0 ? "," : "", needs->sha256[i]);
    different++;
  }
  strcpy(text + used, "}");
  return different;
}

static qn_status lock_needed(qn_connection *connection, int64_t resource, bool trajectory, const qn_needs *needs,
                             qn_submit_parent on[MOST_NEEDS], int *count, qn_error *error) {
  char hashes[MOST_NEEDS * 66 + 3];
  qn_params params = {0};
  *count = spell(needs, hashes);
  if (*count == 0) return QN_OK;
  qn_params_int(&params, resource);
  qn_params_text(&params, hashes);
  PGresult *result;
  qn_status status = qn_connection_run(connection, trajectory ? &lock_needed_on : &lock_needed_of, &params, &result, error);
  if (status != QN_OK) return status;
  if (PQntuples(result) != *count) status = qn_error_set(error, QN_NOT_FOUND, "an analysis that gives a parameter is not there");
  for (int i = 0; status == QN_OK && i < *count; i++) qn_submit_fill_parent(result, i, &on[i]);
  PQclear(result);
  return status;
}

qn_status qn_submit_add_analysis(qn_connection *connection, const qn_submit *submit, const qn_submit_parent *of, bool trajectory,
                                 const struct qn_child *analysis, int priority, qn_submitted *out, qn_error *error) {
  qn_params look = {0}, insert = {0};
  qn_params_int(&look, of->resource);
  qn_params_text(&look, analysis->sha256);
  qn_params_int(&insert, of->resource);
  qn_params_text(&insert, analysis->type);
  qn_params_text(&insert, analysis->sha256);
  qn_params_text(&insert, analysis->spec);
  qn_status status = qn_submit_make_known(connection, trajectory ? &insert_on : &insert_of, &insert, trajectory ? &find_on : &find_of, &look, out, error);
  if (status == QN_OK && out->created && !trajectory) status = qn_submit_check_kept(connection, of, analysis->type, analysis->spec, error);
  if (status != QN_OK || !out->created) return status;
  qn_submit_parent on[1 + MOST_NEEDS] = {*of};
  int count = 0;
  status = lock_needed(connection, of->resource, trajectory, &analysis->needs, on + 1, &count, error);
  return status == QN_OK ? qn_submit_enqueue(connection, submit, out, "analysis", priority, on, 1 + count, error) : status;
}

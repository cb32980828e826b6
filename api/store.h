/* What the API needs from storage. The server implements it on PostgreSQL; the tests of the API on arrays.
 *
 * Rows come back in structs that the caller owns and releases with the _fini of their page (api/store.c has the _fini and the names of states; all else
 * is the server's); texts inside are malloc'ed and never NULL unless said. On an error a row or page is left all zero.
 * Every function may answer QN_UNAVAILABLE (the database is away: 503 with Retry-After). */
#ifndef QN_API_STORE_H
#define QN_API_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/message.h"
#include "engine/base/status.h"

typedef struct qn_store qn_store;

typedef enum qn_job_state {
  QN_JOB_BLOCKED,
  QN_JOB_QUEUED,
  QN_JOB_RUNNING,
  QN_JOB_SUCCEEDED,
  QN_JOB_FAILED,
  QN_JOB_CANCELLED
} qn_job_state;
const char *qn_job_state_name(qn_job_state state); /* "blocked", ... */
bool qn_job_state_parse(const char *name, qn_job_state *state);
bool qn_job_state_final(qn_job_state state);

/* Pages: at most `limit` rows with id below `before` (newest first; before 0: from the top). `more`: there are older ones. */
typedef struct qn_page_query {
  int64_t before;
  int limit;
} qn_page_query;

/* ---- potentials ---- */
typedef struct qn_potential_row {
  int64_t id;
  char *name, *sha256, *species /* "Cu,Zr" */, *format /* "eam/fs" */, *citation, *licence, *created_at;
  char *
      details; /* JSON object made by the API at upload (elements, smallest box): opaque to storage, given back as it came */
  double cutoff_a;
  int64_t size;
} qn_potential_row;
typedef struct qn_potential_page {
  int count;
  qn_potential_row *rows;
  bool more;
} qn_potential_page;
void qn_potential_page_fini(qn_potential_page *page);

/* Upload (id and created_at of `row` are not read; qn_potential_describe of api/potential.h makes the rest): QN_CONFLICT when the name is taken by other text; the same text again is not an error (*created false). */
qn_status qn_store_add_potential(qn_store *store, const qn_potential_row *row, const char *text, size_t size,
                                 int64_t *id, bool *created, qn_error *error);
qn_status qn_store_list_potentials(qn_store *store, qn_page_query query, qn_potential_page *page, qn_error *error);
qn_status qn_store_get_potential(qn_store *store, const char *name, qn_potential_row *row, qn_error *error);
void qn_potential_row_fini(qn_potential_row *row);
qn_status qn_store_get_potential_text(qn_store *store, const char *name, char **text, size_t *size, qn_error *error);

/* ---- submitting ---- */
typedef struct qn_idempotency { /* all NULL without an Idempotency-Key */
  const char *key;
  const char *body_sha256;
  const char *principal;
} qn_idempotency;

typedef struct qn_submission {
  const char *kind;          /* "simulation" or "analysis" */
  const char *name;          /* may be "" */
  const char *spec, *sha256; /* canonical JSON and the hash of the work */
  const char *potential;     /* its name; NULL for an analysis */
  const char *type;          /* of an analysis; NULL for a simulation */
  int64_t parent;  /* simulation that must finish first: the one analysed, or whose snapshot is the start; 0: none */
  int child_count; /* analyses that follow a simulation, each a job of its own */
  const struct qn_child {
    const char *type;
    char *spec;
    char sha256[65];
  } * children;
} qn_submission;

typedef struct qn_submitted {
  int64_t id; /* of the simulation or analysis */
  int64_t job;
  bool created; /* false: the same work was already known */
} qn_submitted;

/* One transaction: the resource, its job, its children and the idempotency key. The same sha256 gives the same job, also when two race:
 * simulations are unique in sha256 (which covers neither their name nor their analyses), analyses in (parent, sha256). A simulation that is
 * known already gets those children that it does not have yet, so that asking for one more analysis does not run the dynamics again.
 * A known job that failed or was cancelled stays as it is: retrying is asked for explicitly.
 * QN_NOT_FOUND: the parent or potential does not exist. QN_INVALID: the key was used with another body (422); QN_CONFLICT: its first use is
 * still in flight (409). */
qn_status qn_store_submit(qn_store *store, const qn_submission *submission, const qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error);

/* ---- jobs ---- */
typedef struct qn_job_row {
  int64_t id;
  char *kind;       /* "simulation", "analysis" */
  int64_t resource; /* id of the simulation or analysis */
  qn_job_state state;
  int attempt, max_attempts, priority;
  double progress; /* 0 to 1 */
  double eta_s;    /* NAN when unknown */
  bool cancel_requested;
  char *waiting; /* why it waits, "" when it does not */
  char *error;   /* "" without one */
  char *worker;  /* who runs it, "" */
  char *submitted_by;
  char *created_at, *started_at, *finished_at; /* RFC 3339, "" when not yet */
} qn_job_row;
typedef struct qn_job_page {
  int count;
  qn_job_row *rows;
  bool more;
} qn_job_page;
void qn_job_row_fini(qn_job_row *row);
void qn_job_page_fini(qn_job_page *page);

qn_status qn_store_list_jobs(qn_store *store, const char *state /* NULL: all */, qn_page_query query, qn_job_page *page,
                             qn_error *error);
qn_status qn_store_get_job(qn_store *store, int64_t id, qn_job_row *row, qn_error *error);
/* Ask for the end of a job: a queued one is cancelled at once, a running one when its worker hears of it. QN_CONFLICT when it is already final. */
qn_status qn_store_cancel_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row,
                              qn_error *error);
/* Queue a failed or cancelled job anew. QN_CONFLICT when it is neither. */
qn_status qn_store_retry_job(qn_store *store, int64_t id, const qn_principal *principal, qn_job_row *row,
                             qn_error *error);

typedef struct qn_event_row {
  int64_t id;
  char *kind /* "state", "progress" */, *data /* JSON */;
} qn_event_row;
typedef struct qn_event_page {
  int count;
  qn_event_row *rows;
  bool final; /* the job is final and these are its last */
} qn_event_page;
void qn_event_page_fini(qn_event_page *page);
qn_status qn_store_list_events(qn_store *store, int64_t job, int64_t after, int limit, qn_event_page *page,
                               qn_error *error);

/* ---- simulations, analyses, artifacts ---- */
typedef struct qn_simulation_row {
  int64_t id, job;
  char *name, *sha256, *spec /* canonical JSON */, *potential, *potential_sha256, *engine_version /* "" until it ran */,
      *created_at;
  qn_job_state state;
} qn_simulation_row;
typedef struct qn_simulation_page {
  int count;
  qn_simulation_row *rows;
  bool more;
} qn_simulation_page;
void qn_simulation_row_fini(qn_simulation_row *row);
void qn_simulation_page_fini(qn_simulation_page *page);
qn_status qn_store_list_simulations(qn_store *store, qn_page_query query, qn_simulation_page *page, qn_error *error);
qn_status qn_store_get_simulation(qn_store *store, int64_t id, qn_simulation_row *row, qn_error *error);

typedef struct qn_artifact_row {
  int64_t id, simulation;
  char *kind; /* "trajectory": AMBER NetCDF; "thermo": one CSV for the whole run; "snapshot": extended XYZ */
  int stage;
  double temperature_k;
  char *path; /* on the artifact store, relative to the data directory */
  int64_t size, frames;
  double interval_ps; /* trajectory: time between frames */
  char *sha256, *created_at;
} qn_artifact_row;
typedef struct qn_artifact_page {
  int count;
  qn_artifact_row *rows;
  bool more;
} qn_artifact_page;
void qn_artifact_row_fini(qn_artifact_row *row);
void qn_artifact_page_fini(qn_artifact_page *page);
qn_status qn_store_list_artifacts(qn_store *store, int64_t simulation /* 0: all */, const char *kind /* NULL: all */,
                                  qn_page_query query, qn_artifact_page *page, qn_error *error);
qn_status qn_store_get_artifact(qn_store *store, int64_t id, qn_artifact_row *row, qn_error *error);
/* Open an artifact's file for reading; `path` is where it lies. QN_NOT_FOUND when the file is gone. */
qn_status qn_store_open_artifact(qn_store *store, const qn_artifact_row *row, int *descriptor, char path[4096],
                                 qn_error *error);

/* The thermo series of a simulation that has none among its artifacts, because it runs or failed: the whole rows so far, `size` bytes of the
 * open file. QN_NOT_FOUND when there are none. */
qn_status qn_store_open_series(qn_store *store, int64_t simulation, int *descriptor, int64_t *size, qn_error *error);

typedef struct qn_analysis_row {
  int64_t id, job, simulation;
  char *type, *spec, *sha256, *created_at;
  qn_job_state state;
} qn_analysis_row;
typedef struct qn_analysis_page {
  int count;
  qn_analysis_row *rows;
  bool more;
} qn_analysis_page;
void qn_analysis_row_fini(qn_analysis_row *row);
void qn_analysis_page_fini(qn_analysis_page *page);
qn_status qn_store_list_analyses(qn_store *store, int64_t simulation /* 0: all */, qn_page_query query,
                                 qn_analysis_page *page, qn_error *error);
qn_status qn_store_get_analysis(qn_store *store, int64_t id, qn_analysis_row *row, qn_error *error);

typedef struct qn_curve_row {
  char *name, *species, *region, *columns /* JSON array of names */, *data /* JSON array of rows */;
} qn_curve_row;
typedef struct qn_curve_page {
  int count;
  qn_curve_row *rows;
} qn_curve_page;
void qn_curve_page_fini(qn_curve_page *page);
qn_status qn_store_get_curves(qn_store *store, int64_t analysis, qn_curve_page *page, qn_error *error);

/* ---- results ---- */
typedef struct qn_result_query { /* NULL, NAN or 0 where not asked */
  const char *quantity, *species, *region, *status, *potential, *composition;
  double temperature_min_k, temperature_max_k;
  int64_t simulation, analysis;
  qn_page_query page;
} qn_result_query;
typedef struct qn_result_row {
  int64_t id, simulation, analysis;
  char *quantity, *species, *region, *unit, *status, *simulation_name, *composition /* "Cu50Zr50" */, *potential,
      *potential_sha256, *engine_version, *spec_sha256, *created_at;
  double value, standard_error; /* NAN when there is none */
  double temperature_k, window_start_ps, window_end_ps;
  int64_t samples, atoms;
} qn_result_row;
typedef struct qn_result_page {
  int count;
  qn_result_row *rows;
  bool more;
} qn_result_page;
void qn_result_page_fini(qn_result_page *page);
qn_status qn_store_query_results(qn_store *store, const qn_result_query *query, qn_result_page *page, qn_error *error);

/* ---- health and metrics ---- */
qn_status qn_store_ready(qn_store *store,
                         qn_error *error); /* reachable, and its schema is the one this program needs */
/* Prometheus text (malloc'ed) of what only the server knows: queue depth, workers, connections. */
qn_status qn_store_metrics(qn_store *store, char **text, qn_error *error);

#endif

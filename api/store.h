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

/* Upload (id and created_at of `row` are not read; qn_potential_describe of api/potential.h makes the rest): QN_CONFLICT when the name is taken by
 * other text; the same text again is not an error (created false). The outcome that `idempotency` renders is a qn_added_potential. */
typedef struct qn_added_potential {
  qn_potential_row row; /* as it is kept */
  bool created;
} qn_added_potential;
qn_status qn_store_add_potential(qn_store *store, const qn_potential_row *row, const char *text, size_t size,
                                 struct qn_idempotency *idempotency, const qn_principal *principal,
                                 qn_added_potential *added, qn_error *error);
qn_status qn_store_list_potentials(qn_store *store, qn_page_query query, qn_potential_page *page, qn_error *error);
qn_status qn_store_get_potential(qn_store *store, const char *name, qn_potential_row *row, qn_error *error);
void qn_potential_row_fini(qn_potential_row *row);
qn_status qn_store_get_potential_text(qn_store *store, const char *name, char **text, size_t *size, qn_error *error);

/* ---- requests that are safe to repeat ---- */

/* An answer as it is kept with its key; JSON, or a problem document. */
typedef struct qn_answer {
  int status;
  bool problem;
  char location[256]; /* "" without one */
  char *body;         /* malloc'ed; NULL: there is no answer */
} qn_answer;

/* What became of a key. */
typedef enum qn_key_verdict {
  QN_KEY_FRESH,    /* never used: the change was made, or refused for a reason of its own */
  QN_KEY_REPLAYED, /* used by the same request: nothing was done, `answer` is the one given then */
  QN_KEY_REUSED,   /* used by another request (QN_CONFLICT) */
  QN_KEY_IN_FLIGHT /* its first request is still being answered (QN_CONFLICT) */
} qn_key_verdict;

/* A change that takes one (NULL: there is no key) looks the key up and keeps the answer in the transaction that makes the change, so that either both
 * are there or neither is. */
typedef struct qn_idempotency {
  const char *key, *principal, *request_sha256;
  /* The answer to a change with this outcome (its type is that of the function that takes this); false without memory. */
  bool (*render)(const void *outcome, const void *context, qn_answer *answer);
  const void *context;
  /* Filled by storage: */
  qn_key_verdict verdict;
  qn_answer answer; /* replayed, or kept just now; the caller frees its body */
} qn_idempotency;

/* Look a key up without making any change: QN_OK with the verdict FRESH, REPLAYED or REUSED. */
qn_status qn_store_find_key(qn_store *store, qn_idempotency *idempotency, qn_error *error);
/* Keep `answer`, that of a request which was refused, unless the key is known by now. */
qn_status qn_store_keep_answer(qn_store *store, const qn_idempotency *idempotency, qn_error *error);

/* ---- submitting ---- */

/* Priorities: jobs from 0 to 10 are ordered by it among those of their submitter; negative ones let everybody else go first; beyond 10 they go before
 * everyone's, and beyond -10 and 10 they need the scope admin (the API sees to that). */
enum { QN_MOST_PRIORITY = 10, QN_MOST_ADMIN_PRIORITY = 1000, QN_USUAL_PRIORITY = 1 << 20 /* none was asked for */ };

/* Analyses of the same simulation or trajectory that must finish before one, by the hash of their specs. */
typedef struct qn_needs {
  int count;
  char sha256[4][65];
} qn_needs;

typedef struct qn_submission {
  const char *kind;          /* "simulation", "analysis", "fit" or "import" */
  const char *name;          /* may be "" */
  const char *spec, *sha256; /* canonical JSON and the hash of the work */
  const char *potential;     /* its name; NULL for anything but a simulation */
  const char *type;          /* of an analysis; the law of a fit; NULL for the others */
  bool prioritised; /* `priority` was asked for; otherwise the job gets what is usual for its kind */
  int priority;
  int64_t parent;     /* simulation that must finish first: the one analysed, or whose snapshot is the start; 0: none */
  int64_t trajectory; /* one made elsewhere that is analysed, instead of a simulation; 0: none */
  int64_t structure;  /* that a simulation starts from; 0: none */
  qn_needs needs;     /* of an analysis */
  const char *upload; /* of an import: path of the file, which is linked into the data directory; NULL for the others */
  int child_count;    /* analyses that follow a simulation, each a job of its own; an analysis comes after those it needs */
  const struct qn_child {
    const char *type;
    char *spec;
    char sha256[65];
    qn_needs needs;
  } * children;
} qn_submission;

typedef struct qn_submitted {
  int64_t id; /* of the simulation, analysis, fit or trajectory */
  int64_t job;
  bool created; /* false: the same work was already known */
  qn_job_state state;
} qn_submitted;

/* One transaction: the resource, its job, its children and the idempotency key. The same sha256 gives the same job, also when two race:
 * simulations are unique in sha256 (which covers neither their name nor their analyses), analyses in (parent or trajectory, sha256), fits and imports in
 * sha256. A simulation that is known already gets those children that it does not have yet, so that asking for one more analysis does not run the
 * dynamics again. A known job that failed or was cancelled stays as it is: retrying is asked for explicitly; an import gets its file again for that.
 * QN_NOT_FOUND: the parent, trajectory, structure, potential or a needed analysis does not exist. QN_CONFLICT: what the work needs was removed by
 * retention; or the key's verdict says why. The outcome that `idempotency` renders is a qn_submitted. */
qn_status qn_store_submit(qn_store *store, const qn_submission *submission, qn_idempotency *idempotency,
                          const qn_principal *principal, qn_submitted *submitted, qn_error *error);

/* ---- jobs ---- */
typedef struct qn_job_row {
  int64_t id;
  char *kind;       /* "simulation", "analysis", "fit", "import" */
  int64_t resource; /* id of the simulation, analysis, fit or trajectory */
  qn_job_state state;
  int attempt;                /* how often it was claimed */
  int failures, max_attempts; /* attempts that were lost in a row without getting further; how many end the job */
  int priority;
  double progress; /* 0 to 1 */
  double eta_s;    /* NAN when unknown */
  char *parents;   /* JSON array of the jobs that it needs */
  int64_t failed_by; /* the parent whose end failed it; 0 */
  char *cancel_requested_at; /* "" when nobody did */
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

/* Changes of one job, by whoever submitted it or an administrator (else QN_FORBIDDEN, which the audit notes). `row` is the job afterwards, left zero when
 * the answer was replayed; the outcome that `idempotency` renders is a qn_job_row.
 * Ask for its end: a queued one is cancelled at once, a running one when its worker hears of it. QN_CONFLICT when it is already final. */
qn_status qn_store_cancel_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal,
                              qn_job_row *row, qn_error *error);
/* Queue a failed or cancelled job anew. QN_CONFLICT when it is neither, or what it needs is gone. */
qn_status qn_store_retry_job(qn_store *store, int64_t id, qn_idempotency *idempotency, const qn_principal *principal,
                             qn_job_row *row, qn_error *error);
/* QN_CONFLICT when it is final. */
qn_status qn_store_set_priority(qn_store *store, int64_t id, int priority, qn_idempotency *idempotency,
                                const qn_principal *principal, qn_job_row *row, qn_error *error);

/* Attempts of a job, newest first; pages by `attempt`. */
typedef struct qn_attempt_row {
  int attempt;
  char *worker, *started_at, *ended_at /* "" while it lasts */,
      *outcome /* "succeeded", "failed", "cancelled", "lost", "released", or "" */, *error;
} qn_attempt_row;
typedef struct qn_attempt_page {
  int count;
  qn_attempt_row *rows;
  bool more;
} qn_attempt_page;
void qn_attempt_page_fini(qn_attempt_page *page);
qn_status qn_store_list_attempts(qn_store *store, int64_t job, qn_page_query query, qn_attempt_page *page, qn_error *error);

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
  int64_t id, simulation; /* 0: it was uploaded */
  char *kind; /* "trajectory": AMBER NetCDF; "thermo": one CSV for the whole run; "snapshot": extended XYZ */
  int stage;  /* -1: none */
  int sampling; /* which of its stage's streams of frames a trajectory is; -1: the only one, or none */
  double temperature_k;
  char *path; /* on the artifact store, relative to the data directory; "" while an import has not finished */
  int64_t size, frames;
  double interval_ps; /* trajectory: time between frames */
  char *sha256, *created_at;
  char *removed_at, *removed_by; /* by retention; "" while the file is there */
  /* Of what was uploaded; else "" and 0. */
  char *name, *composition, *details /* JSON object */, *error /* why the import failed */;
  int64_t atoms, job; /* job 0: none, the file was there at once */
  qn_job_state state; /* of the job; QN_JOB_SUCCEEDED without one */
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
/* One by its id; also a trajectory whose import has not finished, which no list holds. */
qn_status qn_store_get_artifact(qn_store *store, int64_t id, qn_artifact_row *row, qn_error *error);
/* Keep the file at `path`, extended XYZ, as an uploaded structure: temperature_k, sha256 (of the file), size, name, atoms, composition and details of `row`
 * are read; `spec` and `work` (its hash) say what was uploaded. The same work again is no error (created false). The file is linked. The outcome that
 * `idempotency` renders is a qn_added_structure. */
typedef struct qn_added_structure {
  qn_artifact_row row; /* as it is kept */
  bool created;
} qn_added_structure;
qn_status qn_store_add_structure(qn_store *store, const qn_artifact_row *row, const char *spec, const char *work, const char *path,
                                 qn_idempotency *idempotency, const qn_principal *principal, qn_added_structure *added, qn_error *error);
/* Open an artifact's file for reading; `path` is where it lies. QN_NOT_FOUND when the file is gone. */
qn_status qn_store_open_artifact(qn_store *store, const qn_artifact_row *row, int *descriptor, char path[4096],
                                 qn_error *error);

/* The thermo series of a simulation that has none among its artifacts, because it runs or failed: the whole rows so far, `size` bytes of the
 * open file. QN_NOT_FOUND when there are none. */
qn_status qn_store_open_series(qn_store *store, int64_t simulation, int *descriptor, int64_t *size, qn_error *error);

typedef struct qn_analysis_row {
  int64_t id, job, simulation, trajectory; /* one of simulation and trajectory is 0 */
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
qn_status qn_store_list_analyses(qn_store *store, int64_t simulation, int64_t trajectory /* both 0: all */,
                                 qn_page_query query, qn_analysis_page *page, qn_error *error);
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

/* ---- fits ---- */
typedef struct qn_fit_row {
  int64_t id, job;
  char *name, *law, *sha256, *spec, *outcome /* "" until it ran */, *result /* JSON object, "" until it ran */,
      *engine_version, *created_at;
  qn_job_state state;
} qn_fit_row;
typedef struct qn_fit_page {
  int count;
  qn_fit_row *rows;
  bool more;
} qn_fit_page;
typedef struct qn_fit_query { /* NULL where not asked; the last four are of the points */
  const char *law, *outcome, *quantity, *species, *region, *composition;
  qn_page_query page;
} qn_fit_query;
void qn_fit_row_fini(qn_fit_row *row);
void qn_fit_page_fini(qn_fit_page *page);
qn_status qn_store_list_fits(qn_store *store, const qn_fit_query *query, qn_fit_page *page, qn_error *error);
qn_status qn_store_get_fit(qn_store *store, int64_t id, qn_fit_row *row, qn_error *error);

/* ---- results ---- */
typedef struct qn_result_query { /* NULL, NAN or 0 where not asked */
  const char *quantity, *type, *species, *region, *status, *potential, *composition;
  const char *parameters, *inputs; /* JSON objects that those of the result must contain */
  double temperature_min_k, temperature_max_k;
  int64_t simulation, trajectory, analysis, fit;
  qn_page_query page;
} qn_result_query;
typedef struct qn_result_row {
  int64_t id, simulation, trajectory, analysis, fit; /* 0: not of one */
  char *quantity, *type /* of the analysis, or the law of the fit */, *species, *region, *unit, *status,
      *parameters /* JSON object, as used */, *inputs /* JSON object: which other analyses gave parameters */, *simulation_name,
      *trajectory_name, *composition /* "Cu50Zr50" */, *potential, *potential_sha256, *engine_version, *spec_sha256,
      *created_at;
  double value, standard_error; /* NAN when there is none */
  double temperature_k, window_start_ps, window_end_ps;
  int64_t samples, atoms; /* atoms 0: not one number */
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

/* What the API needs from storage to run the service: tokens, audit, workers, retention. Rows and errors as in api/store.h. */
#ifndef QN_API_OPERATIONS_H
#define QN_API_OPERATIONS_H

#include "api/store.h"

/* ---- tokens ---- */
enum { QN_SECRET_SIZE = 48 }; /* "qn_" and 43 characters of base64url, with the final NUL */

typedef struct qn_token_row {
  int64_t id;
  char *name;
  qn_scope scope;
  char *created_by, *created_at, *expires_at, *revoked_at, *last_used_at; /* RFC 3339, "" for never */
} qn_token_row;
typedef struct qn_token_page {
  int count;
  qn_token_row *rows;
  bool more;
} qn_token_page;
void qn_token_row_fini(qn_token_row *row);
void qn_token_page_fini(qn_token_page *page);

qn_status qn_store_list_tokens(qn_store *store, qn_page_query query, qn_token_page *page, qn_error *error);

/* `lifetime_s` 0: it does not expire. The secret is shown here and kept nowhere. QN_INVALID for a bad name, scope or lifetime, QN_CONFLICT when a live
 * token has this name; and over HTTP (the principal is no user of the command line) when it would be the first token and not an administrator's,
 * after which nobody could administer. */
qn_status qn_store_create_token(qn_store *store, const char *name, qn_scope scope, double lifetime_s,
                                const qn_principal *principal, char secret[QN_SECRET_SIZE], qn_token_row *row,
                                qn_error *error);

/* Revoking twice is no error. QN_NOT_FOUND: there is no such token. QN_CONFLICT over HTTP for the last token of an administrator. */
qn_status qn_store_revoke_token(qn_store *store, int64_t id, const qn_principal *principal, qn_token_row *row,
                                qn_error *error);

/* ---- audit ---- */
typedef struct qn_audit_query { /* NULL or 0 where not asked */
  const char *principal, *action, *resource, *outcome;
  int64_t resource_id;
  qn_page_query page;
} qn_audit_query;
typedef struct qn_audit_row {
  int64_t id, token /* 0: none */, resource_id /* 0: none */;
  char *at, *principal, *action, *resource, *request_id /* "" without one */, *outcome /* "done", "refused" */,
      *detail /* JSON object */;
} qn_audit_row;
typedef struct qn_audit_page {
  int count;
  qn_audit_row *rows;
  bool more;
} qn_audit_page;
void qn_audit_page_fini(qn_audit_page *page);
qn_status qn_store_list_audit(qn_store *store, const qn_audit_query *query, qn_audit_page *page, qn_error *error);

/* ---- workers ---- */
typedef struct qn_worker_row {
  char *name;
  int jobs, threads; /* jobs at once, threads of each */
  bool alive;        /* heard of lately */
  char *running;     /* JSON array of the jobs that it holds */
  char *trouble;     /* why it takes no job, "" */
  char *started_at, *seen_at;
} qn_worker_row;
typedef struct qn_worker_page {
  int count;
  qn_worker_row *rows;
} qn_worker_page;
void qn_worker_page_fini(qn_worker_page *page);
/* All of them, by name. */
qn_status qn_store_list_workers(qn_store *store, qn_worker_page *page, qn_error *error);

/* ---- retention ---- */

/* What can be removed: three kinds of artifacts; the working folders of failed and cancelled simulations, from which a retry would go on; and the
 * events and attempts of jobs, which nobody needs but the curious. */
typedef enum qn_retained {
  QN_RETAINED_TRAJECTORY,
  QN_RETAINED_THERMO,
  QN_RETAINED_SNAPSHOT,
  QN_RETAINED_FOLDER,
  QN_RETAINED_HISTORY,
  QN_RETAINED_KINDS
} qn_retained;
const char *qn_retained_name(qn_retained kind); /* "trajectory", ... */

typedef struct qn_retention {
  double older_than_days;        /* since the job ended */
  bool kinds[QN_RETAINED_KINDS];
  bool states[QN_JOB_CANCELLED + 1]; /* of the simulation's job; only final ones count */
  bool dry_run;
  int most;                      /* items looked at in one call, 1 to 10000 */
} qn_retention;

typedef struct qn_retention_item {
  qn_retained kind;
  int64_t artifact, simulation /* 0: none, of a history */, job;
  char *path;        /* relative to the data directory; "" for a history */
  int64_t bytes;     /* on disk; of a history in the database, about */
  char *finished_at; /* of the job */
  int64_t needed_by; /* the unfinished job that holds it back; 0: it goes */
} qn_retention_item;

typedef struct qn_retention_report {
  int count;
  qn_retention_item *rows; /* the longest finished first */
  bool complete;           /* there is nothing beyond these; otherwise call again (when nothing was removed, with a larger `most`) */
} qn_retention_report;
void qn_retention_report_fini(qn_retention_report *report);

/* What would go, or with dry_run false: mark it as removed, in one transaction. Files are unlinked afterwards by whoever looks after storage. */
qn_status qn_store_retain(qn_store *store, const qn_retention *wanted, const qn_principal *principal,
                          qn_retention_report *report, qn_error *error);

#endif

/* What the kinds of work have in common when they are submitted: a resource made once, its job, and the jobs that it waits for. Inside server/store only. */
#ifndef QN_SERVER_STORE_SUBMIT_H
#define QN_SERVER_STORE_SUBMIT_H

#include "server/store/pool.h"

typedef struct qn_submit {
  qn_store *store;
  const qn_submission *submission;
  qn_idempotency *idempotency;
  const qn_principal *principal;
  qn_submitted out;
  int64_t placed; /* upload whose file was put into its folder; 0: none */
} qn_submit;

/* Analyses, fits and imports are short and what people wait for: they go before the next simulation of their user, unless their place was chosen. What
 * yields to everyone yields with its analyses. */
enum { QN_PRIORITY_SIMULATION = 0, QN_PRIORITY_SHORT = QN_MOST_PRIORITY };
int qn_submit_priority(const qn_submission *submission, int usual);
int qn_submit_priority_of_children(const qn_submission *submission);

/* A job that must succeed first, locked against its end. */
typedef struct qn_submit_parent {
  int64_t resource, job;
  char kind[16], state[16], error[512];
} qn_submit_parent;

/* From a row of job, kind, state and error; `resource` stays. */
void qn_submit_fill_parent(const PGresult *result, int row, qn_submit_parent *out);

/* Lock the job of a resource: `statement` gives job, kind, state and error, FOR SHARE, by the id. The lock makes this transaction and the one that ends the
 * job see each other: whichever is second acts on what the first did. QN_NOT_FOUND: there is no such `what`. */
qn_status qn_submit_lock(qn_connection *connection, const qn_statement *statement, int64_t resource, const char *what, qn_submit_parent *out,
                         qn_error *error);
qn_status qn_submit_lock_simulation(qn_connection *connection, int64_t id, qn_submit_parent *out, qn_error *error);

/* The files of a parent that has succeeded may be gone: QN_CONFLICT. `spec` is that of an analysis of this type, or, with NULL, of a simulation, which
 * needs a snapshot. */
qn_status qn_submit_check_kept(qn_connection *connection, const qn_submit_parent *on, const char *type, const char *spec, qn_error *error);

/* A resource comes with the number of the job that it will have. */
#define QN_SUBMIT_NEW_JOB "nextval(pg_get_serial_sequence('jobs', 'id'))"

/* Make or get: insert, unless someone else does at this moment (the insert waits for them to commit, and then does nothing) or did before; in that
 * case look, in a statement of its own, which sees what they committed. Both give id, job and its state. *found is false when there is neither. */
qn_status qn_submit_make(qn_connection *connection, const qn_statement *insert, const qn_params *insert_params, const qn_statement *look,
                         const qn_params *look_params, qn_submitted *out, bool *found, qn_error *error);
/* The same, where not to find it means that it is just being changed. */
qn_status qn_submit_make_known(qn_connection *connection, const qn_statement *insert, const qn_params *insert_params, const qn_statement *look,
                               const qn_params *look_params, qn_submitted *out, qn_error *error);

/* The job row of a resource that was just made, which waits for `count` parents; fills made->state. */
qn_status qn_submit_enqueue(qn_connection *connection, const qn_submit *submit, qn_submitted *made, const char *kind, int priority,
                            const qn_submit_parent *on, int count, qn_error *error);

/* The first and the second column of the first row (`second` may be NULL); *found false without one. */
qn_status qn_submit_pair(qn_connection *connection, const qn_statement *statement, const qn_params *params, int64_t *first, int64_t *second,
                         bool *found, qn_error *error);

/* One analysis of a simulation or, when `trajectory` is set, of a trajectory made elsewhere. */
qn_status qn_submit_add_analysis(qn_connection *connection, const qn_submit *submit, const qn_submit_parent *of, bool trajectory,
                                 const struct qn_child *analysis, int priority, qn_submitted *out, qn_error *error);
qn_status qn_submit_lock_trajectory(qn_connection *connection, int64_t id, qn_submit_parent *out, qn_error *error);

/* An import with its file. */
qn_status qn_submit_add_import(qn_connection *connection, qn_submit *submit, qn_error *error);

#endif

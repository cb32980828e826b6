/* The kinds of jobs, each with its way from rows to rows; only the files of this folder include this. */
#ifndef QN_SERVER_WORKER_WORK_PARTS_H
#define QN_SERVER_WORKER_WORK_PARTS_H

#include "api/fit.h"
#include "server/worker/work.h"

struct qn_work_input {
  qn_simulation_spec *simulation; /* to run, or whose files are analysed; NULL else */
  qn_eam potential;               /* its */
  char *path;                     /* structure to start from, or frames to analyse, relative to the data directory; NULL: none */
  qn_analysis_spec analysis;      /* with the values that other analyses gave */
  int64_t atoms;                  /* of the analysed simulation */
  double temperature_k;           /* of the analysed frames */
  char *parameters, *inputs;      /* JSON: as they are used, and which of them other analyses gave */
  qn_fit_spec fit;
  qn_upload_spec upload;
};

struct qn_work_result {
  const qn_claim *claim;
  const qn_work_input *input;
  char folder[128];               /* where its files are, relative to the data directory */
  qn_job_output output;           /* of a simulation */
  qn_report report;               /* of an analysis */
  qn_fit fit;
  qn_job_imported imported;
};

typedef struct qn_work_kind {
  const char *name;
  qn_status (*read)(qn_connection *connection, const qn_claim *claim, qn_work_input *input, qn_error *error);
  qn_status (*run)(const qn_work *work, qn_work_result *result, qn_error *error);
  qn_status (*write)(qn_connection *connection, const qn_work_result *result, qn_error *error);
  void (*tidy)(const qn_work *work, qn_ending ending); /* NULL: the keeper sees to it */
} qn_work_kind;

extern const qn_work_kind qn_work_simulation, qn_work_analysis, qn_work_fit, qn_work_import;

/* Rows of a job that is claimed (j is the job): who lost the lease reads nothing, and so begins nothing. */
#define QN_WORK_HELD " WHERE j.id = $1::bigint AND j.attempt = $2::integer AND j.lease_token = $3::uuid AND j.state = 'running'"
/* QN_CONFLICT: there is no row, so the lease is lost. */
qn_status qn_work_ask(qn_connection *connection, const qn_statement *statement, const qn_claim *claim, PGresult **row, qn_error *error);

/* Spec text, potential and its hash, in the first columns of the row, into `input`. */
qn_status qn_work_take_simulation(const PGresult *row, qn_work_input *input, qn_error *error);

qn_status qn_work_no_memory(qn_error *error);
qn_status qn_work_copy(const char *text, char **copy, qn_error *error);
/* The first fault of a stored spec as an error: it was checked when it came in, so this program is another than the one that took it. */
qn_status qn_work_judge(const qn_faults *faults, qn_error *error);

#endif

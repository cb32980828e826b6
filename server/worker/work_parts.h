/* The kinds of jobs, each with its way from rows to rows; only the files of this folder include this. */
#ifndef QN_SERVER_WORKER_WORK_PARTS_H
#define QN_SERVER_WORKER_WORK_PARTS_H

#include "api/fit.h"
#include "server/worker/work.h"

struct qn_work_result {
  const qn_claim *claim;
  char folder[128];          /* where its files are, relative to the data directory */
  qn_job_output output;      /* of a simulation */
  qn_report report;          /* of an analysis */
  double temperature_k;
  char *parameters, *inputs; /* JSON: as they were used, and which of them other analyses gave */
  qn_fit_spec fit_spec;
  qn_fit fit;
  qn_job_imported imported;
};

typedef struct qn_work_kind {
  const char *name;
  qn_status (*run)(const qn_work *work, qn_work_result *result, qn_error *error);
  qn_status (*write)(qn_connection *connection, const qn_work_result *result, qn_error *error);
  void (*tidy)(const qn_work *work, qn_ending ending); /* NULL: nothing to tidy */
} qn_work_kind;

qn_status qn_work_analyse(const qn_work *work, qn_work_result *result, qn_error *error);
qn_status qn_work_write_analysis(qn_connection *connection, const qn_work_result *result, qn_error *error);
qn_status qn_work_fit(const qn_work *work, qn_work_result *result, qn_error *error);
qn_status qn_work_write_fit(qn_connection *connection, const qn_work_result *result, qn_error *error);
qn_status qn_work_import(const qn_work *work, qn_work_result *result, qn_error *error);
qn_status qn_work_write_import(qn_connection *connection, const qn_work_result *result, qn_error *error);
void qn_work_tidy_import(const qn_work *work, qn_ending ending);

/* Spec and potential of a simulation, as they are stored. */
qn_status qn_work_load_simulation(const qn_work *work, int64_t id, qn_simulation_spec *spec, qn_eam *potential, qn_error *error);

/* QN_CORRUPT when a result has no row. */
qn_status qn_work_row(const PGresult *result, const char *what, qn_error *error);
/* The first fault of a stored spec as an error: it was checked when it came in, so this program is another than the one that took it. */
qn_status qn_work_judge(const qn_faults *faults, qn_error *error);

#endif

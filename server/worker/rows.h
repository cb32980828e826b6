/* What jobs left, as rows; called inside the transaction that ends the job, which holds its lease. */
#ifndef QN_SERVER_WORKER_ROWS_H
#define QN_SERVER_WORKER_ROWS_H

#include "server/job/job.h"
#include "server/store/connection.h"

/* `folder`: where the files are, relative to the data directory. */
qn_status qn_rows_of_output(qn_connection *connection, int64_t simulation, const qn_job_output *output, const char *folder, qn_error *error);

typedef struct qn_rows_analysis {
  int64_t id;
  double temperature_k;            /* of the frames that were analysed, for values without a temperature of their own */
  const char *parameters, *inputs; /* JSON objects: as they were used; which of them other analyses gave */
} qn_rows_analysis;
qn_status qn_rows_of_report(qn_connection *connection, const qn_rows_analysis *analysis, const qn_report *report, qn_error *error);

#endif

/* What jobs left, as rows; called inside the transaction that ends the job, which holds its lease. */
#ifndef QN_SERVER_WORKER_ROWS_H
#define QN_SERVER_WORKER_ROWS_H

#include "server/job/job.h"
#include "server/store/connection.h"

/* `folder`: where the files are, relative to the data directory. */
qn_status qn_rows_of_output(qn_connection *connection, int64_t simulation, const qn_job_output *output, const char *folder, qn_error *error);

/* `temperature_k`: of the stage that was analysed, for values without a temperature of their own. */
qn_status qn_rows_of_report(qn_connection *connection, int64_t analysis, const qn_report *report, double temperature_k, qn_error *error);

#endif

/* Jobs inside the transactions that change them. */
#ifndef QN_SERVER_STORE_JOBS_H
#define QN_SERVER_STORE_JOBS_H

#include "server/store/pool.h"

/* The whole row of a job; QN_NOT_FOUND without one. What `row` held before is not released. */
qn_status qn_jobs_read(qn_connection *connection, int64_t id, qn_job_row *row, qn_error *error);

#endif

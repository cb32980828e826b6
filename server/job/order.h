/* Analyses that take a parameter from another one beside them come after it. */
#ifndef QN_SERVER_JOB_ORDER_H
#define QN_SERVER_JOB_ORDER_H

#include "server/job/job.h"

/* Run `count` analyses, none of which takes anything from another: their status, error and report. */
typedef qn_status qn_job_round(void *context, qn_job_wanted *wanted, int count, const qn_job_control *control, qn_error *error);

/* Those without sources first; then, with what these gave, the others. One whose source gave nothing good fails, and says why. Fills `used` and the
 * inputs of each. Not QN_OK when a round was not: then there are no reports. */
qn_status qn_job_in_order(qn_job_wanted *wanted, int count, qn_job_round *round, void *context, const qn_job_control *control, qn_error *error);

#endif

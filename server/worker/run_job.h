/* What the process of one job does: quenchd run-job, started by a worker. */
#ifndef QN_SERVER_WORKER_RUN_JOB_H
#define QN_SERVER_WORKER_RUN_JOB_H

/* Run the job that the board behind `descriptor` (worker/board.h) tells of, and end the attempt in the database under its lease. The process dies
 * with its worker. Returns the exit code; 2 when there is no board: it was not started by a worker. */
int qn_run_job(int descriptor);

#endif

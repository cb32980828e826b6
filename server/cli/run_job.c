/* quenchd run-job: the process of one job, started by a worker. */
#include "server/cli/commands.h"
#include "server/worker/process.h"
#include "server/worker/run_job.h"

int qn_command_run_job(const qn_config *config, const char *const *arguments, int count) {
  (void)config;
  (void)arguments;
  (void)count;
  return qn_run_job(QN_BOARD_DESCRIPTOR);
}

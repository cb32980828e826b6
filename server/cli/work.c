/* quenchd work */
#include "server/cli/commands.h"
#include "server/cli/signals.h"
#include "server/log.h"
#include "server/supervise/supervise.h"
#include "server/worker/worker.h"

int qn_command_work(const qn_config *config, const char *const *arguments, int count) {
  (void)arguments;
  (void)count;
  static atomic_int stop; /* outlives this function: the thread that watches for signals has it */
  qn_signals_block();
  qn_signals_watch(&stop, config->drain_s, qn_supervise_follow_parent());
  qn_worker_options options = {.database_url = config->database_url,
                               .data_directory = config->data_directory,
                               .name = config->worker_name[0] != '\0' ? config->worker_name : NULL,
                               .jobs = config->jobs,
                               .threads = config->threads,
                               .lease_s = config->lease_s,
                               .heartbeat_s = config->heartbeat_s,
                               .poll_s = config->poll_s,
                               .checkpoint_s = config->checkpoint_s,
                               .drain_s = config->drain_s};
  qn_error error;
  qn_status status = qn_worker_run(&options, &stop, &error);
  if (status != QN_OK) {
    qn_log("error", "%s", error.message);
    return QN_EXIT_FAILURE;
  }
  return QN_EXIT_OK;
}

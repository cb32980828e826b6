/* quenchd migrate */
#include <stdio.h>

#include "server/cli/commands.h"
#include "server/store/migrate.h"

int qn_command_migrate(const qn_config *config, const char *const *arguments, int count) {
  (void)arguments;
  (void)count;
  qn_error error;
  qn_store *store = NULL;
  qn_store_options options = {.database_url = config->database_url, .data_directory = config->data_directory, .connections = 2};
  int applied = 0;
  qn_status status = qn_store_open(&store, &options, &error);
  if (status == QN_OK) status = qn_migrate_run(store, &applied, &error);
  qn_store_close(store);
  if (status != QN_OK) return qn_command_failed(&error);
  printf("schema version %d, %d migration%s applied\n", qn_migrate_version(), applied, applied == 1 ? "" : "s");
  return QN_EXIT_OK;
}

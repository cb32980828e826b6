/* The subcommands of quenchd. Each takes its settings and positional arguments and returns the exit code: 0, or 1 with the reason printed on
 * standard error; 2 for a wrong use. */
#ifndef QN_SERVER_CLI_COMMANDS_H
#define QN_SERVER_CLI_COMMANDS_H

#include "server/config/config.h"

enum { QN_EXIT_OK = 0, QN_EXIT_FAILURE = 1, QN_EXIT_USAGE = 2 };

typedef int qn_command_run(const qn_config *config, const char *const *arguments, int count);

qn_command_run qn_command_serve, qn_command_work, qn_command_migrate, qn_command_token, qn_command_retain, qn_command_routes;
qn_command_run qn_command_simulate, qn_command_evaluate, qn_command_analyse, qn_command_fit;
qn_command_run qn_command_run_job;

/* Print "quenchd: message" on standard error and return QN_EXIT_FAILURE. */
int qn_command_failed(const qn_error *error);

#endif

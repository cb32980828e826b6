#include <stdio.h>

#include "server/cli/commands.h"

int qn_command_failed(const qn_error *error) {
  fprintf(stderr, "quenchd: %s\n", error->message);
  return QN_EXIT_FAILURE;
}

#include "server/cli/operator.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

qn_principal qn_cli_operator(void) {
  qn_principal operator = {.scope = QN_SCOPE_ADMIN};
  uid_t id = getuid();
  struct passwd entry, *found = NULL;
  char buffer[4096];
  if (getpwuid_r(id, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
    snprintf(operator.name, sizeof operator.name, "os:%s", found->pw_name);
  else
    snprintf(operator.name, sizeof operator.name, "os:%lu", (unsigned long)id);
  return operator;
}

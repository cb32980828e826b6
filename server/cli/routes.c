/* quenchd routes: the route table as text, which the contract test compares with the API document. */
#include <stdio.h>

#include "api/route.h"
#include "server/cli/commands.h"

int qn_command_routes(const qn_config *config, const char *const *arguments, int given) {
  (void)config;
  (void)arguments;
  (void)given;
  size_t count;
  const qn_route *routes = qn_routes(&count);
  for (size_t i = 0; i < count; i++)
    printf("%s %s %s %s %zu\n", routes[i].method, routes[i].pattern, routes[i].operation,
           qn_scope_name(routes[i].scope), routes[i].body_limit);
  return QN_EXIT_OK;
}

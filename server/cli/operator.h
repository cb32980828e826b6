/* Whoever runs a command that changes the service: known by the name of the operating system. */
#ifndef QN_SERVER_CLI_OPERATOR_H
#define QN_SERVER_CLI_OPERATOR_H

#include "api/message.h"

/* "os:NAME", with the scope admin: who can start the program with the database's URL can do everything. */
qn_principal qn_cli_operator(void);

#endif

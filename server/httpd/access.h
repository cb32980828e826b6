/* The access log: a line for each request that ended. */
#ifndef QN_SERVER_HTTPD_ACCESS_H
#define QN_SERVER_HTTPD_ACCESS_H

#include <microhttpd.h>

#include "api/route.h"

typedef struct qn_access {
  const qn_request *request;
  const char *address;
  const qn_route *route; /* NULL: there is none */
  int status;
  double seconds; /* from its first line to its end */
  enum MHD_RequestTerminationCode end;
} qn_access;

void qn_access_write(const qn_access *access);

#endif

/* The listening socket: from "address:port" to a bound, listening descriptor. */
#ifndef QN_SERVER_HTTPD_LISTEN_H
#define QN_SERVER_HTTPD_LISTEN_H

#include <stdbool.h>

#include "engine/base/status.h"

typedef struct qn_listen {
  int descriptor;   /* the caller closes it */
  bool loopback;    /* only this machine can reach it */
  char url[128];    /* with the port really bound */
} qn_listen;

/* "127.0.0.1:8080", "[::1]:0", "localhost:8080". QN_INVALID for what is no address, QN_IO when it cannot be bound. */
qn_status qn_listen_open(qn_listen *listening, const char *address, qn_error *error);

#endif

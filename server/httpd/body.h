/* The body of a request while it comes in, within the memory that the bodies of all requests share. */
#ifndef QN_SERVER_HTTPD_BODY_H
#define QN_SERVER_HTTPD_BODY_H

#include "server/httpd/server.h"

typedef struct qn_body {
  char *bytes; /* a NUL follows them; NULL while there are none */
  size_t size, capacity;
} qn_body;

/* Append; `declared` is the size that the client announced, 0 when it did not. False when all bodies together would be beyond their memory. */
bool qn_body_add(qn_body *body, qn_httpd *httpd, const char *data, size_t size, uint64_t declared);
void qn_body_fini(qn_body *body, qn_httpd *httpd);

#endif

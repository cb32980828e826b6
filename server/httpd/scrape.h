/* The answer to GET /metrics: what storage knows, and what this process counted. */
#ifndef QN_SERVER_HTTPD_SCRAPE_H
#define QN_SERVER_HTTPD_SCRAPE_H

#include "server/httpd/server.h"

/* `response` is what the route answered: this process adds its own, and answers alone when storage could not. Other failures stay as they are. */
void qn_scrape_complete(qn_httpd *httpd, qn_response *response);

#endif

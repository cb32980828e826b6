/* What a request is called in logs and answers: where it came from, and its name. */
#ifndef QN_SERVER_HTTPD_PEER_H
#define QN_SERVER_HTTPD_PEER_H

#include "server/httpd/server.h"

/* The client's address as text, "-" when it has none. */
void qn_peer_address(struct MHD_Connection *connection, char text[64]);

/* The client's own X-Request-Id when it is a plain word, otherwise a name of ours. */
void qn_peer_request_id(qn_httpd *httpd, struct MHD_Connection *connection, char text[65]);

#endif

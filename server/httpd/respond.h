/* From a qn_response to libmicrohttpd's. */
#ifndef QN_SERVER_HTTPD_RESPOND_H
#define QN_SERVER_HTTPD_RESPOND_H

#include "server/httpd/server.h"

/* Takes bytes, descriptor and stream out of `response`. `head`: the answer to a HEAD request, which never opens an event stream. NULL without
 * memory. The caller destroys it after queueing. */
struct MHD_Response *qn_respond(qn_httpd *httpd, struct MHD_Connection *connection, const qn_request *request, qn_response *response,
                                bool head);

#endif

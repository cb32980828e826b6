/* One request and its answer, from the first line to the last byte: the callbacks that libmicrohttpd calls.
 *
 * Scope, limits and route are decided when the head is in, before a byte of the body is read. A refused body is read over when it is small, so
 * that its sender reads the answer; a large one is cut off. */
#ifndef QN_SERVER_HTTPD_EXCHANGE_H
#define QN_SERVER_HTTPD_EXCHANGE_H

#include "server/httpd/server.h"

/* For MHD_OPTION_URI_LOG_CALLBACK, MHD_start_daemon, MHD_OPTION_NOTIFY_COMPLETED and MHD_OPTION_NOTIFY_CONNECTION; `context` is the qn_httpd. */
void *qn_exchange_begin(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result qn_exchange_continue(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **exchange);
void qn_exchange_end(void *context, struct MHD_Connection *connection, void **exchange, enum MHD_RequestTerminationCode reason);
void qn_exchange_connection(void *context, struct MHD_Connection *connection, void **guarded, enum MHD_ConnectionNotificationCode what);

#endif

/* Refusals off the ordinary way of an answer, each a problem document too: those that libmicrohttpd makes by itself, and those that can only go
 * to the bare socket.
 *
 * libmicrohttpd answers what is no acceptable HTTP in its own words, in HTML, and has no option for others. It hands these answers to its public
 * MHD_queue_response through the dynamic linker, so this program's own definition of that name comes first: every answer that does not come
 * by qn_refusal_queue is libmicrohttpd's, and a problem document goes out in its place. */
#ifndef QN_SERVER_HTTPD_REFUSAL_H
#define QN_SERVER_HTTPD_REFUSAL_H

#include <microhttpd.h>
#include <stddef.h>

/* Queue an answer of this program's own: MHD_queue_response as it was. */
enum MHD_Result qn_refusal_queue(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response);

/* A problem document: malloc'ed text, NULL without memory. */
char *qn_refusal_problem(int status, const char *code, const char *detail);

/* Send a whole answer with a problem document on the bare socket, where libmicrohttpd takes none any more. It does not wait: what the socket does
 * not take at once is lost. */
void qn_refusal_send(int descriptor, int status, const char *problem);

#endif

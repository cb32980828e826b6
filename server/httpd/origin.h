/* Requests that a web page makes behind its reader's back. Where no token is asked for, a browser on this machine would send them with all that the
 * local administrator may do: a form or an image of a foreign page, or a foreign name made to point at this machine (DNS rebinding). */
#ifndef QN_SERVER_HTTPD_ORIGIN_H
#define QN_SERVER_HTTPD_ORIGIN_H

#include <stdbool.h>

/* What a request says of where it comes from: its headers, NULL when absent. */
typedef struct qn_origin {
  const char *host, *origin, *site; /* Host, Origin, Sec-Fetch-Site */
} qn_origin;

/* May it be answered without a token? Host must name this machine (localhost, 127.0.0.1, [::1], or `served`, the address that was configured to be
 * listened on); with a method that changes something, Origin and Sec-Fetch-Site must be those of a page of this server, or absent, as they are
 * outside of browsers. False with a reason that names what is accepted. */
bool qn_origin_accept(const qn_origin *from, const char *method, const char *served, char reason[256]);

#endif

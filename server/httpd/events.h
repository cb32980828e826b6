/* Server-sent events: any number of open streams, fed by one thread.
 *
 * A stream with nothing to send is a parked connection: it holds a socket and its buffers, no thread. The feeder hears from the backend which
 * jobs have news (or looks by itself every half second), asks for the events once for all streams that stand at the same place of the same
 * job, and wakes them. It asks only for streams that have sent what they had: a slow reader never makes a queue grow. */
#ifndef QN_SERVER_HTTPD_EVENTS_H
#define QN_SERVER_HTTPD_EVENTS_H

#include <microhttpd.h>

#include "server/httpd/httpd.h"
#include "server/metrics/metrics.h"

typedef struct qn_events qn_events;

/* `backend` and `metrics` are borrowed. */
qn_status qn_events_alloc(qn_events **events, const qn_httpd_backend *backend, qn_metrics *metrics, double heartbeat_s, qn_error *error);

/* A body that streams the events of `job` after `after` over `connection`, beginning with `first`, a page that is at hand; it ends within
 * QN_AUTH_SECONDS or so when `token` (0: none) holds no longer. NULL without memory. */
struct MHD_Response *qn_events_respond(qn_events *events, struct MHD_Connection *connection, int64_t token, int64_t job, int64_t after,
                                       const qn_event_page *first);

/* End every stream, and every later one at once, telling clients when to come back. */
void qn_events_end(qn_events *events);
/* Only when no stream is left: after the server was stopped. */
void qn_events_free(qn_events *events);

#endif

/* What this process counts about its own work, as Prometheus text. Counters are atomics: counting takes no lock. */
#ifndef QN_SERVER_METRICS_METRICS_H
#define QN_SERVER_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/route.h"

typedef struct qn_metrics qn_metrics;

/* `routes` is borrowed. NULL without memory. */
qn_metrics *qn_metrics_alloc(const qn_route *routes, size_t count);
void qn_metrics_free(qn_metrics *metrics);

/* One request that ended. `route` NULL: none was found. `seconds` from the request's first line to its last byte answered, which for
 * event streams says nothing and is left out of the histogram. */
void qn_metrics_request(qn_metrics *metrics, const qn_route *route, bool head, int status, double seconds, bool stream);
void qn_metrics_in_flight(qn_metrics *metrics, int change);
void qn_metrics_streams(qn_metrics *metrics, int change);
void qn_metrics_connections(qn_metrics *metrics, int change);
void qn_metrics_auth_failure(qn_metrics *metrics);
void qn_metrics_held(qn_metrics *metrics, int change); /* answers to wrong tokens that are held back */

/* Text for /metrics, malloc'ed; NULL without memory. `waiting`: requests that wait for a handler just now. */
char *qn_metrics_render(const qn_metrics *metrics, int waiting);

#endif

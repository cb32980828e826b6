/* Failed authentications: each is answered late, the later the more there were from its address; few are held back at once, so that they do not use
 * up the sockets; and the backend is told of them, a summary for each address. */
#ifndef QN_SERVER_HTTPD_FAILURES_H
#define QN_SERVER_HTTPD_FAILURES_H

#include <stdbool.h>

#include "server/httpd/guard.h"
#include "server/httpd/httpd.h"
#include "server/httpd/pool.h"
#include "server/metrics/metrics.h"

typedef struct qn_failures qn_failures;

/* All are borrowed. Summaries come at most every `report_s`. NULL without memory. */
qn_failures *qn_failures_alloc(const qn_httpd_backend *backend, qn_guard *guard, qn_pool *pool, qn_metrics *metrics, double report_s);
/* After the guard and the pool have ended, which tell the backend what it was not told yet. */
void qn_failures_free(qn_failures *failures);

/* Are so many answers to this address held back that it must not ask with another unknown token? */
bool qn_failures_crowded(qn_failures *failures, const char *address);

/* Note a failure: the seconds for which its answer is to be held back. When they are over, qn_failures_release. */
double qn_failures_hold(qn_failures *failures, const char *address, const char *request_id);
void qn_failures_release(qn_failures *failures, const char *address);

#endif

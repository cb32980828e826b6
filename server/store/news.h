/* News of jobs: a connection of its own that LISTENs on the channel on which the database announces every event of a job. */
#ifndef QN_SERVER_STORE_NEWS_H
#define QN_SERVER_STORE_NEWS_H

#include <stdint.h>

#include "engine/base/status.h"

typedef struct qn_news qn_news;

/* Connects when it is first waited for. `database_url` is borrowed. For use by one thread. */
qn_status qn_news_alloc(qn_news **news, const char *database_url, qn_error *error);
void qn_news_free(qn_news *news); /* also fine on NULL */

/* Wait at most `seconds`, or until the descriptor `wake` is readable. *job is the job that has news; 0: none came; -1: the connection is new and
 * news may have been missed. QN_UNAVAILABLE when the database is away: the caller waits by itself; the connection is tried again at most once
 * a second. */
qn_status qn_news_wait(qn_news *news, double seconds, int wake, int64_t *job, qn_error *error);

#endif

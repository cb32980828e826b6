#include "server/store/news.h"

#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/store/connection.h"
#include "server/store/deadline.h"

/* Whoever waits for news has other things to do as well. */
static const double retry_s = 1, answer_s = 3;

struct qn_news {
  const char *database_url;
  qn_connection connection;
  double tried; /* monotonic, s */
};

qn_status qn_news_alloc(qn_news **out, const char *database_url, qn_error *error) {
  qn_news *news = calloc(1, sizeof *news);
  if (news == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the news of jobs");
  news->database_url = database_url;
  news->tried = -(double)INFINITY;
  *out = news;
  return QN_OK;
}

void qn_news_free(qn_news *news) {
  if (news == NULL) return;
  qn_connection_close(&news->connection);
  free(news);
}

static qn_status connect_and_listen(qn_news *news, qn_error *error) {
  double now = qn_clock_now();
  if (now - news->tried < retry_s) return qn_error_set(error, QN_UNAVAILABLE, "the database is away");
  news->tried = now;
  qn_status status = qn_connection_open_within(&news->connection, news->database_url, "quenchd events", answer_s, now + answer_s, error);
  if (status == QN_OK) status = qn_connection_script(&news->connection, "LISTEN quenchd_event", error);
  if (status == QN_OK) return QN_OK;
  qn_connection_close(&news->connection);
  return QN_UNAVAILABLE;
}

/* News that is already here. */
static bool take(qn_news *news, int64_t *job) {
  PGnotify *notice = PQnotifies(news->connection.pg);
  if (notice == NULL) return false;
  *job = strtoll(notice->extra, NULL, 10);
  PQfreemem(notice);
  return *job > 0;
}

qn_status qn_news_wait(qn_news *news, double seconds, int wake, int64_t *job, qn_error *error) {
  *job = 0;
  if (news->connection.pg == NULL) {
    qn_status status = connect_and_listen(news, error);
    if (status == QN_OK) *job = -1;
    return status;
  }
  if (take(news, job)) return QN_OK;
  struct pollfd sets[2] = {{.fd = PQsocket(news->connection.pg), .events = POLLIN}, {.fd = wake, .events = POLLIN}};
  poll(sets, 2, (int)(1e3 * seconds));
  if (sets[0].revents == 0) return QN_OK;
  if (PQconsumeInput(news->connection.pg) == 1) {
    take(news, job);
    return QN_OK;
  }
  qn_error_set(error, QN_UNAVAILABLE, "the news of jobs ended: %s", PQerrorMessage(news->connection.pg));
  qn_connection_close(&news->connection);
  return QN_UNAVAILABLE;
}

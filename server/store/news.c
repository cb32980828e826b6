#include "server/store/news.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double retry_s = 1;

struct qn_news {
  const char *database_url;
  PGconn *connection; /* NULL: not connected */
  double tried;       /* monotonic, s */
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

qn_status qn_news_alloc(qn_news **out, const char *database_url, qn_error *error) {
  qn_news *news = calloc(1, sizeof *news);
  if (news == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the news of jobs");
  news->database_url = database_url;
  news->tried = -retry_s;
  *out = news;
  return QN_OK;
}

void qn_news_free(qn_news *news) {
  if (news == NULL) return;
  PQfinish(news->connection);
  free(news);
}

static void drop(qn_news *news) {
  PQfinish(news->connection);
  news->connection = NULL;
}

static qn_status connect_and_listen(qn_news *news, qn_error *error) {
  if (now() - news->tried < retry_s) return qn_error_set(error, QN_UNAVAILABLE, "the database is away");
  news->tried = now();
  const char *keys[] = {"dbname", "connect_timeout", "application_name", "tcp_user_timeout", NULL};
  const char *values[] = {news->database_url, "3", "quenchd events", "15000", NULL};
  news->connection = PQconnectdbParams(keys, values, 1);
  PGresult *result = PQstatus(news->connection) == CONNECTION_OK ? PQexec(news->connection, "LISTEN quenchd_event") : NULL;
  bool listening = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  if (listening) return QN_OK;
  qn_error_set(error, QN_UNAVAILABLE, "cannot listen for news: %s", PQerrorMessage(news->connection));
  drop(news);
  return QN_UNAVAILABLE;
}

/* News that is already here. */
static bool take(qn_news *news, int64_t *job) {
  PGnotify *notice = PQnotifies(news->connection);
  if (notice == NULL) return false;
  *job = strtoll(notice->extra, NULL, 10);
  PQfreemem(notice);
  return *job > 0;
}

qn_status qn_news_wait(qn_news *news, double seconds, int wake, int64_t *job, qn_error *error) {
  *job = 0;
  if (news->connection == NULL) {
    qn_status status = connect_and_listen(news, error);
    if (status == QN_OK) *job = -1;
    return status;
  }
  if (take(news, job)) return QN_OK;
  struct pollfd sets[2] = {{.fd = PQsocket(news->connection), .events = POLLIN}, {.fd = wake, .events = POLLIN}};
  poll(sets, 2, (int)(1e3 * seconds));
  if (sets[0].revents == 0) return QN_OK;
  if (PQconsumeInput(news->connection) == 1) {
    take(news, job);
    return QN_OK;
  }
  qn_error_set(error, QN_UNAVAILABLE, "the news of jobs ended: %s", PQerrorMessage(news->connection));
  drop(news);
  return QN_UNAVAILABLE;
}

#include "server/store/deadline.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/store/words.h"

enum { MOST_WORDS = 24, MOST_HOSTS = 16 };
static const double usual_connect_s = 4;

/* Wait until the socket can be read or written; false when the time is over. */
static bool await(PGconn *pg, short events, double until) {
  for (;;) {
    double left = until - qn_clock_now();
    if (left <= 0) return false;
    struct pollfd set = {.fd = PQsocket(pg), .events = events};
    int ready = poll(&set, 1, left < 1e6 ? (int)ceil(1e3 * left) : 1000000000);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true; /* also for an error of the socket: libpq finds it */
  }
}

/* ---- connecting ---- */

static bool finish(PGconn *pg, double until) {
  for (PostgresPollingStatusType want = PGRES_POLLING_WRITING; want != PGRES_POLLING_OK; want = PQconnectPoll(pg)) {
    if (want == PGRES_POLLING_FAILED) return true;
    if (!await(pg, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, until)) return false;
  }
  return PQsetnonblocking(pg, 1) == 0;
}

/* Warnings of PostgreSQL belong into the log, as lines of it; they may come while a connection is being made, too. */
static void on_notice(void *context, const char *message) {
  (void)context;
  char text[512];
  snprintf(text, sizeof text, "%s", message);
  qn_words_join(text);
  qn_log("warning", "database: %s", text);
}

static PGconn *start(const char *const *names, const char *const *values) {
  PGconn *made = PQconnectStartParams(names, values, 1);
  if (made != NULL) PQsetNoticeProcessor(made, on_notice, NULL);
  return made;
}

static qn_status explain(PGconn *pg, bool in_time, double waited, qn_error *error) {
  if (in_time)
    qn_error_set(error, QN_UNAVAILABLE, "the database cannot be reached: %s", PQerrorMessage(pg));
  else
    qn_error_set(error, QN_UNAVAILABLE, "the database cannot be reached: no answer within %.1f s", waited);
  qn_words_join_error(error);
  return QN_UNAVAILABLE;
}

static const char *option(const PQconninfoOption *options, const char *name) {
  for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
    if (strcmp(o->keyword, name) == 0) return o->val != NULL ? o->val : "";
  return "";
}

/* The `index`-th of a list with commas into `item`; of a list with one member it is that for every index, as libpq has it for ports. False beyond. */
static bool pick(const char *list, int index, char item[256]) {
  if (strchr(list, ',') == NULL) index = 0;
  for (; index > 0; index--) {
    list = strchr(list, ',');
    if (list == NULL) return false;
    list++;
  }
  return snprintf(item, 256, "%.*s", (int)strcspn(list, ","), list) < 256;
}

static int count(const char *list) {
  int commas = 0;
  for (const char *at = strchr(list, ','); at != NULL; at = strchr(at + 1, ',')) commas++;
  return commas + 1;
}

/* One host of several, by words that win over those before them. */
static PGconn *start_host(const char *const *names, const char *const *values, const char *const lists[3], int index) {
  static const char *const words[] = {"host", "hostaddr", "port"};
  const char *all_names[MOST_WORDS + 4], *all_values[MOST_WORDS + 4];
  char items[3][256];
  int used = 0;
  for (; names[used] != NULL && used < MOST_WORDS; used++) all_names[used] = names[used], all_values[used] = values[used];
  for (int w = 0; w < 3; w++) {
    if (lists[w][0] == '\0' || !pick(lists[w], index, items[w])) continue;
    all_names[used] = words[w];
    all_values[used++] = items[w];
  }
  all_names[used] = all_values[used] = NULL;
  return start(all_names, all_values);
}

qn_status qn_deadline_connect(PGconn **pg, const char *const *names, const char *const *values, double until, bool *silent, qn_error *error) {
  *pg = NULL;
  *silent = false;
  PGconn *made = start(names, values);
  PQconninfoOption *options = made != NULL ? PQconninfo(made) : NULL;
  if (options == NULL) {
    PQfinish(made);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for a database connection");
  }
  const char *const lists[3] = {option(options, "host"), option(options, "hostaddr"), option(options, "port")};
  int by_name = count(lists[0]), by_address = count(lists[1]), hosts = by_name > by_address ? by_name : by_address;
  if (hosts > MOST_HOSTS) hosts = MOST_HOSTS;
  double each = strtod(option(options, "connect_timeout"), NULL);
  if (!(each > 0)) each = usual_connect_s;

  qn_status status = QN_UNAVAILABLE;
  for (int i = 0; i < hosts && status != QN_OK; i++) {
    if (hosts > 1) {
      PQfinish(made);
      made = start_host(names, values, lists, i);
      if (made == NULL) break;
    }
    double began = qn_clock_now();
    bool in_time = PQstatus(made) == CONNECTION_BAD || finish(made, fmin(until, began + each));
    *silent = !in_time;
    status = in_time && PQstatus(made) == CONNECTION_OK ? QN_OK : explain(made, in_time, qn_clock_now() - began, error);
  }
  PQconninfoFree(options);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a database connection");
  if (status != QN_OK) {
    PQfinish(made);
    return status;
  }
  *pg = made;
  return QN_OK;
}

/* ---- answers ---- */

/* Both ways at once: a peer that sends before it reads must not block us, nor we it. */
static bool flush(PGconn *pg, double until) {
  for (int left = PQflush(pg); left != 0; left = PQflush(pg)) {
    if (left < 0) return true; /* the failure comes back as a result */
    if (!await(pg, POLLIN | POLLOUT, until)) return false;
    if (PQconsumeInput(pg) == 0) return true;
  }
  return true;
}

static bool failed(const PGresult *result) {
  ExecStatusType kind = PQresultStatus(result);
  return kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK;
}

bool qn_deadline_await(PGconn *pg, double until) {
  if (!flush(pg, until)) return false;
  while (PQisBusy(pg)) {
    if (!await(pg, POLLIN, until)) return false;
    if (PQconsumeInput(pg) == 0) break; /* the failure comes back as a result */
  }
  return true;
}

PGresult *qn_deadline_result(PGconn *pg, double until) {
  PGresult *last = NULL;
  while (qn_deadline_await(pg, until)) {
    PGresult *next = PQgetResult(pg);
    if (next == NULL) return last != NULL ? last : PQmakeEmptyPGresult(pg, PGRES_FATAL_ERROR);
    if (last != NULL && failed(last)) {
      PQclear(next);
    } else {
      PQclear(last);
      last = next;
    }
  }
  PQclear(last);
  return NULL;
}

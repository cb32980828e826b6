#include "server/store/connection.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/store/deadline.h"
#include "server/store/words.h"

/* A peer that vanished without a word is given up after this time, ms; well inside a lease. */
#define SILENCE_MS "6000"

/* A process that stops in the middle of a transaction must not keep its locks for long. The server gives up a statement a little before its client
 * does, so that the client hears of it and keeps the connection; a statement whose client has gone is ended soon. */
#define SETTINGS                                                                                                            \
  "SET statement_timeout = %d; SET lock_timeout = %d; SET idle_in_transaction_session_timeout = '3s';"                      \
  "SET client_min_messages = warning; SET timezone = 'UTC'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1;"      \
  "SET bytea_output = 'hex'; SET default_transaction_isolation = 'read committed'%s"
static const double most_lock_s = 10, most_ahead_s = 5;

qn_status qn_connection_check_url(const char *url, qn_error *error) {
  char *reason = NULL;
  PQconninfoOption *parsed = PQconninfoParse(url, &reason);
  if (parsed == NULL) qn_error_set(error, QN_INVALID, "the database URL cannot be read: %s", reason != NULL ? reason : "no memory");
  if (parsed == NULL) qn_words_join_error(error);
  PQfreemem(reason);
  PQconninfoFree(parsed);
  return parsed != NULL ? QN_OK : QN_INVALID;
}

static qn_status configure(qn_connection *connection, qn_error *error) {
  char script[768];
  double most = connection->answer_s, statement = most - fmin(most_ahead_s, 0.2 * most);
  snprintf(script, sizeof script, SETTINGS, (int)(1e3 * statement), (int)(1e3 * fmin(most_lock_s, 0.6 * most)),
           PQserverVersion(connection->pg) >= 140000 ? "; SET client_connection_check_interval = '2s'" : "");
  return qn_connection_script(connection, script, error);
}

qn_status qn_connection_open_within(qn_connection *connection, const char *url, const char *role, double answer_s, double until,
                                    qn_error *error) {
  memset(connection, 0, sizeof *connection);
  connection->answer_s = answer_s;
  connection->until = until;
  /* Later entries win, so the URL may say otherwise. */
  const char *names[] = {"application_name", "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
                         "tcp_user_timeout", "dbname", NULL};
  const char *values[] = {role, "4", "5", "2", "2", SILENCE_MS, url, NULL};
  qn_status status = qn_deadline_connect(&connection->pg, names, values, until, &connection->silent, error);
  if (status == QN_OK) status = configure(connection, error);
  if (status != QN_OK) qn_connection_close(connection);
  connection->until = (double)INFINITY;
  return status;
}

qn_status qn_connection_open(qn_connection *connection, const char *url, const char *role, qn_error *error) {
  return qn_connection_open_within(connection, url, role, QN_ANSWER_S, (double)INFINITY, error);
}

void qn_connection_close(qn_connection *connection) {
  if (connection->pg != NULL) PQfinish(connection->pg);
  connection->pg = NULL;
  connection->prepared_count = connection->deferred_count = 0;
}

static char *next_number(qn_params *params) { return params->number[params->count]; }

static void add(qn_params *params, const char *value, int length, int format) {
  if (params->count == QN_MAX_PARAMS) return; /* the statement then fails for want of a parameter */
  params->value[params->count] = value;
  params->length[params->count] = length;
  params->format[params->count++] = format;
}

void qn_params_text(qn_params *params, const char *text) { add(params, text, 0, 0); }

void qn_params_int(qn_params *params, int64_t value) {
  if (params->count < QN_MAX_PARAMS) snprintf(next_number(params), sizeof params->number[0], "%lld", (long long)value);
  add(params, next_number(params), 0, 0);
}

void qn_params_id(qn_params *params, int64_t value) {
  if (value == 0) add(params, NULL, 0, 0);
  else qn_params_int(params, value);
}

void qn_params_real(qn_params *params, double value) {
  if (isnan(value)) {
    add(params, NULL, 0, 0);
    return;
  }
  if (params->count == QN_MAX_PARAMS) return;
  if (isinf(value)) snprintf(next_number(params), sizeof params->number[0], value > 0 ? "Infinity" : "-Infinity");
  else snprintf(next_number(params), sizeof params->number[0], "%.17g", value);
  add(params, next_number(params), 0, 0);
}

void qn_params_bool(qn_params *params, bool value) { add(params, value ? "t" : "f", 0, 0); }

void qn_params_bytes(qn_params *params, const void *bytes, size_t size) { add(params, bytes, (int)size, 1); }

static bool starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

/* A table, column, function or type that is not there: the database was never migrated, or is being upgraded. */
static bool lacks_schema(const char *state) {
  static const char *const states[] = {"3F000", "42P01", "42703", "42883", "42704"};
  for (size_t s = 0; s < sizeof states / sizeof states[0]; s++)
    if (strcmp(state, states[s]) == 0) return true;
  return false;
}

/* PostgreSQL's own disk or resources (53, 58), a timeout (57014, 55P03), a transaction that idled (25P03), a plan of before the schema was changed
 * (0A000): nothing that a request or job is to blame for. */
static bool may_pass(const char *state) {
  static const char *const states[] = {"53", "58", "57014", "55P03", "25P03", "0A000"};
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
    if (starts(state, states[i])) return true;
  return false;
}

/* Class 08: connection; 57P: shutting down or starting; 25006: a standby after failover; 0A000: it stays with the connection. */
static qn_status judge(qn_connection *connection, const PGresult *result, qn_error *error) {
  const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  snprintf(connection->sqlstate, sizeof connection->sqlstate, "%s", state != NULL ? state : "");
  state = connection->sqlstate;
  if (PQstatus(connection->pg) != CONNECTION_OK || starts(state, "08") || starts(state, "57P") || strcmp(state, "25006") == 0 ||
      strcmp(state, "0A000") == 0)
    connection->lost = true;
  connection->again = strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0;

  qn_status status = QN_INTERNAL;
  if (connection->lost || connection->again || may_pass(state)) status = QN_UNAVAILABLE;
  if (lacks_schema(state))
    return qn_error_set(error, QN_UNAVAILABLE, "the database has not the schema that this quenchd needs: bring it up to date with `quenchd migrate`");
  const char *text = result != NULL ? PQresultErrorMessage(result) : "";
  if (text[0] == '\0') text = PQerrorMessage(connection->pg);
  qn_error_set(error, status, "database: %s", text);
  qn_words_join_error(error);
  return status;
}

static void begin(qn_connection *connection) {
  connection->lost = connection->again = connection->silent = false;
  connection->sqlstate[0] = '\0';
}

/* The answer to what was just sent (`sent` as libpq's PQsend functions tell). *result is NULL on failure. */
static qn_status receive(qn_connection *connection, int sent, PGresult **result, qn_error *error) {
  double began = qn_clock_now(), until = fmin(began + connection->answer_s, connection->until);
  *result = sent == 1 ? qn_deadline_result(connection->pg, until) : PQmakeEmptyPGresult(connection->pg, PGRES_FATAL_ERROR);
  if (*result == NULL) {
    qn_connection_close(connection); /* what was sent may be running still, and may yet happen */
    connection->lost = connection->silent = true;
    return qn_error_set(error, QN_UNAVAILABLE, "database: no answer within %.1f s", qn_clock_now() - began);
  }
  ExecStatusType kind = PQresultStatus(*result);
  if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK) return QN_OK;
  qn_status status = judge(connection, *result, error);
  PQclear(*result);
  *result = NULL;
  return status;
}

/* ---- pipelines ---- */

static void lose(qn_connection *connection, bool silent) {
  qn_connection_close(connection);
  connection->lost = true;
  connection->silent = silent;
}

/* The results of one query in a pipeline; the last of them, or NULL when the connection is of no more use. */
static PGresult *next_answer(PGconn *pg, double until, bool *in_time) {
  PGresult *last = NULL;
  while ((*in_time = qn_deadline_await(pg, until))) {
    PGresult *next = PQgetResult(pg);
    if (next == NULL) break;
    PQclear(last);
    last = next;
    if (PQresultStatus(last) == PGRES_PIPELINE_SYNC || PQstatus(pg) != CONNECTION_OK) break;
  }
  if (*in_time) return last;
  PQclear(last);
  return NULL;
}

static bool good(const PGresult *result) {
  ExecStatusType kind = PQresultStatus(result);
  return kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK;
}

/* Await all that was deferred, and when there is one the query that was sent after it, whose result becomes *own. The first failure counts: what
 * came after it was not done. */
static qn_status collect(qn_connection *connection, const char *name, PGresult **own, qn_error *error) {
  double until = fmin(qn_clock_now() + connection->answer_s, connection->until);
  int queries = connection->deferred_count + (name != NULL);
  qn_status status = PQpipelineSync(connection->pg) == 1 ? QN_OK : QN_UNAVAILABLE;
  bool in_time = true, whole = status == QN_OK;
  if (!whole) qn_error_set(error, QN_UNAVAILABLE, "database: %s", PQerrorMessage(connection->pg));
  for (int i = 0; i < queries && whole; i++) {
    PGresult *answer = next_answer(connection->pg, until, &in_time);
    whole = answer != NULL && PQstatus(connection->pg) == CONNECTION_OK;
    if (status == QN_OK && !good(answer)) {
      status = in_time ? judge(connection, answer, error) : qn_error_set(error, QN_UNAVAILABLE, "database: no answer in time");
      qn_error_prefix(error, "%s", i < connection->deferred_count ? connection->deferred[i] : name);
    }
    if (name != NULL && i == queries - 1 && status == QN_OK) *own = answer;
    else PQclear(answer);
  }
  connection->deferred_count = 0;
  PGresult *end = whole ? next_answer(connection->pg, until, &in_time) : NULL;
  whole = PQresultStatus(end) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(connection->pg) == 1;
  PQclear(end);
  if (whole) return status;
  if (status == QN_OK) {
    status = qn_error_set(error, QN_UNAVAILABLE, "database: the connection broke");
    if (own != NULL) PQclear(*own), *own = NULL;
  }
  lose(connection, !in_time);
  return status;
}

static qn_status prepare(qn_connection *connection, const qn_statement *statement, qn_error *error) {
  for (int i = 0; i < connection->prepared_count; i++)
    if (connection->prepared[i] == statement) return QN_OK;
  if (connection->prepared_count == QN_MAX_STATEMENTS) return qn_error_set(error, QN_INTERNAL, "too many prepared statements");
  qn_status status = QN_OK;
  PGresult *result = NULL;
  int sent = PQsendPrepare(connection->pg, statement->name, statement->sql, 0, NULL);
  if (connection->deferred_count == 0) status = receive(connection, sent, &result, error);
  else if (sent == 1) status = collect(connection, statement->name, &result, error);
  else status = qn_error_set(error, QN_UNAVAILABLE, "database: %s", PQerrorMessage(connection->pg));
  PQclear(result);
  if (status == QN_OK) connection->prepared[connection->prepared_count++] = statement;
  return status;
}

static int send_statement(qn_connection *connection, const qn_statement *statement, const qn_params *params) {
  static const qn_params none;
  if (params == NULL) params = &none;
  return PQsendQueryPrepared(connection->pg, statement->name, params->count, params->value, params->length, params->format, 0);
}

static qn_status broken(qn_connection *connection, qn_error *error) {
  qn_status status = qn_error_set(error, QN_UNAVAILABLE, "database: %s", PQerrorMessage(connection->pg));
  qn_words_join_error(error);
  lose(connection, false);
  return status;
}

/* What was sent (`sent` as libpq tells) is one more whose answer is awaited later. */
static qn_status postpone(qn_connection *connection, int sent, const char *name, qn_error *error) {
  if (sent != 1) return broken(connection, error);
  connection->deferred[connection->deferred_count++] = name;
  return connection->deferred_count < QN_MAX_DEFERRED ? QN_OK : collect(connection, NULL, NULL, error);
}

qn_status qn_connection_defer(qn_connection *connection, const qn_statement *statement, const qn_params *params, qn_error *error) {
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  begin(connection);
  qn_status status = prepare(connection, statement, error);
  if (status != QN_OK) return status;
  if (connection->deferred_count == 0 && PQenterPipelineMode(connection->pg) != 1) return broken(connection, error);
  return postpone(connection, send_statement(connection, statement, params), statement->name, error);
}

qn_status qn_connection_begin(qn_connection *connection, qn_error *error) {
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  begin(connection);
  if (connection->deferred_count == 0 && PQenterPipelineMode(connection->pg) != 1) return broken(connection, error);
  return postpone(connection, PQsendQueryParams(connection->pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0), "BEGIN", error);
}

qn_status qn_connection_commit(qn_connection *connection, qn_error *error) {
  if (connection->deferred_count == 0) return qn_connection_script(connection, "COMMIT", error);
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  begin(connection);
  if (PQsendQueryParams(connection->pg, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) != 1) return broken(connection, error);
  PGresult *result = NULL;
  qn_status status = collect(connection, "COMMIT", &result, error);
  PQclear(result);
  return status;
}

qn_status qn_connection_run(qn_connection *connection, const qn_statement *statement, const qn_params *params, PGresult **result,
                            qn_error *error) {
  if (result != NULL) *result = NULL;
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  begin(connection);
  PGresult *answer = NULL;
  qn_status status = prepare(connection, statement, error);
  if (status != QN_OK) {
    qn_error_prefix(error, "%s", statement->name);
    return status;
  }
  int sent = send_statement(connection, statement, params);
  if (connection->deferred_count > 0) {
    status = sent == 1 ? collect(connection, statement->name, &answer, error) : broken(connection, error);
  } else {
    status = receive(connection, sent, &answer, error);
    if (status != QN_OK) qn_error_prefix(error, "%s", statement->name);
  }
  if (status == QN_OK && result != NULL) *result = answer;
  else PQclear(answer);
  return status;
}

qn_status qn_connection_script(qn_connection *connection, const char *sql, qn_error *error) {
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  begin(connection);
  if (connection->deferred_count > 0) { /* a pipeline takes single statements only */
    qn_status status = collect(connection, NULL, NULL, error);
    if (status != QN_OK) return status;
  }
  PGresult *answer;
  qn_status status = receive(connection, PQsendQuery(connection->pg, sql), &answer, error);
  PQclear(answer);
  return status;
}

const char *qn_field(const PGresult *result, int row, int column) { return PQgetvalue(result, row, column); }

char *qn_field_text(const PGresult *result, int row, int column, bool *whole) {
  char *text = strdup(PQgetvalue(result, row, column)); /* "" for NULL */
  if (text == NULL) *whole = false;
  return text;
}

int64_t qn_field_int(const PGresult *result, int row, int column) { return strtoll(PQgetvalue(result, row, column), NULL, 10); }

double qn_field_real(const PGresult *result, int row, int column) {
  return PQgetisnull(result, row, column) ? (double)NAN : strtod(PQgetvalue(result, row, column), NULL);
}

bool qn_field_bool(const PGresult *result, int row, int column) { return PQgetvalue(result, row, column)[0] == 't'; }

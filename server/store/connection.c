#include "server/store/connection.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A peer that vanished without a word is given up after this time, ms; well inside a lease. */
#define SILENCE_MS "6000"

/* A process that stops in the middle of a transaction must not keep its locks for long. */
static const char settings[] =
    "SET statement_timeout = '20s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s';"
    "SET client_min_messages = warning; SET timezone = 'UTC'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1;"
    "SET bytea_output = 'hex'; SET default_transaction_isolation = 'read committed'";

static void trim(char *text) {
  size_t length = strlen(text);
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' ')) text[--length] = '\0';
  for (char *c = text; *c != '\0'; c++)
    if (*c == '\n') *c = ' ';
}

qn_status qn_connection_open(qn_connection *connection, const char *url, const char *role, qn_error *error) {
  memset(connection, 0, sizeof *connection);
  /* Later entries win, so the URL may say otherwise. */
  const char *names[] = {"application_name", "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
                         "tcp_user_timeout", "dbname", NULL};
  const char *values[] = {role, "4", "5", "2", "2", SILENCE_MS, url, NULL};
  connection->pg = PQconnectdbParams(names, values, 1);
  if (connection->pg == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a database connection");
  if (PQstatus(connection->pg) != CONNECTION_OK) {
    qn_error_set(error, QN_UNAVAILABLE, "the database cannot be reached: %s", PQerrorMessage(connection->pg));
    if (error != NULL) trim(error->message);
    qn_connection_close(connection);
    return QN_UNAVAILABLE;
  }
  qn_status status = qn_connection_script(connection, settings, error);
  if (status != QN_OK) qn_connection_close(connection);
  return status;
}

void qn_connection_close(qn_connection *connection) {
  if (connection->pg != NULL) PQfinish(connection->pg);
  connection->pg = NULL;
  connection->prepared_count = 0;
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
  static const char *const states[] = {"42P01", "42703", "42883", "42704"};
  for (size_t s = 0; s < sizeof states / sizeof states[0]; s++)
    if (strcmp(state, states[s]) == 0) return true;
  return false;
}

/* Class 08: connection; 53: out of resources (connections, disk, memory); 57P: shutting down or starting; 57014 and 55P03: timeouts;
 * 25006, 25P03: a standby after failover, a transaction that idled. */
static qn_status judge(qn_connection *connection, const PGresult *result, qn_error *error) {
  const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  snprintf(connection->sqlstate, sizeof connection->sqlstate, "%s", state != NULL ? state : "");
  state = connection->sqlstate;
  if (PQstatus(connection->pg) != CONNECTION_OK || starts(state, "08") || starts(state, "57P") || strcmp(state, "25006") == 0)
    connection->lost = true;
  connection->again = strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0;

  qn_status status = QN_INTERNAL;
  if (connection->lost || connection->again || starts(state, "53") || strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0 ||
      strcmp(state, "25P03") == 0)
    status = QN_UNAVAILABLE;
  if (strcmp(state, "23505") == 0) status = QN_CONFLICT;
  if (lacks_schema(state))
    return qn_error_set(error, QN_UNAVAILABLE, "the database has not the schema that this quenchd needs: bring it up to date with `quenchd migrate`");
  const char *text = result != NULL ? PQresultErrorMessage(result) : "";
  if (text[0] == '\0') text = PQerrorMessage(connection->pg);
  qn_error_set(error, status, "database: %s", text);
  if (error != NULL) trim(error->message);
  return status;
}

static qn_status prepare(qn_connection *connection, const qn_statement *statement, qn_error *error) {
  for (int i = 0; i < connection->prepared_count; i++)
    if (connection->prepared[i] == statement) return QN_OK;
  if (connection->prepared_count == QN_MAX_STATEMENTS) return qn_error_set(error, QN_INTERNAL, "too many prepared statements");
  PGresult *result = PQprepare(connection->pg, statement->name, statement->sql, 0, NULL);
  qn_status status = PQresultStatus(result) == PGRES_COMMAND_OK ? QN_OK : judge(connection, result, error);
  PQclear(result);
  if (status != QN_OK) {
    qn_error_prefix(error, "%s", statement->name);
    return status;
  }
  connection->prepared[connection->prepared_count++] = statement;
  return QN_OK;
}

qn_status qn_connection_run(qn_connection *connection, const qn_statement *statement, const qn_params *params, PGresult **result,
                            qn_error *error) {
  if (result != NULL) *result = NULL;
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  connection->lost = connection->again = false;
  connection->sqlstate[0] = '\0';
  qn_status status = prepare(connection, statement, error);
  if (status != QN_OK) return status;

  PGresult *answer = PQexecPrepared(connection->pg, statement->name, params != NULL ? params->count : 0,
                                    params != NULL ? params->value : NULL, params != NULL ? params->length : NULL,
                                    params != NULL ? params->format : NULL, 0);
  ExecStatusType kind = PQresultStatus(answer);
  if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK) {
    status = judge(connection, answer, error);
    qn_error_prefix(error, "%s", statement->name);
    PQclear(answer);
    return status;
  }
  if (result != NULL) *result = answer;
  else PQclear(answer);
  return QN_OK;
}

qn_status qn_connection_script(qn_connection *connection, const char *sql, qn_error *error) {
  if (connection->pg == NULL) return qn_error_set(error, QN_UNAVAILABLE, "database: not connected");
  connection->lost = connection->again = false;
  connection->sqlstate[0] = '\0';
  PGresult *answer = PQexec(connection->pg, sql);
  ExecStatusType kind = PQresultStatus(answer);
  qn_status status = kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK ? QN_OK : judge(connection, answer, error);
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

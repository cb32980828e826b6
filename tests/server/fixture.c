#include "server/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/hash.h"
#include "api/route.h"
#include "server/job/durable.h"
#include "server/store/migrate.h"

const qn_principal fixture_principal = {.name = "tester", .scope = QN_SCOPE_ADMIN};

static const char *base_url(void) {
  const char *url = getenv("DATABASE_URL");
  if (url == NULL || url[0] == '\0')
    fail_msg("DATABASE_URL is not set: this test needs a PostgreSQL where it may create databases (tests/run.sh starts one)");
  return url;
}

/* DATABASE_URL with another database, as a keyword string. */
static void with_database(char *out, size_t size, const char *name) {
  char *reason = NULL;
  PQconninfoOption *options = PQconninfoParse(base_url(), &reason);
  if (options == NULL) fail_msg("DATABASE_URL: %s", reason);
  size_t used = 0;
  for (PQconninfoOption *o = options; o->keyword != NULL; o++)
    if (o->val != NULL && strcmp(o->keyword, "dbname") != 0)
      used += (size_t)snprintf(out + used, size - used, "%s='%s' ", o->keyword, o->val);
  snprintf(out + used, size - used, "dbname='%s'", name);
  PQconninfoFree(options);
}

void fixture_server(const char *format, ...) {
  char sql[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sql, sizeof sql, format, arguments);
  va_end(arguments);
  qn_connection connection;
  qn_error error;
  if (qn_connection_open(&connection, base_url(), "quenchd test", &error) != QN_OK) fail_msg("DATABASE_URL: %s", error.message);
  if (qn_connection_script(&connection, sql, &error) != QN_OK) fail_msg("%s: %s", sql, error.message);
  qn_connection_close(&connection);
}

static void name_of(const fixture *f, char name[64]) { snprintf(name, 64, "quenchd_test_%s", strrchr(f->data, '.') + 1); }

void fixture_init(fixture *f, bool migrated) {
  memset(f, 0, sizeof *f);
  base_url();
  char name[64];
  snprintf(f->data, sizeof f->data, "/tmp/quenchd-test.%d_%lx", (int)getpid(), (unsigned long)time(NULL) ^ (unsigned long)(uintptr_t)f);
  name_of(f, name);
  fixture_server("CREATE DATABASE %s", name);
  with_database(f->url, sizeof f->url, name);
  qn_error error;
  const qn_store_options options = {.database_url = f->url, .data_directory = f->data, .connections = 8};
  assert_status(QN_OK, qn_store_open(&f->store, &options, &error), error);
  int applied;
  if (migrated) assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  assert_status(QN_OK, qn_connection_open(&f->sql, f->url, "quenchd test", &error), error);
}

void fixture_fini(fixture *f) {
  if (f->data[0] == '\0') return;
  char name[64];
  qn_error error;
  qn_store_close(f->store);
  qn_connection_close(&f->sql);
  name_of(f, name);
  fixture_server("DROP DATABASE %s WITH (FORCE)", name);
  assert_status(QN_OK, qn_durable_remove(f->data, &error), error);
}

static const char *ask(fixture *f, const char *format, va_list arguments) {
  static _Thread_local char text[4096], sql[4096];
  vsnprintf(sql, sizeof sql, format, arguments);
  if (PQstatus(f->sql.pg) != CONNECTION_OK) PQreset(f->sql.pg);
  PGresult *result = PQexec(f->sql.pg, sql);
  ExecStatusType kind = PQresultStatus(result);
  if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK) fail_msg("%s: %s", sql, PQresultErrorMessage(result));
  snprintf(text, sizeof text, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
  PQclear(result);
  return text;
}

const char *fixture_text(fixture *f, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = ask(f, format, arguments);
  va_end(arguments);
  return text;
}

int64_t fixture_number(fixture *f, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int64_t number = strtoll(ask(f, format, arguments), NULL, 10);
  va_end(arguments);
  return number;
}

void fixture_await(fixture *f, double seconds, const char *wanted, const char *format, ...) {
  const char *got = "";
  for (int i = 0; i < (int)(seconds * 50); i++) {
    va_list arguments;
    va_start(arguments, format);
    got = ask(f, format, arguments);
    va_end(arguments);
    if (strcmp(got, wanted) == 0) return;
    usleep(20000);
  }
  fail_msg("%s: '%s' for %.0f s, not '%s'", format, got, seconds, wanted);
}

static const char *header(const void *context, const char *name) { return strcasecmp(name, "content-type") == 0 ? context : NULL; }

static int64_t post(fixture *f, qn_request *request, int expected) {
  qn_response response;
  qn_response_init(&response);
  request->method = "POST";
  request->request_id = "test";
  request->header = header;
  request->principal = fixture_principal;
  qn_api_answer(f->store, request, &response);
  if (response.status != expected) fail_msg("POST %s: %d: %.*s", request->path, response.status, (int)response.size, response.bytes);
  json_t *root = json_loadb(response.bytes, response.size, 0, NULL);
  int64_t id = json_integer_value(json_object_get(root, "id"));
  json_decref(root);
  qn_response_fini(&response);
  return id;
}

int64_t fixture_post(fixture *f, const char *path, const char *body, int expected) {
  qn_request request = {.path = path, .body = body, .body_size = strlen(body), .header_context = "application/json"};
  return post(f, &request, expected);
}

int64_t fixture_upload(fixture *f, const char *target, const void *body, size_t size, int expected) {
  char copy[512], path[300], hash[QN_HASH_SIZE];
  qn_pair query[8];
  qn_error error;
  snprintf(copy, sizeof copy, "%s", target);
  qn_request request = {.path = copy, .query = query, .body_size = size, .body_path = path, .body_sha256 = hash, .header_context = "application/octet-stream"};
  char *rest = strchr(copy, '?');
  if (rest != NULL) *rest++ = '\0';
  for (char *pair; rest != NULL && (pair = strsep(&rest, "&")) != NULL && request.query_count < 8;) {
    char *equals = strchr(pair, '=');
    assert_non_null(equals);
    *equals = '\0';
    query[request.query_count++] = (qn_pair){pair, equals + 1};
  }
  snprintf(path, sizeof path, "%s/uploads", f->data);
  assert_status(QN_OK, qn_durable_make(path, &error), error);
  snprintf(path, sizeof path, "%s/uploads/XXXXXX", f->data);
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, body, size) == (ssize_t)size);
  close(file);
  qn_hash_hex(body, size, hash);
  int64_t id = post(f, &request, expected);
  unlink(path);
  return id;
}

char *fixture_spec(int seed, double ps, bool analyses) {
  char *text;
  int size = asprintf(&text,
                      "{\"name\": \"test %d\", \"potential\": \"mendelev-2009-cuzr\", \"precision\": \"fast\", \"seed\": %d, \"timestep_fs\": 2,"
                      " \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": [5, 5, 5], \"composition\": {\"Cu\": 0.5, \"Zr\": 0.5}},"
                      " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 2000, \"duration_ps\": 0.02, \"snapshot\": true},"
                      " {\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 2000, \"duration_ps\": %g, \"sample_every_ps\": 0.01}]%s}",
                      seed, seed, ps, analyses ? ", \"analyses\": [{\"type\": \"diffusion\"}, {\"type\": \"relaxation\", \"q_inv_a\": 2.7}]" : "");
  assert_true(size > 0);
  return text;
}

qn_status fixture_submit(fixture *f, int number, qn_idempotency *idempotency, qn_submitted *submitted, qn_error *error) {
  char spec[64], hash[QN_HASH_SIZE], child_spec[] = "{\"type\":\"diffusion\"}";
  snprintf(spec, sizeof spec, "{\"number\":%d}", number);
  qn_hash_hex(spec, strlen(spec), hash);
  struct qn_child child = {.type = "diffusion", .spec = child_spec};
  qn_hash_hex(child_spec, strlen(child_spec), child.sha256);
  const qn_submission submission = {.kind = "simulation", .name = "test", .spec = spec, .sha256 = hash, .potential = "mendelev-2009-cuzr",
                                    .child_count = 1, .children = &child};
  return qn_store_submit(f->store, &submission, idempotency, &fixture_principal, submitted, error);
}

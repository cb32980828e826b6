#include "api/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/hash.h"
#include "api/route.h"

typedef struct headers {
  int count;
  char text[4096];
  const char *name[16], *value[16];
} headers;

static const char *find_header(const void *context, const char *name) {
  const headers *all = context;
  for (int i = 0; i < all->count; i++)
    if (strcasecmp(all->name[i], name) == 0) return all->value[i];
  return NULL;
}

static void split_headers(headers *all, const char *lines) {
  snprintf(all->text, sizeof all->text, "%s", lines != NULL ? lines : "");
  char *rest = NULL;
  for (char *line = strtok_r(all->text, "\n", &rest); line != NULL && all->count < 16;
       line = strtok_r(NULL, "\n", &rest)) {
    char *colon = strstr(line, ": ");
    assert_non_null(colon);
    *colon = '\0';
    all->name[all->count] = line;
    all->value[all->count++] = colon + 2;
  }
}

static void decode(char *text) {
  char *out = text;
  for (; *text != '\0'; text++) {
    unsigned byte;
    if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1)
      *out++ = (char)byte, text += 2;
    else
      *out++ = *text;
  }
  *out = '\0';
}

static int split_query(char *query, qn_pair *pairs) {
  int count = 0;
  char *rest = NULL;
  for (char *pair = query != NULL ? strtok_r(query, "&", &rest) : NULL; pair != NULL && count < 32;
       pair = strtok_r(NULL, "&", &rest)) {
    char *equals = strchr(pair, '=');
    if (equals != NULL) *equals = '\0';
    decode(pair);
    if (equals != NULL) decode(equals + 1);
    pairs[count++] = (qn_pair){pair, equals != NULL ? equals + 1 : ""};
  }
  return count;
}

static void take_body(client_answer *answer, const qn_response *response) {
  FILE *file = open_memstream(&answer->text, &answer->size);
  char buffer[777];
  ssize_t got;
  if (response->kind == QN_BODY_BYTES && response->size > 0) fwrite(response->bytes, 1, response->size, file);
  if (response->kind == QN_BODY_FILE) {
    FILE *source = fdopen(dup(response->descriptor), "r");
    for (size_t part; (part = fread(buffer, 1, sizeof buffer, source)) > 0;) fwrite(buffer, 1, part, file);
    fclose(source);
  }
  if (response->kind == QN_BODY_STREAM) {
    while ((got = response->read(response->context, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, (size_t)got, file);
    assert_int_equal(got, 0);
  }
  fclose(file);
}

/* As the server does with the body of a route that wants a file. */
static void spool(qn_request *request, char path[64], char hash[QN_HASH_SIZE]) {
  char buffer[512], allow[64];
  const char *parameters[QN_MAX_PATH_PARAMETERS];
  int status;
  const qn_route *route = qn_route_find(request->method, request->path, buffer, parameters, &status, allow);
  if (route == NULL || (route->traits & QN_ROUTE_SPOOL) == 0 || request->body == NULL) return;
  strcpy(path, "/tmp/quenchd-test-body-XXXXXX");
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, request->body, request->body_size) == (ssize_t)request->body_size);
  close(file);
  qn_hash_hex(request->body, request->body_size, hash);
  request->body_path = path;
  request->body_sha256 = hash;
  request->body = NULL;
}

client_answer client_send(qn_store *store, qn_scope scope, const char *method, const char *target, const char *lines,
                          const char *body, size_t size) {
  char copy[4096];
  headers all = {0};
  qn_pair pairs[32];
  snprintf(copy, sizeof copy, "%s", target);
  char *query = strchr(copy, '?');
  if (query != NULL) *query++ = '\0';
  decode(copy);
  split_headers(&all, lines);
  if (body != NULL && find_header(&all, "Content-Type") == NULL)
    all.name[all.count] = "Content-Type", all.value[all.count++] = "application/json";
  qn_request request = {.method = method,
                        .path = copy,
                        .query_count = split_query(query, pairs),
                        .query = pairs,
                        .body = body,
                        .body_size = size,
                        .principal = {.name = "tester", .scope = scope},
                        .request_id = "r-1",
                        .header = find_header,
                        .header_context = &all};
  char path[64] = "", hash[QN_HASH_SIZE];
  spool(&request, path, hash);
  qn_response response;
  qn_response_init(&response);
  qn_api_answer(store, &request, &response);
  if (path[0] != '\0') unlink(path);

  client_answer answer = {.status = response.status,
                          .kind = response.kind,
                          .job = response.job,
                          .last_event = response.last_event,
                          .header_count = response.header_count};
  snprintf(answer.type, sizeof answer.type, "%s", response.content_type != NULL ? response.content_type : "");
  for (int i = 0; i < response.header_count; i++) {
    snprintf(answer.header[i].name, sizeof answer.header[i].name, "%s", response.header[i].name);
    snprintf(answer.header[i].value, sizeof answer.header[i].value, "%s", response.header[i].value);
  }
  take_body(&answer, &response);
  answer.json = json_loadb(answer.text, answer.size, JSON_REJECT_DUPLICATES, NULL);
  if (strstr(answer.type, "json") != NULL) assert_non_null(answer.json);
  qn_response_fini(&response);
  return answer;
}

client_answer client_get(qn_store *store, const char *target) {
  return client_send(store, QN_SCOPE_ADMIN, "GET", target, NULL, NULL, 0);
}

client_answer client_post(qn_store *store, const char *target, const char *body) {
  return client_send(store, QN_SCOPE_ADMIN, "POST", target, NULL, body, strlen(body));
}

void client_fini(client_answer *answer) {
  free(answer->text);
  json_decref(answer->json);
  memset(answer, 0, sizeof *answer);
}

const char *client_header(const client_answer *answer, const char *name) {
  for (int i = 0; i < answer->header_count; i++)
    if (strcasecmp(answer->header[i].name, name) == 0) return answer->header[i].value;
  return NULL;
}

const char *client_text(const client_answer *answer, const char *key) {
  const char *text = json_string_value(json_object_get(answer->json, key));
  return text != NULL ? text : "";
}

void client_expect_problem(const client_answer *answer, int status, const char *code) {
  if (answer->status != status || strcmp(client_text(answer, "code"), code) != 0)
    print_error("wanted %d %s, got %d: %s\n", status, code, answer->status, answer->text);
  assert_int_equal(answer->status, status);
  assert_string_equal(answer->type, "application/problem+json");
  assert_string_equal(client_text(answer, "code"), code);
  assert_int_equal(json_integer_value(json_object_get(answer->json, "status")), status);
  assert_true(strlen(client_text(answer, "title")) > 0 && strlen(client_text(answer, "detail")) > 0 &&
              strlen(client_text(answer, "type")) > 0);
  assert_string_equal(client_text(answer, "request_id"), "r-1");
  assert_true(strlen(client_text(answer, "instance")) > 0);
}

const char *client_fault(const client_answer *answer, const char *pointer) {
  size_t i;
  json_t *fault;
  const bool query = pointer[0] == '?';
  json_array_foreach(json_object_get(answer->json, "errors"), i, fault) {
    const char *at = json_string_value(json_object_get(fault, query ? "parameter" : "pointer"));
    if (at != NULL && strcmp(at, query ? pointer + 1 : pointer) == 0)
      return json_string_value(json_object_get(fault, "detail"));
  }
  return NULL;
}

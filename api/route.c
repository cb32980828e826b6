#include "api/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/filters.h"
#include "api/idempotency.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/read.h"

/* Does `path` fit `pattern`? The pieces that stand for {names} are copied into `buffer`. */
static bool fits(const char *pattern, const char *path, char buffer[512],
                 const char *parameters[QN_MAX_PATH_PARAMETERS]) {
  size_t used = 0;
  int count = 0;
  for (;;) {
    if (*pattern == '{') {
      size_t length = strcspn(path, "/");
      if (length == 0 || used + length + 1 > 512 || count == QN_MAX_PATH_PARAMETERS) return false;
      parameters[count++] = memcpy(buffer + used, path, length);
      buffer[used + length] = '\0';
      used += length + 1;
      path += length;
      pattern += strcspn(pattern, "}") + 1;
    } else if (*pattern != *path) {
      return false;
    } else if (*pattern == '\0') {
      return true;
    } else {
      pattern++;
      path++;
    }
  }
}

const qn_route *qn_route_find(const char *method, const char *path, char buffer[512],
                              const char *parameters[QN_MAX_PATH_PARAMETERS], int *status, char allow[64]) {
  size_t count, used = 0;
  const qn_route *routes = qn_routes(&count), *found = NULL;
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  allow[0] = '\0';
  for (size_t i = 0; i < count && found == NULL; i++) {
    for (int p = 0; p < QN_MAX_PATH_PARAMETERS; p++) parameters[p] = NULL;
    if (!fits(routes[i].pattern, path, buffer, parameters)) continue;
    if (strcmp(routes[i].method, wanted) == 0)
      found = &routes[i];
    else if (used < 48)
      used += (size_t)snprintf(allow + used, 64 - used, "%s%s", used > 0 ? ", " : "",
                               strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method);
  }
  *status = found != NULL ? 200 : used > 0 ? 405 : 404;
  return found;
}

static bool may(const qn_route *route, const qn_request *request, qn_response *response) {
  if (request->principal.scope >= route->scope) return true;
  if (request->principal.scope == QN_SCOPE_NONE) {
    qn_response_header(response, "WWW-Authenticate", "Bearer realm=\"quenchd\"");
    qn_problem_render(response, request, 401, "unauthorized", NULL,
                      "A valid token is needed: Authorization: Bearer qn_...");
  } else {
    qn_problem_render(response, request, 403, "forbidden", NULL,
                      "This needs a token with the scope \"%s\"; this one has \"%s\".", qn_scope_name(route->scope),
                      qn_scope_name(request->principal.scope));
  }
  return false;
}

static bool is_json(const char *type) {
  static const char json[] = "application/json";
  if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0) return false;
  const char *rest = type + sizeof json - 1;
  rest += strspn(rest, " \t");
  return *rest == '\0' || *rest == ';';
}

static bool body_fits(const qn_route *route, const qn_request *request, size_t body_size, qn_response *response) {
  if (body_size > route->body_limit) {
    if (route->body_limit == 0)
      qn_problem_render(response, request, 413, "too_large", NULL, "This route takes no body.");
    else
      qn_problem_render(response, request, 413, "too_large", NULL, "The body may have at most %zu bytes.",
                        route->body_limit);
    return false;
  }
  const char *type = qn_request_header(request, "Content-Type");
  if ((route->traits & QN_ROUTE_JSON) != 0 && !is_json(type)) {
    qn_problem_render(response, request, 415, "unsupported_media_type", NULL,
                      "The body must be sent with Content-Type: application/json, not %.100s.",
                      type != NULL ? type : "none");
    return false;
  }
  return true;
}

static void check_query(const qn_request *request, const qn_route *route, qn_faults *faults) {
  const char *names[QN_MOST_FILTERS + 40];
  int count = 0;
  qn_filter_list filters = {0};
  for (; route->query != NULL && route->query[count] != NULL && count < 39; count++) names[count] = route->query[count];
  if ((route->traits & QN_ROUTE_PARAMETERS) != 0) qn_filters_list(&filters);
  for (int i = 0; i < filters.count; i++) names[count++] = filters.parameter[i]->name;
  names[count] = NULL;
  qn_query_check(request, names, faults);
}

const qn_route *qn_api_admit(qn_request *request, size_t body_size, char buffer[512], qn_response *response) {
  int status;
  char allow[64];
  const qn_route *route = qn_route_find(request->method, request->path, buffer, request->parameter, &status, allow);
  if (status == 404)
    qn_problem_render(response, request, 404, "not_found", NULL,
                      "There is no such resource; GET / lists what there is.");
  if (status == 405) {
    qn_response_header(response, "Allow", "%s", allow);
    qn_problem_render(response, request, 405, "method_not_allowed", NULL, "%.20s is not possible here; possible: %s.",
                      request->method, allow);
  }
  if (route == NULL || !may(route, request, response) || !body_fits(route, request, body_size, response)) return NULL;

  qn_faults faults = {0};
  check_query(request, route, &faults);
  if (route->check != NULL) route->check(request, &faults);
  bool good = qn_faults_total(&faults) == 0;
  if (!good) qn_problem_from_faults(response, request, &faults);
  qn_faults_fini(&faults);
  return good ? route : NULL;
}

/* HEAD must not make anyone wait for a stream. */
static void drop_stream(qn_response *response) {
  if (response->close != NULL) response->close(response->context);
  response->read = NULL;
  response->close = NULL;
  response->context = NULL;
  response->kind = QN_BODY_BYTES;
  response->size = 0;
}

/* The body of a request with nothing to say: empty, blank, or an empty object. */
static bool says_nothing(const qn_request *request, qn_response *response) {
  size_t blanks = 0;
  while (blanks < request->body_size && memchr(" \t\r\n", request->body[blanks], 4) != NULL) blanks++;
  if (blanks == request->body_size) return true;
  qn_faults faults = {0};
  qn_reader reader;
  json_t *root = qn_json_parse(request->body, request->body_size, &faults);
  if (root != NULL) {
    qn_reader_begin(&reader, root, "", &faults);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)reader.object, key, value)
        qn_reader_fault(&reader, key, "unknown key; accepted here: no body, or {}");
  }
  bool good = qn_faults_total(&faults) == 0;
  if (!good) qn_problem_from_faults(response, request, &faults);
  json_decref(root);
  qn_faults_fini(&faults);
  return good;
}

void qn_api_answer(qn_store *store, qn_request *request, qn_response *response) {
  char buffer[512];
  const qn_route *route = qn_api_admit(request, request->body_size, buffer, response);
  if (route == NULL) return;
  qn_keyed keyed;
  request->principal.request_id = request->request_id;
  bool fresh = qn_idempotency_begin(store, route, request, &keyed, response);
  if (fresh && (route->body_limit != QN_EMPTY_BODY || says_nothing(request, response))) route->handler(store, request, response);
  qn_idempotency_end(store, request, &keyed, response);
  if (strcmp(request->method, "HEAD") == 0 && (response->kind == QN_BODY_STREAM || response->kind == QN_BODY_EVENTS))
    drop_stream(response);
}

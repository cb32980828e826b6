#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "engine/base/utf8.h"

void qn_faults_fini(qn_faults *faults) {
  free(faults->items);
  *faults = (qn_faults){0};
}

void qn_faults_add(qn_faults *faults, const char *pointer, const char *detail, ...) {
  if (faults->count == faults->capacity) {
    int capacity = faults->capacity == 0 ? 8 : 2 * faults->capacity;
    if (capacity > QN_MAX_FAULTS) capacity = QN_MAX_FAULTS;
    qn_fault *grown = faults->count < capacity ? realloc(faults->items, (size_t)capacity * sizeof *grown) : NULL;
    if (grown == NULL) {
      faults->dropped++;
      return;
    }
    faults->items = grown;
    faults->capacity = capacity;
  }
  qn_fault *fault = &faults->items[faults->count++];
  snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer);
  qn_utf8_repair(fault->pointer);
  va_list arguments;
  va_start(arguments, detail);
  vsnprintf(fault->detail, sizeof fault->detail, detail, arguments);
  va_end(arguments);
  qn_utf8_repair(fault->detail);
}

static const char *title_of(int status) {
  switch (status) {
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 406:
    return "Not Acceptable";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 410:
    return "Gone";
  case 411:
    return "Length Required";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 416:
    return "Range Not Satisfiable";
  case 422:
    return "Unprocessable Content";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 503:
    return "Service Unavailable";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return status >= 500 ? "Server Error" : "Client Error";
  }
}

static json_t *render_faults(const qn_faults *faults) {
  json_t *errors = json_array();
  for (int i = 0; i < faults->count; i++) {
    json_t *fault = json_object();
    const char *pointer = faults->items[i].pointer;
    if (pointer[0] == '?')
      json_object_set_new(fault, "parameter", qn_json_text(pointer + 1));
    else
      json_object_set_new(fault, "pointer", qn_json_text(pointer));
    json_object_set_new(fault, "detail", qn_json_text(faults->items[i].detail));
    json_array_append_new(errors, fault);
  }
  return errors;
}

void qn_problem_render(qn_response *response, const qn_request *request, int status, const char *code,
                       const qn_faults *faults, const char *detail, ...) {
  char text[1536];
  va_list arguments;
  va_start(arguments, detail);
  vsnprintf(text, sizeof text, detail, arguments);
  va_end(arguments);
  qn_utf8_repair(text);

  json_t *problem = json_object();
  json_object_set_new(problem, "type", json_sprintf("urn:quenchd:problem:%s", code));
  json_object_set_new(problem, "title", json_string(title_of(status)));
  json_object_set_new(problem, "status", json_integer(status));
  json_object_set_new(problem, "code", json_string(code));
  json_object_set_new(problem, "detail", qn_json_text(text));
  if (request != NULL && request->path != NULL) json_object_set_new(problem, "instance", qn_json_text(request->path));
  if (request != NULL && request->request_id != NULL)
    json_object_set_new(problem, "request_id", qn_json_text(request->request_id));
  if (faults != NULL) {
    json_object_set_new(problem, "errors", render_faults(faults));
    if (faults->dropped > 0) json_object_set_new(problem, "errors_omitted", json_integer(faults->dropped));
  }

  free(response->bytes);
  response->status = status;
  response->content_type = "application/problem+json";
  response->kind = QN_BODY_BYTES;
  response->bytes = qn_json_write(problem, false);
  response->size = response->bytes != NULL ? strlen(response->bytes) : 0;
  json_decref(problem);
}

void qn_problem_from_faults(qn_response *response, const qn_request *request, const qn_faults *faults) {
  if (faults->syntax)
    qn_problem_render(response, request, 400, "invalid_json", faults, "The body is not acceptable JSON.");
  else if (faults->count > 0 && faults->items[0].pointer[0] == '?')
    qn_problem_render(response, request, 400, "invalid_parameter", faults, "A query parameter is not acceptable.");
  else
    qn_problem_render(response, request, 422, "invalid_spec", faults, "The body has %d fault%s.",
                      faults->count + faults->dropped, faults->count + faults->dropped == 1 ? "" : "s");
}

void qn_problem_from_error(qn_response *response, const qn_request *request, const qn_error *error) {
  int status = 500;
  const char *code = "internal";
  switch (error->status) {
  case QN_INVALID:
    status = 422, code = "invalid";
    break;
  case QN_PARSE:
    status = 422, code = "malformed";
    break;
  case QN_UNSUPPORTED:
    status = 422, code = "unsupported";
    break;
  case QN_NOT_FOUND:
    status = 404, code = "not_found";
    break;
  case QN_CONFLICT:
    status = 409, code = "conflict";
    break;
  case QN_FORBIDDEN:
    status = 403, code = "forbidden";
    break;
  case QN_UNAVAILABLE:
    status = 503, code = "unavailable";
    break;
  case QN_NO_MEMORY:
    status = 503, code = "no_memory";
    break;
  case QN_CORRUPT:
    code = "corrupt";
    break;
  case QN_NO_STORAGE:
    status = 503, code = "no_storage";
    break;
  case QN_IO:
    code = "io";
    break;
  case QN_OK:
  case QN_BLOWUP:
  case QN_CANCELLED:
  case QN_INTERNAL:
    break;
  }
  if (status == 503) qn_response_header(response, "Retry-After", "2");
  qn_problem_render(response, request, status, code, NULL, "%s", error->message);
}

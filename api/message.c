#include "api/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *qn_scope_name(qn_scope scope) {
  switch (scope) {
  case QN_SCOPE_NONE:
    return "none";
  case QN_SCOPE_READ:
    return "read";
  case QN_SCOPE_SUBMIT:
    return "submit";
  case QN_SCOPE_ADMIN:
    return "admin";
  }
  return "unknown";
}

qn_scope qn_scope_parse(const char *name) {
  for (int scope = QN_SCOPE_READ; scope <= QN_SCOPE_ADMIN; scope++)
    if (strcmp(name, qn_scope_name((qn_scope)scope)) == 0) return (qn_scope)scope;
  return QN_SCOPE_NONE;
}

const char *qn_request_query(const qn_request *request, const char *name) {
  for (int i = 0; i < request->query_count; i++)
    if (strcmp(request->query[i].name, name) == 0) return request->query[i].value;
  return NULL;
}

const char *qn_request_header(const qn_request *request, const char *name) {
  return request->header != NULL ? request->header(request->header_context, name) : NULL;
}

void qn_response_init(qn_response *response) {
  memset(response, 0, sizeof *response);
  response->status = 500;
  response->content_type = "application/json";
  response->descriptor = -1;
}

void qn_response_fini(qn_response *response) {
  free(response->bytes);
  if (response->descriptor >= 0) close(response->descriptor);
  if (response->close != NULL) response->close(response->context);
  qn_response_init(response);
}

void qn_response_header(qn_response *response, const char *name, const char *format, ...) {
  if (response->header_count == QN_MAX_HEADERS) return;
  va_list arguments;
  va_start(arguments, format);
  response->header[response->header_count].name = name;
  vsnprintf(response->header[response->header_count].value, sizeof response->header[0].value, format, arguments);
  va_end(arguments);
  response->header_count++;
}

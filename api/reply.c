#include "api/reply.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/hash.h"
#include "api/json.h"

static void set_bytes(qn_response *response, int status, const char *type, char *bytes, size_t size) {
  response->status = status;
  response->content_type = type;
  response->kind = QN_BODY_BYTES;
  response->bytes = bytes;
  response->size = size;
}

/* Text of `value`, which is released; a problem and NULL without memory. */
static char *render(qn_response *response, const qn_request *request, json_t *value) {
  char *text = qn_json_write(value, false);
  json_decref(value);
  if (text == NULL) {
    const qn_error error = {QN_NO_MEMORY, "no memory for the answer"};
    qn_problem_from_error(response, request, &error);
  }
  return text;
}

void qn_reply_json(qn_response *response, const qn_request *request, int status, json_t *value) {
  char *text = render(response, request, value);
  if (text != NULL) set_bytes(response, status, "application/json", text, strlen(text));
}

/* RFC 9110, 13.1.2: the comparison is weak, "*" is any. */
static bool matches(const char *list, const char *tag) {
  size_t length = strlen(tag);
  for (const char *at = list; *at != '\0';) {
    at += strspn(at, " \t,");
    if (*at == '*') return true;
    if (strncmp(at, "W/", 2) == 0) at += 2;
    if (*at != '"') return false;
    const char *end = strchr(at + 1, '"');
    if (end == NULL) return false;
    if ((size_t)(end - at - 1) == length && strncmp(at + 1, tag, length) == 0) return true;
    at = end + 1;
  }
  return false;
}

bool qn_reply_not_modified(qn_response *response, const qn_request *request, const char *tag) {
  qn_response_header(response, "ETag", "\"%s\"", tag);
  qn_response_header(response, "Cache-Control", "private, no-cache");
  const char *known = qn_request_header(request, "If-None-Match");
  if (known == NULL || !matches(known, tag)) return false;
  set_bytes(response, 304, NULL, NULL, 0);
  return true;
}

static void reply_tagged(qn_response *response, const qn_request *request, const char *type, char *text, size_t size) {
  char hash[QN_HASH_SIZE], tag[33];
  qn_hash_hex(text, size, hash);
  snprintf(tag, sizeof tag, "%.32s", hash);
  if (qn_reply_not_modified(response, request, tag))
    free(text);
  else
    set_bytes(response, 200, type, text, size);
}

void qn_reply_text(qn_response *response, const qn_request *request, const char *type, char *text, size_t size) {
  reply_tagged(response, request, type, text, size);
}

void qn_reply_resource(qn_response *response, const qn_request *request, json_t *value) {
  char *text = render(response, request, value);
  if (text != NULL) reply_tagged(response, request, "application/json", text, strlen(text));
}

/* As long as a header may be. */
typedef struct url {
  char text[2000];
  size_t size;
  bool full;
} url;

static void url_put(url *out, const char *text, bool escape) {
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    bool plain = !escape || (byte < 0x80 && isalnum(byte)) || strchr("-._~", byte) != NULL;
    if (out->size + 4 > sizeof out->text) {
      out->full = true;
      return;
    }
    if (plain)
      out->text[out->size++] = (char)byte;
    else
      out->size += (size_t)snprintf(out->text + out->size, 4, "%%%02X", byte);
  }
  out->text[out->size] = '\0';
}

/* The URL of this request with another cursor; false when it does not fit a header. */
static bool next_url(const qn_request *request, int64_t last, url *out) {
  char cursor[32];
  *out = (url){0};
  url_put(out, request->path, false);
  url_put(out, "?", false);
  for (int i = 0; i < request->query_count; i++) {
    if (strcmp(request->query[i].name, "cursor") == 0) continue;
    url_put(out, request->query[i].name, true);
    url_put(out, "=", false);
    url_put(out, request->query[i].value, true);
    url_put(out, "&", false);
  }
  snprintf(cursor, sizeof cursor, "cursor=%lld", (long long)last);
  url_put(out, cursor, false);
  return !out->full;
}

/* A list that goes on must say so: filters too long for that are refused. */
static void refuse_length(qn_response *response, const qn_request *request) {
  qn_problem_render(response, request, 414, "uri_too_long", NULL,
                    "There are more rows, and the filters are too long for the URL of the next page; fewer filters, or a "
                    "larger limit, are accepted.");
}

void qn_reply_link_next(qn_response *response, const qn_request *request, bool more, int64_t last) {
  url next;
  if (!more) return;
  if (next_url(request, last, &next))
    qn_response_header(response, "Link", "<%s>; rel=\"next\"", next.text);
  else
    refuse_length(response, request);
}

void qn_reply_page(qn_response *response, const qn_request *request, json_t *items, bool more, int64_t last) {
  url next;
  json_t *page = json_object();
  bool fits = !more || next_url(request, last, &next);
  json_object_set_new(page, "items", items);
  json_object_set_new(page, "next", more && fits ? qn_json_text(next.text) : json_null());
  qn_reply_json(response, request, 200, page);
  qn_reply_link_next(response, request, more, last);
}

void qn_reply_file(qn_response *response, const char *type, int descriptor, size_t size, const char *name_format, ...) {
  char name[128];
  va_list arguments;
  va_start(arguments, name_format);
  vsnprintf(name, sizeof name, name_format, arguments);
  va_end(arguments);
  qn_response_header(response, "Content-Disposition", "attachment; filename=\"%s\"", name);
  response->status = 200;
  response->content_type = type;
  response->kind = QN_BODY_FILE;
  response->descriptor = descriptor;
  response->size = size;
}

/* The quality that an Accept header gives to a type: the most specific range that matches counts (RFC 9110, 12.5.1). */
static double quality(const char *accept, const char *type) {
  int best = 0;
  double value = 0.0;
  size_t major = (size_t)(strchr(type, '/') - type) + 1, length = strlen(type);
  for (const char *at = accept; *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
    at += strspn(at, " \t");
    size_t size = strcspn(at, ",; \t");
    int rank = size == length && strncasecmp(at, type, length) == 0                         ? 3
               : size == major + 1 && strncasecmp(at, type, major) == 0 && at[major] == '*' ? 2
               : size == 3 && strncmp(at, "*/*", 3) == 0                                    ? 1
                                                                                            : 0;
    if (rank <= best) continue;
    best = rank;
    value = 1.0;
    const char *weight = strstr(at, "q=");
    if (weight != NULL && weight < at + strcspn(at, ",")) value = strtod(weight + 2, NULL);
  }
  return value;
}

bool qn_reply_prefers(const qn_request *request, const char *type) {
  const char *accept = qn_request_header(request, "Accept");
  return accept != NULL && quality(accept, type) > quality(accept, "application/json");
}

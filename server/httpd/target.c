#include "server/httpd/target.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/utf8.h"

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(const char *at) {
  for (size_t length = 0; *at != '\0'; at += length) {
    length = qn_utf8_length(at);
    if (length == 0 || (unsigned char)*at < 0x20 || *at == 0x7f) return false; /* control characters */
  }
  return true;
}

/* Decode in place; NULL, or what is wrong. */
static const char *decode(char *text, bool query) {
  char *out = text;
  for (const char *in = text; *in != '\0'; in++) {
    if (query && *in == '+') {
      *out++ = ' ';
    } else if (*in != '%') {
      *out++ = *in;
    } else {
      int high = digit(in[1]), low = high < 0 ? -1 : digit(in[2]);
      if (low < 0) return "a % must be followed by two hexadecimal digits";
      char byte = (char)(high << 4 | low);
      if (byte == '\0') return "a NUL byte";
      if (!query && byte == '/') return "an encoded slash in the path";
      *out++ = byte;
      in += 2;
    }
  }
  *out = '\0';
  return is_text(text) ? NULL : "control characters, or bytes that are not UTF-8";
}

/* A client that speaks as to a proxy sends "http://host/path": what counts begins at the path. */
static const char *skip_authority(const char *raw) {
  size_t scheme = strncasecmp(raw, "http://", 7) == 0 ? 7 : strncasecmp(raw, "https://", 8) == 0 ? 8 : 0;
  return scheme == 0 ? raw : raw + scheme + strcspn(raw + scheme, "/?");
}

int qn_target_parse(qn_target *target, const char *raw, const char **fault) {
  memset(target, 0, sizeof *target);
  target->path = "";
  *fault = "";
  if (raw != NULL && strlen(raw) > QN_TARGET_SIZE) {
    *fault = "the request target is longer than 8192 bytes";
    return 414;
  }
  const char *local = raw != NULL ? skip_authority(raw) : "";
  if (asprintf(&target->text, "%s%s", local[0] == '\0' || local[0] == '?' ? "/" : "", local) < 0) {
    target->text = NULL;
    *fault = "out of memory";
    return 500;
  }
  char *query = strchr(target->text, '?');
  if (query != NULL) *query++ = '\0';
  if (strlen(target->text) > QN_TARGET_PATH) {
    *fault = "the path is longer than 480 bytes";
    return 414;
  }
  const char *reason = decode(target->text, false);
  target->path = reason == NULL ? target->text : "";
  while (reason == NULL && query != NULL) {
    char *pair = query;
    query = strchr(pair, '&');
    if (query != NULL) *query++ = '\0';
    if (pair[0] == '\0') continue;
    char *value = strchr(pair, '=');
    if (value != NULL) *value++ = '\0';
    if (target->query_count == QN_TARGET_PAIRS) {
      reason = "more than 64 query parameters";
      break;
    }
    reason = decode(pair, true);
    if (reason == NULL && value != NULL) reason = decode(value, true);
    target->query[target->query_count++] = (qn_pair){.name = pair, .value = value != NULL ? value : ""};
  }
  if (reason != NULL) {
    *fault = reason;
    return 400;
  }
  return 0;
}

void qn_target_fini(qn_target *target) {
  free(target->text);
  memset(target, 0, sizeof *target);
}

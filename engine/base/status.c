#include "engine/base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/utf8.h"

qn_status qn_error_set(qn_error *error, qn_status status, const char *format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    qn_utf8_repair(error->message);
  }
  return status;
}

qn_status qn_error_system(qn_error *error, int code, const char *format, ...) {
  char what[768];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  bool refused = code == ENOSPC || code == EDQUOT || code == EROFS || code == EIO || code == ESTALE;
  return qn_error_set(error, refused ? QN_NO_STORAGE : QN_IO, "%s: %s", what, strerror(code));
}

qn_status qn_error_prefix(qn_error *error, const char *format, ...) {
  if (error == NULL) return QN_INTERNAL;
  char prefix[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(prefix, sizeof prefix - 2, format, arguments);
  va_end(arguments);
  strcat(prefix, ": ");

  size_t room = sizeof error->message - 1, shift = strlen(prefix), length = strlen(error->message);
  if (length > room - shift) length = room - shift;
  memmove(error->message + shift, error->message, length);
  memcpy(error->message, prefix, shift);
  error->message[shift + length] = '\0';
  qn_utf8_repair(error->message);
  return error->status;
}

const char *qn_status_name(qn_status status) {
  switch (status) {
    case QN_OK: return "ok";
    case QN_INVALID: return "invalid";
    case QN_NO_MEMORY: return "no_memory";
    case QN_IO: return "io";
    case QN_NO_STORAGE: return "no_storage";
    case QN_PARSE: return "parse";
    case QN_UNSUPPORTED: return "unsupported";
    case QN_BLOWUP: return "blowup";
    case QN_CANCELLED: return "cancelled";
    case QN_CORRUPT: return "corrupt";
    case QN_NOT_FOUND: return "not_found";
    case QN_CONFLICT: return "conflict";
    case QN_FORBIDDEN: return "forbidden";
    case QN_UNAVAILABLE: return "unavailable";
    case QN_INTERNAL: return "internal";
  }
  return "unknown";
}

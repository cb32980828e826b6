#include "engine/trajectory/extxyz_keys.h"

#include <string.h>

/* Take the escapes out of a quoted value that begins at `text`; gives its closing quote, NULL without one. */
static char *unescape(char *text, char quote) {
  char *to = text, *from = text;
  for (; *from != '\0' && *from != quote; from++) {
    bool known = from[0] == '\\' && from[1] != '\0' && strchr("\"'\\nr", from[1]) != NULL;
    if (known) from++;
    *to++ = known && *from == 'n' ? '\n' : known && *from == 'r' ? '\r' : *from;
  }
  if (*from == '\0') return NULL;
  *to = '\0';
  return from;
}

/* The bracket that closes the one at `text`, NULL without one. */
static char *closing(char *text) {
  int depth = 0;
  char quote = '\0';
  for (; *text != '\0'; text++) {
    if (quote != '\0') {
      if (*text == quote) quote = '\0';
    } else if (*text == '"' || *text == '\'') {
      quote = *text;
    } else if (*text == '[') {
      depth++;
    } else if (*text == ']' && --depth == 0) {
      return text;
    }
  }
  return NULL;
}

/* *value is cut out at `after`; gives where the line goes on, NULL when the value does not end. */
static char *cut_value(char *after, char **value) {
  char *stop;
  *value = after;
  switch (*after) {
    case '"':
    case '\'':
      *value = after + 1;
      stop = unescape(after + 1, *after);
      return stop != NULL ? stop + 1 : NULL;
    case '{':
      *value = after + 1;
      stop = strchr(after, '}');
      if (stop != NULL) *stop++ = '\0';
      return stop;
    case '[':
      stop = closing(after);
      if (stop == NULL) return NULL;
      stop++;
      break;
    default:
      stop = after + strcspn(after, " \t");
      break;
  }
  if (*stop == '\0') return stop;
  if (*stop != ' ' && *stop != '\t') return NULL; /* something glued to a bracket */
  *stop = '\0';
  return stop + 1;
}

qn_status qn_extxyz_cut_key(const qn_lines *lines, char **cursor, char **name, char **value, qn_error *error) {
  static char yes[] = "T";
  char *start = *cursor + strspn(*cursor, " \t");
  *name = NULL;
  if (*start == '\0') return QN_OK;
  char *stop = start + strcspn(start, " \t=\"'{}");
  if (stop == start) return qn_lines_fault(lines, error, "a key is expected before \"%.20s\"", start);
  bool valued = *stop == '=';
  char *after = stop + (*stop != '\0');
  if (!valued && *stop != '\0' && *stop != ' ' && *stop != '\t')
    return qn_lines_fault(lines, error, "a quote or bracket inside the name of key \"%.20s\"", start);
  *stop = '\0';
  *name = start;
  *value = yes;
  *cursor = after;
  if (!valued) return QN_OK;
  char opening = *after, *next = cut_value(after, value);
  if (next == NULL)
    return qn_lines_fault(lines, error, "key %s: its value has no closing %c", start, opening == '{' ? '}' : opening == '[' ? ']' : opening);
  *cursor = next;
  return QN_OK;
}

bool qn_extxyz_parse_numbers(const char *text, int count, double *numbers) {
  static const char apart[] = " \t,[]";
  char token[64];
  for (int i = 0; i <= count; i++) {
    text += strspn(text, apart);
    size_t length = strcspn(text, apart);
    if (i == count) return length == 0;
    if (length == 0 || length >= sizeof token) return false;
    memcpy(token, text, length);
    token[length] = '\0';
    if (!qn_lines_number_token(token, &numbers[i])) return false;
    text += length;
  }
  return false;
}

static bool plain(const char *text) { return text[0] != '\0' && text[strcspn(text, " \t\"'={}\\[]\r\n")] == '\0'; }

/* A value in brackets as it was read: it must end where its brackets do. */
static bool bracketed(const char *text) {
  if (text[0] != '[' || strpbrk(text, "\r\n") != NULL) return false;
  const char *end = closing((char *)text);
  return end != NULL && end[1] == '\0';
}

qn_status qn_extxyz_check_name(const char *name, qn_error *error) {
  if (name[0] != '\0' && name[strcspn(name, " \t\"'={}\r\n")] == '\0') return QN_OK; /* as they are read */
  return qn_error_set(error, QN_INVALID, "key \"%.100s\" cannot be written: a name has no blanks, quotes, braces or =", name);
}

qn_status qn_extxyz_put_key(FILE *file, const char *name, const char *value, qn_error *error) {
  qn_status status = qn_extxyz_check_name(name, error);
  if (status != QN_OK) return status;
  bool comment = strcmp(name, "comment") == 0;
  fprintf(file, " %s=", name);
  if (bracketed(value) || (!comment && plain(value))) {
    fputs(value, file);
    return QN_OK;
  }
  fputc('"', file);
  for (; *value != '\0'; value++) {
    if (*value == '"' || *value == '\\') fputc('\\', file);
    if (*value == '\n' || *value == '\r') fputs(*value == '\n' ? "\\n" : "\\r", file);
    else fputc(*value, file);
  }
  fputc('"', file);
  return QN_OK;
}

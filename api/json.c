#include "api/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/text.h"
#include "engine/base/utf8.h"

typedef struct writer {
  qn_text text;
  bool sorted;
} writer;

static void put(writer *out, const char *text, size_t size) { qn_text_put(&out->text, text, size); }

static void put_number(writer *out, double value) {
  char text[QN_NUMBER_SIZE];
  qn_number_spell(value, text);
  put(out, text, strlen(text));
}

static bool is_plain(unsigned char byte) { return byte >= 0x20 && byte != 0x7f && byte != '"' && byte != '\\'; }

static void put_escaped(writer *out, unsigned char byte) {
  char escape[8] = {'\\', (char)byte};
  if (byte == '\n' || byte == '\t' || byte == '\r') escape[1] = byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r';
  else if (byte < 0x20 || byte == 0x7f) snprintf(escape, sizeof escape, "\\u%04x", byte);
  put(out, escape, strlen(escape));
}

static void put_string(writer *out, const char *bytes, size_t size) {
  put(out, "\"", 1);
  for (size_t i = 0, start = 0; i <= size; i++) {
    if (i < size && is_plain((unsigned char)bytes[i])) continue;
    put(out, bytes + start, i - start);
    if (i < size) put_escaped(out, (unsigned char)bytes[i]);
    start = i + 1;
  }
  put(out, "\"", 1);
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void put_value(writer *out, const json_t *value);

static void put_member(writer *out, bool first, const char *key, const json_t *value) {
  if (!first) put(out, ",", 1);
  put_string(out, key, strlen(key));
  put(out, ":", 1);
  put_value(out, value);
}

static void put_sorted_members(writer *out, json_t *object) {
  size_t count = json_object_size(object), i = 0;
  const char **keys = malloc((count + 1) * sizeof *keys), *key;
  json_t *value;
  if (keys == NULL) {
    out->text.failed = true;
    return;
  }
  json_object_foreach(object, key, value) keys[i++] = key;
  qsort(keys, count, sizeof *keys, by_bytes);
  for (i = 0; i < count; i++) put_member(out, i == 0, keys[i], json_object_get(object, keys[i]));
  free(keys);
}

static void put_object(writer *out, json_t *object) {
  const char *key;
  json_t *value;
  bool first = true;
  put(out, "{", 1);
  if (out->sorted) put_sorted_members(out, object);
  else
    json_object_foreach(object, key, value) {
      put_member(out, first, key, value);
      first = false;
    }
  put(out, "}", 1);
}

static void put_value(writer *out, const json_t *value) {
  char text[32];
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    put_object(out, (json_t *)value); /* jansson's iterators take no const */
    break;
  case JSON_ARRAY:
    put(out, "[", 1);
    for (size_t i = 0; i < json_array_size(value); i++) {
      if (i > 0) put(out, ",", 1);
      put_value(out, json_array_get(value, i));
    }
    put(out, "]", 1);
    break;
  case JSON_STRING:
    put_string(out, json_string_value(value), json_string_length(value));
    break;
  case JSON_INTEGER:
    put(out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value)));
    break;
  case JSON_REAL:
    put_number(out, json_real_value(value));
    break;
  case JSON_TRUE:
    put(out, "true", 4);
    break;
  case JSON_FALSE:
    put(out, "false", 5);
    break;
  case JSON_NULL:
    put(out, "null", 4);
    break;
  }
}

char *qn_json_write(const json_t *value, bool sorted) {
  if (value == NULL) return NULL;
  writer out = {.sorted = sorted};
  put_value(&out, value);
  if (out.text.failed) {
    free(out.text.bytes);
    return NULL;
  }
  return out.text.bytes;
}

json_t *qn_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *qn_json_text(const char *text) {
  if (text == NULL) return json_string("");
  json_t *string = json_string(text);
  if (string != NULL) return string;
  char *copy = strdup(text);
  if (copy == NULL) return NULL;
  qn_utf8_repair(copy);
  string = json_string(copy);
  free(copy);
  return string;
}

json_t *qn_json_parse(const char *text, size_t size, qn_faults *faults) {
  json_error_t error;
  if (size == 0) {
    qn_faults_add(faults, "", "the body is empty; a JSON object is needed");
    faults->syntax = true;
    return NULL;
  }
  json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (value == NULL) {
    qn_faults_add(faults, "", "not acceptable JSON: line %d, column %d: %s", error.line, error.column, error.text);
    faults->syntax = true;
  }
  return value;
}

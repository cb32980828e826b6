#include "api/read.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "engine/base/utf8.h"

void qn_reader_pointer(const qn_reader *reader, const char *key, char pointer[QN_POINTER_SIZE]) {
  size_t used = (size_t)snprintf(pointer, QN_POINTER_SIZE, "%s%s", reader->pointer, key != NULL ? "/" : "");
  for (; key != NULL && *key != '\0' && used + 2 < QN_POINTER_SIZE; key++) { /* RFC 6901: ~ is ~0, / is ~1 */
    if (*key == '~' || *key == '/') {
      pointer[used++] = '~';
      pointer[used++] = *key == '~' ? '0' : '1';
    } else {
      pointer[used++] = *key;
    }
  }
  if (used > QN_POINTER_SIZE - 1) used = QN_POINTER_SIZE - 1;
  pointer[used] = '\0';
  qn_utf8_repair(pointer);
}

static void fault_at(const qn_reader *reader, const char *key, const char *detail, va_list arguments) {
  char pointer[QN_POINTER_SIZE], text[QN_DETAIL_SIZE];
  qn_reader_pointer(reader, key, pointer);
  vsnprintf(text, sizeof text, detail, arguments);
  qn_faults_add(reader->faults, pointer, "%s", text);
}

void qn_reader_fault(const qn_reader *reader, const char *key, const char *detail, ...) {
  va_list arguments;
  va_start(arguments, detail);
  fault_at(reader, key, detail, arguments);
  va_end(arguments);
}

const char *qn_reader_type_name(const json_t *value) {
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "an array";
  case JSON_STRING:
    return "a string";
  case JSON_INTEGER:
    return "an integer";
  case JSON_REAL:
    return "a number";
  case JSON_TRUE:
  case JSON_FALSE:
    return "a boolean";
  case JSON_NULL:
    return "null";
  }
  return "something else";
}

void qn_reader_begin(qn_reader *reader, const json_t *value, const char *pointer, qn_faults *faults) {
  *reader = (qn_reader){.faults = faults};
  snprintf(reader->pointer, sizeof reader->pointer, "%s", pointer);
  if (json_is_object(value))
    reader->object = value;
  else
    qn_reader_fault(reader, NULL, "must be an object, is %s", value != NULL ? qn_reader_type_name(value) : "absent");
}

bool qn_reader_has(const qn_reader *reader, const char *key) { return json_object_get(reader->object, key) != NULL; }

const json_t *qn_reader_take(qn_reader *reader, const char *key) {
  if (reader->key_count < QN_MAX_KEYS) reader->keys[reader->key_count++] = key;
  return json_object_get(reader->object, key);
}

enum { LONGEST_WORD = 40 };

/* Edits (insert, delete, replace) that turn one word into the other. */
static int distance(const char *a, const char *b) {
  size_t length_a = strlen(a), length_b = strlen(b);
  if (length_a > LONGEST_WORD || length_b > LONGEST_WORD) return LONGEST_WORD;
  int row[LONGEST_WORD + 1];
  for (size_t j = 0; j <= length_b; j++) row[j] = (int)j;
  for (size_t i = 1; i <= length_a; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= length_b; j++) {
      int best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[length_b];
}

const char *qn_reader_nearest(const char *word, const char *const *words, int count) {
  const char *nearest = NULL;
  int least = LONGEST_WORD;
  size_t length = strlen(word);
  for (int i = 0; i < count; i++) {
    int edits = distance(word, words[i]);
    /* "temperature" for "temperature_k": the unit was left out, or is another one. */
    if (length >= 1 && strncmp(word, words[i], length) == 0) edits = 1;
    if (edits < least) least = edits, nearest = words[i];
  }
  return least <= 1 + (int)length / 3 ? nearest : NULL;
}

static void list_words(char *text, size_t size, const char *const *words, int count) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < count && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ", words[i]);
}

void qn_reader_end(qn_reader *reader, const char *meaning) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)reader->object, key, value) {
    bool known = false;
    for (int i = 0; i < reader->key_count && !known; i++) known = strcmp(reader->keys[i], key) == 0;
    if (known) continue;
    char accepted[QN_DETAIL_SIZE - 120];
    list_words(accepted, sizeof accepted, reader->keys, reader->key_count);
    const char *nearest = qn_reader_nearest(key, reader->keys, reader->key_count);
    if (nearest != NULL)
      qn_reader_fault(reader, key, "unknown key in %s; nearest is %s; accepted: %s", meaning, nearest, accepted);
    else
      qn_reader_fault(reader, key, "unknown key in %s; accepted: %s", meaning, accepted);
  }
}

static const char *before_unit(const char *unit) { return unit[0] != '\0' ? " " : ""; }

double qn_reader_number(qn_reader *reader, const char *key, qn_bounds bounds, double fallback) {
  const json_t *value = qn_reader_take(reader, key);
  if (reader->object == NULL) return NAN;
  const char *space = before_unit(bounds.unit);
  if (value == NULL) {
    if (isnan(fallback))
      qn_reader_fault(reader, key, "is missing: a number from %.9g to %.9g%s%s is needed", bounds.minimum,
                      bounds.maximum, space, bounds.unit);
    return fallback;
  }
  if (!json_is_number(value)) {
    qn_reader_fault(reader, key, "must be a number from %.9g to %.9g%s%s, is %s", bounds.minimum, bounds.maximum, space,
                    bounds.unit, qn_reader_type_name(value));
    return NAN;
  }
  double number = json_number_value(value);
  if (!(number >= bounds.minimum && number <= bounds.maximum)) {
    qn_reader_fault(reader, key, "must lie between %.9g and %.9g%s%s, is %.9g", bounds.minimum, bounds.maximum, space,
                    bounds.unit, number);
    return NAN;
  }
  return number;
}

int64_t qn_reader_integer(qn_reader *reader, const char *key, int64_t minimum, int64_t maximum,
                          const int64_t *fallback) {
  const json_t *value = qn_reader_take(reader, key);
  if (reader->object == NULL) return minimum;
  const long long low = minimum, high = maximum;
  if (value == NULL) {
    if (fallback != NULL) return *fallback;
    qn_reader_fault(reader, key, "is missing: an integer from %lld to %lld is needed", low, high);
    return minimum;
  }
  /* 3.0 is an integer: some clients cannot write it otherwise. */
  double real = json_is_real(value) ? json_real_value(value) : 0.0;
  bool whole = json_is_real(value) && real == floor(real) && fabs(real) <= 0x1p53;
  if (!json_is_integer(value) && !whole) {
    qn_reader_fault(reader, key, "must be an integer from %lld to %lld, is %s", low, high, qn_reader_type_name(value));
    return minimum;
  }
  int64_t integer = whole ? (int64_t)real : (int64_t)json_integer_value(value);
  if (integer < minimum || integer > maximum) {
    qn_reader_fault(reader, key, "must lie between %lld and %lld, is %lld", low, high, (long long)integer);
    return integer < minimum ? minimum : maximum;
  }
  return integer;
}

bool qn_reader_flag(qn_reader *reader, const char *key, bool fallback) {
  const json_t *value = qn_reader_take(reader, key);
  if (value == NULL) return fallback;
  if (!json_is_boolean(value)) qn_reader_fault(reader, key, "must be true or false, is %s", qn_reader_type_name(value));
  return json_is_true(value);
}

int qn_reader_word(qn_reader *reader, const char *key, const char *const *words, int fallback) {
  const json_t *value = qn_reader_take(reader, key);
  if (reader->object == NULL) return -1;
  char accepted[QN_DETAIL_SIZE - 120];
  int count = 0;
  while (words[count] != NULL) count++;
  list_words(accepted, sizeof accepted, words, count);
  if (value == NULL) {
    if (fallback < 0) qn_reader_fault(reader, key, "is missing; accepted: %s", accepted);
    return fallback;
  }
  if (!json_is_string(value)) {
    qn_reader_fault(reader, key, "must be a string, is %s; accepted: %s", qn_reader_type_name(value), accepted);
    return -1;
  }
  for (int i = 0; i < count; i++)
    if (strcmp(words[i], json_string_value(value)) == 0) return i;
  const char *nearest = qn_reader_nearest(json_string_value(value), words, count);
  qn_reader_fault(reader, key, "\"%.60s\" is not accepted%s%s; accepted: %s", json_string_value(value),
                  nearest != NULL ? "; nearest is " : "", nearest != NULL ? nearest : "", accepted);
  return -1;
}

void qn_reader_text(qn_reader *reader, const char *key, char *text, size_t size, const char *fallback) {
  const json_t *value = qn_reader_take(reader, key);
  text[0] = '\0';
  if (reader->object == NULL) return;
  if (value == NULL) {
    if (fallback == NULL)
      qn_reader_fault(reader, key, "is missing: a text of 1 to %zu bytes is needed", size - 1);
    else
      snprintf(text, size, "%s", fallback);
    return;
  }
  if (!json_is_string(value)) {
    qn_reader_fault(reader, key, "must be a string, is %s", qn_reader_type_name(value));
    return;
  }
  const char *string = json_string_value(value);
  size_t length = json_string_length(value);
  bool control = false;
  for (size_t i = 0; i < length; i++) control = control || (unsigned char)string[i] < 0x20 || string[i] == 0x7f;
  if (length >= size || (length == 0 && fallback == NULL))
    qn_reader_fault(reader, key, "has %zu bytes; %d to %zu are accepted", length, fallback == NULL ? 1 : 0, size - 1);
  else if (control)
    qn_reader_fault(reader, key, "has control characters; a text of one line is accepted");
  else
    memcpy(text, string, length + 1);
}

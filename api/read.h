/* Reading a JSON object key by key: every key is checked for presence, type and bounds, every fault is noted with its JSON pointer and what would
 * be accepted, and keys that nobody asked for are faults too, with the nearest accepted name. After a fault a number reads as NAN (an integer as
 * the bound nearest to it or the lower one), so that checks between fields stay silent about it. */
#ifndef QN_API_READ_H
#define QN_API_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/problem.h"

enum { QN_MAX_KEYS = 96 };

typedef struct qn_reader {
  const json_t *object; /* NULL when the value was not an object: everything then reads as absent, silently */
  char pointer[QN_POINTER_SIZE];
  qn_faults *faults;
  int key_count;
  const char *keys[QN_MAX_KEYS]; /* accepted so far */
} qn_reader;

typedef struct qn_bounds {
  double minimum, maximum;
  const char *unit; /* "K", or "" */
} qn_bounds;

/* The key must be there. */
#define QN_REQUIRED NAN

/* Begin to read `value`, which lies at `pointer`. */
void qn_reader_begin(qn_reader *reader, const json_t *value, const char *pointer, qn_faults *faults);
/* Name the keys that nobody asked for. `meaning` says what the object is, such as "a hold in nvt". */
void qn_reader_end(qn_reader *reader, const char *meaning);

/* Accept a key; its value or NULL. */
const json_t *qn_reader_take(qn_reader *reader, const char *key);
bool qn_reader_has(const qn_reader *reader, const char *key);
/* Note a fault at a key, or at the object itself (key NULL). */
void qn_reader_fault(const qn_reader *reader, const char *key, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* Where a key's value lies. */
void qn_reader_pointer(const qn_reader *reader, const char *key, char pointer[QN_POINTER_SIZE]);

/* `fallback` is what an absent key means; QN_REQUIRED: it must be there. */
double qn_reader_number(qn_reader *reader, const char *key, qn_bounds bounds, double fallback);
int64_t qn_reader_integer(qn_reader *reader, const char *key, int64_t minimum, int64_t maximum,
                          const int64_t *fallback);
bool qn_reader_flag(qn_reader *reader, const char *key, bool fallback);
/* Index of the word in `words` (NULL-terminated); -1 after a fault. `fallback` is an index; -1: the key must be there. */
int qn_reader_word(qn_reader *reader, const char *key, const char *const *words, int fallback);
/* A text of at most size - 1 bytes without control characters; `fallback` NULL: it must be there, and not be empty. */
void qn_reader_text(qn_reader *reader, const char *key, char *text, size_t size, const char *fallback);

/* "an array", "a string", ...: for faults. */
const char *qn_reader_type_name(const json_t *value);
/* The nearest of `words` to `word`, or NULL when none is near. */
const char *qn_reader_nearest(const char *word, const char *const *words, int count);

#endif

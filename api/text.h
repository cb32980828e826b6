/* A text that grows. After memory has run out every call does nothing and `failed` is set. */
#ifndef QN_API_TEXT_H
#define QN_API_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct qn_text {
  char *bytes; /* malloc'ed, with a NUL after them; NULL while nothing was put; the owner's to free */
  size_t size, capacity;
  bool failed;
} qn_text;

void qn_text_put(qn_text *text, const char *bytes, size_t size);

#endif

#include "api/text.h"

#include <stdlib.h>
#include <string.h>

void qn_text_put(qn_text *text, const char *bytes, size_t size) {
  if (text->failed) return;
  if (text->size + size + 1 > text->capacity) {
    size_t capacity = 2 * text->capacity + size + 256;
    char *grown = realloc(text->bytes, capacity);
    if (grown == NULL) {
      text->failed = true;
      return;
    }
    text->bytes = grown;
    text->capacity = capacity;
  }
  memcpy(text->bytes + text->size, bytes, size);
  text->size += size;
  text->bytes[text->size] = '\0';
}

/* What the fuzz targets share: libFuzzer's entry, and an oracle that tells what is wrong before it ends the process. */
#ifndef QN_TESTS_FUZZ_H
#define QN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(true_, ...)                                 \
  do {                                                     \
    if (!(true_)) {                                        \
      fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);      \
      fprintf(stderr, __VA_ARGS__);                        \
      fputc('\n', stderr);                                 \
      abort();                                             \
    }                                                      \
  } while (0)

/* The bytes in a block of exactly their size, so that a read beyond their end is seen; freed by the caller. */
static inline char *exact(const uint8_t *data, size_t size) {
  char *copy = malloc(size > 0 ? size : 1);
  EXPECT(copy != NULL, "no memory");
  if (size > 0) memcpy(copy, data, size);
  return copy;
}

/* The same as a string. */
static inline char *text_of(const uint8_t *data, size_t size) {
  char *copy = malloc(size + 1);
  EXPECT(copy != NULL, "no memory");
  if (size > 0) memcpy(copy, data, size);
  copy[size] = '\0';
  return copy;
}

#endif

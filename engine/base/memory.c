#include "engine/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *qn_memory_alloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - QN_MEMORY_APART) return NULL;
  bytes = (bytes / QN_MEMORY_APART + 1) * QN_MEMORY_APART;
  void *memory = aligned_alloc(QN_MEMORY_APART, bytes);
  if (memory != NULL) memset(memory, 0, bytes);
  return memory;
}

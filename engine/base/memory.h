/* Allocation: zeroed, 64-byte aligned (a cache line, an AVX-512 register), size product checked. */
#ifndef QN_BASE_MEMORY_H
#define QN_BASE_MEMORY_H

#include <stddef.h>

/* `count` zeroed elements of `size` bytes; NULL when out of memory or the product overflows.
 * count 0 gives a valid pointer. Free with free(). */
void *qn_memory_alloc(size_t count, size_t size);

#endif

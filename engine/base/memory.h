/* Allocation: zeroed, aligned to QN_MEMORY_APART, size product checked. */
#ifndef QN_BASE_MEMORY_H
#define QN_BASE_MEMORY_H

#include <stddef.h>

/* Bytes. What threads write at the same time lies so far apart: processors hand lines of 64 bytes to one another in pairs, and a store waits for its line. */
enum { QN_MEMORY_APART = 128 };

/* `count` zeroed elements of `size` bytes; NULL when out of memory or the product overflows.
 * count 0 gives a valid pointer. Free with free(). */
void *qn_memory_alloc(size_t count, size_t size);

#endif

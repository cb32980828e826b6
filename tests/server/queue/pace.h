/* How long something took that was done many times. */
#ifndef QN_TESTS_SERVER_QUEUE_PACE_H
#define QN_TESTS_SERVER_QUEUE_PACE_H

#include "server/fixture.h"

#include <stdlib.h>

static inline int pace_by_value(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Sort the times, ms, and print them; the median. */
static inline double pace_median(double *took, int count, const char *what) {
  qsort(took, (size_t)count, sizeof took[0], pace_by_value);
  print_message("%s: median %.2f ms, 99 %% %.2f ms, worst %.2f ms\n", what, took[count / 2], took[count * 99 / 100], took[count - 1]);
  return took[count / 2];
}

#endif

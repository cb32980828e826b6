/* What every test of the engine includes: cmocka with the headers it wants first, and comparison in double
 * (cmocka's own assert_float_equal rounds to float). */
#ifndef QN_TESTS_ENGINE_CHECK_H
#define QN_TESTS_ENGINE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

/* |a - b| <= tolerance; fails on not-a-number and shows both values. */
static inline void check_close(double a, double b, double tolerance, const char *file, int line) {
  if (fabs(a - b) <= tolerance) return;
  print_error("%.17g != %.17g within %g\n", a, b, tolerance);
  _fail(file, line);
}
#define assert_close(a, b, tolerance) check_close(a, b, tolerance, __FILE__, __LINE__)

#endif

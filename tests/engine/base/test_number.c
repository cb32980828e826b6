/* Numbers in their shortest spelling, and times without the noise of their products. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/number.h"

static void expect(double value, const char *spelled) {
  char text[QN_NUMBER_SIZE];
  qn_number_spell(value, text);
  assert_string_equal(text, spelled);
}

static void test_spelling(void **state) {
  (void)state;
  expect(0.3, "0.3");
  expect(0.1 + 0.2, "0.30000000000000004");
  expect(5.95e-9, "5.95e-09");
  expect(-0.0, "0");
  expect(2000, "2000");
  expect(100000000, "100000000");
  expect(1e300, "1e+300");
  expect(1.0 / 3, "0.3333333333333333");
  expect(DBL_MIN / 3, "7.41691286169067e-309");
}

static void test_every_spelling_reads_back(void **state) {
  (void)state;
  uint64_t random = 88172645463325252u;
  for (int i = 0; i < 200000; i++) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    double value;
    char text[QN_NUMBER_SIZE];
    memcpy(&value, &random, sizeof value);
    if (!isfinite(value)) continue;
    qn_number_spell(value, text);
    assert_true(strtod(text, NULL) == value);
  }
}

static void test_rounding(void **state) {
  (void)state;
  int noisy = 0;
  for (int step = 1; step < 100000; step++) {
    double product = step * 0.001, exact = step / 1000.0; /* one division, rounded once */
    noisy += product != exact;
    assert_true(qn_number_round(product) == exact);
    assert_true(qn_number_round(step * (2e-3)) == step / 500.0);
  }
  assert_true(noisy > 1000); /* it is no idle work */
  assert_true(qn_number_round(1e7 - 1e-4) == 1e7 - 1e-4);
  assert_true(qn_number_round(0) == 0 && isnan(qn_number_round(NAN)) && qn_number_round(INFINITY) == INFINITY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_spelling),
      cmocka_unit_test(test_every_spelling_reads_back),
      cmocka_unit_test(test_rounding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

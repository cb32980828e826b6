#include "engine/check.h"

#include "engine/base/rng.h"

/* Known answers published with Random123 (kat_vectors, philox4x32 10). */
static void known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t counter[4], key[2], out[4];
  } cases[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint32_t out[4];
    qn_rng_philox(cases[i].counter, cases[i].key, out);
    assert_memory_equal(out, cases[i].out, sizeof out);
  }
}

static void streams_and_sequences_differ(void **state) {
  (void)state;
  qn_rng a, b, c, d, again;
  qn_rng_init(&a, 7, QN_RNG_LATTICE, 0);
  qn_rng_init(&again, 7, QN_RNG_LATTICE, 0);
  qn_rng_init(&b, 7, QN_RNG_VELOCITIES, 0);
  qn_rng_init(&c, 7, QN_RNG_LATTICE, 1);
  qn_rng_init(&d, 7 + (1ull << 32), QN_RNG_LATTICE, 0);
  for (int i = 0; i < 100; i++) {
    uint32_t word = qn_rng_word(&a);
    assert_int_equal(word, qn_rng_word(&again));
    assert_int_not_equal(word, qn_rng_word(&b));
    assert_int_not_equal(word, qn_rng_word(&c));
    assert_int_not_equal(word, qn_rng_word(&d));
  }
}

/* Moments of the deviates against their exact values; five standard errors of n draws. */
static void distributions(void **state) {
  (void)state;
  enum { N = 400000, SIDES = 7 };
  qn_rng rng;
  qn_rng_init(&rng, 12345, QN_RNG_BOOTSTRAP, 3);
  double uniform[2] = {0}, normal[4] = {0};
  int sides[SIDES] = {0};
  for (int i = 0; i < N; i++) {
    double u = qn_rng_uniform(&rng), x = qn_rng_normal(&rng);
    assert_true(u > 0.0 && u < 1.0);
    uniform[0] += u;
    uniform[1] += u * u;
    for (int k = 0; k < 4; k++) normal[k] += pow(x, k + 1);
    uint64_t side = qn_rng_below(&rng, SIDES);
    assert_true(side < SIDES);
    sides[side]++;
  }
  double root = sqrt(N);
  assert_true(fabs(uniform[0] / N - 0.5) < 5 * sqrt(1.0 / 12) / root);
  assert_true(fabs(uniform[1] / N - 1.0 / 3) < 5 * sqrt(4.0 / 45) / root);
  assert_true(fabs(normal[0] / N) < 5 / root);
  assert_true(fabs(normal[1] / N - 1) < 5 * sqrt(2.0) / root);
  assert_true(fabs(normal[2] / N) < 5 * sqrt(15.0) / root);
  assert_true(fabs(normal[3] / N - 3) < 5 * sqrt(96.0) / root);
  for (int k = 0; k < SIDES; k++) assert_true(fabs(sides[k] - N / 7.0) < 5 * sqrt(N * 6.0 / 49));
  assert_int_equal(qn_rng_below(&rng, 1), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_answers),
      cmocka_unit_test(streams_and_sequences_differ),
      cmocka_unit_test(distributions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

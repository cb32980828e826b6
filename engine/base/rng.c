#include "engine/base/rng.h"

#include <math.h>

#include "engine/base/units.h"

void qn_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)b;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

void qn_rng_init(qn_rng *rng, uint64_t seed, qn_rng_stream stream, uint32_t sequence) {
  *rng = (qn_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                  .counter = {0, 0, sequence, (uint32_t)stream},
                  .used = 4};
}

uint32_t qn_rng_word(qn_rng *rng) {
  if (rng->used == 4) {
    qn_rng_philox(rng->counter, rng->key, rng->block);
    if (++rng->counter[0] == 0) rng->counter[1]++;
    rng->used = 0;
  }
  return rng->block[rng->used++];
}

static uint64_t two_words(qn_rng *rng) {
  uint64_t low = qn_rng_word(rng);
  return (uint64_t)qn_rng_word(rng) << 32 | low;
}

double qn_rng_uniform(qn_rng *rng) {
  /* The middle of one of 2^52 equal intervals is exact and never an end point. */
  return ((double)(two_words(rng) >> 12) + 0.5) * 0x1p-52;
}

double qn_rng_normal(qn_rng *rng) {
  if (rng->has_spare) {
    rng->has_spare = 0;
    return rng->spare;
  }
  double radius = sqrt(-2.0 * log(qn_rng_uniform(rng)));
  double angle = 2.0 * QN_PI * qn_rng_uniform(rng);
  rng->spare = radius * sin(angle);
  rng->has_spare = 1;
  return radius * cos(angle);
}

uint64_t qn_rng_below(qn_rng *rng, uint64_t end) {
  uint64_t excess = -end % end, word; /* 2^64 mod end: the values that would favour small results */
  do word = two_words(rng);
  while (word < excess);
  return word % end;
}

/* Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11, doi 10.1145/2063384.2063405).
 *
 * A number depends on (seed, stream, index) alone, so it can be drawn for any atom in any order, by any thread, and again
 * after a resume. Streams keep the uses of one seed apart. */
#ifndef QN_BASE_RNG_H
#define QN_BASE_RNG_H

#include <stdint.h>

/* The streams of the engine; a seed never feeds two uses the same numbers. */
typedef enum qn_rng_stream {
  QN_RNG_LATTICE = 1,    /* which species sits on which site */
  QN_RNG_VELOCITIES = 2, /* Maxwell velocities */
  QN_RNG_BOOTSTRAP = 3   /* resampling of results */
} qn_rng_stream;

/* The bare function: 128 random bits for a counter and a key. */
void qn_rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A sequence within (seed, stream); `sequence` tells apart up to 2^32 of them. Caller storage, nothing to free. */
typedef struct qn_rng {
  uint32_t key[2];
  uint32_t counter[4];
  uint32_t block[4];
  int used;      /* words of the block that are spent */
  int has_spare; /* a second normal deviate is waiting */
  double spare;
} qn_rng;

void qn_rng_init(qn_rng *rng, uint64_t seed, qn_rng_stream stream, uint32_t sequence);
uint32_t qn_rng_word(qn_rng *rng);
double qn_rng_uniform(qn_rng *rng);               /* in (0, 1), 52 bits, never 0 or 1 */
double qn_rng_normal(qn_rng *rng);                /* mean 0, variance 1 (Box-Muller) */
uint64_t qn_rng_below(qn_rng *rng, uint64_t end); /* in [0, end), without bias; end > 0 */

#endif

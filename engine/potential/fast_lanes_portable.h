/* Eight lanes in plain C, for processors without the vectors below, and as the twin that tests compare them with. See
 * fast_kernel.h for what the names mean. */
#ifndef QN_POTENTIAL_FAST_LANES_H
#define QN_POTENTIAL_FAST_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8 };

typedef struct lanes_f {
  float v[8];
} lanes_f;
typedef struct lanes_i {
  int32_t v[8];
} lanes_i;
typedef struct lanes_m {
  int32_t v[8]; /* -1 or 0 */
} lanes_m;

#define INLINE static inline __attribute__((always_inline))
#define EACH for (int k = 0; k < 8; k++)

INLINE lanes_f f_set(float a) { lanes_f o; EACH o.v[k] = a; return o; }
INLINE lanes_i i_set(int32_t a) { lanes_i o; EACH o.v[k] = a; return o; }
INLINE lanes_i i_zero(void) { return i_set(0); }
INLINE lanes_f f_load(const float *a) { lanes_f o; memcpy(&o, a, sizeof o); return o; }
INLINE lanes_i i_load(const void *a) { lanes_i o; memcpy(&o, a, sizeof o); return o; }
INLINE void f_store(float *to, lanes_f a) { memcpy(to, &a, sizeof a); }
INLINE void i_store(void *to, lanes_i a) { memcpy(to, &a, sizeof a); }
INLINE lanes_f f_add(lanes_f a, lanes_f b) { EACH a.v[k] += b.v[k]; return a; }
INLINE lanes_f f_sub(lanes_f a, lanes_f b) { EACH a.v[k] -= b.v[k]; return a; }
INLINE lanes_f f_mul(lanes_f a, lanes_f b) { EACH a.v[k] *= b.v[k]; return a; }
INLINE lanes_f f_min(lanes_f a, lanes_f b) { EACH a.v[k] = a.v[k] < b.v[k] ? a.v[k] : b.v[k]; return a; }
INLINE lanes_f f_fma(lanes_f a, lanes_f b, lanes_f c) { EACH a.v[k] = fmaf(a.v[k], b.v[k], c.v[k]); return a; }
/* Sums wrap around: they are modular. */
INLINE lanes_i i_add(lanes_i a, lanes_i b) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] + (uint32_t)b.v[k]); return a; }
INLINE lanes_i i_sub(lanes_i a, lanes_i b) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] - (uint32_t)b.v[k]); return a; }
INLINE lanes_i i_right(lanes_i a, int n) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] >> n); return a; }
INLINE lanes_i i_and(lanes_i a, lanes_i b) { EACH a.v[k] &= b.v[k]; return a; }
INLINE lanes_i f_bits(lanes_f a) { lanes_i o; memcpy(&o, &a, sizeof o); return o; }
INLINE lanes_f i_as_f(lanes_i a) { lanes_f o; memcpy(&o, &a, sizeof o); return o; }
INLINE lanes_f f_from_i(lanes_i a) { lanes_f o; EACH o.v[k] = (float)a.v[k]; return o; }
/* To nearest, ties to even; what does not fit becomes the lowest integer, as on x86. */
INLINE lanes_i i_from_f(lanes_f a) {
  lanes_i o;
  EACH o.v[k] = fabsf(a.v[k]) < 2147483648.0f ? (int32_t)nearbyintf(a.v[k]) : INT32_MIN;
  return o;
}
INLINE lanes_i i_and_or(lanes_i a, lanes_i mask, lanes_i b) { EACH a.v[k] = (a.v[k] & mask.v[k]) | b.v[k]; return a; }
INLINE lanes_m f_less(lanes_f a, lanes_f b) { lanes_m o; EACH o.v[k] = -(a.v[k] < b.v[k]); return o; }
INLINE lanes_m i_equal(lanes_i a, lanes_i b) { lanes_m o; EACH o.v[k] = -(a.v[k] == b.v[k]); return o; }
INLINE lanes_m m_and(lanes_m a, lanes_m b) { EACH a.v[k] &= b.v[k]; return a; }
INLINE lanes_m m_and_not(lanes_m a, lanes_m b) { EACH a.v[k] &= ~b.v[k]; return a; }
INLINE uint32_t m_bits(lanes_m a) { uint32_t o = 0; EACH o |= (uint32_t)(a.v[k] & 1) << k; return o; }
INLINE lanes_i i_select(lanes_m m, lanes_i yes, lanes_i no) { EACH no.v[k] = (yes.v[k] & m.v[k]) | (no.v[k] & ~m.v[k]); return no; }
INLINE lanes_f f_select(lanes_m m, lanes_f yes, lanes_f no) { return i_as_f(i_select(m, f_bits(yes), f_bits(no))); }
INLINE lanes_f f_keep(lanes_m m, lanes_f a) {
  lanes_i bits = f_bits(a);
  EACH bits.v[k] &= m.v[k];
  return i_as_f(bits);
}
INLINE int32_t i_sum(lanes_i a) { uint32_t o = 0; EACH o += (uint32_t)a.v[k]; return (int32_t)o; }

INLINE lanes_f short_row(const float *table, lanes_i row) { lanes_f o; EACH o.v[k] = table[row.v[k] & 31]; return o; }

INLINE void load_sites(const void *base, const uint16_t *entry, lanes_i *x, lanes_i *y, lanes_i *z, lanes_i *w) {
  EACH {
    int32_t row[4];
    memcpy(row, (const char *)base + 8 * (size_t)entry[k], sizeof row);
    x->v[k] = row[0], y->v[k] = row[1], z->v[k] = row[2], w->v[k] = row[3];
  }
}

INLINE void load_rows(const float *table, lanes_i offset, lanes_f row[4]) {
  EACH {
    float at[4];
    memcpy(at, (const char *)table + offset.v[k], sizeof at);
    for (int c = 0; c < 4; c++) row[c].v[k] = at[c];
  }
}

INLINE int put_entries(uint16_t *to, const uint16_t *from, lanes_m m) {
  int n = 0;
  EACH if (m.v[k]) to[n++] = from[k];
  return n;
}

INLINE int put_sites(uint16_t *to, int32_t first, lanes_m m) {
  int n = 0;
  EACH if (m.v[k]) to[n++] = (uint16_t)(2 * (first + k));
  return n;
}

INLINE lanes_m m_first(int n) { lanes_m o; EACH o.v[k] = -(k < n); return o; }

#endif

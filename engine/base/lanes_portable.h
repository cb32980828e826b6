/* Eight single-precision and four double-precision lanes in plain C, for processors without the vectors, and as the twin that tests compare them
 * with. See lanes_avx2.h for what the names mean. */
#ifndef QN_BASE_LANES_H
#define QN_BASE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8, HALF = LANES / 2 };

/* One loop that looks at what is wanted as it goes, instead of one for each case: compilers need minutes for all of them. */
#ifndef QN_ONE_LOOP
#define QN_ONE_LOOP
#endif

typedef struct lanes_f {
  float v[LANES];
} lanes_f;
typedef struct lanes_i {
  int32_t v[LANES];
} lanes_i;
typedef struct lanes_m {
  int32_t v[LANES]; /* -1 or 0 */
} lanes_m;
typedef struct lanes_d {
  double v[HALF];
} lanes_d;
typedef struct lanes_l {
  uint64_t v[HALF];
} lanes_l;

#define INLINE static inline __attribute__((always_inline))
#define EACH for (int k = 0; k < LANES; k++)
#define EACH_HALF for (int k = 0; k < HALF; k++)

INLINE lanes_f f_set(float a) { lanes_f o; EACH o.v[k] = a; return o; }
INLINE lanes_i i_set(int32_t a) { lanes_i o; EACH o.v[k] = a; return o; }
INLINE lanes_i i_set4(int32_t a, int32_t b, int32_t c, int32_t d) { lanes_i o; EACH o.v[k] = (int32_t[]){a, b, c, d}[k % 4]; return o; }
INLINE lanes_i i_zero(void) { return i_set(0); }
INLINE lanes_f f_load(const float *a) { lanes_f o; memcpy(&o, a, sizeof o); return o; }
INLINE lanes_i i_load(const void *a) { lanes_i o; memcpy(&o, a, sizeof o); return o; }
INLINE void f_store(float *to, lanes_f a) { memcpy(to, &a, sizeof a); }
INLINE void i_store(void *to, lanes_i a) { memcpy(to, &a, sizeof a); }
INLINE lanes_f f_add(lanes_f a, lanes_f b) { EACH a.v[k] += b.v[k]; return a; }
INLINE lanes_f f_mul(lanes_f a, lanes_f b) { EACH a.v[k] *= b.v[k]; return a; }
INLINE lanes_f f_fma(lanes_f a, lanes_f b, lanes_f c) { EACH a.v[k] = fmaf(a.v[k], b.v[k], c.v[k]); return a; }
/* Sums wrap around: they are modular. */
INLINE lanes_i i_add(lanes_i a, lanes_i b) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] + (uint32_t)b.v[k]); return a; }
INLINE lanes_i i_sub(lanes_i a, lanes_i b) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] - (uint32_t)b.v[k]); return a; }
INLINE lanes_i i_min(lanes_i a, lanes_i b) { EACH a.v[k] = a.v[k] < b.v[k] ? a.v[k] : b.v[k]; return a; }
INLINE lanes_i i_and(lanes_i a, lanes_i b) { EACH a.v[k] &= b.v[k]; return a; }
INLINE lanes_i i_left(lanes_i a, lanes_i count) { EACH a.v[k] = (int32_t)((uint32_t)a.v[k] << count.v[k]); return a; }
INLINE lanes_i i_right(lanes_i a, lanes_i count) { EACH a.v[k] = a.v[k] >> count.v[k]; return a; }
INLINE lanes_i f_bits(lanes_f a) { lanes_i o; memcpy(&o, &a, sizeof o); return o; }
INLINE lanes_f f_from_i(lanes_i a) { lanes_f o; EACH o.v[k] = (float)a.v[k]; return o; }
/* To nearest, ties to even; what does not fit becomes the lowest integer, as on x86. */
INLINE lanes_i i_from_f(lanes_f a) {
  lanes_i o;
  EACH o.v[k] = fabsf(a.v[k]) < 2147483648.0f ? (int32_t)nearbyintf(a.v[k]) : INT32_MIN;
  return o;
}
INLINE lanes_m f_less(lanes_f a, lanes_f b) { lanes_m o; EACH o.v[k] = -(a.v[k] < b.v[k]); return o; }
INLINE lanes_m i_less(lanes_i a, lanes_i b) { lanes_m o; EACH o.v[k] = -(a.v[k] < b.v[k]); return o; }
INLINE lanes_m i_equal(lanes_i a, lanes_i b) { lanes_m o; EACH o.v[k] = -(a.v[k] == b.v[k]); return o; }
INLINE lanes_m m_and(lanes_m a, lanes_m b) { EACH a.v[k] &= b.v[k]; return a; }
INLINE lanes_m m_and_not(lanes_m a, lanes_m b) { EACH a.v[k] &= ~b.v[k]; return a; }
INLINE uint32_t m_bits(lanes_m a) { uint32_t o = 0; EACH o |= (uint32_t)(a.v[k] & 1) << k; return o; }
INLINE lanes_f f_select(lanes_m m, lanes_f yes, lanes_f no) { EACH no.v[k] = m.v[k] ? yes.v[k] : no.v[k]; return no; }
INLINE int32_t i_sum(lanes_i a) { uint32_t o = 0; EACH o += (uint32_t)a.v[k]; return (int32_t)o; }
INLINE float f_sum(lanes_f a) { float o = 0.0f; EACH o += a.v[k]; return o; }
INLINE lanes_m m_first(int n) { lanes_m o; EACH o.v[k] = -(k < n); return o; }

INLINE void load_sites(const void *base, const uint16_t *entry, lanes_i *x, lanes_i *y, lanes_i *z, lanes_i *w) {
  EACH {
    int32_t row[4];
    memcpy(row, (const char *)base + 8 * (size_t)entry[k], sizeof row);
    x->v[k] = row[0], y->v[k] = row[1], z->v[k] = row[2], w->v[k] = row[3];
  }
}

INLINE void add_sites(void *base, const uint16_t *entry, lanes_i x, lanes_i y, lanes_i z, lanes_i w, lanes_i *sum) {
  EACH {
    const int32_t row[4] = {x.v[k], y.v[k], z.v[k], w.v[k]};
    uint32_t at[4];
    char *to = (char *)base + 8 * (size_t)entry[k];
    memcpy(at, to, sizeof at);
    for (int c = 0; c < 4; c++) {
      at[c] += (uint32_t)row[c];
      sum->v[4 * (k % 2) + c] = (int32_t)((uint32_t)sum->v[4 * (k % 2) + c] + (uint32_t)row[c]);
    }
    memcpy(to, at, sizeof at);
  }
}

INLINE void take_rows(uint32_t from[4], lanes_i sum) { EACH from[k % 4] -= (uint32_t)sum.v[k]; }

INLINE void load_rows(const float *base, const int32_t *offset, lanes_f row[4]) {
  EACH {
    float at[4];
    memcpy(at, (const char *)base + offset[k], sizeof at);
    for (int c = 0; c < 4; c++) row[c].v[k] = at[c];
  }
}

INLINE void two_cubics(const float *base, const int32_t *offset, const float *u, lanes_f *first, lanes_f *second) {
  lanes_f row[4], *const value[2] = {first, second}, at = f_load(u);
  for (int which = 0; which < 2; which++) {
    load_rows(base + 4 * which, offset, row);
    *value[which] = f_fma(f_fma(f_fma(row[3], at, row[2]), at, row[1]), at, row[0]);
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

INLINE lanes_d d_set(double a) { lanes_d o; EACH_HALF o.v[k] = a; return o; }
INLINE lanes_d d_load(const double *a) { lanes_d o; memcpy(&o, a, sizeof o); return o; }
INLINE lanes_d d_from_i(const void *a) { lanes_d o; int32_t i[HALF]; memcpy(i, a, sizeof i); EACH_HALF o.v[k] = i[k]; return o; }
INLINE void d_to_f(float *to, lanes_d a) { EACH_HALF to[k] = (float)a.v[k]; }
INLINE void d_store(double *to, lanes_d a) { memcpy(to, &a, sizeof a); }
INLINE lanes_d d_add(lanes_d a, lanes_d b) { EACH_HALF a.v[k] += b.v[k]; return a; }
INLINE lanes_d d_sub(lanes_d a, lanes_d b) { EACH_HALF a.v[k] -= b.v[k]; return a; }
INLINE lanes_d d_mul(lanes_d a, lanes_d b) { EACH_HALF a.v[k] *= b.v[k]; return a; }
INLINE lanes_d d_div(lanes_d a, lanes_d b) { EACH_HALF a.v[k] /= b.v[k]; return a; }
INLINE lanes_d d_min(lanes_d a, lanes_d b) { EACH_HALF a.v[k] = a.v[k] < b.v[k] ? a.v[k] : b.v[k]; return a; }
INLINE lanes_d d_sqrt(lanes_d a) { EACH_HALF a.v[k] = sqrt(a.v[k]); return a; }
INLINE lanes_d d_fma(lanes_d a, lanes_d b, lanes_d c) { EACH_HALF a.v[k] = fma(a.v[k], b.v[k], c.v[k]); return a; }
INLINE lanes_d d_pick(lanes_d a, lanes_d b, lanes_d yes, lanes_d no) { EACH_HALF no.v[k] = a.v[k] < b.v[k] ? yes.v[k] : no.v[k]; return no; }
INLINE int d_any_less(lanes_d a, lanes_d b) { int o = 0; EACH_HALF o |= a.v[k] < b.v[k]; return o; }
INLINE lanes_d d_split(lanes_d a, int32_t *to) { EACH_HALF a.v[k] = to[k] = (int32_t)a.v[k]; return a; }
INLINE void d_add_tags(int32_t *to, lanes_d a, int32_t mask, int32_t scale) {
  EACH_HALF {
    int64_t bits;
    memcpy(&bits, &a.v[k], sizeof bits);
    to[k] += ((int32_t)bits & mask) * scale;
  }
}
INLINE lanes_l l_zero(void) { lanes_l o; EACH_HALF o.v[k] = 0; return o; }
INLINE lanes_l l_add_bits(lanes_l a, lanes_d b) {
  EACH_HALF {
    uint64_t bits;
    memcpy(&bits, &b.v[k], sizeof bits);
    a.v[k] += bits;
  }
  return a;
}
INLINE int64_t l_sum(lanes_l a) { uint64_t o = 0; EACH_HALF o += a.v[k]; return (int64_t)o; }

INLINE void d_load_sites(const double *low, const double *high, const uint16_t *entry, lanes_d *x, lanes_d *y, lanes_d *z, lanes_d *w) {
  EACH_HALF x->v[k] = low[entry[k]], y->v[k] = low[entry[k] + 1], z->v[k] = high[entry[k]], w->v[k] = high[entry[k] + 1];
}

INLINE void d_load_knots(const double *base, const int32_t *row, lanes_d column[4]) {
  EACH_HALF for (int c = 0; c < 4; c++) column[c].v[k] = base[2 * (int64_t)row[k] + c];
}

#endif

/* Eight single-precision and four double-precision lanes of AVX2 and FMA; a source file includes this under `#pragma GCC target`.
 *
 * The lanes_*.h give the same names, as far as somebody asks for them: f_* are vectors of LANES floats, i_* of as many 32-bit integers, m_* of truth values,
 * d_* of HALF doubles, l_* of as many 64-bit integers. f_fma(a, b, c) = a b + c rounded once; i_from_f rounds to nearest. Every operation is a correctly
 * rounded IEEE one, so the same source gives the same bits on every instruction set. */
#ifndef QN_BASE_LANES_H
#define QN_BASE_LANES_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8, HALF = LANES / 2 };

typedef __m256 lanes_f;
typedef __m256i lanes_i;
typedef __m256i lanes_m;
typedef __m256d lanes_d;
typedef __m256i lanes_l;

#define INLINE static inline __attribute__((always_inline))

INLINE lanes_f f_set(float a) { return _mm256_set1_ps(a); }
INLINE lanes_i i_set(int32_t a) { return _mm256_set1_epi32(a); }
/* The same four integers in every group of four lanes. */
INLINE lanes_i i_set4(int32_t a, int32_t b, int32_t c, int32_t d) { return _mm256_broadcastsi128_si256(_mm_setr_epi32(a, b, c, d)); }
INLINE lanes_i i_zero(void) { return _mm256_setzero_si256(); }
INLINE lanes_f f_load(const float *a) { return _mm256_load_ps(a); }
INLINE lanes_i i_load(const void *a) { return _mm256_loadu_si256((const __m256i *)a); }
INLINE void f_store(float *to, lanes_f a) { _mm256_store_ps(to, a); }
INLINE void i_store(void *to, lanes_i a) { _mm256_storeu_si256((__m256i *)to, a); }
INLINE lanes_f f_add(lanes_f a, lanes_f b) { return _mm256_add_ps(a, b); }
INLINE lanes_f f_mul(lanes_f a, lanes_f b) { return _mm256_mul_ps(a, b); }
INLINE lanes_f f_fma(lanes_f a, lanes_f b, lanes_f c) { return _mm256_fmadd_ps(a, b, c); }
INLINE lanes_i i_add(lanes_i a, lanes_i b) { return _mm256_add_epi32(a, b); }
INLINE lanes_i i_sub(lanes_i a, lanes_i b) { return _mm256_sub_epi32(a, b); }
INLINE lanes_i i_min(lanes_i a, lanes_i b) { return _mm256_min_epi32(a, b); }
INLINE lanes_i i_and(lanes_i a, lanes_i b) { return _mm256_and_si256(a, b); }
/* By the same count in every lane, which lanes_i holds; the right one keeps the sign. */
INLINE lanes_i i_left(lanes_i a, lanes_i count) { return _mm256_sllv_epi32(a, count); }
INLINE lanes_i i_right(lanes_i a, lanes_i count) { return _mm256_srav_epi32(a, count); }
INLINE lanes_i f_bits(lanes_f a) { return _mm256_castps_si256(a); }
INLINE lanes_f f_from_i(lanes_i a) { return _mm256_cvtepi32_ps(a); }
INLINE lanes_i i_from_f(lanes_f a) { return _mm256_cvtps_epi32(a); }
INLINE lanes_m f_less(lanes_f a, lanes_f b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
INLINE lanes_m i_less(lanes_i a, lanes_i b) { return _mm256_cmpgt_epi32(b, a); }
INLINE lanes_m i_equal(lanes_i a, lanes_i b) { return _mm256_cmpeq_epi32(a, b); }
INLINE lanes_m m_and(lanes_m a, lanes_m b) { return _mm256_and_si256(a, b); }
INLINE lanes_m m_and_not(lanes_m a, lanes_m b) { return _mm256_andnot_si256(b, a); }
INLINE uint32_t m_bits(lanes_m a) { return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a)); }
INLINE lanes_f f_select(lanes_m m, lanes_f yes, lanes_f no) { return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m)); }
INLINE int32_t i_sum(lanes_i a) {
  __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xB1)));
}
/* In no order that the sets agree on. */
INLINE float f_sum(lanes_f a) {
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
/* The first n lanes. */
INLINE lanes_m m_first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }

/* Rows of 16 bytes at base + 8 entry, turned into lanes: whole loads and shuffles cost a third of hardware gathers. */
INLINE void load_sites(const void *base, const uint16_t *entry, lanes_i *x, lanes_i *y, lanes_i *z, lanes_i *w) {
#define ROW(k) _mm_load_si128((const __m128i *)((const char *)base + 8 * (uint64_t)entry[k]))
  __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(0)), ROW(4), 1), b = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(1)), ROW(5), 1);
  __m256i c = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(2)), ROW(6), 1), d = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(3)), ROW(7), 1);
#undef ROW
  __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b), cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  *x = _mm256_unpacklo_epi64(ab0, cd0), *y = _mm256_unpackhi_epi64(ab0, cd0);
  *z = _mm256_unpacklo_epi64(ab1, cd1), *w = _mm256_unpackhi_epi64(ab1, cd1);
}

/* Turn lanes into rows of four, and add them to rows of 16 bytes at base + 8 entry, and all of them to *sum, whose groups of four lanes are rows. Of entries that
 * are the same one may be lost. */
INLINE void add_sites(void *base, const uint16_t *entry, lanes_i x, lanes_i y, lanes_i z, lanes_i w, lanes_i *sum) {
  __m256i xy0 = _mm256_unpacklo_epi32(x, y), xy1 = _mm256_unpackhi_epi32(x, y), zw0 = _mm256_unpacklo_epi32(z, w), zw1 = _mm256_unpackhi_epi32(z, w);
  const __m256i row[4] = {_mm256_unpacklo_epi64(xy0, zw0), _mm256_unpackhi_epi64(xy0, zw0), _mm256_unpacklo_epi64(xy1, zw1), _mm256_unpackhi_epi64(xy1, zw1)};
  *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(_mm256_add_epi32(row[0], row[1]), _mm256_add_epi32(row[2], row[3])));
  for (int k = 0; k < 4; k++) {
    __m128i *one = (__m128i *)((char *)base + 8 * (uint64_t)entry[k]), *other = (__m128i *)((char *)base + 8 * (uint64_t)entry[k + 4]);
    __m256i both = _mm256_add_epi32(_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_load_si128(one)), _mm_load_si128(other), 1), row[k]);
    _mm_store_si128(one, _mm256_castsi256_si128(both)), _mm_store_si128(other, _mm256_extracti128_si256(both, 1));
  }
}

/* Take all rows of a sum from the one at `from`. */
INLINE void take_rows(uint32_t from[4], lanes_i sum) {
  __m128i row = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  _mm_store_si128((__m128i *)from, _mm_sub_epi32(_mm_load_si128((const __m128i *)from), row));
}

/* Rows of four floats at base + offset (bytes, of either sign). */
INLINE void load_rows(const float *base, const int32_t *offset, lanes_f row[4]) {
#define ROW(k) _mm_load_ps((const float *)((const char *)base + offset[k]))
  __m256 a = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(0)), ROW(4), 1), b = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(1)), ROW(5), 1);
  __m256 c = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(2)), ROW(6), 1), d = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(3)), ROW(7), 1);
#undef ROW
  __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), ab1 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
  __m256d cd0 = _mm256_castps_pd(_mm256_unpacklo_ps(c, d)), cd1 = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
  row[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, cd0)), row[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, cd0));
  row[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab1, cd1)), row[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab1, cd1));
}

/* Two cubics at each of the places u, whose coefficients follow one another in rows of eight floats at base + offset (bytes, of either sign). Four lanes of
 * either go through one evaluation together, so that whole rows are loaded and nothing is put together before. */
INLINE void two_cubics(const float *base, const int32_t *offset, const float *u, lanes_f *first, lanes_f *second) {
  __m256 value[2];
  for (int half = 0; half < 2; half++) {
#define ROW(k) _mm256_load_ps((const float *)((const char *)base + offset[4 * half + (k)]))
    __m256 a = ROW(0), b = ROW(1), c = ROW(2), d = ROW(3), at = _mm256_broadcast_ps((const __m128 *)(u + 4 * half));
#undef ROW
    __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), ab1 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    __m256d cd0 = _mm256_castps_pd(_mm256_unpacklo_ps(c, d)), cd1 = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    __m256 c2 = _mm256_castpd_ps(_mm256_unpacklo_pd(ab1, cd1)), c3 = _mm256_castpd_ps(_mm256_unpackhi_pd(ab1, cd1));
    __m256 c0 = _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, cd0)), c1 = _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, cd0));
    value[half] = f_fma(f_fma(f_fma(c3, at, c2), at, c1), at, c0);
  }
  *first = _mm256_insertf128_ps(value[0], _mm256_castps256_ps128(value[1]), 1);
  *second = _mm256_permute2f128_ps(value[0], value[1], 0x31);
}

/* The words of eight that a mask chooses, moved together. */
INLINE __m128i squeeze(__m128i words, uint32_t bits) {
  uint64_t bytes = _pdep_u64(bits, 0x0101010101010101u) * 0xFF, chosen = _pext_u64(0x0706050403020100u, bytes);
  __m128i from = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)chosen));
  return _mm_shuffle_epi8(words, _mm_add_epi16(_mm_mullo_epi16(from, _mm_set1_epi16(0x0202)), _mm_set1_epi16(0x0100)));
}

/* Append the entries chosen by a mask; writes up to LANES past the end. Both return how many. */
INLINE int put_entries(uint16_t *to, const uint16_t *from, lanes_m m) {
  uint32_t bits = m_bits(m);
  _mm_storeu_si128((__m128i *)to, squeeze(_mm_loadu_si128((const __m128i *)from), bits));
  return __builtin_popcount(bits);
}

/* Entries of consecutive sites from `first`. */
INLINE int put_sites(uint16_t *to, int32_t first, lanes_m m) {
  uint32_t bits = m_bits(m);
  __m128i sites = _mm_add_epi16(_mm_set1_epi16((int16_t)(2 * first)), _mm_setr_epi16(0, 2, 4, 6, 8, 10, 12, 14));
  _mm_storeu_si128((__m128i *)to, squeeze(sites, bits));
  return __builtin_popcount(bits);
}

INLINE lanes_d d_set(double a) { return _mm256_set1_pd(a); }
INLINE lanes_d d_load(const double *a) { return _mm256_load_pd(a); }
/* From HALF 32-bit integers, and to HALF floats, which need no alignment. */
INLINE lanes_d d_from_i(const void *a) { return _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)a)); }
INLINE void d_to_f(float *to, lanes_d a) { _mm_storeu_ps(to, _mm256_cvtpd_ps(a)); }
INLINE void d_store(double *to, lanes_d a) { _mm256_store_pd(to, a); }
INLINE lanes_d d_add(lanes_d a, lanes_d b) { return _mm256_add_pd(a, b); }
INLINE lanes_d d_sub(lanes_d a, lanes_d b) { return _mm256_sub_pd(a, b); }
INLINE lanes_d d_mul(lanes_d a, lanes_d b) { return _mm256_mul_pd(a, b); }
INLINE lanes_d d_div(lanes_d a, lanes_d b) { return _mm256_div_pd(a, b); }
INLINE lanes_d d_min(lanes_d a, lanes_d b) { return _mm256_min_pd(a, b); }
INLINE lanes_d d_sqrt(lanes_d a) { return _mm256_sqrt_pd(a); }
INLINE lanes_d d_fma(lanes_d a, lanes_d b, lanes_d c) { return _mm256_fmadd_pd(a, b, c); }
/* yes where a < b. */
INLINE lanes_d d_pick(lanes_d a, lanes_d b, lanes_d yes, lanes_d no) { return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, b, _CMP_LT_OQ)); }
/* Is a < b in some lane? */
INLINE int d_any_less(lanes_d a, lanes_d b) { return _mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_LT_OQ)) != 0; }
/* The integer part of each lane, kept as HALF 32-bit integers at `to`, and the same as doubles. */
INLINE lanes_d d_split(lanes_d a, int32_t *to) {
  __m128i whole = _mm256_cvttpd_epi32(a);
  _mm_storeu_si128((__m128i *)to, whole);
  return _mm256_cvtepi32_pd(whole);
}
/* Add to HALF integers at `to` the lowest bits of the lanes, which `mask` chooses, times a scale. */
INLINE void d_add_tags(int32_t *to, lanes_d a, int32_t mask, int32_t scale) {
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  __m128i low = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(a), even));
  low = _mm_mullo_epi32(_mm_and_si128(low, _mm_set1_epi32(mask)), _mm_set1_epi32(scale));
  _mm_storeu_si128((__m128i *)to, _mm_add_epi32(_mm_loadu_si128((const __m128i *)to), low));
}
INLINE lanes_l l_zero(void) { return _mm256_setzero_si256(); }
/* a + the bits of b. */
INLINE lanes_l l_add_bits(lanes_l a, lanes_d b) { return _mm256_add_epi64(a, _mm256_castpd_si256(b)); }
INLINE int64_t l_sum(lanes_l a) {
  __m128i b = _mm_add_epi64(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  return (int64_t)((uint64_t)_mm_cvtsi128_si64(b) + (uint64_t)_mm_extract_epi64(b, 1));
}

/* HALF sites, two doubles each in `low` and in `high`, at twice the entry. */
INLINE void d_load_sites(const double *low, const double *high, const uint16_t *entry, lanes_d *x, lanes_d *y, lanes_d *z, lanes_d *w) {
#define ROW(from, k) _mm_load_pd((const double *)((const char *)(from) + 8 * (uint64_t)entry[k]))
  __m256d a = _mm256_insertf128_pd(_mm256_castpd128_pd256(ROW(low, 0)), ROW(low, 2), 1), b = _mm256_insertf128_pd(_mm256_castpd128_pd256(ROW(low, 1)), ROW(low, 3), 1);
  __m256d c = _mm256_insertf128_pd(_mm256_castpd128_pd256(ROW(high, 0)), ROW(high, 2), 1), d = _mm256_insertf128_pd(_mm256_castpd128_pd256(ROW(high, 1)), ROW(high, 3), 1);
#undef ROW
  *x = _mm256_unpacklo_pd(a, b), *y = _mm256_unpackhi_pd(a, b), *z = _mm256_unpacklo_pd(c, d), *w = _mm256_unpackhi_pd(c, d);
}

/* Columns of four doubles from base + 2 row on. */
INLINE void d_load_knots(const double *base, const int32_t *row, lanes_d column[4]) {
#define ROW(k) _mm256_loadu_pd(base + 2 * (int64_t)row[k])
  __m256d a = ROW(0), b = ROW(1), c = ROW(2), d = ROW(3);
#undef ROW
  __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b), cd0 = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
  column[0] = _mm256_permute2f128_pd(ab0, cd0, 0x20), column[1] = _mm256_permute2f128_pd(ab1, cd1, 0x20);
  column[2] = _mm256_permute2f128_pd(ab0, cd0, 0x31), column[3] = _mm256_permute2f128_pd(ab1, cd1, 0x31);
}

#endif

/* Eight lanes of AVX2 and FMA. See fast_kernel.h for what the names mean. */
#ifndef QN_POTENTIAL_FAST_LANES_H
#define QN_POTENTIAL_FAST_LANES_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8 };

typedef __m256 lanes_f;
typedef __m256i lanes_i;
typedef __m256i lanes_m;

#define INLINE static inline __attribute__((always_inline))

INLINE lanes_f f_set(float a) { return _mm256_set1_ps(a); }
INLINE lanes_i i_set(int32_t a) { return _mm256_set1_epi32(a); }
INLINE lanes_i i_zero(void) { return _mm256_setzero_si256(); }
INLINE lanes_f f_load(const float *a) { return _mm256_load_ps(a); }
INLINE lanes_i i_load(const void *a) { return _mm256_loadu_si256((const __m256i *)a); }
INLINE void f_store(float *to, lanes_f a) { _mm256_store_ps(to, a); }
INLINE void i_store(void *to, lanes_i a) { _mm256_storeu_si256((__m256i *)to, a); }
INLINE lanes_f f_add(lanes_f a, lanes_f b) { return _mm256_add_ps(a, b); }
INLINE lanes_f f_sub(lanes_f a, lanes_f b) { return _mm256_sub_ps(a, b); }
INLINE lanes_f f_mul(lanes_f a, lanes_f b) { return _mm256_mul_ps(a, b); }
INLINE lanes_f f_min(lanes_f a, lanes_f b) { return _mm256_min_ps(a, b); }
INLINE lanes_f f_fma(lanes_f a, lanes_f b, lanes_f c) { return _mm256_fmadd_ps(a, b, c); }
INLINE lanes_i i_add(lanes_i a, lanes_i b) { return _mm256_add_epi32(a, b); }
INLINE lanes_i i_sub(lanes_i a, lanes_i b) { return _mm256_sub_epi32(a, b); }
INLINE lanes_i i_right(lanes_i a, int n) { return _mm256_srli_epi32(a, n); }
INLINE lanes_i i_and(lanes_i a, lanes_i b) { return _mm256_and_si256(a, b); }
INLINE lanes_i f_bits(lanes_f a) { return _mm256_castps_si256(a); }
INLINE lanes_f i_as_f(lanes_i a) { return _mm256_castsi256_ps(a); }
INLINE lanes_f f_from_i(lanes_i a) { return _mm256_cvtepi32_ps(a); }
INLINE lanes_i i_from_f(lanes_f a) { return _mm256_cvtps_epi32(a); }
INLINE lanes_i i_and_or(lanes_i a, lanes_i mask, lanes_i b) { return _mm256_or_si256(_mm256_and_si256(a, mask), b); }
INLINE lanes_m f_less(lanes_f a, lanes_f b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
INLINE lanes_m i_equal(lanes_i a, lanes_i b) { return _mm256_cmpeq_epi32(a, b); }
INLINE lanes_m m_and(lanes_m a, lanes_m b) { return _mm256_and_si256(a, b); }
INLINE lanes_m m_and_not(lanes_m a, lanes_m b) { return _mm256_andnot_si256(b, a); }
INLINE uint32_t m_bits(lanes_m a) { return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(a)); }
INLINE lanes_i i_select(lanes_m m, lanes_i yes, lanes_i no) { return _mm256_blendv_epi8(no, yes, m); }
INLINE lanes_f f_select(lanes_m m, lanes_f yes, lanes_f no) { return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m)); }
INLINE lanes_f f_keep(lanes_m m, lanes_f a) { return _mm256_and_ps(_mm256_castsi256_ps(m), a); }
INLINE int32_t i_sum(lanes_i a) {
  __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xB1)));
}

INLINE lanes_f short_row(const float *table, lanes_i row) {
  return _mm256_i32gather_ps(table, _mm256_and_si256(row, _mm256_set1_epi32(31)), 4);
}

INLINE void load_sites(const void *base, const uint16_t *entry, lanes_i *x, lanes_i *y, lanes_i *z, lanes_i *w) {
#define ROW(k) _mm_load_si128((const __m128i *)((const char *)base + 8 * (uint64_t)entry[k]))
  __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(0)), ROW(4), 1), b = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(1)), ROW(5), 1);
  __m256i c = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(2)), ROW(6), 1), d = _mm256_inserti128_si256(_mm256_castsi128_si256(ROW(3)), ROW(7), 1);
#undef ROW
  __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b), cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  *x = _mm256_unpacklo_epi64(ab0, cd0), *y = _mm256_unpackhi_epi64(ab0, cd0);
  *z = _mm256_unpacklo_epi64(ab1, cd1), *w = _mm256_unpackhi_epi64(ab1, cd1);
}

INLINE void load_rows(const float *table, lanes_i offset, lanes_f row[4]) {
  uint32_t at[8] __attribute__((aligned(32)));
  _mm256_store_si256((__m256i *)at, offset);
#define ROW(k) _mm_load_ps((const float *)((const char *)table + at[k]))
  __m256 a = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(0)), ROW(4), 1), b = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(1)), ROW(5), 1);
  __m256 c = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(2)), ROW(6), 1), d = _mm256_insertf128_ps(_mm256_castps128_ps256(ROW(3)), ROW(7), 1);
#undef ROW
  __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), ab1 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
  __m256d cd0 = _mm256_castps_pd(_mm256_unpacklo_ps(c, d)), cd1 = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
  row[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, cd0)), row[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, cd0));
  row[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab1, cd1)), row[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab1, cd1));
}

INLINE int put_entries(uint16_t *to, const uint16_t *from, lanes_m m) {
  int n = 0;
  for (uint32_t bits = m_bits(m); bits != 0; bits &= bits - 1) to[n++] = from[__builtin_ctz(bits)];
  return n;
}

INLINE int put_sites(uint16_t *to, int32_t first, lanes_m m) {
  int n = 0;
  for (uint32_t bits = m_bits(m); bits != 0; bits &= bits - 1) to[n++] = (uint16_t)(2 * (first + __builtin_ctz(bits)));
  return n;
}

INLINE lanes_m m_first(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }

#endif

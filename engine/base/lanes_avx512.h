/* Sixteen single-precision and eight double-precision lanes of AVX-512 (F, BW, DQ, VL): what lists and the double kernel ask for, as the fast one has eight
 * lanes on every processor. See lanes_avx2.h for what the names mean. */
#ifndef QN_BASE_LANES_H
#define QN_BASE_LANES_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16, HALF = LANES / 2 };

typedef __m512 lanes_f;
typedef __m512i lanes_i;
typedef __mmask16 lanes_m;
typedef __m512d lanes_d;
typedef __m512i lanes_l;

#define INLINE static inline __attribute__((always_inline))

INLINE lanes_f f_set(float a) { return _mm512_set1_ps(a); }
INLINE lanes_i i_set(int32_t a) { return _mm512_set1_epi32(a); }
INLINE lanes_i i_set4(int32_t a, int32_t b, int32_t c, int32_t d) { return _mm512_broadcast_i32x4(_mm_setr_epi32(a, b, c, d)); }
INLINE lanes_i i_load(const void *a) { return _mm512_loadu_si512(a); }
INLINE void i_store(void *to, lanes_i a) { _mm512_storeu_si512(to, a); }
INLINE lanes_f f_mul(lanes_f a, lanes_f b) { return _mm512_mul_ps(a, b); }
INLINE lanes_f f_fma(lanes_f a, lanes_f b, lanes_f c) { return _mm512_fmadd_ps(a, b, c); }
INLINE lanes_i i_add(lanes_i a, lanes_i b) { return _mm512_add_epi32(a, b); }
INLINE lanes_i i_sub(lanes_i a, lanes_i b) { return _mm512_sub_epi32(a, b); }
INLINE lanes_f f_from_i(lanes_i a) { return _mm512_cvtepi32_ps(a); }
INLINE lanes_m f_less(lanes_f a, lanes_f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INLINE lanes_m i_less(lanes_i a, lanes_i b) { return _mm512_cmplt_epi32_mask(a, b); }
INLINE lanes_m i_equal(lanes_i a, lanes_i b) { return _mm512_cmpeq_epi32_mask(a, b); }
INLINE lanes_m m_and(lanes_m a, lanes_m b) { return (lanes_m)(a & b); }
INLINE lanes_m m_and_not(lanes_m a, lanes_m b) { return (lanes_m)(a & ~b); }
INLINE uint32_t m_bits(lanes_m a) { return a; }
INLINE lanes_f f_select(lanes_m m, lanes_f yes, lanes_f no) { return _mm512_mask_blend_ps(m, no, yes); }
INLINE lanes_m m_first(int n) { return (lanes_m)(n >= 16 ? 0xFFFF : (1u << n) - 1u); }

INLINE void load_sites(const void *base, const uint16_t *entry, lanes_i *x, lanes_i *y, lanes_i *z, lanes_i *w) {
#define ROW(k) _mm_load_si128((const __m128i *)((const char *)base + 8 * (uint64_t)entry[k]))
  __m512i a = _mm512_castsi128_si512(ROW(0)), b = _mm512_castsi128_si512(ROW(1)), c = _mm512_castsi128_si512(ROW(2)), d = _mm512_castsi128_si512(ROW(3));
  a = _mm512_inserti32x4(a, ROW(4), 1), b = _mm512_inserti32x4(b, ROW(5), 1), c = _mm512_inserti32x4(c, ROW(6), 1), d = _mm512_inserti32x4(d, ROW(7), 1);
  a = _mm512_inserti32x4(a, ROW(8), 2), b = _mm512_inserti32x4(b, ROW(9), 2), c = _mm512_inserti32x4(c, ROW(10), 2), d = _mm512_inserti32x4(d, ROW(11), 2);
  a = _mm512_inserti32x4(a, ROW(12), 3), b = _mm512_inserti32x4(b, ROW(13), 3), c = _mm512_inserti32x4(c, ROW(14), 3), d = _mm512_inserti32x4(d, ROW(15), 3);
#undef ROW
  __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b), cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
  *x = _mm512_unpacklo_epi64(ab0, cd0), *y = _mm512_unpackhi_epi64(ab0, cd0);
  *z = _mm512_unpacklo_epi64(ab1, cd1), *w = _mm512_unpackhi_epi64(ab1, cd1);
}

INLINE int put_entries(uint16_t *to, const uint16_t *from, lanes_m m) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(m, wide)));
  return __builtin_popcount(m);
}

INLINE int put_sites(uint16_t *to, int32_t first, lanes_m m) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  __m512i wide = _mm512_add_epi32(_mm512_set1_epi32(2 * first), even);
  _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(m, wide)));
  return __builtin_popcount(m);
}

INLINE lanes_d d_set(double a) { return _mm512_set1_pd(a); }
INLINE lanes_d d_load(const double *a) { return _mm512_load_pd(a); }
INLINE void d_store(double *to, lanes_d a) { _mm512_store_pd(to, a); }
INLINE lanes_d d_add(lanes_d a, lanes_d b) { return _mm512_add_pd(a, b); }
INLINE lanes_d d_sub(lanes_d a, lanes_d b) { return _mm512_sub_pd(a, b); }
INLINE lanes_d d_mul(lanes_d a, lanes_d b) { return _mm512_mul_pd(a, b); }
INLINE lanes_d d_div(lanes_d a, lanes_d b) { return _mm512_div_pd(a, b); }
INLINE lanes_d d_min(lanes_d a, lanes_d b) { return _mm512_min_pd(a, b); }
INLINE lanes_d d_sqrt(lanes_d a) { return _mm512_sqrt_pd(a); }
INLINE lanes_d d_fma(lanes_d a, lanes_d b, lanes_d c) { return _mm512_fmadd_pd(a, b, c); }
INLINE lanes_d d_pick(lanes_d a, lanes_d b, lanes_d yes, lanes_d no) { return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), no, yes); }
INLINE int d_any_less(lanes_d a, lanes_d b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ) != 0; }
INLINE lanes_d d_split(lanes_d a, int32_t *to) {
  __m256i whole = _mm512_cvttpd_epi32(a);
  _mm256_storeu_si256((__m256i *)to, whole);
  return _mm512_cvtepi32_pd(whole);
}
INLINE void d_add_tags(int32_t *to, lanes_d a, int32_t mask, int32_t scale) {
  __m256i low = _mm256_mullo_epi32(_mm256_and_si256(_mm512_cvtepi64_epi32(_mm512_castpd_si512(a)), _mm256_set1_epi32(mask)), _mm256_set1_epi32(scale));
  _mm256_storeu_si256((__m256i *)to, _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)to), low));
}
INLINE lanes_l l_zero(void) { return _mm512_setzero_si512(); }
INLINE lanes_l l_add_bits(lanes_l a, lanes_d b) { return _mm512_add_epi64(a, _mm512_castpd_si512(b)); }
INLINE int64_t l_sum(lanes_l a) {
  uint64_t of[8], sum = 0;
  _mm512_storeu_si512(of, a);
  for (int k = 0; k < 8; k++) sum += of[k];
  return (int64_t)sum;
}

INLINE void d_load_sites(const double *low, const double *high, const uint16_t *entry, lanes_d *x, lanes_d *y, lanes_d *z, lanes_d *w) {
#define ROW(from, k) _mm_load_pd((const double *)((const char *)(from) + 8 * (uint64_t)entry[k]))
#define FOUR(from, k) \
  _mm512_insertf64x2(_mm512_insertf64x2(_mm512_insertf64x2(_mm512_castpd128_pd512(ROW(from, k)), ROW(from, k + 2), 1), ROW(from, k + 4), 2), ROW(from, k + 6), 3)
  __m512d a = FOUR(low, 0), b = FOUR(low, 1), c = FOUR(high, 0), d = FOUR(high, 1);
#undef FOUR
#undef ROW
  *x = _mm512_unpacklo_pd(a, b), *y = _mm512_unpackhi_pd(a, b), *z = _mm512_unpacklo_pd(c, d), *w = _mm512_unpackhi_pd(c, d);
}

INLINE void d_load_knots(const double *base, const int32_t *row, lanes_d column[4]) {
#define ROW(k) _mm256_loadu_pd(base + 2 * (int64_t)row[k])
#define TWO(k, l) _mm512_insertf64x4(_mm512_castpd256_pd512(ROW(k)), ROW(l), 1)
  __m512d a = TWO(0, 2), b = TWO(1, 3), c = TWO(4, 6), d = TWO(5, 7);
#undef TWO
#undef ROW
  __m512d ab0 = _mm512_unpacklo_pd(a, b), ab1 = _mm512_unpackhi_pd(a, b), cd0 = _mm512_unpacklo_pd(c, d), cd1 = _mm512_unpackhi_pd(c, d);
  column[0] = _mm512_shuffle_f64x2(ab0, cd0, 0x88), column[1] = _mm512_shuffle_f64x2(ab1, cd1, 0x88);
  column[2] = _mm512_shuffle_f64x2(ab0, cd0, 0xDD), column[3] = _mm512_shuffle_f64x2(ab1, cd1, 0xDD);
}

#endif

/* Eight doubles at a time. A source file that includes this under `#pragma GCC target` gets the wide instructions; elsewhere
 * the compiler splits the vectors. Every operation is rounded as IEEE 754 says and lanes are summed in a fixed order, so all
 * machines with a fused multiply-add compute the same bits. Everything is inlined, so no vector crosses a call. */
#ifndef QN_POTENTIAL_LANES_H
#define QN_POTENTIAL_LANES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined __AVX512F__ && defined __AVX512VL__ && defined __AVX512DQ__
#include <immintrin.h>
#define QN_WIDE 1
#else
#define QN_WIDE 0
#endif

#pragma GCC diagnostic ignored "-Wpsabi" /* about calls, of which there are none; given at the end of a file, so not popped */

#define QN_INLINE static inline __attribute__((always_inline))

enum { QN_WIDTH = 8 };
typedef double qn_vec __attribute__((vector_size(64)));
typedef int32_t qn_index __attribute__((vector_size(32)));
typedef int64_t qn_offsets __attribute__((vector_size(64)));
typedef uint8_t qn_mask; /* bit k: lane k */

QN_INLINE qn_vec qn_vec_all(double value) { return (qn_vec){value, value, value, value, value, value, value, value}; }
QN_INLINE qn_index qn_index_load(const int32_t *from) {
  qn_index index;
  memcpy(&index, from, sizeof index);
  return index;
}
QN_INLINE qn_vec qn_vec_load(const double *from) {
  qn_vec vec;
  memcpy(&vec, from, sizeof vec);
  return vec;
}
QN_INLINE double qn_vec_sum(qn_vec a) { return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7])); }

#if QN_WIDE

QN_INLINE qn_vec qn_vec_fused(qn_vec a, qn_vec b, qn_vec c) { return _mm512_fmadd_pd(a, b, c); }
QN_INLINE qn_vec qn_vec_min(qn_vec a, qn_vec b) { return _mm512_min_pd(a, b); }
QN_INLINE qn_mask qn_vec_less(qn_vec a, qn_vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
QN_INLINE qn_vec qn_vec_keep(qn_mask mask, qn_vec a) { return _mm512_maskz_mov_pd(mask, a); }
QN_INLINE qn_offsets qn_vec_truncate(qn_vec a) { return (qn_offsets)_mm512_cvttpd_epi64(a); }
QN_INLINE qn_vec qn_offsets_convert(qn_offsets a) { return _mm512_cvtepi64_pd((__m512i)a); }
QN_INLINE void qn_index_pack(int32_t *to, qn_mask mask, qn_index a) {
  _mm256_storeu_si256((void *)to, _mm256_maskz_compress_epi32(mask, (__m256i)a));
}
QN_INLINE void qn_vec_pack(double *to, qn_mask mask, qn_vec a) { _mm512_storeu_pd(to, _mm512_maskz_compress_pd(mask, a)); }
/* 1/sqrt to single precision. */
QN_INLINE qn_vec qn_vec_rough_inverse_root(qn_vec a) {
  __m256 root = _mm256_sqrt_ps(_mm512_cvtpd_ps(a));
  return _mm512_cvtps_pd(_mm256_div_ps(_mm256_set1_ps(1.0f), root));
}

/* Two rows, 32-byte aligned, in one register. */
QN_INLINE __m512d qn_wide_pair(const double *first, const double *second) {
  return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_load_pd(first)), _mm256_load_pd(second), 1);
}
QN_INLINE void qn_wide_transpose(__m512d r02, __m512d r13, __m512d r46, __m512d r57, qn_vec column[4]) {
  __m512d even03 = _mm512_unpacklo_pd(r02, r13), odd03 = _mm512_unpackhi_pd(r02, r13);
  __m512d even47 = _mm512_unpacklo_pd(r46, r57), odd47 = _mm512_unpackhi_pd(r46, r57);
  column[0] = _mm512_shuffle_f64x2(even03, even47, 0x88);
  column[1] = _mm512_shuffle_f64x2(odd03, odd47, 0x88);
  column[2] = _mm512_shuffle_f64x2(even03, even47, 0xDD);
  column[3] = _mm512_shuffle_f64x2(odd03, odd47, 0xDD);
}
/* Columns of eight rows of four doubles at base + 4 row: whole rows are loaded and transposed, which is quicker than gathering. */
QN_INLINE void qn_vec_rows(const double *base, const int32_t row[QN_WIDTH], qn_vec column[4]) {
#define QN_ROW(k) (base + 4 * (ptrdiff_t)row[k])
  qn_wide_transpose(qn_wide_pair(QN_ROW(0), QN_ROW(2)), qn_wide_pair(QN_ROW(1), QN_ROW(3)), qn_wide_pair(QN_ROW(4), QN_ROW(6)),
                    qn_wide_pair(QN_ROW(5), QN_ROW(7)), column);
#undef QN_ROW
}
/* The same with rows that were computed. They pass through memory, because the load ports have time and the shuffles have not; in two
 * halves, because a store of 64 bytes is slow to be read back in parts. */
QN_INLINE void qn_vec_rows_of(const double *base, qn_offsets row, qn_vec column[4]) {
  int64_t at[QN_WIDTH] __attribute__((aligned(64)));
  row *= 4;
  _mm256_store_si256((void *)at, _mm512_castsi512_si256((__m512i)row));
  _mm256_store_si256((void *)(at + 4), _mm512_extracti64x4_epi64((__m512i)row, 1));
  __asm__("" : "+m"(at));
  qn_wide_transpose(qn_wide_pair(base + at[0], base + at[2]), qn_wide_pair(base + at[1], base + at[3]),
                    qn_wide_pair(base + at[4], base + at[6]), qn_wide_pair(base + at[5], base + at[7]), column);
}

#else

QN_INLINE qn_vec qn_vec_fused(qn_vec a, qn_vec b, qn_vec c) {
#if defined __FMA__ || defined __ARM_FEATURE_FMA
  for (int k = 0; k < QN_WIDTH; k++) c[k] = __builtin_fma(a[k], b[k], c[k]);
  return c;
#else
  return a * b + c;
#endif
}
/* As the instruction has it: b when the comparison fails, so also when a is not a number. */
QN_INLINE qn_vec qn_vec_min(qn_vec a, qn_vec b) {
  for (int k = 0; k < QN_WIDTH; k++) a[k] = a[k] < b[k] ? a[k] : b[k];
  return a;
}
QN_INLINE qn_mask qn_vec_less(qn_vec a, qn_vec b) {
  unsigned mask = 0;
  for (int k = 0; k < QN_WIDTH; k++) mask |= (unsigned)(a[k] < b[k]) << k;
  return (qn_mask)mask;
}
QN_INLINE qn_vec qn_vec_keep(qn_mask mask, qn_vec a) {
  for (int k = 0; k < QN_WIDTH; k++) a[k] = mask >> k & 1 ? a[k] : 0.0;
  return a;
}
QN_INLINE qn_offsets qn_vec_truncate(qn_vec a) {
  qn_offsets out;
  for (int k = 0; k < QN_WIDTH; k++) out[k] = (int32_t)a[k];
  return out;
}
QN_INLINE qn_vec qn_offsets_convert(qn_offsets a) {
  qn_vec out;
  for (int k = 0; k < QN_WIDTH; k++) out[k] = (int32_t)a[k];
  return out;
}
QN_INLINE void qn_index_pack(int32_t *to, qn_mask mask, qn_index a) {
  int used = 0;
  for (int k = 0; k < QN_WIDTH; k++) {
    to[used] = a[k];
    used += mask >> k & 1;
  }
}
QN_INLINE void qn_vec_pack(double *to, qn_mask mask, qn_vec a) {
  int used = 0;
  for (int k = 0; k < QN_WIDTH; k++) {
    to[used] = a[k];
    used += mask >> k & 1;
  }
}
/* 1/sqrt to single precision. */
QN_INLINE qn_vec qn_vec_rough_inverse_root(qn_vec a) {
  for (int k = 0; k < QN_WIDTH; k++) a[k] = (double)(1.0f / sqrtf((float)a[k]));
  return a;
}

/* Columns of eight rows of four doubles at base + 4 row. */
QN_INLINE void qn_vec_rows(const double *base, const int32_t row[QN_WIDTH], qn_vec column[4]) {
  for (int k = 0; k < QN_WIDTH; k++)
    for (int c = 0; c < 4; c++) column[c][k] = base[4 * (ptrdiff_t)row[k] + c];
}
QN_INLINE void qn_vec_rows_of(const double *base, qn_offsets row, qn_vec column[4]) {
  for (int k = 0; k < QN_WIDTH; k++)
    for (int c = 0; c < 4; c++) column[c][k] = base[4 * row[k] + c];
}

#endif

/* 1/sqrt(a) to a unit in the last place or two, for a from 1e-30 to 1e30: Halley's step triples the digits of a single-precision start. */
QN_INLINE qn_vec qn_vec_inverse_root(qn_vec a) {
  qn_vec y = qn_vec_rough_inverse_root(a);
  qn_vec error = qn_vec_fused(-(a * y), y, qn_vec_all(1.0));
  return qn_vec_fused(y * error, qn_vec_fused(qn_vec_all(0.375), error, qn_vec_all(0.5)), y);
}

#endif

/* What the pair kernels of the windows share: a sum in fixed order, and sin(x)/x.
 *
 * Loops over the 64 lanes carry no sum, so the compiler vectorises them at any width without changing a bit. */
#ifndef QN_ANALYSIS_KERNEL_H
#define QN_ANALYSIS_KERNEL_H

#include <math.h>

#include "engine/analysis/window.h"

/* One clone per instruction set, chosen when the program starts. Sanitizers run before the choice can be made; clang 14 gives the function that
 * chooses a name of its own, which other files do not find. */
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QN_KERNEL __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define QN_KERNEL
#endif

/* Pairwise, so the order is fixed and every level vectorises. */
static inline __attribute__((always_inline)) double qn_kernel_sum(double *term) {
  for (int half = QN_WINDOW_CHUNK / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) term[i] += term[i + half];
  return term[0];
}

/* sin(x)/x for 0 <= x < 1e6, absolute error below 4e-16. The argument is reduced by multiples of pi, held in three parts (the first two have
 * trailing zeros, so their products with n are exact); then the Taylor series to y^21 on [-pi/2, pi/2]. Below 1e-2 the series of the ratio. */
static inline __attribute__((always_inline)) double qn_kernel_sinc(double x) {
  const double rounder = 0x1.8p52;
  double n = (x * 0.31830988618379067154 + rounder) - rounder;
  double odd = n - 2 * ((0.5 * n + rounder) - rounder);
  double y = x - n * 3.14159265346825122833e+00;
  y -= n * 1.21542010126079319532e-10;
  y -= n * 4.04453249759190126308e-21;
  double z = y * y;
  double p = 1.0 / 51090942171709440000.0;
  p = p * z - 1.0 / 121645100408832000.0;
  p = p * z + 1.0 / 355687428096000.0;
  p = p * z - 1.0 / 1307674368000.0;
  p = p * z + 1.0 / 6227020800.0;
  p = p * z - 1.0 / 39916800.0;
  p = p * z + 1.0 / 362880.0;
  p = p * z - 1.0 / 5040.0;
  p = p * z + 1.0 / 120.0;
  p = p * z - 1.0 / 6.0;
  double sine = (y + y * z * p) * (1 - 2 * odd * odd);
  double s = x * x;
  double small = 1 - s * (1.0 / 6) * (1 - s * (1.0 / 20) * (1 - s * (1.0 / 42)));
  return x > 1e-2 ? sine / x : small;
}

#endif

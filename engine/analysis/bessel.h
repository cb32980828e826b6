/* J0(x), the average of cos(x cos(phi)) over directions in a plane, for vectorised loops: Taylor polynomials of degree 13 about the integers, absolute
 * error below 2e-15. */
#ifndef QN_ANALYSIS_BESSEL_H
#define QN_ANALYSIS_BESSEL_H

#include <math.h>

enum { QN_BESSEL_END = 512, QN_BESSEL_TERMS = 14 };

typedef struct qn_bessel {
  double coefficient[QN_BESSEL_TERMS][QN_BESSEL_END + 1]; /* [power][centre] */
} qn_bessel;

void qn_bessel_fill(qn_bessel *table);

/* 0 <= x < QN_BESSEL_END; the caller sends larger ones to j0(). */
static inline __attribute__((always_inline)) double qn_bessel_j0(const qn_bessel *table, double x) {
  int centre = (int)(x + 0.5);
  double u = x - centre, sum = table->coefficient[QN_BESSEL_TERMS - 1][centre];
  for (int k = QN_BESSEL_TERMS - 2; k >= 0; k--) sum = sum * u + table->coefficient[k][centre];
  return sum;
}

#endif

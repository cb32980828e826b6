#include "engine/analysis/bessel.h"

/* d^k J0 / dx^k = 2^-k sum_j (-1)^j binomial(k, j) J_(2j-k), from J_n' = (J_(n-1) - J_(n+1)) / 2; J_(-n) = (-1)^n J_n. */
void qn_bessel_fill(qn_bessel *table) {
  for (int centre = 0; centre <= QN_BESSEL_END; centre++) {
    double bessel[QN_BESSEL_TERMS], factorial = 1;
    for (int n = 0; n < QN_BESSEL_TERMS; n++) bessel[n] = jn(n, centre);
    for (int k = 0; k < QN_BESSEL_TERMS; k++) {
      double sum = 0, binomial = 1;
      for (int j = 0; j <= k; j++) {
        int order = 2 * j - k, positive = order < 0 ? -order : order;
        double sign = ((j & 1) != 0) != (order < 0 && (positive & 1) != 0) ? -1 : 1;
        sum += sign * binomial * bessel[positive];
        binomial = binomial * (k - j) / (j + 1);
      }
      if (k > 0) factorial *= k;
      table->coefficient[k][centre] = ldexp(sum, -k) / factorial;
    }
  }
}

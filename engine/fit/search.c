#include "engine/fit/search.h"

#include <math.h>

double qn_fit_search(double (*function)(void *context, double x), void *context, double low, double high, int scan) {
  double step = (high - low) / scan, best = low + step / 2, lowest = INFINITY;
  for (int i = 0; i < scan; i++) {
    double x = low + step * (i + 0.5), y = function(context, x);
    if (y < lowest) {
      lowest = y;
      best = x;
    }
  }
  const double golden = 0.61803398874989484820;
  double a = fmax(low, best - step), b = fmin(high, best + step), c = b - golden * (b - a), d = a + golden * (b - a);
  double at_c = function(context, c), at_d = function(context, d);
  while (b - a > 1e-10 * (high - low)) {
    if (at_c <= at_d) {
      b = d;
      d = c;
      at_d = at_c;
      c = b - golden * (b - a);
      at_c = function(context, c);
    } else {
      a = c;
      c = d;
      at_c = at_d;
      d = a + golden * (b - a);
      at_d = function(context, d);
    }
  }
  return (a + b) / 2;
}

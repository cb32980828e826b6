#include "engine/analysis/lags.h"

#include <math.h>

int qn_lags_choose(int64_t longest, int64_t lags[QN_MAX_LAGS]) {
  enum { DENSE = 16, A_DECADE = 20 };
  int count = 0;
  for (int64_t lag = 1; lag <= DENSE && lag <= longest; lag++) lags[count++] = lag;
  for (int k = 1; count > 0 && lags[count - 1] < longest && count < QN_MAX_LAGS; k++) {
    int64_t lag = (int64_t)llround(DENSE * pow(10, (double)k / A_DECADE));
    if (lag > longest || count == QN_MAX_LAGS - 1) lag = longest;
    if (lag > lags[count - 1]) lags[count++] = lag;
  }
  return count;
}

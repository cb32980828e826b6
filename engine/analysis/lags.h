/* The lags at which time correlations are taken: every one up to 16 samples, then 20 a decade. */
#ifndef QN_ANALYSIS_LAGS_H
#define QN_ANALYSIS_LAGS_H

#include <stdint.h>

enum { QN_MAX_LAGS = 256 };

/* Ascending lags, in samples, from 1 to `longest` (both included) into `lags`; returns how many. */
int qn_lags_choose(int64_t longest, int64_t lags[QN_MAX_LAGS]);

#endif

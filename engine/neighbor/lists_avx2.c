#include "engine/neighbor/lists.h"

#ifdef __x86_64__
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt")
#include "engine/base/lanes_avx2.h"

#include "engine/neighbor/lists_kernel.h"

const qn_lists_kernel qn_lists_avx2 = {.lanes = LANES, .place = place, .build = build, .prune = prune};
#else
const qn_lists_kernel qn_lists_avx2 = {0}; /* never chosen */
#endif

#include "engine/potential/fast.h"

#ifdef __x86_64__
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt")
#include "engine/base/lanes_avx512.h"

#include "engine/potential/fast_kernel.h"

const qn_fast_kernel qn_fast_avx512 = {.density = density, .force = force};
#else
const qn_fast_kernel qn_fast_avx512 = {0}; /* never chosen */
#endif

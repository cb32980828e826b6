#include "engine/potential/fast.h"

#ifdef __x86_64__
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt")
#include "engine/base/lanes_avx2.h"

#include "engine/potential/fast_kernel.h"

const qn_fast_kernel qn_fast_avx2 = {.density = density, .embed = embed, .force = force};
#else
const qn_fast_kernel qn_fast_avx2 = {0}; /* never chosen */
#endif

#include "engine/potential/double.h"

#ifdef __x86_64__
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt")
#include "engine/base/lanes_avx2.h"

#include "engine/potential/double_kernel.h"

const qn_double_kernel qn_double_avx2 = {.density = density, .force = force};
#else
const qn_double_kernel qn_double_avx2 = {0}; /* never chosen */
#endif

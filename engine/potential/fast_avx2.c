/* The fast kernel for AVX2 and FMA. On other processors it exists but is not usable. */
#include "engine/potential/fast_state.h"

#ifdef __x86_64__
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt")
#include "engine/potential/fast_lanes_avx2.h"

#include "engine/potential/fast_kernel.h"

static bool usable(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }

const qn_fast_kernel qn_fast_avx2 = {
    .name = "fast-avx2", .lanes = LANES, .usable = usable, .place = place, .build = build, .prune = prune, .density = density, .force = force};
#else
static bool usable(void) { return false; }

const qn_fast_kernel qn_fast_avx2 = {.name = "fast-avx2", .usable = usable};
#endif

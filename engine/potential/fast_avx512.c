/* The fast kernel for AVX-512. On other processors it exists but is not usable. */
#include "engine/potential/fast_state.h"

#ifdef __x86_64__
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt")
#include "engine/potential/fast_lanes_avx512.h"

#include "engine/potential/fast_kernel.h"

static bool usable(void) { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"); }

const qn_fast_kernel qn_fast_avx512 = {
    .name = "fast-avx512", .lanes = LANES, .usable = usable, .place = place, .build = build, .prune = prune, .density = density, .force = force};
#else
static bool usable(void) { return false; }

const qn_fast_kernel qn_fast_avx512 = {.name = "fast-avx512", .usable = usable};
#endif

#include "engine/base/instructions.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *const NAMES[QN_INSTRUCTIONS_COUNT] = {"avx512", "avx2", "portable"};

static bool usable(qn_instructions instructions) {
#ifdef __x86_64__
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (instructions == QN_INSTRUCTIONS_AVX512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (instructions == QN_INSTRUCTIONS_AVX2) return avx2;
#endif
  return instructions == QN_INSTRUCTIONS_PORTABLE;
}

qn_status qn_instructions_choose(const char *name, qn_instructions *chosen, qn_error *error) {
  for (int k = 0; k < QN_INSTRUCTIONS_COUNT; k++) {
    *chosen = (qn_instructions)k;
    if (name == NULL ? usable(*chosen) : strcmp(name, NAMES[k]) == 0 && usable(*chosen)) return QN_OK;
  }
  return qn_error_set(error, QN_UNSUPPORTED, "this processor has no %s instructions", name);
}

const char *qn_instructions_name(qn_instructions instructions) { return NAMES[instructions]; }

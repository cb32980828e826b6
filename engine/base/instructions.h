/* Instruction sets that the engine's vector code is compiled for, and the choice among them at run time. All of them compute the same bits. */
#ifndef QN_BASE_INSTRUCTIONS_H
#define QN_BASE_INSTRUCTIONS_H

#include "engine/base/status.h"

typedef enum qn_instructions {
  QN_INSTRUCTIONS_AVX512, /* F, BW, DQ, VL */
  QN_INSTRUCTIONS_AVX2,   /* with FMA and BMI2 */
  QN_INSTRUCTIONS_PORTABLE,
  QN_INSTRUCTIONS_COUNT
} qn_instructions;

/* "avx512", "avx2" or "portable"; NULL takes the best that this processor has. QN_UNSUPPORTED when it lacks them, or for another name. */
qn_status qn_instructions_choose(const char *name, qn_instructions *chosen, qn_error *error);

/* The name; never NULL. */
const char *qn_instructions_name(qn_instructions instructions);

#endif

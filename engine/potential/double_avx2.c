/* The passes of the double kernel with AVX2. */
#if defined __x86_64__
#pragma GCC target("avx2,fma")
#include "engine/potential/double_passes.h"

const qn_double_passes qn_double_avx2 = {first_pass, second_pass};
#endif

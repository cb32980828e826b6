/* The passes of the double kernel with AVX-512. */
#if defined __x86_64__
#pragma GCC target("avx512f,avx512vl,avx512dq")
#include "engine/potential/double_passes.h"

const qn_double_passes qn_double_avx512 = {first_pass, second_pass};
#endif

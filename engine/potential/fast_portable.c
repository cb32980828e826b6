#include "engine/base/lanes_portable.h"

#include "engine/potential/fast_kernel.h"

const qn_fast_kernel qn_fast_portable = {.density = density, .embed = embed, .force = force};

#include "engine/base/lanes_portable.h"

#include "engine/potential/double_kernel.h"

const qn_double_kernel qn_double_portable = {.density = density, .force = force};

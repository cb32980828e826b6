#include "engine/base/lanes_portable.h"

#include "engine/neighbor/lists_kernel.h"

const qn_lists_kernel qn_lists_portable = {.lanes = LANES, .place = place, .build = build, .prune = prune};

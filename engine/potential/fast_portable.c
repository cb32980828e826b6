/* The fast kernel in plain C. */
#include "engine/potential/fast_lanes_portable.h"

#include "engine/potential/fast_kernel.h"

static bool usable(void) { return true; }

const qn_fast_kernel qn_fast_portable = {
    .name = "fast-portable", .lanes = LANES, .usable = usable, .place = place, .build = build, .prune = prune, .density = density, .force = force};

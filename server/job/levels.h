/* The levels of temperature that a simulation goes through, for analyses of its thermo series. */
#ifndef QN_SERVER_JOB_LEVELS_H
#define QN_SERVER_JOB_LEVELS_H

#include "api/spec.h"
#include "engine/analysis/thermo.h"

/* Of one stage (-1: of all), in the order of time; the caller frees `*levels`. `surfaces`: whether the start had free surfaces. */
qn_status qn_levels_list(const qn_simulation_spec *spec, int stage, qn_knowledge surfaces, qn_thermo_level **levels, int *count, qn_error *error);

#endif

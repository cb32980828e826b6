#include "engine/analysis/types.h"

#include <stddef.h>
#include <string.h>

const qn_analysis_type *const *qn_analysis_types(void) {
  static const qn_analysis_type *const types[] = {&qn_diffusion, &qn_relaxation, &qn_non_gaussian, &qn_van_hove,
                                                   &qn_debye_waller, &qn_pair_distribution, &qn_structure_factor,
                                                   &qn_cage_jumps, &qn_coordination, &qn_density_profile,
                                                   &qn_stokes_einstein, NULL};
  return types;
}

const qn_analysis_type *qn_analysis_find(const char *name) {
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    if (strcmp((*type)->name, name) == 0) return *type;
  return NULL;
}

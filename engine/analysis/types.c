#include "engine/analysis/types.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "engine/analysis/layer.h"

const qn_analysis_type *const *qn_analysis_types(void) {
  static const qn_analysis_type *const types[] = {&qn_diffusion, &qn_relaxation, &qn_non_gaussian, &qn_van_hove,
                                                   &qn_debye_waller, &qn_pair_distribution, &qn_structure_factor,
                                                   &qn_cage_jumps, &qn_coordination, &qn_density_profile,
                                                   &qn_stokes_einstein, &qn_energy_series, &qn_thermodynamics, NULL};
  return types;
}

const qn_analysis_type *qn_analysis_find(const char *name) {
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    if (strcmp((*type)->name, name) == 0) return *type;
  return NULL;
}

int qn_analysis_parameter(const qn_analysis_type *type, const char *name) {
  for (int p = 0; p < type->parameter_count; p++)
    if (strcmp(type->parameters[p].name, name) == 0) return p;
  return -1;
}

/* What a type's own fields rule out. */
static qn_status check_needs(const qn_analysis_type *type, const double *parameters, const qn_analysis_prospect *prospect, qn_error *error) {
  if (type->displacements && prospect->wrapping == QN_WRAPPING_WRAPPED)
    return qn_error_set(error, QN_UNSUPPORTED,
                        "the positions are wrapped: the file has neither unwrapped positions nor image counts, and displacements cannot be told");
  if (type->displacements && prospect->box_changes)
    return qn_error_set(error, QN_UNSUPPORTED, "the box changes at constant pressure; displacements need frames of constant volume (nvt or nve)");
  if (type->displacements && prospect->frames < 2)
    return qn_error_set(error, QN_INVALID, "%lld frame: displacements need at least two", (long long)prospect->frames);
  if (type->displacements && !(prospect->interval > 0))
    return qn_error_set(error, QN_UNSUPPORTED, "the frames have no times, or are not evenly spaced in time");
  if (type->layered && parameters[QN_LAYER_THICKNESS] > 0 && prospect->surfaces == QN_NO)
    return qn_error_set(error, QN_UNSUPPORTED, "a layer is asked for, but the system has no free surface");
  if (type->potential && prospect->potential == QN_NO)
    return qn_error_set(error, QN_UNSUPPORTED, "energies need a potential, and there is none with these frames");
  return QN_OK;
}

qn_status qn_analysis_check(const qn_analysis_type *type, const double *parameters, const qn_analysis_prospect *prospect, qn_error *error) {
  qn_status status = check_needs(type, parameters, prospect, error);
  return status == QN_OK && type->check != NULL ? type->check(parameters, prospect, error) : status;
}

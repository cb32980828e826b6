/* The analyses, for the table in types.c. */
#ifndef QN_ANALYSIS_TYPES_H
#define QN_ANALYSIS_TYPES_H

#include "engine/analysis/analysis.h"

extern const qn_analysis_type qn_diffusion;
extern const qn_analysis_type qn_relaxation;
extern const qn_analysis_type qn_non_gaussian;
extern const qn_analysis_type qn_van_hove;
extern const qn_analysis_type qn_cage_jumps;
extern const qn_analysis_type qn_stokes_einstein;
extern const qn_analysis_type qn_coordination;
extern const qn_analysis_type qn_density_profile;
extern const qn_analysis_type qn_pair_distribution;
extern const qn_analysis_type qn_structure_factor;
extern const qn_analysis_type qn_debye_waller;
extern const qn_analysis_type qn_energy_series;
extern const qn_analysis_type qn_thermodynamics;

#endif

/* What the structure that a simulation starts from tells of the work. */
#include <stdio.h>
#include <string.h>

#include "api/spec/parts.h"
#include "api/structure.h"

/* A mean volume before any stage at constant pressure is the structure's. */
static void check_mean(const qn_simulation_spec *spec, const qn_structure_facts *facts, qn_faults *faults) {
  for (int s = 0; s < spec->protocol.stage_count && !facts->has_mean_lengths; s++) {
    const qn_stage *stage = &spec->protocol.stages[s];
    if (stage->kind != QN_STAGE_SURFACE && stage->ensemble == QN_ENSEMBLE_NPT) return;
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/stages/%d/volume", s);
    if (stage->mean_volume)
      qn_faults_add(faults, pointer, "the structure does not know its mean lengths; accepted here: current");
  }
}

void qn_spec_resolve_structure(qn_simulation_spec *spec, const qn_structure_facts *facts, const char *sha256, qn_faults *faults) {
  if (spec->structure_sha256[0] != '\0' && strcmp(spec->structure_sha256, sha256) != 0)
    qn_faults_add(faults, "/initial/structure_sha256", "structure %lld is another one: its sha256 is %s", (long long)spec->structure, sha256);
  snprintf(spec->structure_sha256, sizeof spec->structure_sha256, "%s", sha256);
  if (spec->velocities == QN_START_VELOCITIES_KEEP && !facts->has_velocities)
    qn_faults_add(faults, "/initial/velocities", "structure %lld has no velocities; accepted: draw", (long long)spec->structure);
  if (spec->velocities == QN_START_VELOCITIES_OPEN)
    spec->velocities = facts->has_velocities ? QN_START_VELOCITIES_KEEP : QN_START_VELOCITIES_DRAW;
  spec->lattice.species_count = facts->species_count;
  memcpy(spec->lattice.species, facts->species, sizeof spec->lattice.species);
  double heavy = qn_spec_count_frames(spec) * (double)facts->atoms;
  if (facts->atoms > QN_MOST_ATOMS)
    qn_faults_add(faults, "/initial/structure", "%lld atoms; at most %lld are accepted", (long long)facts->atoms, (long long)QN_MOST_ATOMS);
  else if (heavy > QN_MOST_ATOM_FRAMES)
    qn_faults_add(faults, "/stages", "%.4g atoms x frames in all; at most %.12g are accepted", heavy, QN_MOST_ATOM_FRAMES);
  check_mean(spec, facts, faults);
}

void qn_spec_resolve_structure_box(const qn_simulation_spec *spec, const qn_structure_facts *facts, const qn_potential_facts *potential,
                                   qn_faults *faults) {
  for (int axis = 0; axis < 3; axis++)
    if (facts->length_a[axis] < potential->smallest_length_a)
      qn_faults_add(faults, "/initial/structure", "the box of structure %lld is %.4g A long along %c, too small for the cutoff of %.4g A: %.4g A is needed",
                    (long long)spec->structure, facts->length_a[axis], "xyz"[axis], potential->cutoff_a, potential->smallest_length_a);
}

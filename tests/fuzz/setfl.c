/* Potentials as they are uploaded: refused with a reason, or good enough to compute with. */
#include "fuzz/fuzz.h"

#include <math.h>

#include "api/potential.h"
#include "engine/model/lattice.h"
#include "engine/potential/force.h"

/* Energies of a few atoms with both kernels: numbers or a reason, never a crash. */
static void compute(const qn_eam *potential) {
  static const qn_precision precisions[] = {QN_PRECISION_DOUBLE, QN_PRECISION_FAST};
  qn_lattice lattice = {.crystal = QN_CRYSTAL_B2, .cells = {2, 2, 2}, .species_count = 1, .species = {potential->species[0]}, .fraction = {1.0}};
  for (int p = 0; p < 2; p++) {
    const qn_force_options options = {.precision = precisions[p], .threads = 1};
    double length = qn_force_smallest_length(potential, &options);
    if (!(length > 0.0 && length < 1e3)) continue;
    qn_atoms atoms = {0};
    qn_box box;
    qn_force *force = NULL;
    qn_force_result result;
    qn_error error = {0};
    lattice.constant = length / 2.0 * 1.01;
    EXPECT(qn_lattice_build(&lattice, 1, &atoms, &box, &error) == QN_OK, "%s", error.message);
    if (qn_force_alloc(&force, potential, &atoms, &box, &options, &error) == QN_OK &&
        qn_force_compute(force, &box, &atoms, &result, NULL, &error) == QN_OK)
      EXPECT(!isnan(result.energy), "an energy that is no number, and no word of it");
    qn_force_free(force);
    qn_atoms_fini(&atoms);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = exact(data, size);
  qn_eam potential;
  qn_potential_facts facts;
  qn_error error = {0};
  qn_status status = qn_eam_parse(&potential, text, size, &error);
  if (status == QN_OK) {
    EXPECT(potential.species_count >= 1 && potential.species_count <= QN_MAX_SPECIES, "%d species", potential.species_count);
    compute(&potential);
    qn_eam_fini(&potential);
  } else {
    EXPECT(error.message[0] != '\0', "refused without a reason");
  }
  if (qn_potential_describe(text, size, &facts, &error) == QN_OK) EXPECT(status == QN_OK, "described though it cannot be read");
  free(text);
  return 0;
}

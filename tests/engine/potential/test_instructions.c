/* Each kernel for each instruction set that this machine has, against the plain one: the same bits. */
#include "engine/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/model/lattice.h"
#include "engine/potential/force.h"

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

enum { ATOMS = 320, MOST_STEPS = 4 };

typedef struct outcome {
  qn_force_result result;
  double local[ATOMS], f[3][ATOMS]; /* eV, eV/A */
} outcome;

/* A shaken crystal in a box that shrinks step by step; false when the machine has not these instructions. */
static bool run_with(const char *instructions, qn_precision precision, const char *path, outcome steps[MOST_STEPS]) {
  qn_eam eam;
  qn_error error;
  check_status(qn_eam_read(&eam, path, &error), &error);
  qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC, .cells = {5, 4, 4}, .constant = 4.0, .species_count = eam.species_count};
  memcpy(lattice.species, eam.species, sizeof lattice.species);
  for (int s = 0; s < eam.species_count; s++) lattice.fraction[s] = 1.0 / eam.species_count;
  qn_atoms atoms;
  qn_box box;
  check_status(qn_lattice_build(&lattice, 4, &atoms, &box, &error), &error);
  assert_int_equal(atoms.count, ATOMS);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_BOOTSTRAP, 0);
  qn_force *force;
  qn_status status =
      qn_force_alloc(&force, &eam, &atoms, &box, &(qn_force_options){.precision = precision, .threads = 1, .instructions = instructions}, &error);
  if (status != QN_UNSUPPORTED) check_status(status, &error);
  for (int t = 0; t < MOST_STEPS && status == QN_OK; t++) {
    for (int axis = 0; axis < 3; axis++) {
      for (int64_t i = 0; i < atoms.count; i++) atoms.r[axis][i] = 0.998 * (atoms.r[axis][i] + 0.1 * qn_rng_normal(&rng));
      box.length[axis] *= 0.998;
    }
    check_status(qn_force_compute(force, &box, &atoms, &steps[t].result, steps[t].local, &error), &error);
    for (int axis = 0; axis < 3; axis++) memcpy(steps[t].f[axis], atoms.f[axis], sizeof steps[t].f[axis]);
  }
  if (status == QN_OK) qn_force_free(force);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
  return status == QN_OK;
}

static void all_agree(void **state) {
  (void)state;
  static const char *const FILES[] = {QN_POTENTIALS "/Cu-Zr_2.eam.fs", QN_TEST_DATA "/made.eam.fs", QN_TEST_DATA "/made.eam.alloy"};
  static outcome plain[MOST_STEPS], wide[MOST_STEPS];
  int compared = 0;
  for (int k = 0; k < 3; k++)
    for (int fast = 0; fast < 2; fast++) {
      qn_precision precision = fast ? QN_PRECISION_FAST : QN_PRECISION_DOUBLE;
      assert_true(run_with("portable", precision, FILES[k], plain));
      for (int set = 0; set < 2; set++) {
        if (!run_with(set ? "avx2" : "avx512", precision, FILES[k], wide)) continue;
        assert_memory_equal(plain, wide, sizeof plain);
        compared++;
      }
    }
  if (compared == 0) skip();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The passes of the double kernel for each instruction set that this machine has, against each other. */
#include "engine/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/model/lattice.h"
#include "engine/potential/double.h"

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

typedef struct outcome {
  qn_force_result result;
  double *f[3]; /* eV/A */
} outcome;

static outcome run_with(const qn_double_passes *passes, const char *path) {
  qn_eam eam;
  qn_error error;
  check_status(qn_eam_read(&eam, path, &error), &error);
  qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC, .cells = {5, 4, 4}, .constant = 4.0, .species_count = eam.species_count};
  memcpy(lattice.species, eam.species, sizeof lattice.species);
  for (int s = 0; s < eam.species_count; s++) lattice.fraction[s] = 1.0 / eam.species_count;
  qn_atoms atoms;
  qn_box box;
  check_status(qn_lattice_build(&lattice, 4, &atoms, &box, &error), &error);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_BOOTSTRAP, 0);
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms.count; i++) atoms.r[axis][i] += 0.2 * qn_rng_normal(&rng);

  qn_ranges ranges;
  qn_ranges_find(&eam, &ranges);
  qn_system system = {.eam = &eam, .ranges = &ranges, .species_count = eam.species_count, .threads = 1};
  for (int s = 0; s < eam.species_count; s++) system.species[s] = s;
  qn_neighbor neighbor;
  void *state;
  check_status(qn_neighbor_init(&neighbor, &atoms, ranges.reach, 1.0, 1, &error), &error);
  check_status(qn_kernel_double.alloc(&state, &system, &neighbor, &error), &error);
  ((qn_double *)state)->passes = passes;
  check_status(qn_neighbor_update(&neighbor, &box, &atoms, &error), &error);
  outcome run = {0};
  check_status(qn_kernel_double.compute(state, &neighbor, &atoms, &run.result, NULL, &error), &error);
  for (int axis = 0; axis < 3; axis++) {
    run.f[axis] = malloc(320 * sizeof(double));
    memcpy(run.f[axis], atoms.f[axis], 320 * sizeof(double));
  }
  qn_kernel_double.free(state);
  qn_neighbor_fini(&neighbor);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
  return run;
}

static void outcome_fini(outcome *run) {
  for (int axis = 0; axis < 3; axis++) free(run->f[axis]);
}

/* Machines with a fused multiply-add agree to the bit, those without to rounding. */
static void all_agree(void **state) {
  (void)state;
#if defined __x86_64__
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) skip();
  static const char *const FILES[] = {QN_POTENTIALS "/Cu-Zr_2.eam.fs", QN_TEST_DATA "/made.eam.fs", QN_TEST_DATA "/made.eam.alloy"};
  for (int k = 0; k < 3; k++) {
    outcome avx2 = run_with(&qn_double_avx2, FILES[k]), plain = run_with(&qn_double_plain, FILES[k]);
    assert_close(plain.result.energy, avx2.result.energy, 1e-10);
    for (int v = 0; v < 6; v++) assert_close(plain.result.virial[v], avx2.result.virial[v], 1e-9);
    for (int axis = 0; axis < 3; axis++)
      for (int i = 0; i < 320; i++) assert_close(plain.f[axis][i], avx2.f[axis][i], 1e-11);
    outcome_fini(&plain);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      outcome avx512 = run_with(&qn_double_avx512, FILES[k]);
      assert_memory_equal(&avx512.result, &avx2.result, sizeof avx2.result);
      for (int axis = 0; axis < 3; axis++) assert_memory_equal(avx512.f[axis], avx2.f[axis], 320 * sizeof(double));
      outcome_fini(&avx512);
    }
    outcome_fini(&avx2);
  }
#else
  skip();
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "engine/check.h"

#include <string.h>

#include "engine/base/rng.h"
#include "engine/model/atoms.h"
#include "engine/model/surface.h"

static void init_refuses_and_zeroes(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_error error;
  assert_int_equal(qn_atoms_init(&atoms, 0, &error), QN_INVALID);
  assert_int_equal(qn_atoms_init(&atoms, -1, &error), QN_INVALID);
  assert_int_equal(qn_atoms_init(&atoms, INT64_MAX, &error), QN_INVALID);
  qn_atoms_fini(&atoms);
  assert_int_equal(qn_atoms_init(&atoms, 9, &error), QN_OK);
  for (int axis = 0; axis < 3; axis++)
    for (int i = 0; i < 9; i++) assert_true(atoms.r[axis][i] == 0 && atoms.v[axis][i] == 0 && atoms.image[axis][i] == 0);
  atoms.species_count = 2;
  strcpy(atoms.species[0].symbol, "Cu");
  strcpy(atoms.species[1].symbol, "Zr");
  assert_int_equal(qn_atoms_find_species(&atoms, "Zr"), 1);
  assert_int_equal(qn_atoms_find_species(&atoms, "C"), -1);
  qn_atoms_fini(&atoms);
  qn_atoms_fini(&atoms);
}

/* The unwrapped position r + image * length is untouched by wrapping, and r lies inside, edges included. */
static void wrap_keeps_the_unwrapped_position(void **state) {
  (void)state;
  enum { N = 1000 };
  const qn_box box = {{-3.5, 0.0, 1e-3}, {7.3, 11.0, 2.0 / 3.0}};
  qn_atoms atoms;
  qn_error error;
  assert_int_equal(qn_atoms_init(&atoms, N, &error), QN_OK);
  qn_rng rng;
  qn_rng_init(&rng, 1, QN_RNG_BOOTSTRAP, 0);
  double before[3][N];
  for (int axis = 0; axis < 3; axis++)
    for (int i = 0; i < N; i++) {
      double r = box.origin[axis] + box.length[axis] * 20 * (qn_rng_uniform(&rng) - 0.5);
      if (i < 40) r = box.origin[axis] + box.length[axis] * (i - 20);                   /* on the edges */
      else if (i < 80) r = nextafter(box.origin[axis] + box.length[axis] * (i - 60), -INFINITY); /* just below */
      atoms.r[axis][i] = before[axis][i] = r;
      atoms.image[axis][i] = 5;
    }
  assert_int_equal(qn_atoms_wrap(&atoms, &box, &error), QN_OK);
  for (int axis = 0; axis < 3; axis++)
    for (int i = 0; i < N; i++) {
      assert_true(atoms.r[axis][i] >= box.origin[axis]);
      assert_true(atoms.r[axis][i] < box.origin[axis] + box.length[axis]);
      double unwrapped = atoms.r[axis][i] + (atoms.image[axis][i] - 5) * box.length[axis];
      assert_true(fabs(unwrapped - before[axis][i]) < 1e-12);
    }
  const double lost[] = {NAN, INFINITY, -INFINITY, 1e300};
  for (int k = 0; k < 4; k++) {
    atoms.r[1][321] = lost[k];
    assert_int_equal(qn_atoms_wrap(&atoms, &box, &error), QN_BLOWUP);
    assert_non_null(strstr(error.message, "atom 321"));
  }
  qn_atoms_fini(&atoms);
}

static void surface_keeps_the_slab_whole(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_error error;
  assert_int_equal(qn_atoms_init(&atoms, 3, &error), QN_OK);
  qn_box box = {{0, 0, 0}, {10, 10, 10}};
  const double z[3] = {-0.5, 5.0, 10.25};
  for (int i = 0; i < 3; i++) {
    atoms.r[0][i] = 12.0;
    atoms.r[2][i] = z[i];
    atoms.image[2][i] = i;
  }
  assert_int_equal(qn_surface_cut(&atoms, &box, 3, 10, &error), QN_INVALID);
  assert_int_equal(qn_surface_cut(&atoms, &box, 2, 0, &error), QN_INVALID);
  assert_int_equal(qn_surface_cut(&atoms, &box, 2, NAN, &error), QN_INVALID);
  assert_int_equal(qn_surface_cut(&atoms, &box, 2, 10, &error), QN_OK);
  assert_close(box.origin[2], -10, 0);
  assert_close(box.length[2], 30, 0);
  assert_close(box.length[0], 10, 0);
  const double inside[3] = {9.5, 5.0, 0.25};
  for (int i = 0; i < 3; i++) {
    assert_close(atoms.r[2][i], inside[i], 1e-12);
    assert_int_equal(atoms.image[2][i], 0);
    assert_close(atoms.r[0][i] + 10.0 * atoms.image[0][i], 12.0, 1e-12);
  }
  atoms.r[0][1] = NAN;
  assert_int_equal(qn_surface_cut(&atoms, &box, 2, 10, &error), QN_BLOWUP);
  qn_atoms_fini(&atoms);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(init_refuses_and_zeroes),
      cmocka_unit_test(wrap_keeps_the_unwrapped_position),
      cmocka_unit_test(surface_keeps_the_slab_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

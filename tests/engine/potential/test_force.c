/* Properties of qn_force that need no reference data: a naive twin, finite differences, same bits, and how it fails. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/model/lattice.h"
#include "engine/potential/force.h"

#define CUZR QN_POTENTIALS "/Cu-Zr_2.eam.fs"
#define MADE QN_TEST_DATA "/made.eam.fs"

static const qn_force_options DOUBLE = {.precision = QN_PRECISION_DOUBLE, .threads = 1};

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static qn_eam potential(const char *path) {
  qn_eam eam;
  qn_error error;
  check_status(qn_eam_read(&eam, path, &error), &error);
  return eam;
}

/* `count` atoms of all species at random, none closer than `nearest`, in a box of three lengths. */
static void scatter(const qn_eam *eam, int64_t count, double nearest, const double length[3], uint32_t sequence, qn_atoms *atoms, qn_box *box) {
  qn_rng rng;
  qn_rng_init(&rng, 77, QN_RNG_BOOTSTRAP, sequence);
  qn_error error;
  check_status(qn_atoms_init(atoms, count, &error), &error);
  atoms->species_count = eam->species_count;
  memcpy(atoms->species, eam->species, sizeof atoms->species);
  for (int axis = 0; axis < 3; axis++) {
    box->origin[axis] = 3.0 * qn_rng_uniform(&rng) - 1.5;
    box->length[axis] = length[axis];
  }
  for (int64_t i = 0; i < count;) {
    double least = INFINITY;
    for (int axis = 0; axis < 3; axis++) atoms->r[axis][i] = box->origin[axis] + length[axis] * qn_rng_uniform(&rng);
    for (int64_t j = 0; j < i; j++) {
      double square = 0;
      for (int axis = 0; axis < 3; axis++) {
        double d = atoms->r[axis][j] - atoms->r[axis][i];
        d -= length[axis] * nearbyint(d / length[axis]);
        square += d * d;
      }
      least = fmin(least, square);
    }
    if (least < nearest * nearest) continue;
    atoms->type[i++] = (uint8_t)qn_rng_below(&rng, (uint64_t)eam->species_count);
  }
}

static double energy_of(const qn_eam *eam, qn_atoms *atoms, const qn_box *box, qn_force_result *result) {
  qn_error error;
  qn_force *force;
  check_status(qn_force_alloc(&force, eam, atoms, box, &DOUBLE, &error), &error);
  check_status(qn_force_compute(force, box, atoms, result, NULL, &error), &error);
  qn_force_free(force);
  return result->energy;
}

/* The definition, term by term: every pair, every image, splines in the seven-coefficient form of the LAMMPS manual's source. */
static double spline(int points, double step, const double *f, double x, double *slope) {
  double d[2];
  double p = x / step;
  int m = (int)p < points - 2 ? (int)p : points - 2;
  p = p - m < 1 ? p - m : 1;
  for (int k = 0; k < 2; k++) {
    int i = m + k;
    if (i == 0) d[k] = f[1] - f[0];
    else if (i == points - 1) d[k] = f[i] - f[i - 1];
    else if (i == 1 || i == points - 2) d[k] = (f[i + 1] - f[i - 1]) / 2;
    else d[k] = (f[i - 2] - 8 * f[i - 1] + 8 * f[i + 1] - f[i + 2]) / 12;
  }
  double c2 = 3 * (f[m + 1] - f[m]) - 2 * d[0] - d[1], c3 = d[0] + d[1] - 2 * (f[m + 1] - f[m]);
  *slope = (d[0] + p * (2 * c2 + p * 3 * c3)) / step;
  return f[m] + p * (d[0] + p * (c2 + p * c3));
}

static double naive(const qn_eam *eam, const qn_atoms *atoms, const qn_box *box, double *f[3], double virial[6]) {
  int64_t n = atoms->count;
  int species = eam->species_count;
  double *rho = calloc((size_t)n, sizeof *rho), *slope = calloc((size_t)n, sizeof *slope), energy = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++)
        for (int image = 0; image < 27; image++) {
          double d[3], r = 0, here, there, phi_slope;
          const int shift[3] = {image % 3 - 1, image / 3 % 3 - 1, image / 9 - 1};
          for (int axis = 0; axis < 3; axis++) d[axis] = atoms->r[axis][j] - atoms->r[axis][i] + shift[axis] * box->length[axis];
          r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
          if (r == 0 || r >= eam->cutoff) continue;
          size_t ij = (size_t)(atoms->type[i] * species + atoms->type[j]) * (size_t)eam->r_points;
          size_t ji = (size_t)(atoms->type[j] * species + atoms->type[i]) * (size_t)eam->r_points;
          double density = spline(eam->r_points, eam->r_step, eam->density + ij, r, &here);
          if (pass == 0) {
            rho[i] += density;
            continue;
          }
          spline(eam->r_points, eam->r_step, eam->density + ji, r, &there);
          double z2 = spline(eam->r_points, eam->r_step, eam->pair + ij, r, &phi_slope);
          energy += 0.5 * z2 / r;
          double pull = (slope[i] * here + slope[j] * there + phi_slope / r - z2 / r / r) / r;
          for (int axis = 0; axis < 3; axis++) f[axis][i] += pull * d[axis];
          static const int A[6] = {0, 1, 2, 0, 0, 1}, B[6] = {0, 1, 2, 1, 2, 2};
          for (int v = 0; v < 6; v++) virial[v] -= 0.5 * pull * d[A[v]] * d[B[v]];
        }
    for (int64_t i = 0; pass == 0 && i < n; i++)
      energy += spline(eam->rho_points, eam->rho_step, eam->embedding + (size_t)atoms->type[i] * (size_t)eam->rho_points, rho[i], &slope[i]);
  }
  free(rho);
  free(slope);
  return energy;
}

static void agrees_with_the_naive_twin(void **state) {
  (void)state;
  static const char *const FILES[] = {CUZR, MADE, QN_TEST_DATA "/made.eam.alloy"};
  for (uint32_t k = 0; k < 9; k++) {
    qn_eam eam = potential(FILES[k % 3]);
    double least = qn_force_smallest_length(&eam, &DOUBLE);
    const double length[3] = {least * (1 + 0.1 * k), least * (k % 2 ? 1.0 : 1.7), least + 0.3};
    qn_atoms atoms;
    qn_box box;
    scatter(&eam, 60, 1.9, length, k, &atoms, &box);
    double *f[3], virial[6] = {0};
    for (int axis = 0; axis < 3; axis++) f[axis] = calloc(60, sizeof(double));
    double expected = naive(&eam, &atoms, &box, f, virial);
    qn_force_result result;
    assert_close(energy_of(&eam, &atoms, &box, &result), expected, 60 * 1e-10);
    for (int v = 0; v < 6; v++) assert_close(result.virial[v], virial[v], 1e-8);
    for (int64_t i = 0; i < 60; i++)
      for (int axis = 0; axis < 3; axis++) {
        assert_close(atoms.f[axis][i], f[axis][i], 1e-9);
        if (i == 59) free(f[axis]);
      }
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

/* f = -dE/dr, and sum r f = -dE/d(strain). The tables have kinks in their second derivative, so the step stays coarse. */
static void finite_differences(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box;
  scatter(&eam, 100, 2.2, (const double[3]){16, 17, 15.5}, 3, &atoms, &box);
  qn_force_result result, ignored;
  energy_of(&eam, &atoms, &box, &result);
  const double step = 1e-5;
  for (int64_t i = 0; i < 100; i += 9)
    for (int axis = 0; axis < 3; axis++) {
      double f = atoms.f[axis][i], r = atoms.r[axis][i], e[2];
      for (int side = 0; side < 2; side++) {
        atoms.r[axis][i] = r + (side ? step : -step);
        e[side] = energy_of(&eam, &atoms, &box, &ignored);
      }
      atoms.r[axis][i] = r;
      energy_of(&eam, &atoms, &box, &ignored);
      assert_close(-(e[1] - e[0]) / (2 * step), f, 2e-6 * (1 + fabs(f)));
    }
  for (int axis = 0; axis < 3; axis++) {
    double e[2];
    for (int side = 0; side < 2; side++) {
      double scale = 1 + (side ? 1e-6 : -1e-6);
      qn_box strained = box;
      strained.length[axis] *= scale;
      strained.origin[axis] *= scale;
      double *kept = malloc(100 * sizeof *kept);
      memcpy(kept, atoms.r[axis], 100 * sizeof *kept);
      for (int i = 0; i < 100; i++) atoms.r[axis][i] *= scale;
      e[side] = energy_of(&eam, &atoms, &strained, &ignored);
      memcpy(atoms.r[axis], kept, 100 * sizeof *kept);
      free(kept);
    }
    assert_close(-(e[1] - e[0]) / 2e-6, result.virial[axis], 1e-4 * (1 + fabs(result.virial[axis])));
  }
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

/* A liquid-like start: the lattice of 1372 atoms, shaken. */
static void shaken(const qn_eam *eam, qn_atoms *atoms, qn_box *box) {
  qn_lattice lattice = {.crystal = QN_CRYSTAL_FCC, .cells = {7, 7, 7}, .constant = 4.1, .species_count = 2, .fraction = {0.5, 0.5}};
  memcpy(lattice.species, eam->species, 2 * sizeof *eam->species);
  qn_error error;
  check_status(qn_lattice_build(&lattice, 11, atoms, box, &error), &error);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_BOOTSTRAP, 0);
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms->count; i++) atoms->r[axis][i] += 0.15 * qn_rng_normal(&rng);
}

/* Atom `i` takes step `t` of a walk that only (i, t) decides; the box breathes. */
static void walk(qn_atoms *atoms, qn_box *box, int t) {
  for (int axis = 0; axis < 3; axis++) {
    double scale = 1 + 2e-3 * sin(t + axis);
    for (int64_t i = 0; i < atoms->count; i++)
      atoms->r[axis][i] = scale * (atoms->r[axis][i] + 0.04 * sin((double)(i * (axis + 3) % 101 + t * (i % 7)))); /* drifts */
    box->length[axis] *= scale;
    box->origin[axis] *= scale;
  }
}

static void same_bits_for_any_number_of_threads(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  enum { STEPS = 30, KINDS = 3 };
  qn_force_result results[KINDS][STEPS];
  qn_atoms atoms[KINDS];
  for (int kind = 0; kind < KINDS; kind++) {
    static const int THREADS[KINDS] = {1, 2, 5};
    qn_box box;
    qn_error error;
    qn_force *force;
    shaken(&eam, &atoms[kind], &box);
    const qn_force_options options = {.precision = QN_PRECISION_DOUBLE, .threads = THREADS[kind]};
    check_status(qn_force_alloc(&force, &eam, &atoms[kind], &box, &options, &error), &error);
    for (int t = 0; t < STEPS; t++) {
      walk(&atoms[kind], &box, t);
      check_status(qn_force_compute(force, &box, &atoms[kind], &results[kind][t], NULL, &error), &error);
    }
    assert_true(qn_force_rebuilds(force) > 2 && qn_force_rebuilds(force) < STEPS);
    qn_force_free(force);
  }
  for (int kind = 1; kind < KINDS; kind++) {
    assert_memory_equal(results[kind], results[0], sizeof results[0]);
    for (int axis = 0; axis < 3; axis++)
      assert_memory_equal(atoms[kind].f[axis], atoms[0].f[axis], (size_t)atoms[0].count * sizeof(double));
  }
  for (int kind = 0; kind < KINDS; kind++) qn_atoms_fini(&atoms[kind]);
  qn_eam_fini(&eam);
}

/* Lists that are kept give what lists built afresh give, to the bit, wherever the atoms and the box went in between: a resumed run needs no lists. */
static void a_function_of_positions_alone(void **state) {
  (void)state;
  static const char *const FILES[] = {CUZR, MADE, QN_TEST_DATA "/made.eam.alloy"};
  for (int k = 0; k < 3; k++) {
    qn_eam eam = potential(FILES[k]);
    qn_atoms atoms;
    qn_box box;
    qn_error error;
    qn_force *force;
    shaken(&eam, &atoms, &box);
    size_t size = (size_t)atoms.count * sizeof(double);
    double *f[3];
    for (int axis = 0; axis < 3; axis++) f[axis] = malloc(size);
    int exact = 0;
    check_status(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), &error);
    for (int t = 0; t < 40; t++) {
      walk(&atoms, &box, t);
      qn_force_result kept, fresh;
      check_status(qn_force_compute(force, &box, &atoms, &kept, NULL, &error), &error);
      for (int axis = 0; axis < 3; axis++) {
        int64_t net = 0;
        double top = 0;
        memcpy(f[axis], atoms.f[axis], size);
        for (int64_t i = 0; i < atoms.count; i++) net += (int64_t)(f[axis][i] * 0x1p43), top = fmax(top, fabs(f[axis][i]));
        if (top < 0x1p10) assert_int_equal(net, 0); /* a double holds that many quanta */
        exact += top < 0x1p10;
      }
      energy_of(&eam, &atoms, &box, &fresh);
      assert_memory_equal(&kept, &fresh, sizeof kept);
      for (int axis = 0; axis < 3; axis++) assert_memory_equal(f[axis], atoms.f[axis], size);
      double virial[3]; /* with fewer sums the rest is the same */
      if (t % 2 == 0) check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), &error);
      else check_status(qn_force_compute_pressure(force, &box, &atoms, virial, &error), &error);
      for (int axis = 0; axis < 3; axis++) assert_memory_equal(f[axis], atoms.f[axis], size);
      if (t % 2 != 0) assert_memory_equal(virial, kept.virial, sizeof virial);
    }
    assert_true(qn_force_rebuilds(force) < 40 && exact > 60);
    qn_force_free(force);
    for (int axis = 0; axis < 3; axis++) free(f[axis]);
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

static void refusals(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box;
  qn_force *force;
  qn_error error;
  shaken(&eam, &atoms, &box);
  static const qn_force_options BAD[] = {
      {.threads = 0}, {.threads = 1 << 20}, {.threads = 1, .skin = -1}, {.threads = 1, .skin = NAN}};
  for (int k = 0; k < 4; k++) {
    assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &box, &BAD[k], &error), QN_INVALID);
    assert_null(force);
  }
  const qn_force_options unknown = {.precision = (qn_precision)9, .threads = 1};
  assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &box, &unknown, &error), QN_UNSUPPORTED);
  qn_box small = box;
  small.length[1] = 15.19;
  assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &small, &DOUBLE, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "at least 15.2 A"));
  assert_close(qn_force_smallest_length(&eam, &DOUBLE), 15.2, 1e-12);
  strcpy(atoms.species[1].symbol, "Al");
  assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "no entry for Al"));
  strcpy(atoms.species[1].symbol, "Zr");
  atoms.type[10] = 2;
  assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "atom 10"));
  atoms.type[10] = 0;
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), &error);
  assert_memory_equal(qn_force_kernel(force), "double-", 7);
  qn_atoms fewer = atoms;
  fewer.count--;
  qn_force_result result;
  assert_int_equal(qn_force_compute(force, &box, &fewer, &result, NULL, &error), QN_INVALID);
  qn_force_free(force);
  qn_force_free(NULL);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

/* Forces and virials far beyond those of any solid keep all their digits: sums do not run over. */
static void strong_pulls(void **state) {
  (void)state;
  for (int power = 0; power <= 6; power++) {
    qn_eam eam = potential(CUZR);
    for (int k = 0; k < eam.species_count * eam.species_count * eam.r_points; k++) eam.pair[k] *= pow(10, power % 4);
    for (int k = 0; k < eam.species_count * eam.rho_points; k++) eam.embedding[k] *= power >= 4 ? power : 1;
    qn_atoms atoms;
    qn_box box;
    scatter(&eam, 90, 1.7, (const double[]){15.3, 15.3, 15.3}, (uint32_t)power, &atoms, &box);
    double *f[3], virial[6] = {0}, scale = 0;
    for (int axis = 0; axis < 3; axis++) f[axis] = calloc(90, sizeof(double));
    double expected = naive(&eam, &atoms, &box, f, virial);
    for (int k = 0; k < 270; k++) scale = fmax(scale, fabs(f[k / 90][k % 90]));
    qn_force_result result;
    assert_close(energy_of(&eam, &atoms, &box, &result), expected, 1e-9 * scale);
    for (int v = 0; v < 6; v++) assert_close(result.virial[v], virial[v], 1e-8 * scale);
    for (int k = 0; k < 270; k++) assert_close(atoms.f[k / 90][k % 90], f[k / 90][k % 90], 1e-10 * scale);
    for (int axis = 0; axis < 3; axis++) free(f[axis]);
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

/* Each ruin is named, and the object still works once the atoms are back. */
static void blow_ups(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box;
  qn_force *force;
  qn_error error;
  qn_force_result before, result;
  shaken(&eam, &atoms, &box);
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), &error);
  check_status(qn_force_compute(force, &box, &atoms, &before, NULL, &error), &error);
  const double lost[] = {NAN, INFINITY, 1e200};
  double kept = atoms.r[2][100];
  for (int k = 0; k < 3; k++) {
    atoms.r[2][100] = lost[k];
    assert_int_equal(qn_force_compute(force, &box, &atoms, &result, NULL, &error), QN_BLOWUP);
    assert_non_null(strstr(error.message, "atom 100"));
    atoms.r[2][100] = kept;
  }
  double apart[3];
  for (int axis = 0; axis < 3; axis++) {
    apart[axis] = atoms.r[axis][200];
    atoms.r[axis][200] = atoms.r[axis][201] + 1e-3;
  }
  assert_int_equal(qn_force_compute(force, &box, &atoms, &result, NULL, &error), QN_BLOWUP);
  assert_true(strstr(error.message, "atom 200") != NULL || strstr(error.message, "atom 201") != NULL);
  for (int axis = 0; axis < 3; axis++) atoms.r[axis][200] = apart[axis];
  qn_box collapsed = box;
  collapsed.length[0] = 5.0;
  assert_int_equal(qn_force_compute(force, &collapsed, &atoms, &result, NULL, &error), QN_BLOWUP);
  collapsed.length[0] = NAN;
  assert_int_equal(qn_force_compute(force, &collapsed, &atoms, &result, NULL, &error), QN_BLOWUP);
  check_status(qn_force_compute(force, &box, &atoms, &result, NULL, &error), &error);
  assert_close(result.energy, before.energy, 1e-8);
  qn_force_free(force);

  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms.count; i++) atoms.r[axis][i] = 1.0;
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), &error);
  assert_int_equal(qn_force_compute(force, &box, &atoms, &result, NULL, &error), QN_BLOWUP);
  qn_force_free(force);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

static void crowds_are_a_blow_up(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box = {{0, 0, 0}, {20, 20, 20}};
  qn_force *force;
  qn_error error;
  qn_force_result result;
  check_status(qn_atoms_init(&atoms, 20000, &error), &error);
  atoms.species_count = 2;
  memcpy(atoms.species, eam.species, sizeof atoms.species);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_BOOTSTRAP, 0);
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms.count; i++) atoms.r[axis][i] = 4 * qn_rng_uniform(&rng);
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &DOUBLE, &error), &error);
  assert_int_equal(qn_force_compute(force, &box, &atoms, &result, NULL, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "more than 32000 atoms"));
  qn_force_free(force);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_the_naive_twin),
      cmocka_unit_test(finite_differences),
      cmocka_unit_test(same_bits_for_any_number_of_threads),
      cmocka_unit_test(a_function_of_positions_alone),
      cmocka_unit_test(refusals),
      cmocka_unit_test(strong_pulls),
      cmocka_unit_test(blow_ups),
      cmocka_unit_test(crowds_are_a_blow_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

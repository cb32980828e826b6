/* The fast kernel against the double one, and its promises: the same bits whatever the threads, the instruction set and the age of the lists,
 * and momentum conserved exactly. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/model/lattice.h"
#include "engine/potential/force.h"
#include "engine/trajectory/extxyz.h"

#define CUZR QN_POTENTIALS "/Cu-Zr_2.eam.fs"
#define MADE QN_TEST_DATA "/made.eam.fs"
#define ALLOY QN_TEST_DATA "/made.eam.alloy"

static const char *const INSTRUCTIONS[] = {"avx512", "avx2", "portable"};
enum { SETS = 3 };

static void check_status(qn_status status, const qn_error *error) {
  if (status != QN_OK) fail_msg("%s", error->message);
}

static qn_eam potential(const char *path) {
  qn_eam eam;
  qn_error error;
  check_status(qn_eam_read(&eam, path, &error), &error);
  return eam;
}

/* What one evaluation gave. */
typedef struct answer {
  size_t count;
  double *f[3], *local;
  qn_force_result result;
} answer;

static answer take(qn_force *force, const qn_box *box, qn_atoms *atoms) {
  answer a = {.count = (size_t)atoms->count, .local = malloc((size_t)atoms->count * sizeof(double))};
  qn_error error;
  check_status(qn_force_compute(force, box, atoms, &a.result, a.local, &error), &error);
  for (int axis = 0; axis < 3; axis++) {
    a.f[axis] = malloc(a.count * sizeof(double));
    memcpy(a.f[axis], atoms->f[axis], a.count * sizeof(double));
  }
  return a;
}

static void drop(answer *a) {
  for (int axis = 0; axis < 3; axis++) free(a->f[axis]);
  free(a->local);
}

/* A force made for this one evaluation; false when the processor lacks the instructions. */
static bool fresh(const qn_eam *eam, const qn_box *box, qn_atoms *atoms, const qn_force_options *options, answer *a) {
  qn_error error;
  qn_force *force;
  qn_status status = qn_force_alloc(&force, eam, atoms, box, options, &error);
  if (status == QN_UNSUPPORTED) return false;
  check_status(status, &error);
  *a = take(force, box, atoms);
  qn_force_free(force);
  return true;
}

static void same_bits(const answer *a, const answer *b) {
  assert_memory_equal(a->local, b->local, a->count * sizeof(double));
  assert_memory_equal(&a->result, &b->result, sizeof a->result);
  for (int axis = 0; axis < 3; axis++) assert_memory_equal(a->f[axis], b->f[axis], a->count * sizeof(double));
}

/* The promised accuracy. */
static void close_to(const answer *fast, const answer *exact, const char *what) {
  double square = 0, error = 0, virial = 0, virial_error = 0, worst_local = 0;
  for (int axis = 0; axis < 3; axis++) {
    double net = 0;
    for (size_t i = 0; i < exact->count; i++) {
      square += exact->f[axis][i] * exact->f[axis][i];
      error += pow(fast->f[axis][i] - exact->f[axis][i], 2);
      net += fast->f[axis][i]; /* whole numbers of one quantum: the sum is exact */
    }
    assert_true(net == 0.0);
  }
  for (size_t i = 0; i < exact->count; i++) worst_local = fmax(worst_local, fabs(fast->local[i] - exact->local[i]));
  for (int v = 0; v < 6; v++) {
    virial += exact->result.virial[v] * exact->result.virial[v];
    virial_error += pow(fast->result.virial[v] - exact->result.virial[v], 2);
  }
  double force = sqrt(error / square), energy = fabs(fast->result.energy - exact->result.energy) / (double)exact->count;
  if (!(force <= 1e-5 && energy <= 1e-6 && sqrt(virial_error / virial) <= 1e-5 && worst_local < 1e-5))
    fail_msg("%s: forces off by %.2g of their rms, energy by %.2g eV/atom (one atom %.2g), virial by %.2g", what, force, energy, worst_local,
             sqrt(virial_error / virial));
}

static void accurate_on_every_structure(void **state) {
  (void)state;
  static const char *const FILES[][2] = {{"liquid-1500K-2048", CUZR}, {"glass-300K-2048", CUZR}, {"b2-perturbed-432", CUZR},
                                         {"slab-1500K-2048", CUZR},   {"made-fs-160", MADE},     {"made-alloy-160", ALLOY}};
  for (size_t k = 0; k < sizeof FILES / sizeof *FILES; k++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.xyz", QN_TEST_DATA, FILES[k][0]);
    qn_error error;
    qn_eam eam = potential(FILES[k][1]);
    qn_extxyz structure;
    check_status(qn_extxyz_read(&structure, path, NULL, 0, &error), &error);
    answer exact, first = {0}, other;
    assert_true(fresh(&eam, &structure.box, &structure.atoms, &(qn_force_options){.precision = QN_PRECISION_DOUBLE, .threads = 2}, &exact));
    for (int set = 0; set < SETS; set++)
      for (int threads = 1; threads <= 3; threads++) {
        if (set == 2 && threads != 2) continue; /* the slow one */
        const qn_force_options options = {
            .precision = QN_PRECISION_FAST, .threads = threads, .skin = threads == 3 ? 0.4 : 0.0, .instructions = INSTRUCTIONS[set]};
        if (!fresh(&eam, &structure.box, &structure.atoms, &options, &other)) continue;
        close_to(&other, &exact, FILES[k][0]);
        if (first.count == 0) {
          first = other;
          continue;
        }
        same_bits(&first, &other);
        drop(&other);
      }
    drop(&exact);
    drop(&first);
    qn_extxyz_fini(&structure);
    qn_eam_fini(&eam);
  }
}

/* An fcc lattice of random species, shaken. */
static void shaken(const qn_eam *eam, const int cells[3], double constant, int species, qn_atoms *atoms, qn_box *box) {
  qn_lattice lattice = {
      .crystal = QN_CRYSTAL_FCC, .cells = {cells[0], cells[1], cells[2]}, .constant = constant, .species_count = species};
  for (int s = 0; s < species; s++) {
    lattice.species[s] = eam->species[s];
    lattice.fraction[s] = 1.0 / species;
  }
  qn_error error;
  check_status(qn_lattice_build(&lattice, 11, atoms, box, &error), &error);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_BOOTSTRAP, 0);
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms->count; i++) atoms->r[axis][i] += 0.15 * qn_rng_normal(&rng);
}

/* Step `t` of a flow that stirs the atoms without pressing them together; the box breathes, and now and then an atom jumps by boxes. */
static void walk(qn_atoms *atoms, qn_box *box, int t) {
  for (int64_t i = 0; i < atoms->count; i++) {
    double r[3];
    for (int axis = 0; axis < 3; axis++) r[axis] = 2.0 * 3.14159265358979 * (atoms->r[axis][i] - box->origin[axis]) / box->length[axis];
    for (int axis = 0; axis < 3; axis++) atoms->r[axis][i] += 0.02 * (0.3 + sin(r[(axis + 1) % 3] + 0.05 * t));
  }
  for (int axis = 0; axis < 3; axis++) {
    double scale = 1 + 1e-4 * sin(t + axis);
    for (int64_t i = 0; i < atoms->count; i++) atoms->r[axis][i] *= scale;
    box->length[axis] *= scale;
    box->origin[axis] *= scale;
  }
  if (t % 10 == 7) atoms->r[t % 3][t] += 2 * box->length[t % 3];
}

/* Whatever the lists are made of and however old they are, the answer is that of lists made for the occasion. */
static void a_function_of_positions_alone(void **state) {
  (void)state;
  static const struct {
    const char *potential;
    int cells[3];
    double constant;
    int species;
  } CASES[] = {
      {CUZR, {5, 5, 5}, 4.1, 2}, /* 500 atoms, one brick or two a side */
      {CUZR, {9, 6, 4}, 4.1, 2}, /* unequal sides */
      {CUZR, {7, 7, 7}, 3.64, 1}, /* one species of two */
      {MADE, {4, 4, 6}, 4.3, 3},
      {ALLOY, {4, 5, 4}, 4.3, 3},
      {ALLOY, {4, 4, 4}, 4.2, 1},
  };
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
    qn_eam eam = potential(CASES[k].potential);
    qn_atoms atoms;
    qn_box box;
    qn_error error;
    qn_force *kept[3];
    shaken(&eam, CASES[k].cells, CASES[k].constant, CASES[k].species, &atoms, &box);
    for (int n = 0; n < 3; n++) {
      const qn_force_options options = {.precision = QN_PRECISION_FAST, .threads = 1 + n, .skin = (double[]){0.0, 0.5, 2.0}[n]};
      check_status(qn_force_alloc(&kept[n], &eam, &atoms, &box, &options, &error), &error);
    }
    for (int t = 0; t < 40; t++) {
      walk(&atoms, &box, t);
      answer now, other, exact;
      assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_FAST, .threads = 1}, &now));
      for (int n = 0; n < 3; n++) {
        other = take(kept[n], &box, &atoms);
        same_bits(&now, &other);
        drop(&other);
      }
      if (t % 10 == 0) {
        assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_DOUBLE, .threads = 2}, &exact));
        close_to(&now, &exact, CASES[k].potential);
        drop(&exact);
      }
      /* With fewer sums the rest is the same. */
      double virial[3];
      if (t % 2 == 0) check_status(qn_force_compute(kept[t % 3], &box, &atoms, NULL, NULL, &error), &error);
      else check_status(qn_force_compute_pressure(kept[t % 3], &box, &atoms, virial, &error), &error);
      if (t % 2 != 0) assert_memory_equal(virial, now.result.virial, sizeof virial);
      for (int axis = 0; axis < 3; axis++) assert_memory_equal(atoms.f[axis], now.f[axis], now.count * sizeof(double));
      drop(&now);
    }
    for (int n = 0; n < 3; n++) {
      assert_true(qn_force_rebuilds(kept[n]) > (n == 1) && qn_force_rebuilds(kept[n]) < 40);
      qn_force_free(kept[n]);
    }
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

/* Every atom stays inside the box, and its image says where it went. */
static void atoms_are_wrapped_at_once(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box;
  qn_error error;
  qn_force *force;
  shaken(&eam, (const int[]){5, 5, 5}, 4.1, 2, &atoms, &box);
  const qn_force_options options = {.precision = QN_PRECISION_FAST, .threads = 1};
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &options, &error), &error);
  check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), &error);
  double place = atoms.r[0][3] + atoms.image[0][3] * box.length[0], f = atoms.f[0][3];
  int32_t image = atoms.image[0][3];
  atoms.r[0][3] -= 3 * box.length[0];
  check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), &error);
  assert_int_equal(atoms.image[0][3], image - 3);
  assert_close(atoms.r[0][3] + (atoms.image[0][3] + 3) * box.length[0], place, 1e-12);
  assert_close(atoms.f[0][3], f, 1e-6);
  qn_force_free(force);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

/* The Mendelev file with its pair functions multiplied by `pair`, its F by `embedding`, and a steep wall in F above the density `from`. */
static qn_eam doctored(double pair, double embedding, double wall, double from) {
  qn_eam eam = potential(CUZR);
  for (int k = 0; k < eam.species_count * eam.species_count * eam.r_points; k++) eam.pair[k] *= pair;
  for (int k = 0; k < eam.species_count * eam.rho_points; k++) {
    double beyond = fmax(k % eam.rho_points * eam.rho_step - from, 0.0);
    eam.embedding[k] = eam.embedding[k] * embedding + wall * beyond * beyond;
  }
  return eam;
}

/* Pulls that the integers of the fast kernel would not hold are left to the reference kernel: the answer is right, however strong. */
static void strong_pulls(void **state) {
  (void)state;
  static const double CASES[][5] = {
      /* doctored with, lattice constant in A */
      {1, 1, 0, 0, 4.1},       {30, 1, 0, 0, 4.1},      {1, 30, 0, 0, 4.1},       {1, 1, 0.03, 45, 4.1},    {1, 1, 1, 45, 4.1}, {1000, 1, 1, 45, 4.1},
      {0.03, 1, 0, 0, 2.55},   {0.03, 1, 0.15, 80, 2.55}, {0.03, 1, 0.45, 80, 2.55}, {0.03, 1, 0.45, 90, 2.65}, /* steep only where density is unusual */
  };
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
    qn_eam eam = doctored(CASES[k][0], CASES[k][1], CASES[k][2], CASES[k][3]);
    qn_atoms atoms;
    qn_box box;
    shaken(&eam, (const int[]){8, 8, 8}, CASES[k][4], CASES[k][4] < 3 ? 1 : 2, &atoms, &box);
    answer fast, exact;
    assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_FAST, .threads = 1}, &fast));
    assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_DOUBLE, .threads = 1}, &exact));
    double square = 0, error = 0;
    for (int axis = 0; axis < 3; axis++)
      for (size_t i = 0; i < exact.count; i++) square += pow(exact.f[axis][i], 2), error += pow(fast.f[axis][i] - exact.f[axis][i], 2);
    if (!(sqrt(error / square) <= 1e-5)) fail_msg("pair %g, F %g, wall %g: off by %.2g", CASES[k][0], CASES[k][1], CASES[k][2], sqrt(error / square));
    for (int v = 0; v < 3; v++) assert_close(fast.result.virial[v], exact.result.virial[v], 1e-5 * fabs(exact.result.virial[v]) + 1e-3);
    /* Neither what is asked for nor the threads decide. */
    qn_force *force;
    qn_error why;
    check_status(qn_force_alloc(&force, &eam, &atoms, &box, &(qn_force_options){.precision = QN_PRECISION_FAST, .threads = 2}, &why), &why);
    check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &why), &why);
    for (int axis = 0; axis < 3; axis++) assert_memory_equal(atoms.f[axis], fast.f[axis], fast.count * sizeof(double));
    qn_force_free(force);
    drop(&fast);
    drop(&exact);
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

/* 1 up to `flat`, 0 from `end` on. */
static double plateau(double r, double flat, double end) {
  double x = fmin(fmax((end - r) / (end - flat), 0.0), 1.0);
  return x * x * (3.0 - 2.0 * x);
}

/* The Mendelev file with plateaus for functions: between neighbours nothing pulls, but densities and energies of many of them add up. */
static qn_eam flat(double phi, double phi_flat, double rho_flat) {
  qn_eam eam = potential(CUZR);
  for (int k = 0; k < eam.species_count * eam.species_count * eam.r_points; k++) {
    double r = k % eam.r_points * eam.r_step;
    eam.pair[k] = r * phi * plateau(r, phi_flat, phi_flat + 2.0);
    eam.density[k] = plateau(r, rho_flat, rho_flat + 1.0);
  }
  return eam;
}

/* What runs over is off by 16 or by 1000, what the corners of the plateaus take from the fits by 1e-4. */
static void sums_of_many(void **state) {
  (void)state;
  static const double CASES[][3] = {{0.0, 4.2, 5.0}, {60.0, 4.2, 5.0}, {-90.0, 5.0, 3.0}, {90.0, 5.0, 6.0}};
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
    qn_eam eam = flat(CASES[k][0], CASES[k][1], CASES[k][2]);
    qn_atoms atoms;
    qn_box box;
    answer fast, exact;
    shaken(&eam, (const int[]){5, 5, 5}, 4.1, 2, &atoms, &box);
    assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_FAST, .threads = 1}, &fast));
    assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_DOUBLE, .threads = 1}, &exact));
    for (size_t i = 0; i < exact.count; i++) {
      assert_close(fast.local[i], exact.local[i], 1e-3);
      for (int axis = 0; axis < 3; axis++) assert_close(fast.f[axis][i], exact.f[axis][i], 1e-3);
    }
    drop(&fast);
    drop(&exact);
    qn_atoms_fini(&atoms);
    qn_eam_fini(&eam);
  }
}

/* `count` atoms of the potential's first species. */
static qn_atoms at_the_origin(const qn_eam *eam, int64_t count) {
  qn_atoms atoms;
  qn_error error;
  check_status(qn_atoms_init(&atoms, count, &error), &error);
  atoms.species_count = eam->species_count;
  memcpy(atoms.species, eam->species, sizeof atoms.species);
  return atoms;
}

/* Where the pair term has no answer at distances at which densities are long over, pairs are looked for all the same. */
static void near_beyond_the_density(void **state) {
  (void)state;
  static const qn_precision PRECISIONS[] = {QN_PRECISION_DOUBLE, QN_PRECISION_FAST};
  qn_eam eam = flat(1e9, 3.0, 0.5);
  qn_box box = {.length = {40, 40, 40}};
  qn_atoms atoms = at_the_origin(&eam, 2);
  qn_error error;
  for (int p = 0; p < 2; p++)
    for (double r = 0.5; r < 6.0; r += 0.125) {
      qn_force *force;
      atoms.r[0][1] = r;
      check_status(qn_force_alloc(&force, &eam, &atoms, &box, &(qn_force_options){.precision = PRECISIONS[p], .threads = 1}, &error), &error);
      qn_status status = qn_force_compute(force, &box, &atoms, NULL, NULL, &error);
      if (r < 4.75) assert_int_equal(status, QN_BLOWUP); /* the taper falls below 2^20 eV beyond */
      if (r > 5.0) assert_int_equal(status, QN_OK);
      qn_force_free(force);
    }
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

/* Two atoms nearer than the tables of the fast kernel reach: the reference kernel answers, and where that has no answer there is none. */
static void close_pairs(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_box box = {.length = {40, 40, 40}};
  qn_atoms atoms = at_the_origin(&eam, 3);
  qn_error error;
  atoms.type[1] = 1;
  for (int axis = 0; axis < 3; axis++) atoms.r[axis][2] = 20.0;
  qn_force *fast;
  const qn_force_options options = {.precision = QN_PRECISION_FAST, .threads = 2};
  check_status(qn_force_alloc(&fast, &eam, &atoms, &box, &options, &error), &error);
  for (double r = 9.0; r > 1.05; r -= 0.01) {
    atoms.r[0][1] = r;
    answer now = take(fast, &box, &atoms), exact;
    assert_true(fresh(&eam, &box, &atoms, &(qn_force_options){.precision = QN_PRECISION_DOUBLE, .threads = 1}, &exact));
    double scale = 1.0 + fabs(exact.f[0][0]);
    for (int i = 0; i < 3; i++)
      for (int axis = 0; axis < 3; axis++) assert_close(now.f[axis][i], exact.f[axis][i], 1e-5 * scale);
    assert_close(now.result.energy, exact.result.energy, 1e-5 * scale);
    drop(&now);
    drop(&exact);
  }
  atoms.r[0][1] = 0.3;
  assert_int_equal(qn_force_compute(fast, &box, &atoms, NULL, NULL, &error), QN_BLOWUP);
  atoms.r[0][1] = 3.0;
  check_status(qn_force_compute(fast, &box, &atoms, NULL, NULL, &error), &error);
  qn_force_free(fast);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

static void refusals(void **state) {
  (void)state;
  qn_eam eam = potential(CUZR);
  qn_atoms atoms;
  qn_box box, bad;
  qn_error error;
  qn_force *force;
  shaken(&eam, (const int[]){5, 5, 5}, 4.1, 2, &atoms, &box);
  qn_force_options options = {.precision = QN_PRECISION_FAST, .threads = 2, .instructions = "sse9"};
  assert_int_equal(qn_force_alloc(&force, &eam, &atoms, &box, &options, &error), QN_UNSUPPORTED);
  options.instructions = NULL;
  check_status(qn_force_alloc(&force, &eam, &atoms, &box, &options, &error), &error);
  check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), &error);

  double x = atoms.r[2][17];
  atoms.r[2][17] = NAN;
  assert_int_equal(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), QN_BLOWUP);
  assert_non_null(strstr(error.message, "atom 17"));
  atoms.r[2][17] = 1e300;
  assert_int_equal(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), QN_BLOWUP);
  atoms.r[2][17] = x;
  bad = box;
  bad.length[1] = 7.0;
  assert_int_equal(qn_force_compute(force, &bad, &atoms, NULL, NULL, &error), QN_BLOWUP);
  bad.length[1] = INFINITY;
  assert_int_equal(qn_force_compute(force, &bad, &atoms, NULL, NULL, &error), QN_BLOWUP);
  check_status(qn_force_compute(force, &box, &atoms, NULL, NULL, &error), &error);
  qn_force_free(force);
  qn_atoms_fini(&atoms);
  qn_eam_fini(&eam);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accurate_on_every_structure), cmocka_unit_test(a_function_of_positions_alone),
      cmocka_unit_test(atoms_are_wrapped_at_once),   cmocka_unit_test(strong_pulls),
      cmocka_unit_test(sums_of_many),                cmocka_unit_test(near_beyond_the_density),
      cmocka_unit_test(close_pairs),                 cmocka_unit_test(refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

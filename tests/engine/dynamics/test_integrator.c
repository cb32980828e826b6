#include "engine/dynamics/soft_system.h"

#include <string.h>

typedef struct ensemble_case {
  const char *name;
  qn_ensemble ensemble;
  bool anisotropic;
} ensemble_case;

static const ensemble_case CASES[] = {{"nve", QN_ENSEMBLE_NVE, false},
                                      {"nvt", QN_ENSEMBLE_NVT, false},
                                      {"npt iso", QN_ENSEMBLE_NPT, false},
                                      {"npt aniso", QN_ENSEMBLE_NPT, true}};
enum { CASE_COUNT = sizeof CASES / sizeof *CASES };

/* Root mean square change of the conserved quantity over 1 ps from one and the same liquid state. */
static double conserved_error(const ensemble_case *c, double timestep) {
  soft_system s;
  soft_init(&s, QN_CRYSTAL_FCC, 3, 4.0, 2000.0, 1);
  qn_integrator_settings settings = soft_settings(QN_ENSEMBLE_NVE, false, 0.001);
  qn_integrator_start(&s.integrator, &settings, &s.atoms);
  soft_steps(&s, 1000);
  settings = soft_settings(c->ensemble, c->anisotropic, timestep);
  qn_integrator_start(&s.integrator, &settings, &s.atoms);
  double start = soft_conserved(&s), sum = 0.0;
  int64_t steps = llround(1.0 / timestep);
  for (int64_t i = 0; i < steps; i++) {
    soft_step(&s);
    sum += pow(soft_conserved(&s) - start, 2);
  }
  soft_fini(&s);
  return sqrt(sum / (double)steps);
}

/* A second-order integrator of the right equations: halving the step quarters the error of what they conserve. */
static void conserved_error_falls_as_the_square_of_the_step(void **state) {
  (void)state;
  for (int c = 0; c < CASE_COUNT; c++) {
    double error[3];
    for (int k = 0; k < 3; k++) error[k] = conserved_error(&CASES[c], 0.001 * (1 << k));
    print_message("%-10s %.3e %.3e %.3e eV at 1, 2, 4 fs: order %.3f %.3f\n", CASES[c].name, error[0], error[1], error[2],
                  log2(error[1] / error[0]), log2(error[2] / error[1]));
    assert_close(log2(error[1] / error[0]), 2.0, 0.15);
    assert_close(log2(error[2] / error[1]), 2.0, 0.15);
  }
}

/* All four are time-reversible maps: forth, every rate turned round, back, and the start is there again. */
static void reversible(void **state) {
  (void)state;
  for (int c = 0; c < CASE_COUNT; c++) {
    soft_system s;
    soft_init(&s, QN_CRYSTAL_FCC, 3, 4.0, 2000.0, 1);
    qn_integrator_settings settings = soft_settings(CASES[c].ensemble, CASES[c].anisotropic, 0.004);
    qn_integrator_start(&s.integrator, &settings, &s.atoms);
    double *start[3], box = s.box.length[1], moved = 0.0, error = 0.0;
    for (int a = 0; a < 3; a++) {
      start[a] = test_malloc((size_t)s.atoms.count * sizeof(double));
      memcpy(start[a], s.atoms.r[a], (size_t)s.atoms.count * sizeof(double));
    }
    soft_steps(&s, 100);
    qn_integrator_settle(&s.integrator, &s.atoms);
    for (int a = 0; a < 3; a++) {
      for (int64_t i = 0; i < s.atoms.count; i++) {
        s.atoms.v[a][i] *= -1.0;
        moved = fmax(moved, fabs(s.atoms.r[a][i] - start[a][i]));
      }
      s.integrator.state.barostat.rate[a] *= -1.0;
      s.integrator.state.barostat.chain.rate[a] *= -1.0;
      s.integrator.state.chain.rate[a] *= -1.0;
    }
    soft_steps(&s, 100);
    for (int a = 0; a < 3; a++) {
      for (int64_t i = 0; i < s.atoms.count; i++) error = fmax(error, fabs(s.atoms.r[a][i] - start[a][i]));
      test_free(start[a]);
    }
    print_message("%-10s moved %.2f A and came back within %.1e A, box %.1e A\n", CASES[c].name, moved, error,
                  fabs(s.box.length[1] - box));
    assert_true(moved > 1.0);
    assert_true(error < 1e-8);
    assert_close(s.box.length[1], box, 1e-9);
    soft_fini(&s);
  }
}

/* 40 ps: the slope of the conserved quantity, by least squares, in eV an atom and ns. */
static void conserved_quantity_does_not_drift(void **state) {
  (void)state;
  for (int c = 0; c < CASE_COUNT; c++) {
    soft_system s;
    soft_init(&s, QN_CRYSTAL_FCC, 3, 4.0, 2000.0, 1);
    qn_integrator_settings settings = soft_settings(CASES[c].ensemble, CASES[c].anisotropic, 0.002);
    qn_integrator_start(&s.integrator, &settings, &s.atoms);
    soft_steps(&s, 1000);
    int64_t steps = 20000;
    double first = soft_conserved(&s), middle = 0.5 * (double)(steps - 1), top = 0.0, bottom = 0.0, spread = 0.0;
    for (int64_t i = 0; i < steps; i++) {
      soft_step(&s);
      double x = (double)i - middle, y = soft_conserved(&s) - first;
      top += x * y;
      bottom += x * x;
      spread = fmax(spread, fabs(y));
    }
    double slope = top / bottom / settings.timestep * 1000.0 / (double)s.atoms.count;
    print_message("%-10s slope %+.1e eV/atom/ns, largest change %.1e eV/atom\n", CASES[c].name, slope,
                  spread / (double)s.atoms.count);
    assert_true(fabs(slope) < 2e-3);
    soft_fini(&s);
  }
}

/* Momentum stays at nought, in the thermostatted ensembles even when the start or the force brings some in. */
static void centre_of_mass_stays(void **state) {
  (void)state;
  for (int c = 0; c < CASE_COUNT; c++) {
    soft_system s;
    soft_init(&s, QN_CRYSTAL_FCC, 3, 4.0, 1000.0, 1);
    bool kept = CASES[c].ensemble == QN_ENSEMBLE_NVE;
    for (int64_t i = 0; i < s.atoms.count; i++) s.atoms.v[2][i] += 3.0;
    qn_integrator_settings settings = soft_settings(CASES[c].ensemble, CASES[c].anisotropic, 0.002);
    qn_integrator_start(&s.integrator, &settings, &s.atoms);
    soft_steps(&s, 200);
    qn_integrator_settle(&s.integrator, &s.atoms);
    double drift[3];
    qn_velocities_drift(&s.atoms, drift);
    assert_close(drift[2], kept ? 3.0 : 0.0, 1e-11);
    assert_close(drift[0], 0.0, 1e-11);
    assert_close(qn_integrator_kinetic(&s.integrator), qn_velocities_kinetic_energy(&s.atoms), 1e-9);
    if (!kept) assert_close(qn_integrator_temperature(&s.integrator), qn_velocities_temperature(&s.atoms), 1e-7);
    soft_fini(&s);
  }
}

/* 4000 atoms on springs to their sites: several chunks, so that the order of sums matters. */
static void spring_force(soft_system *s, double *const site[3]) {
  s->energy = 0.0;
  for (int a = 0; a < 3; a++) {
    s->virial[a] = 0.0;
    for (int64_t i = 0; i < s->atoms.count; i++) {
      double d = s->atoms.r[a][i] - site[a][i];
      s->atoms.f[a][i] = -2.0 * d;
      s->energy += d * d;
      s->virial[a] -= 2.0 * d * d;
    }
  }
}

static void spring_run(soft_system *s, const ensemble_case *c, int threads, bool settle) {
  double *site[3];
  soft_init(s, QN_CRYSTAL_FCC, 10, 4.0, 1000.0, threads);
  size_t bytes = (size_t)s->atoms.count * sizeof(double);
  for (int a = 0; a < 3; a++) {
    site[a] = test_malloc(bytes);
    memcpy(site[a], s->atoms.r[a], bytes);
  }
  spring_force(s, site);
  qn_integrator_settings settings = soft_settings(c->ensemble, c->anisotropic, 0.002);
  qn_integrator_start(&s->integrator, &settings, &s->atoms);
  for (int i = 0; i < 50; i++) {
    qn_integrator_first(&s->integrator, &s->atoms, &s->box, s->virial);
    spring_force(s, site);
    qn_integrator_second(&s->integrator, &s->atoms, &s->box, s->virial);
    if (settle) qn_integrator_settle(&s->integrator, &s->atoms);
  }
  qn_integrator_settle(&s->integrator, &s->atoms);
  for (int a = 0; a < 3; a++) test_free(site[a]);
}

/* The same bits for 1, 2 and 5 threads, and when true velocities are asked for after every step. */
static void same_bits(void **state) {
  (void)state;
  for (int c = 0; c < CASE_COUNT; c++) {
    soft_system one;
    spring_run(&one, &CASES[c], 1, false);
    for (int k = 0; k < 3; k++) {
      soft_system other;
      spring_run(&other, &CASES[c], (int[]){2, 5, 2}[k], k == 2);
      size_t bytes = (size_t)one.atoms.count * sizeof(double);
      for (int a = 0; a < 3; a++) {
        assert_memory_equal(one.atoms.r[a], other.atoms.r[a], bytes);
        assert_memory_equal(one.atoms.v[a], other.atoms.v[a], bytes);
      }
      assert_memory_equal(&one.box, &other.box, sizeof one.box);
      assert_memory_equal(&one.integrator.state, &other.integrator.state, sizeof one.integrator.state);
      soft_fini(&other);
    }
    soft_fini(&one);
  }
}

static void one_atom_has_no_temperature(void **state) {
  (void)state;
  qn_atoms atoms;
  qn_integrator integrator;
  qn_error error;
  assert_int_equal(qn_atoms_init(&atoms, 1, &error), QN_OK);
  assert_int_equal(qn_integrator_init(&integrator, &atoms, 1, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "at least two"));
  qn_integrator_fini(&integrator);
  qn_atoms_fini(&atoms);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conserved_error_falls_as_the_square_of_the_step),
      cmocka_unit_test(reversible),
      cmocka_unit_test(conserved_quantity_does_not_drift),
      cmocka_unit_test(centre_of_mass_stays),
      cmocka_unit_test(same_bits),
      cmocka_unit_test(one_atom_has_no_temperature),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

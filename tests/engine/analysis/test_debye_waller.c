/* Debye-Waller factor: cages with and without diffusion, free walkers, frames that are too coarse. */
#include "engine/analysis/synthetic.h"

/* A cage (Ornstein-Uhlenbeck of variance sigma^2 a direction and memory tau) that itself walks with D: MSD = 6 sigma^2 (1 - exp(-t/tau)) + 6 D t. */
static synthetic caged(uint64_t seed, int64_t frames, int64_t atoms, double interval, double sigma, double tau, double d) {
  synthetic s = synthetic_make(frames, atoms, interval, 2.5 * cbrt((double)atoms));
  random_source random = random_seeded(seed);
  double *x = malloc(2 * 3 * (size_t)atoms * sizeof *x), *cage = x + 3 * atoms, keep = exp(-interval / tau);
  for (int64_t i = 0; i < 3 * atoms; i++) {
    x[i] = sigma * random_normal(&random);
    cage[i] = 0;
  }
  for (int64_t f = 0; f < frames; f++)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < atoms; i++) {
        int64_t k = a * atoms + i;
        *synthetic_at(&s, f, a, i) = x[k] + cage[k] + 2.5 * (double)(i % 7);
        x[k] = keep * x[k] + sqrt(1 - keep * keep) * sigma * random_normal(&random);
        cage[k] += sqrt(2 * d * interval) * random_normal(&random);
      }
  free(x);
  return s;
}

/* Where d ln MSD / d ln t is smallest, by the formula: the MSD there. */
static double inflection(double sigma, double tau, double d) {
  double lowest = 1e9, msd = 0;
  for (double t = 0.05; t < 20; t *= 1.001) {
    double m = 6 * sigma * sigma * (1 - exp(-t / tau)) + 6 * d * t;
    double slope = t * (6 * sigma * sigma / tau * exp(-t / tau) + 6 * d) / m;
    if (slope >= lowest) continue;
    lowest = slope;
    msd = m;
  }
  return msd;
}

static void debye_waller_is_the_cage(void **state) {
  (void)state;
  enum { DRAWS = 12 };
  const double sigma = 0.2, tau = 0.15, d = 0.002;
  double exact = inflection(sigma, tau, d), mean = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = caged((uint64_t)draw + 1, 1200, 150, 0.05, sigma, tau, d);
    qn_report report = analyse("debye_waller", NULL, &s, 2);
    const qn_value *value = value_of(&report, "debye_waller_factor", "all");
    assert_int_equal(value->status, QN_VALUE_OK);
    assert_true(value->standard_error > 0 && value->standard_error < 0.05 * exact);
    mean += value->value / DRAWS;
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  print_message("<u2> %.4f A2, by the formula %.4f\n", mean, exact);
  assert_near(mean, exact * (1 - 1.0 / 150), 0.03 * exact);

  const double free_walk[2] = {0.5, 0.5};
  synthetic s = brownian(1, 600, 100, 0.05, free_walk);
  qn_report report = analyse("debye_waller", NULL, &s, 1);
  assert_int_equal(value_of(&report, "debye_waller_factor", "all")->status, QN_VALUE_UNRESOLVED);
  qn_report_fini(&report);
  s.interval = 0.1;
  qn_error error;
  assert_int_equal(analyse_status("debye_waller", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "0.05 ps"));
  synthetic_free(&s);
}

static void a_cold_glass_has_its_plateau(void **state) {
  (void)state;
  /* No diffusion at all: the MSD stays at 6 sigma^2, and where the exponent of its noise is lowest means nothing. */
  enum { DRAWS = 40, ATOMS = 100 };
  const double sigma = 0.15, tau = 0.12, plateau = 6 * sigma * sigma * (1 - 1.0 / ATOMS);
  int held = 0;
  double mean = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = caged((uint64_t)draw + 500, 1000 + 100 * (draw % 5), ATOMS, 0.05, sigma, tau, 0);
    qn_report report = analyse("debye_waller", NULL, &s, 1);
    const qn_value *value = value_of(&report, "debye_waller_factor", "all");
    assert_int_equal(value->status, QN_VALUE_OK);
    assert_true(value->window_end_ps < 3); /* not far out in the noise */
    mean += value->value / DRAWS;
    held += fabs(value->value - plateau) <= 1.96 * value->standard_error;
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  print_message("<u2> of a cage without diffusion %.5f A2, exactly %.5f; 95 %% bars hold %d of %d\n", mean, plateau, held, DRAWS);
  assert_near(mean, plateau, 0.01 * plateau);
  assert_true(held >= 0.85 * DRAWS);
}

static void a_run_that_is_too_short_says_so(void **state) {
  (void)state;
  /* The minimum lies at 1 ps; an error reaches 1/16 of 6 ps. */
  synthetic s = caged(3, 120, 300, 0.05, 0.2, 0.3, 0.002);
  qn_report report = analyse("debye_waller", NULL, &s, 1);
  const qn_value *value = value_of(&report, "debye_waller_factor", "all");
  assert_int_equal(value->status, QN_VALUE_TOO_FEW_SAMPLES);
  assert_true(isnan(value->standard_error));
  qn_report_fini(&report);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(debye_waller_is_the_cage),
      cmocka_unit_test(a_cold_glass_has_its_plateau),
      cmocka_unit_test(a_run_that_is_too_short_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Relaxation against walkers, whose F_s is exp(-q^2 D t), a cage, and a plain double loop. */
#include "engine/analysis/kernel.h"
#include "engine/analysis/synthetic.h"

static void sinc_is_exact(void **state) {
  (void)state;
  double worst = 0;
  for (int i = 0; i <= 200000; i++) {
    double x = i < 1000 ? i * 1e-5 : (i - 1000) * 1.37e-3;
    double exact = x > 0 ? (double)(sinl((long double)x) / (long double)x) : 1;
    worst = fmax(worst, fabs(qn_kernel_sinc(x) - exact));
  }
  print_message("largest error of sin(x)/x up to 270: %.2g\n", worst);
  assert_true(worst < 4e-16);
  assert_near(qn_kernel_sinc(98765.4321), sin(98765.4321) / 98765.4321, 1e-20 + 4e-16);
}

static void walkers_decay_as_they_must(void **state) {
  (void)state;
  enum { DRAWS = 300, ATOMS = 50 };
  const double d[2] = {0.5, 0.5}, q = 1.5;
  double mass = 0, square = 0;
  for (int i = 0; i < ATOMS; i++) mass += synthetic_species[i % 2].mass;
  for (int i = 0; i < ATOMS; i++) square += pow(synthetic_species[i % 2].mass / mass, 2);
  int held = 0;
  double bias = 0, f_bias = 0;
  /* Walkers of species Cu about the centre of mass: D (1 - 2 m/M + sum m_j^2/M^2). */
  double cu = 0.5 * (1 - 2 * synthetic_species[0].mass / mass + square), tau = 1 / (q * q * cu);
  setting settings[] = {{"q_inv_a", q}, {NULL, 0}};
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = brownian((uint64_t)draw + 1000, 700, ATOMS, 0.1, d);
    qn_report report = analyse("relaxation", settings, &s, 1);
    const qn_value *value = value_of(&report, "relaxation_time", "Cu");
    assert_int_equal(value->status, QN_VALUE_OK);
    assert_string_equal(value->unit, "ps");
    held += fabs(value->value - tau) <= 1.96 * value->standard_error;
    bias += (value->value / tau - 1) / DRAWS;
    const qn_curve *curve = curve_of(&report, "self_intermediate_scattering", "Cu");
    f_bias += (curve_at(curve, 4, 1) - exp(-q * q * cu * 0.5)) / DRAWS;
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  print_message("95 %% bars hold %.1f %%, bias %.2f %%\n", 100.0 * held / DRAWS, 100 * bias);
  assert_true(held >= 0.90 * DRAWS && held <= 0.99 * DRAWS);
  assert_true(fabs(bias) < 0.01 && fabs(f_bias) < 0.002);
}

static void statuses_say_why(void **state) {
  (void)state;
  synthetic cage = synthetic_make(400, 100, 0.05, 12);
  random_source random = random_seeded(3);
  scatter(&cage, &random);
  for (int64_t f = cage.frames - 1; f >= 0; f--)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < cage.atoms; i++) *synthetic_at(&cage, f, a, i) = *synthetic_at(&cage, 0, a, i) + 0.2 * random_normal(&random);
  qn_report report = analyse("relaxation", NULL, &cage, 1);
  const qn_value *value = value_of(&report, "relaxation_time", "all");
  assert_int_equal(value->status, QN_VALUE_NOT_DECAYED);
  assert_true(isnan(value->value) && isnan(value->standard_error));
  /* Gaussian cage: F_s = exp(-q^2 <r^2> / 6), <r^2> = 6 sigma^2 (1 - m/M terms of 1 %). */
  assert_near(curve_at(curve_of(&report, "self_intermediate_scattering", "all"), 0, 1), exp(-2.7 * 2.7 * 0.04 * 0.99), 0.005);
  qn_report_fini(&report);
  synthetic_free(&cage);

  const double d[2] = {0.5, 0.5};
  synthetic coarse = brownian(1, 300, 60, 1.0, d); /* tau is 0.27 ps */
  report = analyse("relaxation", NULL, &coarse, 1);
  assert_int_equal(value_of(&report, "relaxation_time", "all")->status, QN_VALUE_UNRESOLVED);
  qn_report_fini(&report);
  synthetic_free(&coarse);

  synthetic brief = brownian(1, 30, 400, 0.05, d); /* 1/16 of the run is 0.09 ps */
  report = analyse("relaxation", NULL, &brief, 1);
  value = value_of(&report, "relaxation_time", "all");
  assert_int_equal(value->status, QN_VALUE_TOO_FEW_SAMPLES);
  assert_near(value->value, 0.274, 0.03);
  assert_true(isnan(value->standard_error) && value->samples == 0);
  qn_report_fini(&report);
  synthetic_free(&brief);
}

static void agrees_with_a_double_loop(void **state) {
  (void)state;
  const double d[2] = {0.02, 0.01}, q = 2.7;
  synthetic s = brownian(11, 200, 131, 0.1, d);
  for (int64_t f = 0; f < s.frames; f++) /* hold the centre of mass still, as the analysis does */
    for (int a = 0; a < 3; a++) {
      double sum = 0, mass = 0;
      for (int64_t i = 0; i < s.atoms; i++) {
        mass += synthetic_species[s.type[i]].mass;
        sum += synthetic_species[s.type[i]].mass * *synthetic_at(&s, f, a, i);
      }
      for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, a, i) -= sum / mass;
    }
  setting longest[] = {{"max_lag_ps", 19.9}, {NULL, 0}};
  qn_report report = analyse("relaxation", longest, &s, 2);
  const char *species[3] = {"Cu", "Zr", "all"};
  for (int k = 0; k < 3; k++) {
    const qn_curve *curve = curve_of(&report, "self_intermediate_scattering", species[k]);
    for (int64_t row = 0; row < curve->rows; row++) {
      int64_t lag = llround(curve_at(curve, row, 0) / s.interval), pairs = 0;
      double sum = 0;
      for (int64_t f = 0; f + lag < s.frames; f++)
        for (int64_t i = 0; i < s.atoms; i++) {
          if (k < 2 && s.type[i] != k) continue;
          double square = 0;
          for (int a = 0; a < 3; a++) square += pow(*synthetic_at(&s, f + lag, a, i) - *synthetic_at(&s, f, a, i), 2);
          pairs++;
          sum += sin(q * sqrt(square)) / (q * sqrt(square));
        }
      assert_near(curve_at(curve, row, 1), sum / (double)pairs, 1e-12 * fabs(sum / (double)pairs));
    }
  }
  qn_report_fini(&report);
  qn_report one = analyse("relaxation", NULL, &s, 1), three = analyse("relaxation", NULL, &s, 3);
  assert_same_report(&one, &three);
  qn_report_fini(&one);
  qn_report_fini(&three);
  synthetic_free(&s);
}

static void stokes_einstein_is_their_product(void **state) {
  (void)state;
  const double d[2] = {0.5, 0.5}, q = 1.5;
  synthetic s = brownian(31, 1600, 120, 0.1, d);
  setting settings[] = {{"q_inv_a", q}, {NULL, 0}};
  qn_report report = analyse("stokes_einstein", settings, &s, 2), alone = analyse("relaxation", settings, &s, 1);
  qn_report diffusion = analyse("diffusion", NULL, &s, 1);
  const qn_value *product = value_of(&report, "stokes_einstein_product", "all");
  const qn_value *tau = value_of(&report, "relaxation_time", "all"), *coefficient = value_of(&report, "diffusion_coefficient", "all");
  assert_true(tau->value == value_of(&alone, "relaxation_time", "all")->value);
  assert_true(coefficient->value == value_of(&diffusion, "diffusion_coefficient", "all")->value);
  assert_int_equal(product->status, QN_VALUE_OK);
  assert_near(product->value, coefficient->value * tau->value * 1e-12, 1e-12 * product->value);
  /* D tau = 1/q^2 whatever D is, so the product is known better than either. */
  assert_near(product->value, 1e-20 / (q * q), 4 * product->standard_error);
  assert_true(product->standard_error < 0.05 * product->value);
  qn_report_fini(&report);
  qn_report_fini(&alone);
  qn_report_fini(&diffusion);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sinc_is_exact),
      cmocka_unit_test(walkers_decay_as_they_must),
      cmocka_unit_test(statuses_say_why),
      cmocka_unit_test(agrees_with_a_double_loop),
      cmocka_unit_test(stokes_einstein_is_their_product),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

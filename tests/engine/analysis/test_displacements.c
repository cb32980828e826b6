/* Non-Gaussian parameter and van Hove function against walkers, ballistic starts, jumps, and plain double loops. */
#include "engine/analysis/synthetic.h"
#include "engine/base/units.h"

/* Velocities of a gas at rest, straight flight. */
static synthetic flight(int64_t atoms, bool flat) {
  const double kt = QN_BOLTZMANN * 1500;
  synthetic s = synthetic_make(20, atoms, 0.001, 40);
  random_source random = random_seeded(7);
  scatter(&s, &random);
  double momentum[3] = {0}, mass = 0, *v = malloc(3 * (size_t)atoms * sizeof *v);
  for (int64_t i = 0; i < atoms; i++) {
    double m = synthetic_species[s.type[i]].mass;
    mass += m;
    for (int a = 0; a < 3; a++) momentum[a] += m * (v[3 * i + a] = sqrt(kt / (m * QN_MVV_EV)) * random_normal(&random));
  }
  if (flat) { /* a slab that is all surface layer */
    s.box.length[2] = 60;
    s.box.origin[2] = -10;
  }
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < atoms; i++)
      for (int a = 0; a < 3; a++)
        *synthetic_at(&s, f, a, i) = *synthetic_at(&s, 0, a, i) + (v[3 * i + a] - momentum[a] / mass) * s.interval * (double)f;
  free(v);
  return s;
}

static void flight_has_the_mixture_constant(void **state) {
  (void)state;
  /* For all atoms together: <v^4> / <v^2>^2 = (5/3) <1/m^2> / <1/m>^2 in 3D, 2 <1/m^2> / <1/m>^2 in 2D: alpha_2 is the same. */
  double a = 1 / synthetic_species[0].mass, b = 1 / synthetic_species[1].mass;
  double constant = (a * a + b * b) / 2 / pow((a + b) / 2, 2) - 1;
  for (int flat = 0; flat < 2; flat++) {
    synthetic s = flight(200000, flat);
    setting settings[] = {{flat ? "layer_a" : "max_lag_ps", flat ? 19.9 : 0}, {"vacuum_a", 10}, {NULL, 0}};
    qn_report report = analyse("non_gaussian", settings, &s, 2);
    const char *species[3] = {"Cu", "Zr", "all"};
    for (int k = 0; k < 3; k++) {
      const qn_curve *curve = curve_of(&report, "non_gaussian_parameter", species[k]);
      for (int64_t row = 0; row < 3; row++) assert_near(curve_at(curve, row, 1), k < 2 ? 0 : constant, 0.012);
    }
    qn_report_fini(&report);
    synthetic_free(&s);
  }
}

static void walkers_are_gaussian(void **state) {
  (void)state;
  const double d[2] = {0.5, 0.5};
  synthetic s = brownian(3, 400, 600, 0.1, d);
  qn_report report = analyse("non_gaussian", NULL, &s, 2);
  const qn_curve *curve = curve_of(&report, "non_gaussian_parameter", "all");
  for (int64_t row = 0; row < curve->rows; row++)
    if (!isnan(curve_at(curve, row, 2))) assert_near(curve_at(curve, row, 1), 0, 5 * curve_at(curve, row, 2) + 1e-3);
  qn_report_fini(&report);

  setting settings[] = {{"lag_ps", 2}, {"bin_a", 0.1}, {NULL, 0}};
  report = analyse("van_hove", settings, &s, 2);
  curve = curve_of(&report, "van_hove_self", "all");
  double sum = 0, sigma = sqrt(2 * 0.5 * 2 * (1 - 1.0 / 600));
  for (int64_t row = 0; row < curve->rows; row++) {
    double low = (double)row * 0.1, high = low + 0.1, root = sqrt(QN_PI / 2) * sigma * sigma * sigma; /* share of a Maxwell distribution in the bin */
    double below = root * erf(low / sigma / sqrt(2)) - sigma * sigma * low * exp(-low * low / 2 / sigma / sigma);
    double above = root * erf(high / sigma / sqrt(2)) - sigma * sigma * high * exp(-high * high / 2 / sigma / sigma);
    double expected = (above - below) / root / 0.1;
    sum += curve_at(curve, row, 1) * 0.1;
    assert_near(curve_at(curve, row, 1), expected, 5 * curve_at(curve, row, 2) + 1e-3);
  }
  assert_near(sum, 1, 1e-3);
  assert_int_equal(value_of(&report, "van_hove_first_minimum", "all")->status, QN_VALUE_UNRESOLVED);
  qn_report_fini(&report);
  setting wrong[] = {{"lag_ps", 41}, {NULL, 0}}, fine[] = {{"bin_a", 0.001}, {NULL, 0}};
  qn_error error;
  assert_int_equal(analyse_status("van_hove", wrong, &s, 1, &report, &error), QN_INVALID);
  assert_int_equal(analyse_status("van_hove", fine, &s, 1, &report, &error), QN_INVALID);
  synthetic_free(&s);
}

/* Atoms vibrate and now and then jump by 2.6 A. */
static synthetic hopping(uint64_t seed, double rate) {
  synthetic s = synthetic_make(800, 300, 0.5, 20);
  random_source random = random_seeded(seed);
  double *site = calloc(3 * 300, sizeof *site);
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++) {
      if (random_uniform(&random) < rate * s.interval) {
        double n[3], length = 0;
        for (int a = 0; a < 3; a++) length += pow(n[a] = random_normal(&random), 2);
        for (int a = 0; a < 3; a++) site[3 * i + a] += 2.6 * n[a] / sqrt(length);
      }
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) = (double)(i % 9) + site[3 * i + a] + 0.25 * random_normal(&random);
    }
  free(site);
  return s;
}

static void van_hove_parts_jumps_from_cages(void **state) {
  (void)state;
  synthetic s = hopping(2, 0.01);
  setting settings[] = {{"lag_ps", 5}, {NULL, 0}};
  qn_report report = analyse("van_hove", settings, &s, 2);
  const qn_value *value = value_of(&report, "van_hove_first_minimum", "all");
  assert_int_equal(value->status, QN_VALUE_OK);
  /* By the formula: 95 % rattle with variance 2 sigma^2 a direction, 5 % sit about 2.6 A away with the same spread. */
  double lowest = 1e9, exact = 0, v = 2 * 0.25 * 0.25, share = 1 - exp(-0.05);
  for (double r = 0.6; r < 2.5; r += 0.001) {
    double stay = 4 * QN_PI * r * r * pow(2 * QN_PI * v, -1.5) * exp(-r * r / 2 / v);
    double jump = r / 2.6 / sqrt(2 * QN_PI * v) * (exp(-pow(r - 2.6, 2) / 2 / v) - exp(-pow(r + 2.6, 2) / 2 / v));
    if ((1 - share) * stay + share * jump < lowest) {
      lowest = (1 - share) * stay + share * jump;
      exact = r;
    }
  }
  print_message("first minimum %.3f +- %.3f A, by the formula %.3f\n", value->value, value->standard_error, exact);
  assert_near(value->value, exact, 0.05);
  assert_near(value->value, exact, 4 * value->standard_error + 0.02);
  qn_report_fini(&report);

  /* Jumps make alpha_2 positive, with a peak. */
  report = analyse("non_gaussian", NULL, &s, 2);
  value = value_of(&report, "non_gaussian_peak", "all");
  const qn_value *time = value_of(&report, "non_gaussian_peak_time", "all");
  assert_true(value->value > 0.3 && time->value > 0.5 && time->value < 100);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void free_walkers_have_no_minimum(void **state) {
  (void)state;
  /* Few atoms, in space and in a layer: the tail has noise, and nothing else. */
  enum { DRAWS = 200 };
  const double d[2] = {0.5, 0.5};
  int invented = 0, asked = 0;
  for (int draw = 0; draw < 2 * DRAWS; draw++) {
    bool flat = draw % 2;
    synthetic s = brownian((uint64_t)draw + 77, 400, 60, 0.1, d);
    if (flat) { /* all atoms lie in the layer, and stay there */
      for (int64_t f = 0; f < s.frames; f++)
        for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, 2, i) = 10 * ((double)i + 0.5) / (double)s.atoms;
      s.box.length[2] = 30;
      s.box.origin[2] = -10;
    }
    setting settings[] = {{"lag_ps", draw % 4 < 2 ? 0 : 2}, {NULL, 0}, {"vacuum_a", 10}, {NULL, 0}};
    if (flat) settings[1] = (setting){"layer_a", 5};
    qn_report report = analyse("van_hove", settings, &s, 1);
    for (int v = 0; v < report.value_count; v++) {
      assert_true(report.values[v].status == QN_VALUE_UNRESOLVED || report.values[v].status == QN_VALUE_OK);
      assert_true(report.values[v].status != QN_VALUE_OK || report.values[v].standard_error > 0);
      invented += report.values[v].status == QN_VALUE_OK;
      asked++;
    }
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  print_message("%d of %d values of free walkers have a minimum\n", invented, asked);
  assert_int_equal(asked, 6 * DRAWS);
  assert_true(invented <= 6); /* half a per cent */
}

static void an_empty_gap_has_a_middle(void **state) {
  (void)state;
  /* A quarter of the atoms go to and fro by 3 A: between 1 A and 2 A there is never one. */
  synthetic s = synthetic_make(640, 200, 0.1, 25);
  random_source random = random_seeded(4);
  scatter(&s, &random);
  for (int64_t f = s.frames - 1; f >= 0; f--)
    for (int64_t i = 0; i < s.atoms; i++)
      for (int a = 0; a < 3; a++) {
        double there = i % 8 < 2 && a == 0 && (f / 7 + i) % 2 ? (i % 2 ? 3.0 : -3.0) : 0;
        *synthetic_at(&s, f, a, i) = *synthetic_at(&s, 0, a, i) + there + 0.12 * (random_uniform(&random) - 0.5);
      }
  setting settings[] = {{"lag_ps", 0.7}, {NULL, 0}};
  qn_report report = analyse("van_hove", settings, &s, 1);
  const qn_value *value = value_of(&report, "van_hove_first_minimum", "all");
  print_message("the gap's middle %.3f +- %.3f A\n", value->value, value->standard_error);
  assert_int_equal(value->status, QN_VALUE_OK);
  assert_near(value->value, 1.5, 0.2);
  assert_true(value->standard_error > 0.2 && value->standard_error < 0.4); /* 1 A / sqrt(12): the flips shake the centre of mass */
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void agree_with_a_double_loop(void **state) {
  (void)state;
  synthetic s = hopping(4, 0.02);
  s.frames = 120;
  for (int64_t f = 0; f < s.frames; f++)
    for (int a = 0; a < 3; a++) {
      double sum = 0, mass = 0;
      for (int64_t i = 0; i < s.atoms; i++) {
        mass += synthetic_species[s.type[i]].mass;
        sum += synthetic_species[s.type[i]].mass * *synthetic_at(&s, f, a, i);
      }
      for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, a, i) -= sum / mass;
    }
  qn_report report = analyse("non_gaussian", NULL, &s, 2);
  setting settings[] = {{"lag_ps", 6}, {"bin_a", 0.25}, {"longest_a", 5}, {NULL, 0}};
  qn_report hove = analyse("van_hove", settings, &s, 2);
  const char *species[3] = {"Cu", "Zr", "all"};
  for (int k = 0; k < 3; k++) {
    const qn_curve *curve = curve_of(&report, "non_gaussian_parameter", species[k]), *p = curve_of(&hove, "van_hove_self", species[k]);
    for (int64_t row = 0; row < curve->rows; row++) {
      int64_t lag = llround(curve_at(curve, row, 0) / s.interval);
      double pairs = 0, second = 0, fourth = 0, bins[20] = {0};
      for (int64_t f = 0; f + lag < s.frames; f++)
        for (int64_t i = 0; i < s.atoms; i++) {
          if (k < 2 && s.type[i] != k) continue;
          double square = 0;
          for (int a = 0; a < 3; a++) square += pow(*synthetic_at(&s, f + lag, a, i) - *synthetic_at(&s, f, a, i), 2);
          pairs++;
          second += square;
          fourth += square * square;
          if (sqrt(square) < 5) bins[(int)(sqrt(square) / 0.25)]++;
        }
      double exact = 3 * (fourth / pairs) / (5 * pow(second / pairs, 2)) - 1;
      assert_near(curve_at(curve, row, 1), exact, 1e-12 * (1 + fabs(exact)));
      if (lag == 12)
        for (int b = 0; b < 20; b++) assert_near(curve_at(p, b, 1), bins[b] / pairs / 0.25, 1e-12);
    }
  }
  qn_report one = analyse("van_hove", settings, &s, 1);
  assert_same_report(&one, &hove);
  qn_report_fini(&one);
  qn_report_fini(&hove);
  qn_report_fini(&report);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flight_has_the_mixture_constant), cmocka_unit_test(walkers_are_gaussian),
      cmocka_unit_test(free_walkers_have_no_minimum),    cmocka_unit_test(van_hove_parts_jumps_from_cages),
      cmocka_unit_test(an_empty_gap_has_a_middle),             cmocka_unit_test(agree_with_a_double_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Coordination and density profiles against a crystal, a slab with a planted composition, and plain double loops. */
#include "engine/analysis/synthetic.h"

static void a_crystal_has_twelve_neighbours(void **state) {
  (void)state;
  enum { CELLS = 6 };
  static const double basis[4][3] = {{0, 0, 0}, {0.5, 0.5, 0}, {0.5, 0, 0.5}, {0, 0.5, 0.5}};
  synthetic s = synthetic_make(20, 4 * CELLS * CELLS * CELLS, 1, 3.6 * CELLS);
  random_source random = random_seeded(9);
  for (int64_t i = 0; i < s.atoms; i++) s.type[i] = (uint8_t)(random_uniform(&random) < 0.5);
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++) {
      int64_t cell[3] = {i / 4 % CELLS, i / 4 / CELLS % CELLS, i / 4 / CELLS / CELLS};
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) = 3.6 * ((double)cell[a] + basis[i % 4][a]) + 0.05 * random_normal(&random);
    }
  qn_report report = analyse("coordination", NULL, &s, 2);
  assert_near(value_of(&report, "coordination_number", "all")->value, 12, 1e-9);
  assert_int_equal(value_of(&report, "coordination_number", "all")->status, QN_VALUE_OK);
  assert_near(value_of(&report, "coordination_number", "Cu-Cu")->value + value_of(&report, "coordination_number", "Cu-Zr")->value, 12, 1e-9);
  double cutoff = value_of(&report, "coordination_cutoff", "Cu-Zr")->value;
  assert_true(cutoff > 2.8 && cutoff < 3.5);
  const qn_curve *share = curve_of(&report, "coordination_distribution", "Zr");
  for (int64_t n = 0; n < share->rows; n++) assert_near(curve_at(share, n, 1), n == 12, 1e-12);
  qn_report_fini(&report);

  /* Cut open along (001): surface atoms keep eight neighbours. */
  s.box.length[2] += 20;
  s.box.origin[2] -= 10.9;
  setting layer[] = {{"layer_a", 1}, {"cutoff_a", 3.1}, {NULL, 0}};
  report = analyse("coordination", layer, &s, 2);
  assert_near(value_of(&report, "coordination_number", "all")->value, 8, 1e-9);
  assert_string_equal(value_of(&report, "coordination_number", "all")->region, "surface");
  assert_near(value_of(&report, "adatom_fraction", "Cu")->value, 0, 1e-12);
  assert_near(value_of(&report, "adatom_fraction", "Zr")->value, 1, 1e-12);
  const qn_curve *profile = curve_of(&report, "coordination_profile", "all");
  for (int64_t b = 0; b < profile->rows; b++) {
    double depth = curve_at(profile, b, 0), number = curve_at(profile, b, 1);
    if (!isnan(number)) assert_near(number, depth < 2 ? 8 : 12, 1e-9);
  }
  qn_report_fini(&report);
  setting one[] = {{"layer_a", 1}, {"frames", 5}, {NULL, 0}};
  report = analyse("coordination", one, &s, 1);
  assert_int_equal(value_of(&report, "coordination_number", "all")->status, QN_VALUE_TOO_FEW_SAMPLES);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void coordination_agrees_with_a_double_loop(void **state) {
  (void)state;
  const double d[2] = {0.3, 0.3}, cutoff = 3.3;
  synthetic s = brownian(5, 24, 150, 0.5, d);
  setting settings[] = {{"cutoff_a", cutoff}, {NULL, 0}};
  qn_report report = analyse("coordination", settings, &s, 2);
  double neighbours[2][2] = {{0}};
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++)
      for (int64_t j = 0; j < s.atoms; j++) {
        double square = 0;
        for (int a = 0; a < 3; a++) {
          double x = *synthetic_at(&s, f, a, j) - *synthetic_at(&s, f, a, i);
          x -= s.box.length[a] * round(x / s.box.length[a]);
          square += x * x;
        }
        if (i != j && square < cutoff * cutoff) neighbours[s.type[i]][s.type[j]] += 1;
      }
  double atoms = 75 * 24;
  assert_near(value_of(&report, "coordination_number", "Cu-Zr")->value, neighbours[0][1] / atoms, 1e-12 * neighbours[0][1]);
  assert_near(value_of(&report, "coordination_number", "Zr")->value, (neighbours[1][0] + neighbours[1][1]) / atoms, 1e-10);
  qn_report alone = analyse("coordination", settings, &s, 1);
  assert_same_report(&alone, &report);
  qn_report_fini(&alone);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void a_slab_has_its_profile(void **state) {
  (void)state;
  /* 30 A thick, 70 % Cu in the outer 2.5 A, 50 % inside; 20 x 20 A; the whole drifts along z. */
  enum { COUNT = 9000 };
  synthetic s = synthetic_make(32, COUNT, 1, 20);
  s.box.length[2] = 50;
  s.box.origin[2] = -10;
  random_source random = random_seeded(2);
  double rich = 0, outer = 0;
  for (int64_t i = 0; i < COUNT; i++) {
    double z = 30 * random_uniform(&random), depth = fmin(z, 30 - z);
    s.type[i] = (uint8_t)(random_uniform(&random) > (depth < 2.5 ? 0.7 : 0.5));
    outer += depth < 2.5;
    rich += depth < 2.5 && s.type[i] == 0;
    for (int64_t f = 0; f < s.frames; f++) {
      *synthetic_at(&s, f, 0, i) = 20 * random_uniform(&random);
      *synthetic_at(&s, f, 1, i) = 20 * random_uniform(&random);
      *synthetic_at(&s, f, 2, i) = z + 0.3 * (double)f;
    }
  }
  setting settings[] = {{"vacuum_a", 10}, {NULL, 0}};
  qn_report report = analyse("density_profile", settings, &s, 1);
  assert_near(value_of(&report, "layer_composition", "Cu")->value, rich / outer, 1e-9);
  assert_near(value_of(&report, "layer_composition", "Cu")->value + value_of(&report, "layer_composition", "Zr")->value, 1, 1e-12);
  assert_string_equal(value_of(&report, "layer_composition", "Cu")->region, "surface");
  const qn_curve *all = curve_of(&report, "density_profile", "all"), *share = curve_of(&report, "composition_profile", "Cu");
  double sum = 0;
  for (int64_t b = 0; b < all->rows; b++) {
    double depth = curve_at(all, b, 0);
    assert_near(curve_at(all, b, 1), depth < 0 ? 0 : COUNT / 12000.0, 5 * sqrt(COUNT / 12000.0 / 400));
    sum += curve_at(all, b, 1) * 2 * 400 * 0.5;
    if (depth > 0) assert_near(curve_at(share, b, 1), depth < 2.5 ? 0.7 : 0.5, 0.12);
  }
  assert_near(sum, COUNT, 1e-6 * COUNT);
  qn_report_fini(&report);
  qn_error error;
  s.box.length[2] = 30;
  assert_int_equal(analyse_status("density_profile", settings, &s, 1, &report, &error), QN_UNSUPPORTED);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_crystal_has_twelve_neighbours),
      cmocka_unit_test(coordination_agrees_with_a_double_loop),
      cmocka_unit_test(a_slab_has_its_profile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

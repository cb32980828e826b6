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
  static const char *const pairs[2][2] = {{"Cu-Cu", "Cu-Zr"}, {"Zr-Cu", "Zr-Zr"}}, *const centres[2] = {"Cu", "Zr"};
  for (int a = 0; a < 2; a++) {
    double all = (neighbours[a][0] + neighbours[a][1]) / atoms;
    for (int b = 0; b < 2; b++) assert_near(value_of(&report, "coordination_number", pairs[a][b])->value, neighbours[a][b] / atoms, 1e-12 * all);
    assert_near(value_of(&report, "coordination_number", centres[a])->value, all, 1e-12 * all);
  }
  assert_int_equal(value_of(&report, "coordination_cutoff", "Cu-Zr")->status, QN_VALUE_GIVEN);
  assert_true(value_of(&report, "coordination_number", "Cu")->window_end_ps == 11.5);
  qn_report alone = analyse("coordination", settings, &s, 1);
  assert_same_report(&alone, &report);
  qn_report_fini(&alone);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void layers_go_along_with_the_slab(void **state) {
  (void)state;
  /* A slab of walkers that drifts through the box and is folded back into it: coordination and density as if it stood still. */
  const double d[2] = {0.01, 0.01};
  synthetic s = brownian(9, 32, 1500, 0.5, d), drifting;
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, 2, i) *= 0.6;
  drifting = s;
  drifting.r = malloc((size_t)(s.frames * s.atoms) * 3 * sizeof *s.r);
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++)
      for (int a = 0; a < 3; a++) {
        double x = *synthetic_at(&s, f, a, i) + (a == 2 ? 0.9 * (double)f : 0), length = s.box.length[a];
        *synthetic_at(&drifting, f, a, i) = x - length * floor(x / length);
      }
  static const char *const names[] = {"coordination", "density_profile"};
  for (int k = 0; k < 2; k++) {
    setting settings[] = {{"layer_a", 3}, {k == 0 ? "cutoff_a" : "bin_a", k == 0 ? 3.5 : 0.5}, {NULL, 0}};
    qn_report still = analyse(names[k], settings, &s, 1), moving = analyse(names[k], settings, &drifting, 1);
    for (int v = 0; v < still.value_count; v++) assert_near(moving.values[v].value, still.values[v].value, 1e-9 * fabs(still.values[v].value));
    qn_report_fini(&still);
    qn_report_fini(&moving);
  }
  free(drifting.r);
  synthetic_free(&s);
}

static void density_agrees_with_a_plain_loop(void **state) {
  (void)state;
  const double d[2] = {0.2, 0.1}, bin = 0.7, layer = 4, outermost = -6;
  synthetic s = brownian(6, 40, 300, 0.5, d);
  s.box.length[2] += 20; /* faces are where vacuum_a says */
  s.box.origin[2] -= 10;
  double thick = s.box.length[2] - 20, area = s.box.length[0] * s.box.length[1], centre = 0, count[3][64] = {{0}}, inside[2] = {0};
  for (int64_t f = 0; f < s.frames; f++) {
    double mass = 0, sum = 0;
    for (int64_t i = 0; i < s.atoms; i++) {
      mass += synthetic_species[s.type[i]].mass;
      sum += synthetic_species[s.type[i]].mass * *synthetic_at(&s, f, 2, i);
    }
    if (f == 0) centre = sum / mass;
    for (int64_t i = 0; i < s.atoms; i++) {
      double z = *synthetic_at(&s, f, 2, i) - (sum / mass - centre), depth = fmin(z, thick - z);
      int at = (int)floor((depth - outermost) / bin);
      if (at >= 0 && at < 64) {
        count[s.type[i]][at]++;
        count[2][at]++;
      }
      inside[s.type[i]] += depth < layer;
    }
  }
  setting settings[] = {{"layer_a", layer}, {"bin_a", bin}, {"vacuum_a", 10}, {NULL, 0}};
  qn_report report = analyse("density_profile", settings, &s, 1);
  static const char *const species[3] = {"Cu", "Zr", "all"};
  for (int k = 0; k < 3; k++) {
    const qn_curve *density = curve_of(&report, "density_profile", species[k]);
    for (int64_t b = 0; b < density->rows; b++) {
      double exact = count[k][b] / (double)s.frames / (2 * area * bin);
      assert_near(curve_at(density, b, 1), exact, 1e-12 * (exact + 1e-3));
      if (k < 2 && count[2][b] > 0) assert_near(curve_at(curve_of(&report, "composition_profile", species[k]), b, 1), count[k][b] / count[2][b], 1e-12);
    }
  }
  assert_near(value_of(&report, "layer_composition", "Cu")->value, inside[0] / (inside[0] + inside[1]), 1e-12);
  assert_true(value_of(&report, "layer_composition", "Cu")->window_end_ps == 19.5);
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
      cmocka_unit_test(layers_go_along_with_the_slab),
      cmocka_unit_test(density_agrees_with_a_plain_loop),
      cmocka_unit_test(a_slab_has_its_profile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

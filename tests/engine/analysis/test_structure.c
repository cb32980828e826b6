/* Pair distribution and structure factor against a gas, a crystal, and plain double loops. */
#include "engine/analysis/synthetic.h"
#include "engine/base/units.h"
#include "engine/trajectory/extxyz.h"

/* Frames of points without order. */
static synthetic gas(uint64_t seed, int64_t frames, int64_t atoms, double length) {
  synthetic s = synthetic_make(frames, atoms, 1, length);
  s.box.length[1] *= 1.25;
  s.box.origin[2] = -3;
  random_source random = random_seeded(seed);
  for (int64_t f = 0; f < frames; f++)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < atoms; i++) *synthetic_at(&s, f, a, i) = s.box.length[a] * (3 * random_uniform(&random) - 1); /* unwrapped */
  return s;
}

static void a_gas_has_no_structure(void **state) {
  (void)state;
  synthetic s = gas(1, 64, 500, 16);
  qn_report report = analyse("pair_distribution", NULL, &s, 2);
  assert_int_equal(report.curve_count, 4);
  const char *pairs[] = {"all", "Cu-Cu", "Cu-Zr", "Zr-Zr"};
  for (int k = 0; k < 4; k++) {
    const qn_curve *g = curve_of(&report, "pair_distribution", pairs[k]);
    int outside = 0;
    for (int64_t row = 20; row < g->rows; row++) {
      double expected = k == 0 ? 1 - 1.0 / 500 : k == 2 ? 1 : 1 - 1.0 / 250;
      outside += fabs(curve_at(g, row, 1) - expected) > 2 * curve_at(g, row, 2);
      assert_near(curve_at(g, row, 1), expected, 6 * curve_at(g, row, 2));
    }
    assert_true(outside < 22); /* 5 % of 180, and some for 15 degrees of freedom */
  }
  qn_report_fini(&report);
  report = analyse("structure_factor", NULL, &s, 2);
  const qn_curve *sq = curve_of(&report, "structure_factor", "all"), *cross = curve_of(&report, "structure_factor", "Cu-Zr");
  for (int64_t row = 30; row < sq->rows; row++) {
    if (isnan(curve_at(sq, row, 2)) && row < 60) continue; /* few wave vectors fit so small a box */
    assert_near(curve_at(sq, row, 1), 1, 0.2);
    assert_near(curve_at(sq, row, 1), 1, 6 * curve_at(sq, row, 2));
    assert_near(curve_at(cross, row, 1), 0, 6 * curve_at(cross, row, 2));
  }
  qn_report_fini(&report);
  synthetic_free(&s);
}

/* fcc with a = 3.6 A, atoms shaken by 0.1 A. */
static synthetic crystal(int64_t frames) {
  enum { CELLS = 5 };
  synthetic s = synthetic_make(frames, 4 * CELLS * CELLS * CELLS, 1, 3.6 * CELLS);
  random_source random = random_seeded(9);
  static const double basis[4][3] = {{0, 0, 0}, {0.5, 0.5, 0}, {0.5, 0, 0.5}, {0, 0.5, 0.5}};
  for (int64_t f = 0; f < frames; f++)
    for (int64_t i = 0; i < s.atoms; i++) {
      int64_t cell[3] = {i / 4 % CELLS, i / 4 / CELLS % CELLS, i / 4 / CELLS / CELLS};
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) = 3.6 * ((double)cell[a] + basis[i % 4][a]) + 0.1 * random_normal(&random);
    }
  return s;
}

static void a_crystal_has_its_shells(void **state) {
  (void)state;
  synthetic s = crystal(20);
  qn_report report = analyse("pair_distribution", NULL, &s, 2);
  const qn_value *maximum = value_of(&report, "pair_distribution_first_maximum", "all");
  const qn_value *minimum = value_of(&report, "pair_distribution_first_minimum", "all");
  assert_int_equal(maximum->status, QN_VALUE_OK);
  assert_near(maximum->value, 3.6 / sqrt(2), 0.03);
  assert_true(minimum->value > 2.9 && minimum->value < 3.4);
  const qn_curve *g = curve_of(&report, "pair_distribution", "all");
  double neighbours = 0, density = 4 / pow(3.6, 3);
  for (int64_t row = 0; row < g->rows && curve_at(g, row, 0) < 3.05; row++) {
    double low = 0.05 * (double)row, high = low + 0.05;
    neighbours += curve_at(g, row, 1) * density * 4 * QN_PI / 3 * (high * high * high - low * low * low);
  }
  assert_near(neighbours, 12, 0.05);
  qn_report_fini(&report);
  report = analyse("structure_factor", NULL, &s, 2);
  const qn_value *peak = value_of(&report, "structure_factor_peak_wave_number", "all");
  /* The first reflection of fcc, (111), broadened by the bins. */
  assert_near(peak->value, 2 * QN_PI / 3.6 * sqrt(3), 0.06);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void agree_with_double_loops(void **state) {
  (void)state;
  synthetic s = gas(3, 3, 120, 9.1); /* an atom and its own images are never on the edge of a bin */
  setting coarse[] = {{"longest_a", 13}, {"bin_a", 0.5}, {NULL, 0}}; /* longer than the box: images of images */
  qn_report report = analyse("pair_distribution", coarse, &s, 2);
  double volume = s.box.length[0] * s.box.length[1] * s.box.length[2];
  const char *kinds[4] = {"all", "Cu-Cu", "Cu-Zr", "Zr-Zr"};
  for (int kind = 0; kind < 4; kind++) {
    const qn_curve *g = curve_of(&report, "pair_distribution", kinds[kind]);
    double count[26] = {0};
    for (int64_t f = 0; f < s.frames; f++)
      for (int64_t i = 0; i < s.atoms; i++)
        for (int64_t j = 0; j < s.atoms; j++) {
          if ((kind == 1 && (s.type[i] || s.type[j])) || (kind == 2 && (s.type[i] || !s.type[j])) || (kind == 3 && (!s.type[i] || !s.type[j]))) continue;
          for (int nx = -5; nx <= 5; nx++)
            for (int ny = -5; ny <= 5; ny++)
              for (int nz = -5; nz <= 5; nz++) {
                double dx = *synthetic_at(&s, f, 0, j) - *synthetic_at(&s, f, 0, i) + nx * s.box.length[0];
                double dy = *synthetic_at(&s, f, 1, j) - *synthetic_at(&s, f, 1, i) + ny * s.box.length[1];
                double dz = *synthetic_at(&s, f, 2, j) - *synthetic_at(&s, f, 2, i) + nz * s.box.length[2], r = sqrt(dx * dx + dy * dy + dz * dz);
                if (r < 13 && (i != j || nx || ny || nz)) count[(int)(r / 0.5)] += 1;
              }
        }
    double pairs = kind == 0 ? 120 * 120 : 60 * 60;
    for (int b = 0; b < 26; b++) {
      double shell = 4 * QN_PI / 3 * (pow(0.5 * b + 0.5, 3) - pow(0.5 * b, 3)), exact = count[b] / 3 * volume / pairs / shell;
      assert_near(curve_at(g, b, 1), exact, 1e-12 * (1 + exact));
    }
  }
  qn_report_fini(&report);

  setting all_vectors[] = {{"longest_inv_a", 3}, {"bin_inv_a", 0.25}, {"vectors", 1000}, {NULL, 0}};
  report = analyse("structure_factor", all_vectors, &s, 2);
  const qn_curve *sq[3] = {curve_of(&report, "structure_factor", "all"), curve_of(&report, "structure_factor", "Cu-Zr"),
                           curve_of(&report, "structure_factor", "Zr-Zr")};
  double sum[3][12] = {{0}}, used[12] = {0};
  for (int x = -6; x <= 6; x++)
    for (int y = -6; y <= 6; y++)
      for (int z = -6; z <= 6; z++) {
        double q[3] = {2 * QN_PI * x / s.box.length[0], 2 * QN_PI * y / s.box.length[1], 2 * QN_PI * z / s.box.length[2]};
        double length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
        if (length >= 3 || (x == 0 && y == 0 && z == 0)) continue;
        int bin = (int)(length / 0.25);
        for (int64_t f = 0; f < s.frames; f++) {
          double rho[2][2] = {{0}};
          for (int64_t i = 0; i < s.atoms; i++) {
            double angle = 0;
            for (int a = 0; a < 3; a++) angle += q[a] * *synthetic_at(&s, f, a, i);
            rho[s.type[i]][0] += cos(angle);
            rho[s.type[i]][1] += sin(angle);
          }
          sum[0][bin] += (pow(rho[0][0] + rho[1][0], 2) + pow(rho[0][1] + rho[1][1], 2)) / 120;
          sum[1][bin] += (rho[0][0] * rho[1][0] + rho[0][1] * rho[1][1]) / 60;
          sum[2][bin] += (rho[1][0] * rho[1][0] + rho[1][1] * rho[1][1]) / 60;
          used[bin] += 1;
        }
      }
  for (int k = 0; k < 3; k++)
    for (int b = 0; b < 12; b++) {
      if (used[b] == 0) assert_true(isnan(curve_at(sq[k], b, 1)));
      else assert_near(curve_at(sq[k], b, 1), sum[k][b] / used[b], 1e-12 * (1 + fabs(sum[k][b] / used[b])));
    }
  qn_report one = analyse("structure_factor", all_vectors, &s, 1);
  assert_same_report(&one, &report);
  qn_report_fini(&one);
  qn_report_fini(&report);
  qn_report two = analyse("pair_distribution", coarse, &s, 3);
  one = analyse("pair_distribution", coarse, &s, 1);
  assert_same_report(&one, &two);
  assert_int_equal(value_of(&one, "pair_distribution_first_maximum", "Cu-Cu")->status == QN_VALUE_OK, 0); /* three frames */
  qn_report_fini(&one);
  qn_report_fini(&two);
  synthetic_free(&s);
}

static void frozen_speckle_is_in_the_errors(void **state) {
  (void)state;
  /* A frozen gas: S(q) is 1, but |rho(q)|^2 of one wave vector is the same in every frame, and spread like an exponential. */
  enum { DRAWS = 40 };
  int held = 0, asked = 0;
  double mean = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = gas((uint64_t)draw + 60, 32, 200, 14);
    random_source random = random_seeded((uint64_t)draw);
    for (int64_t f = 1; f < s.frames; f++)
      for (int a = 0; a < 3; a++)
        for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, a, i) = *synthetic_at(&s, 0, a, i) + 0.02 * random_normal(&random);
    setting settings[] = {{"longest_inv_a", 6}, {"bin_inv_a", 0.1}, {"vectors", draw % 2 ? 40 : 1000}, {NULL, 0}};
    qn_report report = analyse("structure_factor", settings, &s, 1);
    const qn_curve *sq = curve_of(&report, "structure_factor", "all");
    for (int64_t row = 20; row < sq->rows; row += 3) {
      double error = curve_at(sq, row, 2);
      if (isnan(error)) continue;
      asked++;
      held += fabs(curve_at(sq, row, 1) - 1) <= 1.96 * error;
      mean += curve_at(sq, row, 1);
    }
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  mean /= asked;
  print_message("frozen gas: S %.3f, 95 %% bars hold %.1f %% of %d\n", mean, 100.0 * held / asked, asked);
  assert_true(asked > 300);
  assert_near(mean, 1, 0.03);
  assert_true(held >= 0.88 * asked && held <= 0.99 * asked); /* the exponential is skewed */
}

/* The glass of 2048 atoms at 300 K that the references hold, with some rattling: its peak does not hang on how many wave vectors are used. */
static void the_peak_of_a_glass_keeps_to_its_errors(void **state) {
  (void)state;
  qn_extxyz glass;
  qn_error error;
  if (qn_extxyz_read(&glass, QN_TEST_DATA "/glass-300K-2048.xyz", NULL, 0, &error) != QN_OK) fail_msg("%s", error.message);
  synthetic s = synthetic_make(16, glass.atoms.count, 1, 1);
  random_source random = random_seeded(2);
  s.box = glass.box;
  memcpy(s.type, glass.atoms.type, (size_t)s.atoms);
  for (int64_t f = 0; f < s.frames; f++)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, a, i) = glass.atoms.r[a][i] + 0.03 * random_normal(&random);
  static const double vectors[3] = {30, 100, 1000};
  double height[3], bar[3], place[3], place_bar[3];
  for (int k = 0; k < 3; k++) {
    setting settings[] = {{"vectors", vectors[k]}, {"longest_inv_a", 4}, {NULL, 0}};
    qn_report report = analyse("structure_factor", settings, &s, 2);
    const qn_value *peak = value_of(&report, "structure_factor_peak", "all"), *at = value_of(&report, "structure_factor_peak_wave_number", "all");
    assert_int_equal(peak->status, QN_VALUE_OK);
    assert_true(peak->window_start_ps == 0 && peak->window_end_ps == 15);
    height[k] = peak->value;
    bar[k] = peak->standard_error;
    place[k] = at->value;
    place_bar[k] = at->standard_error;
    print_message("%4g vectors a bin: S %.3f +- %.3f at %.3f +- %.3f 1/A\n", vectors[k], height[k], bar[k], place[k], place_bar[k]);
    qn_report_fini(&report);
  }
  for (int k = 0; k < 2; k++) {
    assert_near(height[k], height[2], 2.5 * hypot(bar[k], bar[2]));
    assert_near(place[k], place[2], 2.5 * hypot(place_bar[k], place_bar[2]));
    assert_true(bar[k] > bar[2]);
  }
  assert_true(bar[2] > 0.02 && bar[2] < 0.2); /* some hundred vectors: a few per cent each of a dozen bins */
  synthetic_free(&s);
  qn_extxyz_fini(&glass);
}

static void refuse_what_they_cannot_answer(void **state) {
  (void)state;
  synthetic s = crystal(1);
  s.box.length[2] += 15;
  qn_report report;
  qn_error error;
  assert_int_equal(analyse_status("pair_distribution", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "free surfaces"));
  s.box.length[0] = s.box.length[1] = s.box.length[2] = 1200;
  assert_int_equal(analyse_status("structure_factor", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_gas_has_no_structure),
      cmocka_unit_test(a_crystal_has_its_shells),
      cmocka_unit_test(agree_with_double_loops),
      cmocka_unit_test(frozen_speckle_is_in_the_errors),
      cmocka_unit_test(the_peak_of_a_glass_keeps_to_its_errors),
      cmocka_unit_test(refuse_what_they_cannot_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

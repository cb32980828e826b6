/* Diffusion against walkers with a known D, a ballistic start, a cage, and a plain double loop. */
#include <stdio.h>

#include "engine/analysis/synthetic.h"
#include "engine/base/units.h"

static void brownian_bars_hold_the_truth(void **state) {
  (void)state;
  enum { DRAWS = 400, ATOMS = 60 };
  const double d[2] = {0.6, 0.3}; /* A^2/ps */
  double mass = 0, all = 0, truth[2];
  for (int i = 0; i < ATOMS; i++) {
    mass += synthetic_species[i % 2].mass;
    all += d[i % 2] / ATOMS;
  }
  /* The centre of mass is held still: var of (x_i - sum_j m_j x_j / M) = 2 d_i t (1 - 2 m_i / M) + sum_j 2 d_j t m_j^2 / M^2 */
  double common = 0;
  for (int i = 0; i < ATOMS; i++) common += d[i % 2] * pow(synthetic_species[i % 2].mass / mass, 2);
  for (int s = 0; s < 2; s++) truth[s] = d[s] * (1 - 2 * synthetic_species[s].mass / mass) + common;
  all = (truth[0] + truth[1]) / 2;

  const char *species[3] = {"Cu", "Zr", "all"};
  const double expected[3] = {truth[0], truth[1], all};
  int held[3] = {0, 0, 0};
  double relative = 0, bias[3] = {0, 0, 0};
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = brownian((uint64_t)draw, 800, ATOMS, 0.25, d);
    qn_report report = analyse("diffusion", NULL, &s, 1);
    for (int k = 0; k < 3; k++) {
      const qn_value *value = value_of(&report, "diffusion_coefficient", species[k]);
      assert_int_equal(value->status, QN_VALUE_OK);
      assert_string_equal(value->unit, "m2/s");
      assert_true(value->samples >= 8);
      double off = value->value / QN_A2_PS_M2_S - expected[k], bar = 1.96 * value->standard_error / QN_A2_PS_M2_S;
      held[k] += fabs(off) <= bar;
      bias[k] += off / expected[k] / DRAWS;
      if (k == 2) relative += value->standard_error / value->value / DRAWS;
    }
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  for (int k = 0; k < 3; k++) {
    print_message("%s: 95 %% bars hold %.1f %%, bias %.2f %%\n", species[k], 100.0 * held[k] / DRAWS, 100 * bias[k]);
    assert_true(held[k] >= 0.90 * DRAWS && held[k] <= 0.99 * DRAWS);
    assert_true(fabs(bias[k]) < 0.01);
  }
  print_message("mean relative error %.3f\n", relative);
}

static void ballistic_start_is_exact(void **state) {
  (void)state;
  enum { ATOMS = 100000, FRAMES = 24 };
  const double temperature = 1500, kt = QN_BOLTZMANN * temperature;
  synthetic s = synthetic_make(FRAMES, ATOMS, 0.001, 40);
  random_source random = random_seeded(7);
  scatter(&s, &random);
  double momentum[3] = {0}, mass = 0, *v = malloc(3 * ATOMS * sizeof *v);
  for (int i = 0; i < ATOMS; i++) {
    double m = synthetic_species[s.type[i]].mass;
    mass += m;
    for (int a = 0; a < 3; a++) {
      v[3 * i + a] = sqrt(kt / (m * QN_MVV_EV)) * random_normal(&random);
      momentum[a] += m * v[3 * i + a];
    }
  }
  /* A drift of the whole sample that the analysis must take out again. */
  for (int f = 0; f < FRAMES; f++)
    for (int i = 0; i < ATOMS; i++)
      for (int a = 0; a < 3; a++)
        *synthetic_at(&s, f, a, i) = *synthetic_at(&s, 0, a, i) + (v[3 * i + a] - momentum[a] / mass + 20) * 0.001 * f;
  qn_report report = analyse("diffusion", NULL, &s, 2);
  double inverse[3] = {(1 / synthetic_species[0].mass + 1 / synthetic_species[1].mass) / 2, 1 / synthetic_species[0].mass,
                       1 / synthetic_species[1].mass};
  const char *species[3] = {"all", "Cu", "Zr"};
  for (int k = 0; k < 3; k++) {
    const qn_curve *curve = curve_of(&report, "mean_squared_displacement", species[k]);
    for (int64_t row = 0; row < curve->rows; row++) {
      double t = curve_at(curve, row, 0), expected = 3 * kt * inverse[k] / QN_MVV_EV * t * t;
      assert_near(curve_at(curve, row, 1), expected, 0.01 * expected); /* sqrt(2 / (3 ATOMS)) is 0.3 % */
    }
    assert_int_equal(value_of(&report, "diffusion_coefficient", species[k])->status, QN_VALUE_NOT_DIFFUSIVE);
  }
  qn_report_fini(&report);
  free(v);
  synthetic_free(&s);
}

static void a_cage_is_not_diffusive(void **state) {
  (void)state;
  synthetic s = synthetic_make(1000, 100, 0.05, 12);
  random_source random = random_seeded(3);
  scatter(&s, &random);
  for (int64_t f = s.frames - 1; f >= 0; f--)
    for (int a = 0; a < 3; a++)
      for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, f, a, i) = *synthetic_at(&s, 0, a, i) + 0.2 * random_normal(&random);
  qn_report report = analyse("diffusion", NULL, &s, 1);
  const qn_value *value = value_of(&report, "diffusion_coefficient", "all");
  assert_int_equal(value->status, QN_VALUE_NOT_DIFFUSIVE);
  assert_true(isnan(value->value) && isnan(value->standard_error));
  qn_report_fini(&report);
  setting window[] = {{"fit_start_ps", 0.5}, {"fit_end_ps", 2}, {NULL, 0}};
  report = analyse("diffusion", window, &s, 1);
  assert_int_equal(value_of(&report, "diffusion_coefficient", "all")->status, QN_VALUE_NOT_DIFFUSIVE);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void a_short_run_gives_no_error(void **state) {
  (void)state;
  const double d[2] = {0.6, 0.6};
  synthetic s = brownian(5, 60, 200, 0.1, d); /* leaves the cage at 0.43 ps; 1/16 of the run is 0.38 ps */
  qn_report report = analyse("diffusion", NULL, &s, 1);
  const qn_value *value = value_of(&report, "diffusion_coefficient", "all");
  assert_int_equal(value->status, QN_VALUE_TOO_FEW_SAMPLES);
  assert_true(isnan(value->standard_error) && fabs(value->value / QN_A2_PS_M2_S - 0.6) < 0.1);
  qn_report_fini(&report);
  synthetic_free(&s);
}

/* The longest lag is 1.5 ps; (a/2)^2 is left behind at 0.43 ps / (d / 0.6). */
static void a_cage_left_too_late_calls_for_a_longer_run(void **state) {
  (void)state;
  const struct {
    double d;
    qn_value_status status;
  } cases[] = {{0.2, QN_VALUE_TOO_FEW_SAMPLES}, {0.05, QN_VALUE_NOT_DIFFUSIVE}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    synthetic s = brownian(17, 60, 400, 0.1, (const double[2]){cases[c].d, cases[c].d});
    setting longest[] = {{"max_lag_ps", 1.5}, {NULL, 0}};
    qn_report report = analyse("diffusion", longest, &s, 1);
    const qn_value *value = value_of(&report, "diffusion_coefficient", "all");
    assert_int_equal(value->status, cases[c].status);
    assert_true(isnan(value->value) && isnan(value->standard_error));
    qn_report_fini(&report);
    synthetic_free(&s);
  }
}

/* Every pair of frames, every atom, one after the other. */
static void agrees_with_a_double_loop(void **state) {
  (void)state;
  const double d[2] = {0.6, 0.3};
  synthetic s = brownian(11, 300, 151, 0.1, d);
  double (*centre)[3] = calloc((size_t)s.frames, sizeof *centre);
  for (int64_t f = 0; f < s.frames; f++)
    for (int a = 0; a < 3; a++) {
      double mass = 0;
      for (int64_t i = 0; i < s.atoms; i++) {
        mass += synthetic_species[s.type[i]].mass;
        centre[f][a] += synthetic_species[s.type[i]].mass * *synthetic_at(&s, f, a, i);
      }
      centre[f][a] /= mass;
    }
  setting longest[] = {{"max_lag_ps", 29.9}, {NULL, 0}};
  qn_report report = analyse("diffusion", longest, &s, 2);
  const char *species[3] = {"Cu", "Zr", "all"};
  for (int k = 0; k < 3; k++) {
    const qn_curve *curve = curve_of(&report, "mean_squared_displacement", species[k]);
    assert_near(curve_at(curve, curve->rows - 1, 0), 29.9, 1e-9);
    for (int64_t row = 0; row < curve->rows; row++) {
      int64_t lag = llround(curve_at(curve, row, 0) / s.interval), pairs = 0;
      double sum = 0;
      for (int64_t f = 0; f + lag < s.frames; f++)
        for (int64_t i = 0; i < s.atoms; i++) {
          if (k < 2 && s.type[i] != k) continue;
          pairs++;
          for (int a = 0; a < 3; a++) {
            double step = (*synthetic_at(&s, f + lag, a, i) - centre[f + lag][a]) - (*synthetic_at(&s, f, a, i) - centre[f][a]);
            sum += step * step;
          }
        }
      assert_near(curve_at(curve, row, 1), sum / (double)pairs, 1e-12 * sum / (double)pairs);
      assert_true(curve_at(curve, row, 3) == (double)pairs);
    }
  }
  qn_report_fini(&report);
  free(centre);
  synthetic_free(&s);
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  const double d[2] = {0.6, 0.3};
  synthetic s = brownian(13, 700, 700, 0.1, d);
  qn_report one = analyse("diffusion", NULL, &s, 1);
  for (int threads = 2; threads <= 5; threads += 3) {
    qn_report many = analyse("diffusion", NULL, &s, threads);
    assert_same_report(&one, &many);
    qn_report_fini(&many);
  }
  qn_report_fini(&one);
  synthetic_free(&s);
}

static void the_window_can_be_given(void **state) {
  (void)state;
  const double d[2] = {0.5, 0.5};
  synthetic s = brownian(17, 1600, 100, 0.25, d);
  setting window[] = {{"fit_start_ps", 2}, {"fit_end_ps", 10}, {NULL, 0}};
  qn_report report = analyse("diffusion", window, &s, 1);
  const qn_value *value = value_of(&report, "diffusion_coefficient", "all");
  assert_int_equal(value->status, QN_VALUE_OK);
  assert_true(value->window_start_ps >= 2 && value->window_start_ps < 2.5 && value->window_end_ps <= 10 && value->window_end_ps > 8);
  assert_int_equal(value->samples, 8);
  assert_near(value->value, 0.5e-8, 4 * value->standard_error);
  qn_report_fini(&report);
  synthetic_free(&s);
}

/* A trajectory of which one frame has another box, or an atom less. */
typedef struct spoiled {
  const synthetic *good;
  int64_t frame;
  bool box, atoms;
} spoiled;

static qn_status read_spoiled(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  const spoiled *bad = context;
  (void)error;
  *frame = synthetic_frame(bad->good, index);
  if (index == bad->frame && bad->box) frame->box.length[1] *= 1.001;
  if (index == bad->frame && bad->atoms) frame->count--;
  return QN_OK;
}

static void refuses_what_it_cannot_answer(void **state) {
  (void)state;
  const double d[2] = {0.6, 0.6};
  qn_report report;
  qn_error error;
  synthetic s = brownian(19, 100, 50, 0.1, d);
  setting backwards[] = {{"fit_start_ps", 2}, {"fit_end_ps", 1}, {NULL, 0}}, endless[] = {{"max_lag_ps", 10.5}, {NULL, 0}};
  assert_int_equal(analyse_status("diffusion", backwards, &s, 1, &report, &error), QN_INVALID);
  assert_int_equal(analyse_status("diffusion", endless, &s, 1, &report, &error), QN_INVALID);
  synthetic one = s;
  one.frames = 1;
  assert_int_equal(analyse_status("diffusion", NULL, &one, 1, &report, &error), QN_INVALID);

  enum fault { BOX, ATOMS };
  static const struct {
    int fault;
    qn_status status;
    const char *part;
  } cases[] = {{BOX, QN_UNSUPPORTED, "the box changes"}, {ATOMS, QN_UNSUPPORTED, "another number of atoms"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int64_t at = 5; at < 60; at += 50) { /* among the first frames, and later */
      spoiled bad = {&s, at, cases[i].fault == BOX, cases[i].fault == ATOMS};
      qn_analysis_frames frames = {.context = &bad, .read = read_spoiled, .count = s.frames, .interval = s.interval};
      qn_status status = analyse_frames("diffusion", NULL, &frames, 1, &report, &error);
      assert_int_equal(status, cases[i].status);
      if (strstr(error.message, cases[i].part) == NULL) fail_msg("%s", error.message);
    }
  /* Along an axis that is not periodic the box means nothing. */
  s.open[1] = true;
  spoiled moved = {&s, 50, true, false};
  qn_analysis_frames frames = {.context = &moved, .read = read_spoiled, .count = s.frames, .interval = s.interval};
  assert_int_equal(analyse_frames("diffusion", NULL, &frames, 1, &report, &error), QN_OK);
  qn_report_fini(&report);
  s.open[1] = false;
  frames.interval = NAN;
  assert_int_equal(analyse_frames("diffusion", NULL, &frames, 1, &report, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "no times"));
  synthetic_free(&s);
}

/* Positions folded into a box that begins at `low`, as far as they are more than `slack` outside. */
static void fold(synthetic *s, double low, double slack) {
  for (int a = 0; a < 3; a++)
    for (int64_t i = 0; i < s->atoms; i++) {
      double turns = 0;
      for (int64_t f = 0; f < s->frames; f++) {
        double *x = synthetic_at(s, f, a, i), length = s->box.length[a];
        while (*x + turns * length < low - slack) turns++;
        while (*x + turns * length > low + length + slack) turns--;
        *x += turns * length;
      }
    }
}

static void wrapped_positions_are_refused(void **state) {
  (void)state;
  const double d[2] = {0.6, 0.6};
  qn_report report;
  qn_error error;
  /* A box at its origin, one elsewhere; atoms that are never outside, and some that are between the rebuilds of a list. */
  for (int moved = 0; moved < 2; moved++)
    for (int slack = 0; slack < 2; slack++) {
      synthetic s = brownian(19, 300, 500, 0.1, d);
      fold(&s, moved ? -7.5 : 0, slack ? 0.9 : 0);
      s.wrapping = QN_WRAPPING_UNKNOWN;
      assert_int_equal(analyse_status("diffusion", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
      assert_non_null(strstr(error.message, "wrapped"));
      s.wrapping = QN_WRAPPING_WRAPPED; /* the reader knows: refused before anything moves */
      s.frames = 3;
      assert_int_equal(analyse_status("diffusion", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
      assert_non_null(strstr(error.message, "image counts"));
      assert_int_equal(analyse_status("pair_distribution", NULL, &s, 1, &report, &error), QN_OK);
      qn_report_fini(&report);
      synthetic_free(&s);
    }
  /* What is not wrapped is not refused, however far atoms go in one interval. */
  synthetic s = brownian(19, 40, 500, 20, d);
  s.wrapping = QN_WRAPPING_UNKNOWN;
  assert_int_equal(analyse_status("diffusion", NULL, &s, 1, &report, &error), QN_OK);
  qn_report_fini(&report);
  synthetic_free(&s);
}

static void names_the_region(void **state) {
  (void)state;
  const double d[2] = {0.01, 0.01};
  synthetic s = brownian(23, 20, 2000, 0.1, d);
  qn_report report = analyse("diffusion", NULL, &s, 1);
  assert_string_equal(report.values[0].region, "bulk");
  qn_report_fini(&report);
  s.box.length[2] += 20;
  s.box.origin[2] -= 10;
  report = analyse("diffusion", NULL, &s, 1);
  assert_string_equal(report.values[0].region, "slab");
  qn_report_fini(&report);
  synthetic_free(&s);

  /* A slab's vacuum is not counted: its atoms are out of the cage as soon as those of the bulk. */
  const double fast[2] = {0.3, 0.3};
  synthetic walkers = brownian(24, 800, 300, 0.1, fast);
  for (int64_t f = 0; f < walkers.frames; f++) /* walkers along x and y; they stay in their slab */
    for (int64_t i = 0; i < walkers.atoms; i++) *synthetic_at(&walkers, f, 2, i) = *synthetic_at(&walkers, 0, 2, i);
  report = analyse("diffusion", NULL, &walkers, 1);
  qn_value bulk = *value_of(&report, "diffusion_coefficient", "all");
  qn_report_fini(&report);
  walkers.box.origin[2] -= 40;
  walkers.box.length[2] += 80;
  report = analyse("diffusion", NULL, &walkers, 1);
  const qn_value *slab = value_of(&report, "diffusion_coefficient", "all");
  assert_int_equal(bulk.status, QN_VALUE_OK);
  assert_int_equal(slab->status, QN_VALUE_OK);
  assert_true(slab->window_start_ps == bulk.window_start_ps && slab->value == bulk.value);
  qn_report_fini(&report);
  synthetic_free(&walkers);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(brownian_bars_hold_the_truth), cmocka_unit_test(ballistic_start_is_exact),
      cmocka_unit_test(a_cage_is_not_diffusive),      cmocka_unit_test(a_short_run_gives_no_error),
      cmocka_unit_test(a_cage_left_too_late_calls_for_a_longer_run),
      cmocka_unit_test(agrees_with_a_double_loop),    cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(the_window_can_be_given),      cmocka_unit_test(refuses_what_it_cannot_answer),
      cmocka_unit_test(wrapped_positions_are_refused), cmocka_unit_test(names_the_region),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

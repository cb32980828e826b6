/* Layers under free surfaces: who counts by methods a, b and c, motion in the plane, and plain double loops over the definitions. */
#include <stdbool.h>

#include "engine/analysis/bessel.h"
#include "engine/analysis/layer.h"
#include "engine/analysis/synthetic.h"

enum { ATOMS = 900, FRAMES = 160 };
static const double AREA = 20, THICK = 30, VACUUM = 10, LAYER = 2.5, STEP = 0.1;

/* A slab from z = 0 to 30 in a box from -10 to 40; walkers in the plane, a reflected walk across it. The centre of mass does not move: walkers
 * come in pairs with opposite steps. */
static synthetic slab(uint64_t seed, double in_plane, double across) {
  synthetic s = synthetic_make(FRAMES, ATOMS, STEP, AREA);
  s.box.origin[2] = -VACUUM;
  s.box.length[2] = THICK + 2 * VACUUM;
  random_source random = random_seeded(seed);
  for (int64_t i = 0; i < ATOMS; i++) {
    s.type[i] = (uint8_t)(i / 2 % 2);
    for (int a = 0; a < 2; a++) *synthetic_at(&s, 0, a, i) = AREA * random_uniform(&random);
    *synthetic_at(&s, 0, 2, i) = i % 2 == 0 ? THICK * random_uniform(&random) : THICK - *synthetic_at(&s, 0, 2, i - 1);
  }
  for (int64_t f = 1; f < FRAMES; f++)
    for (int64_t i = 0; i < ATOMS; i += 2)
      for (int a = 0; a < 3; a++) {
        double step = sqrt(2 * (a < 2 ? in_plane : across) * STEP) * random_normal(&random);
        double one = *synthetic_at(&s, f - 1, a, i) + step, two = *synthetic_at(&s, f - 1, a, i + 1) - step;
        if (a == 2) { /* adatoms may stand out by 1 A */
          if (one < -1) one = -2 - one;
          if (one > THICK + 1) one = 2 * (THICK + 1) - one;
          two = THICK - one;
        }
        *synthetic_at(&s, f, a, i) = one;
        *synthetic_at(&s, f, a, i + 1) = two;
      }
  return s;
}

static bool in_layer(const synthetic *s, int64_t f, int64_t i, double depth) {
  double z = *synthetic_at(s, f, 2, i), below = fmin(z, THICK - z);
  return below < depth + LAYER && (depth <= 0 || below >= depth);
}

/* By the definitions, pair by pair. */
static bool counts(const synthetic *s, int method, int64_t from, int64_t to, int64_t i, double depth) {
  if (!in_layer(s, from, i, depth)) return false;
  if (method == 2) return true;
  if (method == 3) return in_layer(s, to, i, depth);
  for (int64_t f = from + 1; f <= to; f++)
    if (!in_layer(s, f, i, depth)) return false;
  return true;
}

/* What a plain loop over all pairs gives at one lag. */
typedef struct naive {
  int64_t pairs;
  double square, fourth, wave, bins[20];
} naive;

static naive loop(const synthetic *s, int method, int64_t lag, int species, double depth, double q) {
  naive n = {0};
  for (int64_t f = 0; f + lag < FRAMES; f++)
    for (int64_t i = 0; i < ATOMS; i++) {
      if ((species < 2 && s->type[i] != species) || !counts(s, method, f, f + lag, i, depth)) continue;
      double x = *synthetic_at(s, f + lag, 0, i) - *synthetic_at(s, f, 0, i);
      double y = *synthetic_at(s, f + lag, 1, i) - *synthetic_at(s, f, 1, i), r2 = x * x + y * y;
      n.pairs++;
      n.square += r2;
      n.fourth += r2 * r2;
      n.wave += j0(q * sqrt(r2));
      if (sqrt(r2) < 5) n.bins[(int)(sqrt(r2) / 0.25)]++;
    }
  return n;
}

static void methods_follow_their_definitions(void **state) {
  (void)state;
  enum { LAG = 9 };
  static const char *const names[4] = {"diffusion", "relaxation", "non_gaussian", "van_hove"}, *const species[3] = {"Cu", "Zr", "all"};
  const double q = 1.1;
  synthetic s = slab(1, 0.5, 0.3);
  int64_t pairs_of[4] = {0};
  for (int method = 1; method <= 3; method++)
    for (int deep = 0; deep < 2; deep++) {
      double depth = deep * LAYER;
      qn_report report[4];
      for (int k = 0; k < 4; k++) {
        setting settings[] = {{"layer_a", LAYER}, {"depth_a", depth}, {"vacuum_a", VACUUM}, {"method", method}, {"max_lag_ps", 12}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
        if (k == 1) settings[5] = (setting){"q_inv_a", q};
        if (k == 3) {
          settings[4] = (setting){"lag_ps", LAG * STEP};
          settings[5] = (setting){"bin_a", 0.25};
          settings[6] = (setting){"longest_a", 5};
        }
        report[k] = analyse(names[k], settings, &s, 2);
      }
      for (int k = 0; k < 3; k++) {
        const qn_curve *msd = curve_of(&report[0], "mean_squared_displacement", species[k]);
        const qn_curve *f_s = curve_of(&report[1], "self_intermediate_scattering", species[k]);
        const qn_curve *alpha = curve_of(&report[2], "non_gaussian_parameter", species[k]), *hove = curve_of(&report[3], "van_hove_self", species[k]);
        assert_string_equal(msd->region, deep ? "layer" : "surface");
        for (int64_t row = 1; row < msd->rows; row += 7) {
          int64_t lag = llround(curve_at(msd, row, 0) / STEP);
          naive n = loop(&s, method, lag, k, depth, q);
          double pairs = (double)n.pairs, exact = n.fourth / pairs / (2 * pow(n.square / pairs, 2)) - 1;
          assert_true(pairs > 0);
          assert_near(curve_at(msd, row, 1), n.square / pairs, 1e-12 * n.square / pairs);
          assert_near(curve_at(f_s, row, 1), n.wave / pairs, 1e-12);
          assert_near(curve_at(alpha, row, 1), exact, 1e-12 * (1 + fabs(exact)));
          assert_true(curve_at(msd, row, 3) == pairs && curve_at(f_s, row, 3) == pairs && curve_at(alpha, row, 3) == pairs);
          if (k == 2 && !deep) pairs_of[method] = n.pairs;
        }
        naive n = loop(&s, method, LAG, k, depth, q);
        for (int b = 0; b < 20; b++) assert_near(curve_at(hove, b, 1), n.bins[b] / (double)n.pairs / 0.25, 1e-12);
      }
      for (int k = 0; k < 4; k++) qn_report_fini(&report[k]);
    }
  print_message("pairs at the longest lag: a %lld, b %lld, c %lld\n", (long long)pairs_of[1], (long long)pairs_of[2], (long long)pairs_of[3]);
  assert_true(pairs_of[1] < pairs_of[3] && pairs_of[3] < pairs_of[2]); /* always within there at both ends within there at the start */
  synthetic_free(&s);
}

static void walkers_in_a_layer_have_their_d(void **state) {
  (void)state;
  enum { DRAWS = 200 };
  int held = 0;
  double bias = 0, q = 1.0;
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = slab((uint64_t)draw + 10, 0.9, 0.1);
    setting settings[] = {{"layer_a", 5}, {"vacuum_a", VACUUM}, {"fit_start_ps", 0.2}, {"fit_end_ps", 1}, {NULL, 0}};
    qn_report report = analyse("diffusion", settings, &s, 1);
    const qn_value *value = value_of(&report, "diffusion_coefficient", "all");
    assert_string_equal(value->region, "surface");
    assert_int_equal(value->status, QN_VALUE_OK);
    held += fabs(value->value - 0.9e-8) <= 1.96 * value->standard_error;
    bias += (value->value / 0.9e-8 - 1) / DRAWS;
    qn_report_fini(&report);
    if (draw == 0) {
      setting wave[] = {{"layer_a", 5}, {"vacuum_a", VACUUM}, {"q_inv_a", q}, {NULL, 0}};
      report = analyse("relaxation", wave, &s, 1);
      const qn_curve *f_s = curve_of(&report, "self_intermediate_scattering", "all");
      for (int64_t row = 0; row < 10; row++)
        assert_near(curve_at(f_s, row, 1), exp(-q * q * 0.9 * curve_at(f_s, row, 0)), 5 * curve_at(f_s, row, 2) + 1e-3);
      qn_report_fini(&report);
      report = analyse("non_gaussian", (setting[]){{"layer_a", 5}, {"vacuum_a", VACUUM}, {NULL, 0}}, &s, 1);
      const qn_curve *alpha = curve_of(&report, "non_gaussian_parameter", "all");
      for (int64_t row = 0; row < 10; row++) assert_near(curve_at(alpha, row, 1), 0, 5 * curve_at(alpha, row, 2) + 1e-3);
      qn_report_fini(&report);
    }
    synthetic_free(&s);
  }
  print_message("in a layer 95 %% bars hold %.1f %%, bias %.2f %%\n", 100.0 * held / DRAWS, 100 * bias);
  assert_true(held >= 0.90 * DRAWS && held <= 0.99 * DRAWS);
  assert_true(fabs(bias) < 0.01);
}

static void faces_are_found_from_the_density(void **state) {
  (void)state;
  synthetic s = synthetic_make(1, 20000, 1, 30);
  random_source random = random_seeded(5);
  for (int64_t i = 0; i < s.atoms; i++) {
    for (int a = 0; a < 2; a++) *synthetic_at(&s, 0, a, i) = 30 * random_uniform(&random);
    *synthetic_at(&s, 0, 2, i) = 12 + 25 * random_uniform(&random);
  }
  s.box.length[2] = 50;
  /* Shifted so that the slab lies across the edge of the box: from 37 through 50 = 0 to 12. */
  for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, 0, 2, i) = fmod(*synthetic_at(&s, 0, 2, i) + 25, 50);
  qn_frame frame = synthetic_frame(&s, 0);
  qn_layer layer;
  qn_error error;
  assert_int_equal(qn_layer_init(&layer, &(qn_layer_options){.thickness = 2.5, .method = QN_LAYER_AT_BOTH}, &frame, 1, &error), QN_OK);
  assert_int_equal(layer.axis, 2);
  assert_near(layer.high - layer.low, 25, 0.4);
  assert_near(qn_layer_depth(&layer, 38), 1, 0.3);
  assert_near(qn_layer_depth(&layer, 11), 1, 0.3);
  assert_near(qn_layer_depth(&layer, 0), 12, 0.6);
  assert_near(qn_layer_depth(&layer, 14), -2, 0.3);
  assert_near(qn_layer_depth(&layer, 64), -2, 0.3);
  assert_true(qn_layer_holds(&layer, -3) && qn_layer_holds(&layer, 2.4) && !qn_layer_holds(&layer, 2.5));
  assert_int_equal(qn_layer_init(&layer, &(qn_layer_options){.thickness = 10, .depth = 5}, &frame, 1, &error), QN_INVALID);
  s.box.length[2] = 30;
  for (int64_t i = 0; i < s.atoms; i++) *synthetic_at(&s, 0, 2, i) = 30 * random_uniform(&random);
  frame = synthetic_frame(&s, 0);
  assert_int_equal(qn_layer_init(&layer, &(qn_layer_options){.thickness = 2.5}, &frame, 1, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "no free surface"));
  synthetic_free(&s);
}

static void faces_are_a_mean_over_frames(void **state) {
  (void)state;
  /* 200 atoms at random in a slab 25 A thick, new in every frame, that drifts along its normal: one frame has few atoms in half a bin. */
  synthetic s = synthetic_make(16, 200, 1, 12);
  s.box.length[2] = 60;
  random_source random = random_seeded(8);
  double one = 0, many = 0;
  enum { DRAWS = 40 };
  for (int draw = 0; draw < DRAWS; draw++) {
    qn_frame frames[16];
    for (int64_t f = 0; f < 16; f++) {
      for (int64_t i = 0; i < s.atoms; i++) {
        for (int a = 0; a < 2; a++) *synthetic_at(&s, f, a, i) = 12 * random_uniform(&random);
        double height = i % 2 == 0 ? random_uniform(&random) : 1 - (*synthetic_at(&s, f, 2, i - 1) - 20 - 2.5 * (double)f) / 25; /* centred */
        *synthetic_at(&s, f, 2, i) = 20 + 2.5 * (double)f + 25 * height;
      }
      for (int64_t i = 0; i < s.atoms; i++) s.type[i] = 0;
      frames[f] = synthetic_frame(&s, f);
    }
    qn_layer layer;
    qn_error error;
    for (int count = 1; count <= 16; count += 15) {
      assert_int_equal(qn_layer_init(&layer, &(qn_layer_options){.thickness = 2.5}, frames, count, &error), QN_OK);
      double off = pow(remainder(layer.low - 20, 60), 2) + pow(remainder(layer.high - 45, 60), 2);
      *(count == 1 ? &one : &many) += off / 2 / DRAWS;
    }
  }
  print_message("faces are off by %.2f A from one frame, by %.2f A from 16\n", sqrt(one), sqrt(many));
  assert_true(sqrt(many) < 0.25 && sqrt(many) < sqrt(one) / 2.5);
  synthetic_free(&s);
}

static void slabs_without_a_periodic_axis(void **state) {
  (void)state;
  /* The same slab with vacuum in a periodic box, and with tight walls that go along with the atoms: the same numbers. */
  synthetic s = slab(3, 0.5, 0.3), tight = s;
  setting settings[] = {{"layer_a", LAYER}, {NULL, 0}};
  tight.open[2] = true;
  tight.box.origin[2] = -1.5;
  tight.box.length[2] = 33;
  static const char *const names[] = {"diffusion", "density_profile", "coordination"};
  for (int k = 0; k < 3; k++) {
    qn_report closed = analyse(names[k], settings, &s, 1), open = analyse(names[k], settings, &tight, 1);
    assert_int_equal(closed.value_count, open.value_count);
    for (int v = 0; v < closed.value_count; v++) {
      assert_string_equal(closed.values[v].region, open.values[v].region);
      assert_int_equal(closed.values[v].status, open.values[v].status);
      /* Faces are found in half-angstrom bins that begin elsewhere. */
      if (!isnan(closed.values[v].value)) assert_near(open.values[v].value, closed.values[v].value, 0.1 * fabs(closed.values[v].value));
    }
    qn_report_fini(&closed);
    qn_report_fini(&open);
  }
  qn_report report;
  qn_error error;
  assert_int_equal(analyse_status("structure_factor", NULL, &tight, 1, &report, &error), QN_UNSUPPORTED);
  assert_int_equal(analyse_status("pair_distribution", NULL, &tight, 1, &report, &error), QN_UNSUPPORTED);
  synthetic_free(&s);
}

static void bessel_is_exact(void **state) {
  (void)state;
  qn_bessel *table = malloc(sizeof *table);
  qn_bessel_fill(table);
  double worst = 0;
  for (int i = 0; i < 400000; i++) {
    double x = i * 1.27e-3;
    worst = fmax(worst, fabs(qn_bessel_j0(table, x) - j0(x)));
  }
  print_message("largest error of J0 up to 508: %.2g\n", worst);
  assert_true(worst < 2e-15);
  free(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(methods_follow_their_definitions),
      cmocka_unit_test(walkers_in_a_layer_have_their_d),
      cmocka_unit_test(faces_are_found_from_the_density),
      cmocka_unit_test(faces_are_a_mean_over_frames),
      cmocka_unit_test(slabs_without_a_periodic_axis),
      cmocka_unit_test(bessel_is_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

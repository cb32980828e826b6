/* Cage jumps against a plain implementation that keeps everything, with atoms that cross the layer: methods a, b and c by their definitions. */
#include "engine/analysis/synthetic.h"

enum { ATOMS = 240, FRAMES = 403, HALF = 4, HALVES = FRAMES / HALF, WINDOWS = HALVES - 1, PARTS = 16 };
static const double INTERVAL = 5, AREA = 15, THICK = 24, VACUUM = 12, LAYER = 5, CAGE = 0.15 /* A^2 */;

/* A slab of atoms that rattle, jump by some 3 A, and some of the time back; everything drifts. */
static synthetic made(uint64_t seed) {
  synthetic s = synthetic_make(FRAMES, ATOMS, INTERVAL, AREA);
  s.box.origin[2] = -VACUUM;
  s.box.length[2] = THICK + 2 * VACUUM;
  random_source random = random_seeded(seed);
  double site[ATOMS][3], last[ATOMS][3] = {{0}};
  for (int i = 0; i < ATOMS; i++)
    for (int a = 0; a < 3; a++) site[i][a] = (a < 2 ? AREA : THICK) * random_uniform(&random);
  for (int f = 0; f < FRAMES; f++)
    for (int i = 0; i < ATOMS; i++) {
      if (random_uniform(&random) < 0.006) {
        double length = 4 + 3 * random_uniform(&random), back = random_uniform(&random) < 0.3;
        for (int a = 0; a < 3; a++) {
          last[i][a] = back ? -last[i][a] : length * (random_uniform(&random) - 0.5);
          site[i][a] += last[i][a];
        }
        site[i][2] = fmin(fmax(site[i][2], -0.5), THICK + 0.5);
      }
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) = site[i][a] + 0.16 * random_normal(&random) + 0.02 * f * (a + 1);
    }
  return s;
}

/* Positions less the drift of the centre of mass since the first frame. */
static void hold_still(synthetic *s) {
  double centre[3] = {0};
  for (int64_t f = 0; f < s->frames; f++)
    for (int a = 0; a < 3; a++) {
      double sum = 0, mass = 0;
      for (int64_t i = 0; i < s->atoms; i++) {
        mass += synthetic_species[s->type[i]].mass;
        sum += synthetic_species[s->type[i]].mass * *synthetic_at(s, f, a, i);
      }
      if (f == 0) centre[a] = sum / mass;
      for (int64_t i = 0; i < s->atoms; i++) *synthetic_at(s, f, a, i) -= sum / mass - centre[a];
    }
}

typedef struct window {
  double mean[3], variance;
  bool flagged, inside;
  int number;
} window;

static bool in_layer(double z) { return fmin(z, THICK - z) < LAYER; }

static int neighbours(const synthetic *s, int frame, int64_t i, const double cutoff[2][2]) {
  int count = 0;
  for (int64_t j = 0; j < s->atoms; j++) {
    double square = 0;
    for (int a = 0; a < 3; a++) {
      double x = *synthetic_at(s, frame, a, j) - *synthetic_at(s, frame, a, i);
      x -= s->box.length[a] * round(x / s->box.length[a]);
      square += x * x;
    }
    double edge = cutoff[s->type[i]][s->type[j]];
    count += j != i && square < edge * edge;
  }
  return count;
}

static void windows_of(const synthetic *s, int64_t i, bool layered, const double cutoff[2][2], window *w) {
  for (int j = 0; j < WINDOWS; j++) {
    w[j] = (window){.inside = true};
    for (int f = j * HALF; f < (j + 2) * HALF; f++)
      for (int a = 0; a < 3; a++) w[j].mean[a] += *synthetic_at(s, f, a, i) / (2 * HALF);
    for (int f = j * HALF; f < (j + 2) * HALF; f++)
      for (int a = 0; a < 3; a++) w[j].variance += pow(*synthetic_at(s, f, a, i) - w[j].mean[a], 2) / (2 * HALF);
    w[j].flagged = w[j].variance > 5 * CAGE;
    if (layered) w[j].inside = in_layer(w[j].mean[2]);
    w[j].number = neighbours(s, (j + 1) * HALF, i, cutoff);
  }
}

typedef struct jump {
  int first, last;
  double vector[3];
} jump;

static double dot(const double *a, const double *b, bool layered) { return a[0] * b[0] + a[1] * b[1] + (layered ? 0 : a[2] * b[2]); }

/* Every run of flagged windows; then strike out pairs there and back until there are none. */
static int jumps_of(const window *w, int o, bool layered, jump *list) {
  int count = 0;
  for (int a = 0; a < WINDOWS; a++) {
    if (!w[a].flagged || (a > 0 && w[a - 1].flagged)) continue;
    int b = a;
    while (b + 1 < WINDOWS && w[b + 1].flagged) b++;
    if (a - o < 0 || b + o >= WINDOWS) continue;
    jump made_here = {a, b, {0}};
    for (int k = 0; k < 3; k++) made_here.vector[k] = w[b + o].mean[k] - w[a - o].mean[k];
    if (dot(made_here.vector, made_here.vector, layered) >= CAGE) list[count++] = made_here;
  }
  for (int k = 0; k + 1 < count; k++) {
    double sum[3];
    for (int a = 0; a < 3; a++) sum[a] = list[k].vector[a] + list[k + 1].vector[a];
    if (dot(list[k].vector, list[k + 1].vector, layered) >= 0 || dot(sum, sum, layered) >= 1) continue;
    memmove(list + k, list + k + 2, (size_t)(count - k - 2) * sizeof *list);
    count -= 2;
    k = -1; /* from the beginning again */
  }
  return count;
}

typedef struct tally {
  double jumps[PARTS], exposure[PARTS], square[PARTS], before, after;
} tally;

static int part_of(int quarter, int o) {
  int from = 2 * (o + 1), to = 2 * (HALVES - o - 1);
  return quarter < from || quarter >= to ? -1 : (quarter - from) * PARTS / (to - from);
}

/* method 0: no layer. */
static tally count(const synthetic *s, const double cutoff[2][2], int o, int method) {
  tally t = {0};
  for (int64_t i = 0; i < s->atoms; i++) {
    window w[WINDOWS];
    jump list[WINDOWS];
    windows_of(s, i, method > 0, cutoff, w);
    for (int j = 0; j < WINDOWS; j++)
      for (int quarter = 2 * j + 1; quarter <= 2 * j + 2; quarter++)
        if (w[j].inside && part_of(quarter, o) >= 0) t.exposure[part_of(quarter, o)] += HALF * INTERVAL / 2;
    int found = jumps_of(w, o, method > 0, list);
    for (int k = 0; k < found; k++) {
      int from = list[k].first - o, to = list[k].last + o, part = part_of(list[k].first + list[k].last + 2, o);
      bool always = true;
      for (int j = from; j <= to; j++) always = always && w[j].inside;
      bool belongs = method == 1 ? always : method == 2 ? w[from].inside : method == 3 ? w[from].inside && w[to].inside : true;
      if (part < 0 || !belongs) continue;
      t.jumps[part]++;
      t.square[part] += dot(list[k].vector, list[k].vector, method > 0);
      t.before += w[from].number;
      t.after += w[to].number;
    }
  }
  return t;
}

static void agrees_with_what_keeps_everything(void **state) {
  (void)state;
  synthetic s = made(3);
  double cutoff[2][2], jumps_with[4] = {0};
  qn_report coordination = analyse("coordination", NULL, &s, 1);
  static const char *const pairs[2][2] = {{"Cu-Cu", "Cu-Zr"}, {"Cu-Zr", "Zr-Zr"}};
  for (int a = 0; a < 2; a++)
    for (int b = 0; b < 2; b++) cutoff[a][b] = value_of(&coordination, "coordination_cutoff", pairs[a][b])->value;
  qn_report_fini(&coordination);
  synthetic still = s;
  still.r = malloc((size_t)(FRAMES * ATOMS) * 3 * sizeof *still.r);
  memcpy(still.r, s.r, (size_t)(FRAMES * ATOMS) * 3 * sizeof *still.r);
  hold_still(&still);
  for (int method = 0; method <= 3; method++) {
    setting settings[] = {{"window_ps", 2 * HALF * INTERVAL}, {"debye_waller_a2", CAGE}, {NULL, 0}, {"vacuum_a", VACUUM}, {"method", method}, {NULL, 0}};
    if (method > 0) settings[2] = (setting){"layer_a", LAYER};
    qn_report report = analyse("cage_jumps", settings, &s, 2);
    for (int o = 1; o <= 2; o++) {
      tally t = count(&still, cutoff, o, method);
      double jumps = 0, exposure = 0, square = 0, d = method > 0 ? 2 : 3;
      for (int k = 0; k < PARTS; k++) {
        jumps += t.jumps[k];
        exposure += t.exposure[k];
        square += t.square[k];
      }
      if (o == 2) {
        const qn_curve *by_time = curve_of(&report, "jumps_by_time_o2", "all"), *by_number = curve_of(&report, "jumps_by_coordination_o2", "all");
        for (int k = 0; k < PARTS; k++) {
          assert_true(curve_at(by_time, k, 1) == t.jumps[k]); /* to the last pair */
          assert_near(curve_at(by_time, k, 2), t.exposure[k], 1e-12 * t.exposure[k]);
          assert_near(curve_at(by_time, k, 3), t.square[k], 1e-11 * t.square[k]);
        }
        double sum = 0, before = 0, after = 0;
        for (int64_t row = 0; row < by_number->rows; row++) {
          sum += curve_at(by_number, row, 2);
          before += curve_at(by_number, row, 2) * curve_at(by_number, row, 0);
          after += curve_at(by_number, row, 2) * curve_at(by_number, row, 1);
        }
        assert_true(sum == jumps && before == t.before && after == t.after);
        jumps_with[method] = jumps;
      }
      const char *rate = o == 1 ? "jump_rate_o1" : "jump_rate_o2", *length = o == 1 ? "mean_square_jump_length_o1" : "mean_square_jump_length_o2";
      const char *coefficient = o == 1 ? "jump_diffusion_coefficient_o1" : "jump_diffusion_coefficient_o2";
      assert_near(value_of(&report, rate, "all")->value, 1000 * jumps / exposure, 1e-12 * jumps / exposure * 1000);
      assert_near(value_of(&report, length, "all")->value, square / jumps, 1e-12 * square / jumps);
      assert_near(value_of(&report, coefficient, "all")->value, square / exposure / (2 * d) * 1e-8, 1e-12 * square / exposure / (2 * d) * 1e-8);
      if (o == 2) assert_near(value_of(&report, "coordination_before_jump_o2", "all")->value, t.before / jumps, 1e-12 * t.before / jumps);
    }
    const qn_value *used = value_of(&report, "debye_waller_factor_used", "all");
    assert_true(used->status == QN_VALUE_GIVEN && used->value == CAGE && isnan(used->standard_error));
    assert_string_equal(used->region, "slab"); /* of the system, also where jumps are those of a layer */
    qn_report_fini(&report);
  }
  print_message("jumps: %g in the system, in the layer a %g, b %g, c %g\n", jumps_with[0], jumps_with[1], jumps_with[2], jumps_with[3]);
  assert_true(jumps_with[1] < jumps_with[3] && jumps_with[3] < jumps_with[2] && jumps_with[2] < jumps_with[0]);
  free(still.r);
  synthetic_free(&s);
}

/* Cages of 0.15 A and many jumps: the displacement over one interval holds both, <u2> only the cage. */
static void cages_are_told_from_jumps(void **state) {
  (void)state;
  enum { COUNT = 400, TIMES = 640 };
  const double sigma = 0.15, truth = 6 * sigma * sigma;
  int held = 0;
  enum { DRAWS = 20 };
  for (int draw = 0; draw < DRAWS; draw++) {
    synthetic s = synthetic_make(TIMES, COUNT, 5, 20);
    random_source random = random_seeded((uint64_t)draw + 40);
    double site[COUNT][3], square = 0, steps = 0;
    for (int i = 0; i < COUNT; i++)
      for (int a = 0; a < 3; a++) site[i][a] = 20 * random_uniform(&random);
    for (int f = 0; f < TIMES; f++)
      for (int i = 0; i < COUNT; i++) {
        bool jumps = random_uniform(&random) < 0.01; /* two a nanosecond */
        for (int a = 0; a < 3; a++) {
          if (jumps) site[i][a] += 1.8 * (random_uniform(&random) < 0.5 ? 1 : -1);
          *synthetic_at(&s, f, a, i) = site[i][a] + sigma * random_normal(&random);
          if (f > 0) square += pow(*synthetic_at(&s, f, a, i) - *synthetic_at(&s, f - 1, a, i), 2);
        }
        steps += f > 0;
      }
    qn_report report = analyse("cage_jumps", NULL, &s, 1);
    const qn_value *used = value_of(&report, "debye_waller_factor_used", "all");
    assert_int_equal(used->status, QN_VALUE_OK);
    assert_true(used->samples == 16 && used->window_end_ps == 5);
    assert_true(square / steps > 1.5 * truth); /* what the plain mean would say */
    assert_near(used->value, truth * (1 - 1.0 / COUNT), 0.02 * truth);
    held += fabs(used->value - 0.990 * truth) <= 1.96 * used->standard_error + 0.005 * truth; /* the cut takes 1 % */
    qn_report_fini(&report);
    synthetic_free(&s);
  }
  assert_true(held >= 0.85 * DRAWS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_what_keeps_everything), cmocka_unit_test(cages_are_told_from_jumps)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

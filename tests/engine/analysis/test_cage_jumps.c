/* Cage jumps: the rules on hand-made windows, and planted jumps in a Gaussian cage. */
#include "engine/analysis/jumps.h"
#include "engine/analysis/synthetic.h"

/* The jumps of one atom by the tracker, for one o. */
static int track(int windows, const double (*mean)[3], const bool *flagged, int o, double debye_waller, int axis, qn_jump *jump) {
  qn_jump_track t;
  qn_error error;
  qn_jump_track_init(&t);
  for (int j = 0; j < windows; j++) {
    qn_jump_window window = {.mean = {mean[j][0], mean[j][1], mean[j][2]}, .flagged = flagged[j], .inside = true, .number = (int16_t)j};
    assert_int_equal(qn_jump_track_add(&t, &window, debye_waller, axis, &error), QN_OK);
  }
  int count = t.kept[o - 1].count;
  if (count > 0) memcpy(jump, t.kept[o - 1].jump, (size_t)count * sizeof *jump);
  qn_jump_track_fini(&t);
  return count;
}

static void runs_of_windows_are_one_jump(void **state) {
  (void)state;
  /*                       0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 */
  const double x[16] = {0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 9};
  const bool flagged[16] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  double mean[16][3] = {{0}};
  for (int j = 0; j < 16; j++) mean[j][0] = x[j];
  qn_jump jump[9];
  assert_int_equal(track(16, (const double(*)[3])mean, flagged, 1, 0.1, -1, jump), 3);
  assert_true(jump[0].first == 3 && jump[0].last == 4 && jump[0].vector[0] == 3);
  assert_true(jump[0].before == 2 && jump[0].after == 5);
  assert_true(jump[1].first == 9 && jump[1].last == 9 && jump[1].vector[0] == 2);
  assert_true(jump[2].vector[0] == 4);
  /* o = 2 needs window 16 for the last. */
  assert_int_equal(track(16, (const double(*)[3])mean, flagged, 2, 0.1, -1, jump), 2);
  assert_true(jump[0].before == 1 && jump[0].after == 6);
  /* Shorter than sqrt(<u2>). */
  assert_int_equal(track(16, (const double(*)[3])mean, flagged, 2, 4.1, -1, jump), 1);
  /* Lateral length along y and z alone is nothing. */
  assert_int_equal(track(16, (const double(*)[3])mean, flagged, 1, 0.1, 0, jump), 0);
}

static void forward_backward_pairs_go_and_repeats_stay(void **state) {
  (void)state;
  enum { WINDOWS = 64 };
  double mean[WINDOWS][3] = {{0}};
  bool flagged[WINDOWS] = {0};
  /* Steps at windows 4, 12, 20, ...: +2 +2 | +2 -2.5 | +3 (+2 -2) -3, which leaves the two of the first group. */
  const double steps[] = {2, 2, 2, -2.5, 3, 2, -2};
  double at = 0;
  for (int j = 0, k = 0; j < WINDOWS; j++) {
    flagged[j] = j % 8 == 4 && k < 7;
    if (flagged[j]) at += steps[k++];
    mean[j][1] = at;
  }
  qn_jump jump[WINDOWS];
  int count = track(WINDOWS, (const double(*)[3])mean, flagged, 2, 0.1, -1, jump);
  assert_int_equal(count, 3);
  assert_true(jump[0].vector[1] == 2 && jump[1].vector[1] == 2 && jump[2].vector[1] == 3);
  flagged[60] = true;
  for (int j = 60; j < WINDOWS; j++) mean[j][1] = at - 3;
  assert_int_equal(track(WINDOWS, (const double(*)[3])mean, flagged, 2, 0.1, -1, jump), 2); /* nested pairs are gone */
}

static void short_jumps_the_same_way_stay(void **state) {
  (void)state;
  /* Twice 0.45 A: their sum is below 1 A, but no way back. */
  enum { WINDOWS = 24 };
  double mean[WINDOWS][3] = {{0}};
  bool flagged[WINDOWS] = {0};
  flagged[6] = flagged[14] = true;
  for (int j = 0; j < WINDOWS; j++) mean[j][2] = 0.45 * (j > 6) + 0.45 * (j > 14);
  qn_jump jump[WINDOWS];
  assert_int_equal(track(WINDOWS, (const double(*)[3])mean, flagged, 2, 0.04, -1, jump), 2);
  for (int j = 15; j < WINDOWS; j++) mean[j][2] = 0.1; /* 0.45 A and 0.35 A back */
  assert_int_equal(track(WINDOWS, (const double(*)[3])mean, flagged, 2, 0.04, -1, jump), 0);
}

enum { ATOMS = 8000, FRAMES = 600, EVENTS = 4 };
static const double INTERVAL = 10, SIGMA = 0.15, LENGTH = 2.3, RUN = 6000;

/* An atom's jumps: at time[k] by vector[k]. */
typedef struct plan {
  int events;
  double time[EVENTS], vector[EVENTS][3];
} plan;

static void direction(random_source *random, double vector[3]) {
  double square = 0;
  for (int a = 0; a < 3; a++) square += pow(vector[a] = random_normal(random), 2);
  for (int a = 0; a < 3; a++) vector[a] *= LENGTH / sqrt(square);
}

/* A quarter of the atoms jump once, some twice in one direction, some forward and back, all with 500 to 900 ps between. */
static plan *make_plans(random_source *random, double *jumps, double *exposure, int o) {
  plan *plans = calloc(ATOMS, sizeof *plans);
  double from = (o + 1) * 100, to = RUN - from;
  *jumps = 0;
  for (int i = 0; i < ATOMS; i++) {
    plan *p = &plans[i];
    double fate = random_uniform(random);
    direction(random, p->vector[0]);
    if (fate < 0.25) {
      p->events = 1;
      p->time[0] = RUN * random_uniform(random);
      *jumps += p->time[0] >= from && p->time[0] < to;
    } else if (fate < 0.35) {
      p->events = 2;
      p->time[0] = 700 + (RUN - 2400) * random_uniform(random);
      p->time[1] = p->time[0] + 500 + 400 * random_uniform(random);
      double sign = fate < 0.30 ? 1 : -1;
      for (int a = 0; a < 3; a++) p->vector[1][a] = sign * p->vector[0][a];
      *jumps += sign > 0 ? 2 : 0;
    }
  }
  *exposure = ATOMS * (to - from);
  return plans;
}

/* Frames made one by one: they would not fit all at once. */
typedef struct planted {
  synthetic *one;
  const plan *plans;
  const double *walk;
  random_source *random;
} planted;

static qn_status read_planted(void *context, int64_t f, qn_frame *frame, qn_error *error) {
  planted *made = context;
  (void)error;
  for (int i = 0; i < ATOMS; i++)
    for (int a = 0; a < 3; a++) {
      double x = made->walk[a * ATOMS + i] + SIGMA * random_normal(made->random);
      for (int k = 0; k < made->plans[i].events; k++) x += made->plans[i].time[k] <= (double)f * INTERVAL ? made->plans[i].vector[k][a] : 0;
      *synthetic_at(made->one, 0, a, i) = x;
    }
  *frame = synthetic_frame(made->one, 0);
  frame->time = (double)f * INTERVAL;
  return QN_OK;
}

static void planted_jumps_are_found(void **state) {
  (void)state;
  const double debye_waller = 6 * SIGMA * SIGMA;
  double jumps, exposure, *walk = calloc(3 * ATOMS, sizeof *walk);
  random_source random = random_seeded(21);
  plan *plans = make_plans(&random, &jumps, &exposure, 2);
  synthetic s = synthetic_make(1, ATOMS, INTERVAL, 45);
  scatter(&s, &random);
  memcpy(walk, s.r, 3 * ATOMS * sizeof *walk);

  /* <u2> from one interval: independent frames, 6 sigma^2 */
  planted made = {&s, plans, walk, &random};
  qn_analysis_frames frames = {.context = &made, .read = read_planted, .count = FRAMES, .interval = INTERVAL};
  qn_report report;
  qn_error error;
  if (analyse_frames("cage_jumps", NULL, &frames, 2, &report, &error) != QN_OK) fail_msg("%s", error.message);

  double gamma = jumps / exposure * 1000, d = gamma / 1000 * LENGTH * LENGTH / 6 * 1e-8;
  assert_near(value_of(&report, "debye_waller_factor_used", "all")->value, debye_waller, 0.05 * debye_waller);
  const qn_value *rate = value_of(&report, "jump_rate_o2", "all"), *jump_d = value_of(&report, "jump_diffusion_coefficient_o2", "all");
  const qn_value *square = value_of(&report, "mean_square_jump_length_o2", "all"), *single = value_of(&report, "single_jump_length_o2", "all");
  print_message("o = 2: Gamma %.4f +- %.4f (planted %.4f) 1/ns, D %.4g +- %.2g (planted %.4g), <l2> %.3f\n", rate->value, rate->standard_error, gamma,
                jump_d->value, jump_d->standard_error, d, square->value);
  assert_int_equal(rate->status, QN_VALUE_OK);
  assert_near(rate->value, gamma, 0.05 * gamma);
  assert_near(jump_d->value, d, 0.03 * d);
  assert_near(square->value, LENGTH * LENGTH, 0.03 * LENGTH * LENGTH);
  assert_near(single->value, LENGTH, 0.02 * LENGTH);
  assert_true(rate->standard_error > 0 && rate->standard_error < 0.1 * gamma);
  /* Windows that overlap the jump lose 5 to 20 % of D. */
  double lost = 1 - value_of(&report, "jump_diffusion_coefficient_o1", "all")->value / jump_d->value;
  print_message("o = 1 loses %.1f %% of D\n", 100 * lost);
  assert_true(lost > 0.02 && lost < 0.25);
  assert_int_equal(value_of(&report, "diffusion_coefficient", "all")->status, QN_VALUE_NOT_DIFFUSIVE); /* a glass */
  qn_report_fini(&report);
  free(plans);
  free(walk);
  synthetic_free(&s);
}

static void jumps_count_in_their_layer(void **state) {
  (void)state;
  /* A slab 30 A thick; each atom jumps once along x in the middle of the run. In the surface layer are a sixth of the atoms. */
  enum { COUNT = 1200, TIMES = 200 };
  synthetic s = synthetic_make(TIMES, COUNT, 10, 40);
  s.box.length[2] = 50;
  s.box.origin[2] = -10;
  random_source random = random_seeded(4);
  for (int64_t f = 0; f < TIMES; f++)
    for (int64_t i = 0; i < COUNT; i++) {
      *synthetic_at(&s, f, 0, i) = (double)(i % 40) + (f >= 70 + i % 60 ? (i % 4 < 2 ? 2.5 : -2.5) : 0);
      *synthetic_at(&s, f, 1, i) = (double)(i / 40) * 40 / 30;
      *synthetic_at(&s, f, 2, i) = (0.5 + (double)i) * 30 / COUNT;
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) += 0.15 * random_normal(&random);
    }
  setting settings[] = {{"layer_a", 2.5}, {"vacuum_a", 10}, {"debye_waller_a2", 0.135}, {NULL, 0}, {NULL, 0}};
  for (int method = 1; method <= 3; method++) {
    settings[3] = (setting){"method", method};
    qn_report report = analyse("cage_jumps", settings, &s, 1);
    const qn_value *rate = value_of(&report, "jump_rate_o2", "all");
    assert_string_equal(rate->region, "surface");
    assert_near(rate->value, 1000.0 / (2000 - 600), 0.03); /* one jump an atom in the time that counts */
    assert_near(value_of(&report, "mean_square_jump_length_o2", "all")->value, 6.25, 0.1);
    /* d = 2 */
    assert_near(value_of(&report, "jump_diffusion_coefficient_o2", "all")->value, 6.25 / 1400 / 4 * 1e-8, 0.05 * 6.25 / 1400 / 4 * 1e-8);
    qn_report_fini(&report);
  }
  synthetic_free(&s);
}

static void refuses_what_it_cannot_answer(void **state) {
  (void)state;
  synthetic s = synthetic_make(200, 20, 30, 20);
  random_source random = random_seeded(1);
  scatter(&s, &random);
  qn_report report;
  qn_error error;
  assert_int_equal(analyse_status("cage_jumps", NULL, &s, 1, &report, &error), QN_UNSUPPORTED); /* 30 ps */
  s.interval = 5;
  s.frames = 110;
  assert_int_equal(analyse_status("cage_jumps", NULL, &s, 1, &report, &error), QN_UNSUPPORTED); /* 550 ps */
  assert_non_null(strstr(error.message, "too short"));
  s.frames = 200;
  for (int64_t f = 1; f < 200; f++) memcpy(synthetic_at(&s, f, 0, 0), s.r, 3 * 20 * sizeof *s.r);
  report = analyse("cage_jumps", NULL, &s, 1); /* nothing moves */
  assert_int_equal(value_of(&report, "jump_rate_o2", "all")->status, QN_VALUE_TOO_FEW_SAMPLES);
  assert_true(value_of(&report, "jump_rate_o2", "all")->value == 0);
  qn_report_fini(&report);
  synthetic_free(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_of_windows_are_one_jump), cmocka_unit_test(forward_backward_pairs_go_and_repeats_stay),
      cmocka_unit_test(short_jumps_the_same_way_stay), cmocka_unit_test(planted_jumps_are_found),      cmocka_unit_test(jumps_count_in_their_layer),
      cmocka_unit_test(refuses_what_it_cannot_answer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

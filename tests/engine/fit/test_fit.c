/* Laws recover planted parameters, with errors that hold them as often as they claim. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/base/units.h"
#include "engine/fit/arrhenius.h"
#include "engine/fit/fit.h"

enum { DRAWS = 400 };

static void assert_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g, not %.12g within %g", value, expected, tolerance);
}

static qn_fit fit_points(const char *law, const qn_fit_point *points, int count, const qn_fit_options *options) {
  qn_fit fit;
  qn_error error;
  if (qn_fit_find(law)->fit(points, count, options, &fit, &error) != QN_OK) fail_msg("%s", error.message);
  return fit;
}

static const qn_fit_value *value_of(const qn_fit *fit, const char *name) {
  for (int v = 0; v < fit->value_count; v++)
    if (strcmp(fit->values[v].name, name) == 0) return &fit->values[v];
  fail_msg("no value %s", name);
  return NULL;
}

/* The paper's bulk liquid: ln D0 = -16.36, Q = 0.432 eV. */
static double liquid(double t) { return exp(-16.36 - 0.432 / (QN_BOLTZMANN * t)); }
/* The paper's supercooled liquid: D0 = 8.2e-9 m2/s, D* = 2.13, T0 = 572 K. */
static double supercooled(double t) { return 8.2e-9 * exp(-2.13 * 572 / (t - 572)); }
/* A volume with a kink at 703 K. */
static double volume(double t) { return 100 + 0.002 * (t - 703) + 0.004 * fmax(0, t - 703); }

static void exact_points_give_exact_parameters(void **state) {
  (void)state;
  qn_fit_point points[12];
  qn_fit_options options = {.unit = "m2/s"};
  for (int i = 0; i < 6; i++) points[i] = (qn_fit_point){1000 + 200 * i, liquid(1000 + 200 * i), NAN};
  qn_fit fit = fit_points("arrhenius", points, 6, &options);
  assert_int_equal(fit.outcome, QN_FIT_OK);
  assert_near(value_of(&fit, "ln_prefactor")->value, -16.36, 1e-10);
  assert_near(value_of(&fit, "activation_energy")->value, 0.432, 1e-11);
  assert_string_equal(value_of(&fit, "ln_prefactor")->unit, "ln(m2/s)");
  assert_true(fit.points == 6 && fit.degrees == 4 && !fit.weighted && fit.lowest_k == 1000 && fit.highest_k == 2000);
  options.rising = true;
  for (int i = 0; i < 6; i++) points[i].value = 1 / points[i].value;
  fit = fit_points("arrhenius", points, 6, &options);
  assert_near(value_of(&fit, "activation_energy")->value, 0.432, 1e-11);

  options.rising = false;
  for (int i = 0; i < 8; i++) points[7 - i] = (qn_fit_point){700 + 40 * i, supercooled(700 + 40 * i), 0}; /* in any order */
  fit = fit_points("vft", points, 8, &options);
  assert_int_equal(fit.outcome, QN_FIT_OK);
  assert_near(value_of(&fit, "vogel_temperature")->value, 572, 1e-4);
  assert_near(value_of(&fit, "strength")->value, 2.13, 1e-5);
  assert_near(value_of(&fit, "prefactor")->value, 8.2e-9, 1e-13);
  assert_near(value_of(&fit, "energy")->value, 0.105, 0.0005); /* k T0 D* of the paper's parameters */

  for (int i = 0; i < 12; i++) points[i] = (qn_fit_point){500 + 40 * i, volume(500 + 40 * i), NAN};
  fit = fit_points("glass_transition", points, 12, &options);
  assert_int_equal(fit.outcome, QN_FIT_OK);
  assert_near(value_of(&fit, "glass_transition_temperature")->value, 703, 1e-5);
  assert_near(value_of(&fit, "slope_below")->value, 0.002, 1e-9);
  assert_near(value_of(&fit, "slope_above")->value, 0.006, 1e-9);
  options.inverse = options.logarithmic = true;
  for (int i = 0; i < 12; i++) {
    double x = 1 / points[i].temperature - 1 / 703.0;
    points[i].value = exp(-30 - 5000 * fmin(x, 0) - 19000 * fmax(x, 0));
  }
  fit = fit_points("glass_transition", points, 12, &options);
  assert_near(value_of(&fit, "glass_transition_temperature")->value, 703, 1e-4);
  assert_near(value_of(&fit, "slope_below")->value, -19000, 0.01);
  assert_near(value_of(&fit, "slope_above")->value, -5000, 0.01);
  assert_string_equal(value_of(&fit, "slope_above")->unit, "ln(m2/s) K");
}

/* How often value +- 1.96 errors holds the truth. */
typedef struct tally {
  const char *name;
  double truth;
  int held, booted;
} tally;

static void count(tally *t, int kinds, const qn_fit *fit) {
  for (int k = 0; k < kinds; k++) {
    const qn_fit_value *value = value_of(fit, t[k].name);
    t[k].held += fabs(value->value - t[k].truth) <= 1.96 * value->standard_error;
    t[k].booted += fabs(value->value - t[k].truth) <= 1.96 * value->bootstrap_error;
  }
}

static void judge(const tally *t, int kinds, int fits) {
  for (int k = 0; k < kinds; k++) {
    print_message("%s: 95 %% bars hold %.1f %%, of the bootstrap %.1f %%\n", t[k].name, 100.0 * t[k].held / fits, 100.0 * t[k].booted / fits);
    assert_true(t[k].held >= 0.90 * fits && t[k].held <= 0.99 * fits);
    assert_true(t[k].booted >= 0.80 * fits);
  }
}

static void errors_are_calibrated(void **state) {
  (void)state;
  qn_rng rng;
  qn_rng_init(&rng, 1, QN_RNG_BOOTSTRAP, 77);
  qn_fit_point points[24];
  qn_fit_options options = {.unit = "m2/s", .resamples = 200, .seed = 5}, quick = {.unit = "m2/s", .resamples = 40, .seed = 5};
  tally arrhenius[] = {{"ln_prefactor", -16.36, 0, 0}, {"activation_energy", 0.432, 0, 0}};
  tally vft[] = {{"vogel_temperature", 572, 0, 0}, {"strength", 2.13, 0, 0}, {"ln_prefactor", log(8.2e-9), 0, 0}};
  tally glass[] = {{"glass_transition_temperature", 703, 0, 0}, {"slope_below", 0.002, 0, 0}, {"slope_above", 0.006, 0, 0}};
  int vft_fits = 0, glass_fits = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    for (int i = 0; i < 11; i++) {
      double t = 1000 + 100 * i, error = liquid(t) * (0.02 + 0.01 * (i % 3));
      points[i] = (qn_fit_point){t, liquid(t) + error * qn_rng_normal(&rng), error};
    }
    qn_fit fit = fit_points("arrhenius", points, 11, &options);
    count(arrhenius, 2, &fit);
    for (int i = 0; i < 16; i++) {
      double t = 700 + 20 * i, error = 0.04 * supercooled(t);
      points[i] = (qn_fit_point){t, supercooled(t) + error * qn_rng_normal(&rng), error};
    }
    fit = fit_points("vft", points, 16, &quick);
    if (fit.outcome == QN_FIT_OK) {
      vft_fits++;
      count(vft, 3, &fit);
    }
    for (int i = 0; i < 24; i++) points[i] = (qn_fit_point){480 + 20 * i, volume(480 + 20 * i) + 0.05 * qn_rng_normal(&rng), 0.05};
    fit = fit_points("glass_transition", points, 24, &quick);
    if (fit.outcome == QN_FIT_OK) {
      glass_fits++;
      count(glass, 3, &fit);
    }
  }
  assert_true(vft_fits > 0.98 * DRAWS && glass_fits > 0.98 * DRAWS);
  judge(arrhenius, 2, DRAWS);
  judge(vft, 3, vft_fits);
  judge(glass, 3, glass_fits);
}

static void scatter_widens_errors(void **state) {
  (void)state;
  qn_fit_point points[8];
  for (int i = 0; i < 8; i++) {
    double t = 1000 + 100 * i, value = liquid(t) * exp((i % 2 ? 1 : -1) * 0.1);
    points[i] = (qn_fit_point){t, value, 0.001 * value};
  }
  qn_fit_options options = {.unit = "m2/s"};
  qn_fit proud = fit_points("arrhenius", points, 8, &options);
  for (int i = 0; i < 8; i++) points[i].standard_error = NAN;
  qn_fit humble = fit_points("arrhenius", points, 8, &options);
  assert_near(value_of(&proud, "activation_energy")->standard_error, value_of(&humble, "activation_energy")->standard_error, 1e-6);
  assert_true(proud.chi_square / proud.degrees > 1000);
}

static void table_1_is_reproduced(void **state) {
  (void)state;
  /* Paper, section III.1: ln D0 = -0.25 +- 1.14 gives D0 = 1.49 +- 2.42 m2/s. */
  double deviation, mean = qn_fit_lognormal_mean(-0.25, 1.14, &deviation);
  assert_near(mean, 1.49, 0.005);
  assert_near(deviation, 2.42, 0.02);
}

static void outcomes_say_why(void **state) {
  (void)state;
  qn_fit_point points[20];
  qn_fit_options options = {.unit = "m2/s", .resamples = 50};
  qn_error error;
  qn_fit fit;
  for (int i = 0; i < 20; i++) points[i] = (qn_fit_point){1000 + 50 * i, liquid(1000 + 50 * i), 0.01 * liquid(1000 + 50 * i)};
  assert_int_equal(fit_points("arrhenius", points, 1, &options).outcome, QN_FIT_TOO_FEW_POINTS);
  assert_int_equal(fit_points("vft", points, 2, &options).outcome, QN_FIT_TOO_FEW_POINTS);
  assert_int_equal(fit_points("glass_transition", points, 3, &options).outcome, QN_FIT_TOO_FEW_POINTS);
  assert_int_equal(fit_points("vft", points, 20, &options).outcome, QN_FIT_NOT_CONVERGED); /* Arrhenius: T0 goes to 0 */
  fit = fit_points("arrhenius", points, 2, &options);
  assert_true(fit.outcome == QN_FIT_OK && fit.degrees == 0 && value_of(&fit, "activation_energy")->standard_error > 0);
  options.lowest_k = 1200;
  options.highest_k = 1500;
  fit = fit_points("arrhenius", points, 20, &options);
  assert_true(fit.points == 7 && fit.lowest_k == 1200 && fit.highest_k == 1500);
  options = (qn_fit_options){.unit = "A3"};
  for (int i = 0; i < 20; i++) points[i].value = 5 + 0.01 * i;
  assert_int_equal(fit_points("glass_transition", points, 20, &options).outcome, QN_FIT_NOT_CONVERGED); /* one line */

  points[3].value = -1;
  assert_int_equal(qn_fit_find("arrhenius")->fit(points, 20, &options, &fit, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "point 4"));
  points[3] = (qn_fit_point){0, 1, 1};
  assert_int_equal(qn_fit_find("glass_transition")->fit(points, 20, &options, &fit, &error), QN_INVALID);
  assert_int_equal(qn_fit_find("arrhenius")->fit(points, 0, &options, &fit, &error), QN_INVALID);
  assert_null(qn_fit_find("nernst"));
  assert_string_equal(qn_fit_outcome_name(QN_FIT_NOT_CONVERGED), "not_converged");
}

static qn_status look(void *context, double progress, qn_error *error) {
  int *left = context;
  assert_true(progress >= 0 && progress < 1);
  return (*left)-- > 0 ? QN_OK : qn_error_set(error, QN_CANCELLED, "enough");
}

static void can_be_stopped(void **state) {
  (void)state;
  qn_fit_point points[6];
  int left = 30;
  qn_fit_options options = {.unit = "m2/s", .resamples = 20, .check = look, .context = &left};
  qn_fit fit;
  qn_error error;
  for (int i = 0; i < 6; i++) points[i] = (qn_fit_point){1000 + 200 * i, liquid(1000 + 200 * i), NAN};
  assert_int_equal(qn_fit_arrhenius.fit(points, 6, &options, &fit, &error), QN_OK);
  assert_int_equal(left, 10);
  assert_int_equal(qn_fit_arrhenius.fit(points, 6, &options, &fit, &error), QN_CANCELLED);
  /* What a law says of itself is how many points it asks for. */
  for (const qn_fit_type *const *law = qn_fit_types(); *law != NULL; law++) {
    options = (qn_fit_options){.unit = "1"};
    assert_true((*law)->parameters >= 2 && (*law)->parameters <= 6);
    assert_int_equal((*law)->fit(points, (*law)->parameters - 1, &options, &fit, &error), QN_OK);
    assert_int_equal(fit.outcome, QN_FIT_TOO_FEW_POINTS);
    assert_int_equal((*law)->fit(points, (*law)->parameters, &options, &fit, &error), QN_OK);
    assert_int_not_equal(fit.outcome, QN_FIT_TOO_FEW_POINTS);
    points[2].value = -points[2].value;
    assert_int_equal((*law)->fit(points, 6, &options, &fit, &error), (*law)->logarithmic ? QN_INVALID : QN_OK);
    points[2].value = -points[2].value;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_points_give_exact_parameters), cmocka_unit_test(errors_are_calibrated), cmocka_unit_test(scatter_widens_errors),
      cmocka_unit_test(table_1_is_reproduced),              cmocka_unit_test(outcomes_say_why),      cmocka_unit_test(can_be_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

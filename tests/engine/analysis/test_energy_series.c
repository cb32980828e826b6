/* Energies of stored frames against those that LAMMPS gives each atom of the reference structures. */
#include <stdio.h>

#include "engine/analysis/synthetic.h"
#include "engine/potential/eam.h"
#include "engine/trajectory/extxyz.h"

static qn_eam potential;

static qn_extxyz read_structure(const char *name) {
  char path[512];
  qn_extxyz structure;
  qn_error error;
  snprintf(path, sizeof path, "%s/%s", QN_TEST_DATA, name);
  if (qn_extxyz_read(&structure, path, NULL, 0, &error) != QN_OK) fail_msg("%s", error.message);
  assert_non_null(structure.local_energy);
  return structure;
}

static synthetic repeat(const qn_extxyz *structure, int64_t frames) {
  synthetic s = synthetic_make(frames, structure->atoms.count, 2, 1);
  s.box = structure->box;
  memcpy(s.type, structure->atoms.type, (size_t)s.atoms);
  for (int64_t f = 0; f < frames; f++)
    for (int a = 0; a < 3; a++) memcpy(synthetic_at(&s, f, a, 0), structure->atoms.r[a], (size_t)s.atoms * sizeof *s.r);
  return s;
}

static qn_report energies(const synthetic *s, const setting *settings, int threads) {
  double values[QN_MAX_PARAMETERS];
  qn_analysis_order order = {.type = qn_analysis_find("energy_series"), .parameters = values};
  parameters_of(order.type, settings, values);
  qn_analysis_frames frames = synthetic_frames(s);
  qn_error error;
  if (qn_analysis_run(&frames, &order, 1, &potential, threads, NULL, NULL, &error) != QN_OK) fail_msg("%s", error.message);
  if (order.status != QN_OK) fail_msg("%s", order.error.message);
  return order.report;
}

static const qn_value *in_region(const qn_report *report, const char *quantity, const char *species, const char *region) {
  for (int i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].quantity, quantity) == 0 && strcmp(report->values[i].species, species) == 0 &&
        strcmp(report->values[i].region, region) == 0)
      return &report->values[i];
  fail_msg("no %s of %s in %s", quantity, species, region);
  return NULL;
}

static void atoms_have_the_energies_of_the_reference(void **state) {
  (void)state;
  static const char *const files[] = {"glass-300K-2048.xyz", "liquid-1500K-2048.xyz", "slab-1500K-2048.xyz"};
  for (int k = 0; k < 3; k++) {
    qn_extxyz structure = read_structure(files[k]);
    synthetic s = repeat(&structure, 2);
    bool slab = k == 2;
    setting settings[] = {{slab ? "layer_a" : NULL, 2.5}, {"vacuum_a", 10}, {NULL, 0}};
    qn_report report = energies(&s, settings, 2);
    double low = s.box.origin[2] + 10, high = s.box.origin[2] + s.box.length[2] - 10;
    for (int region = 0; region <= slab; region++)
      for (int species = -1; species < 2; species++) {
        double sum = 0, count = 0;
        for (int64_t i = 0; i < s.atoms; i++) {
          double z = structure.atoms.r[2][i];
          if ((species >= 0 && s.type[i] != species) || (region && fmin(z - low, high - z) >= 2.5)) continue;
          sum += structure.local_energy[i];
          count++;
        }
        const char *symbol = species < 0 ? "all" : structure.atoms.species[species].symbol;
        /* The structure's species are in the order of the file, the synthetic frame's are Cu, Zr. */
        assert_string_equal(species < 0 ? "all" : synthetic_species[species].symbol, symbol);
        const qn_value *value = in_region(&report, "potential_energy_per_atom", symbol, region ? "surface" : slab ? "slab" : "bulk");
        assert_near(value->value, sum / count, 1e-9);
        assert_int_equal(value->status, QN_VALUE_TOO_FEW_SAMPLES); /* two frames */
      }
    qn_report one = energies(&s, settings, 1);
    assert_same_report(&one, &report);
    qn_report_fini(&one);
    if (slab) { /* the same with an axis that is not periodic, and walls that touch the atoms */
      synthetic open = s;
      open.open[2] = true;
      open.box.origin[2] = low - 2;
      open.box.length[2] = high - low + 4;
      qn_report tight = energies(&open, NULL, 2);
      assert_near(value_of(&tight, "potential_energy_per_atom", "Cu")->value, in_region(&report, "potential_energy_per_atom", "Cu", "slab")->value, 1e-9);
      qn_report_fini(&tight);
    }
    qn_report_fini(&report);
    synthetic_free(&s);
    qn_extxyz_fini(&structure);
  }
}

static void the_course_is_told(void **state) {
  (void)state;
  /* A crystal that is shaken harder and harder. */
  qn_extxyz structure = read_structure("b2-perturbed-432.xyz");
  synthetic s = repeat(&structure, 48);
  random_source random = random_seeded(3);
  for (int64_t f = 0; f < s.frames; f++)
    for (int64_t i = 0; i < s.atoms; i++)
      for (int a = 0; a < 3; a++) *synthetic_at(&s, f, a, i) += 0.002 * (double)f * random_normal(&random);
  qn_report report = energies(&s, NULL, 2);
  const qn_curve *curve = curve_of(&report, "potential_energy_series", "all");
  assert_int_equal(curve->rows, 6);
  double t = 0, e = 0, tt = 0, te = 0;
  for (int64_t row = 0; row < 6; row++) {
    double x = curve_at(curve, row, 0), y = curve_at(curve, row, 1);
    assert_near(x, 2 * (8 * (double)row + 3.5), 1e-9);
    assert_true(curve_at(curve, row, 2) > 0 && curve_at(curve, row, 3) == 432);
    t += x / 6;
    e += y / 6;
    tt += x * x / 6;
    te += x * y / 6;
  }
  const qn_value *mean = value_of(&report, "potential_energy_per_atom", "all"), *drift = value_of(&report, "potential_energy_drift", "all");
  assert_near(mean->value, e, 1e-9);
  assert_int_equal(drift->status, QN_VALUE_OK);
  assert_string_equal(drift->unit, "eV/ns");
  assert_true(drift->value > 0 && mean->window_end_ps == 94 && mean->samples == 16);
  assert_near(drift->value, 1000 * (te - t * e) / (tt - t * t), 4 * drift->standard_error);
  qn_report_fini(&report);
  /* Without a potential there is none of it. */
  qn_error error;
  assert_int_equal(analyse_status("energy_series", NULL, &s, 1, &report, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "potential"));
  synthetic_free(&s);
  qn_extxyz_fini(&structure);
}

static int read_potential(void **state) {
  (void)state;
  qn_error error;
  return qn_eam_read(&potential, QN_POTENTIALS "/Cu-Zr_2.eam.fs", &error) == QN_OK ? 0 : -1;
}

static int drop_potential(void **state) {
  (void)state;
  qn_eam_fini(&potential);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(atoms_have_the_energies_of_the_reference), cmocka_unit_test(the_course_is_told)};
  return cmocka_run_group_tests(tests, read_potential, drop_potential);
}

/* Thermodynamics of each level of a run, from a made-up thermo series with known means. */
#include "engine/analysis/synthetic.h"
#include "engine/analysis/thermo.h"
#include "engine/base/units.h"

enum { ATOMS = 500, LEVEL = 400 /* rows */, COLUMNS = 8 };
static const char *const names[COLUMNS] = {"step", "stage", "time_ps", "temperature_k", "potential_energy_ev", "kinetic_energy_ev", "pressure_gpa", "volume_a3"};

static double volume_at(double t) { return 16 + 1e-3 * t; }
static double energy_at(double t) { return -5 + 2e-4 * t; }

typedef struct made {
  qn_series series;
  qn_thermo_level level[8];
  qn_thermo_table table;
} made;

static void add_rows(made *m, random_source *random, int stage, int64_t begin, double from, double to, double memory) {
  double noise = 0;
  for (int k = 1; k <= LEVEL; k++) {
    double *row = m->series.data + m->series.rows++ * COLUMNS, t = from + (to - from) * k / LEVEL;
    noise = memory * noise + sqrt(1 - memory * memory) * random_normal(random);
    /* The first half has not come to rest. */
    double late = from == to && 2 * k <= LEVEL ? 0.3 : 0;
    row[0] = (double)(begin + 10 * k);
    row[1] = stage;
    row[2] = row[0] * 1e-3;
    row[3] = t + 10 * random_normal(random);
    row[4] = ATOMS * (energy_at(t) + 0.01 * noise + late);
    row[5] = ATOMS * 1.5 * QN_BOLTZMANN * row[3];
    row[6] = 0.5 + random_normal(random);
    row[7] = ATOMS * (volume_at(t) + 0.1 * noise + late);
  }
}

/* A hold at 1000 K, a quench in steps to 800 K, a ramp to 700 K, a hold with a surface. */
static made *make(uint64_t seed, double memory) {
  made *m = calloc(1, sizeof *m);
  random_source random = random_seeded(seed);
  m->series.columns = COLUMNS;
  for (int c = 0; c < COLUMNS; c++) strcpy(m->series.name[c], names[c]);
  m->series.data = malloc(6 * LEVEL * COLUMNS * sizeof *m->series.data);
  static const struct {
    int stage;
    double from, to, pressure;
    qn_knowledge surfaces;
  } levels[] = {{0, 1000, 1000, 2, QN_NO}, {1, 900, 900, 2, QN_NO}, {1, 800, 800, 2, QN_NO}, {2, 800, 700, 2, QN_NO}, {4, 700, 700, NAN, QN_YES}};
  for (int l = 0; l < 5; l++) {
    int64_t begin = 10 * LEVEL * l;
    m->level[l] = (qn_thermo_level){levels[l].stage, begin, begin + 10 * LEVEL, levels[l].from, levels[l].to, levels[l].pressure, levels[l].surfaces};
    add_rows(m, &random, levels[l].stage, begin, levels[l].from, levels[l].to, memory);
  }
  m->table = (qn_thermo_table){&m->series, ATOMS, 5, m->level};
  return m;
}

static void drop(made *m) {
  free(m->series.data);
  free(m);
}

static qn_report summarise(const made *m, const setting *settings) {
  const qn_analysis_type *type = qn_analysis_find("thermodynamics");
  double values[QN_MAX_PARAMETERS];
  parameters_of(type, settings, values);
  qn_report report;
  qn_error error;
  if (type->summarise(values, &m->table, &report, &error) != QN_OK) fail_msg("%s", error.message);
  return report;
}

/* The n-th value of a quantity. */
static const qn_value *nth(const qn_report *report, const char *quantity, int n) {
  for (int i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].quantity, quantity) == 0 && n-- == 0) return &report->values[i];
  return NULL;
}

static void each_level_has_its_values(void **state) {
  (void)state;
  made *m = make(1, 0);
  qn_report report = summarise(m, NULL);
  static const double temperatures[] = {1000, 900, 800, 787.5, 762.5, 737.5, 712.5, 700};
  for (int n = 0; n < 7; n++) {
    const qn_value *volume = nth(&report, "volume_per_atom", n), *density = nth(&report, "number_density", n);
    const qn_value *enthalpy = nth(&report, "enthalpy_per_atom", n), *heat = nth(&report, "temperature", n);
    double t = temperatures[n], expected = energy_at(t) + 1.5 * QN_BOLTZMANN * t + 2 / QN_EV_A3_GPA * volume_at(t);
    assert_true(volume->temperature_k == t && density->temperature_k == t);
    assert_string_equal(volume->region, "bulk");
    assert_int_equal(volume->status, QN_VALUE_OK);
    assert_near(volume->value, volume_at(t), 5 * volume->standard_error);
    assert_true(volume->standard_error < 0.03 && volume->standard_error > 0.003);
    assert_near(density->value, 1 / volume_at(t), 5 * density->standard_error);
    assert_near(enthalpy->value, expected, 5 * enthalpy->standard_error);
    assert_near(heat->value, t, 5 * heat->standard_error);
    assert_near(nth(&report, "potential_energy_per_atom", n)->value, energy_at(t), 5 * nth(&report, "potential_energy_per_atom", n)->standard_error);
  }
  /* 200 rows of the first step, 10 steps of 1 fs apart, from the middle on. */
  assert_near(nth(&report, "volume_per_atom", 0)->window_start_ps, 2.01, 1e-9);
  assert_near(nth(&report, "volume_per_atom", 0)->window_end_ps, 4, 1e-9);
  /* With free surfaces the box has no volume that means anything. */
  assert_null(nth(&report, "volume_per_atom", 7));
  assert_null(nth(&report, "enthalpy_per_atom", 7));
  assert_string_equal(nth(&report, "potential_energy_per_atom", 7)->region, "slab");
  const qn_curve *curve = curve_of(&report, "volume_per_atom", "all");
  assert_int_equal(curve->rows, 7);
  for (int n = 0; n < 7; n++) assert_true(curve_at(curve, n, 0) == temperatures[n] && curve_at(curve, n, 1) == nth(&report, "volume_per_atom", n)->value);
  qn_report_fini(&report);

  setting whole[] = {{"discard", 0}, {"piece_k", 50}, {NULL, 0}};
  report = summarise(m, whole);
  assert_near(nth(&report, "volume_per_atom", 0)->value, volume_at(1000) + 0.15, 0.02); /* with what was not at rest */
  assert_true(nth(&report, "volume_per_atom", 3)->temperature_k == 775 && nth(&report, "volume_per_atom", 4)->temperature_k == 725);
  qn_report_fini(&report);

  m->level[1].pressure = NAN; /* nvt: its volume is no measurement */
  report = summarise(m, NULL);
  assert_int_equal(nth(&report, "volume_per_atom", 1)->status, QN_VALUE_GIVEN);
  assert_true(isnan(nth(&report, "volume_per_atom", 1)->standard_error) && nth(&report, "volume_per_atom", 1)->samples == 0);
  assert_int_equal(nth(&report, "enthalpy_per_atom", 1)->status, QN_VALUE_OK);
  qn_report_fini(&report);

  m->level[0].to = m->level[0].from = NAN; /* nve: at the temperature that it had */
  m->level[0].surfaces = QN_UNKNOWN;
  report = summarise(m, NULL);
  assert_near(report.values[0].temperature_k, 1000, 5);
  assert_true(report.values[0].temperature_k == report.values[0].value);
  assert_string_equal(report.values[0].region, "system");
  assert_true(nth(&report, "volume_per_atom", 0)->temperature_k == 900);
  qn_report_fini(&report);
  drop(m);
}

static void bars_hold_the_truth(void **state) {
  (void)state;
  /* Noise that remembers ten rows: blocks of 6, 12 and 25 rows see it more and less. */
  enum { DRAWS = 200 };
  int held = 0, few = 0;
  for (int draw = 0; draw < DRAWS; draw++) {
    made *m = make((uint64_t)draw + 100, draw % 2 ? 0.0 : 0.8);
    qn_report report = summarise(m, NULL);
    const qn_value *volume = nth(&report, "volume_per_atom", 1);
    held += fabs(volume->value - volume_at(900)) <= 1.96 * volume->standard_error;
    qn_report_fini(&report);
    m->table.level_count = 1;
    m->level[0].begin = 10 * (LEVEL - 12); /* half of twelve rows */
    report = summarise(m, NULL);
    few += nth(&report, "volume_per_atom", 0)->status == QN_VALUE_TOO_FEW_SAMPLES;
    qn_report_fini(&report);
    drop(m);
  }
  print_message("95 %% bars hold %.1f %%\n", 100.0 * held / DRAWS);
  assert_true(held >= 0.90 * DRAWS && held <= 0.99 * DRAWS);
  assert_int_equal(few, DRAWS);
}

static void says_what_is_missing(void **state) {
  (void)state;
  made *m = make(1, 0);
  const qn_analysis_type *type = qn_analysis_find("thermodynamics");
  double values[QN_MAX_PARAMETERS];
  qn_report report;
  qn_error error;
  parameters_of(type, NULL, values);
  m->level[0].stage = 3;
  m->table.level_count = 1;
  assert_int_equal(type->summarise(values, &m->table, &report, &error), QN_UNSUPPORTED);
  strcpy(m->series.name[7], "volume");
  assert_int_equal(type->summarise(values, &m->table, &report, &error), QN_CORRUPT);
  assert_non_null(strstr(error.message, "volume_a3"));
  drop(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_level_has_its_values), cmocka_unit_test(bars_hold_the_truth),
                                     cmocka_unit_test(says_what_is_missing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of sources fits the tables of the analyses, and values are taken only when they may be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/analysis/sources.h"
#include "engine/analysis/report.h"

static void table_fits_the_analyses(void **state) {
  (void)state;
  int fed = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (int p = 0, here = 0; p < (*type)->parameter_count; p++) {
      const qn_parameter_source *source = qn_parameter_source_find((*type)->parameters[p].name);
      if (source == NULL) continue;
      fed++;
      assert_true(++here <= QN_MAX_SOURCES);
      const qn_analysis_type *from = qn_analysis_find(source->type);
      assert_non_null(from);
      /* Sources have none themselves: no circle can be asked for. */
      for (int k = 0; k < from->parameter_count; k++) assert_null(qn_parameter_source_find(from->parameters[k].name));
    }
  assert_true(fed >= 3);
  assert_null(qn_parameter_source_find("max_lag_ps"));
}

static void takes_good_values_only(void **state) {
  (void)state;
  qn_report report = {0};
  qn_error error;
  const qn_value *taken;
  const qn_parameter_source *source = qn_parameter_source_find("q_inv_a");
  const qn_parameter parameter = {"q_inv_a", "", 2.7, 0.01, 100, false, NULL};
  assert_int_equal(qn_parameter_source_take(source, &parameter, &report, &taken, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "gave no structure_factor_peak_wave_number"));
  qn_value *pair = qn_report_add_value(&report, source->quantity, "1/A", "Cu-Zr", "bulk", &error);
  pair->value = 2.6;
  assert_int_equal(qn_parameter_source_take(source, &parameter, &report, &taken, &error), QN_UNSUPPORTED); /* of one pair, not of all */
  qn_value *all = qn_report_add_value(&report, source->quantity, "1/A", "all", "bulk", &error);
  all->value = 2.71;
  all->status = QN_VALUE_UNRESOLVED;
  assert_int_equal(qn_parameter_source_take(source, &parameter, &report, &taken, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "unresolved"));
  all->status = QN_VALUE_OK;
  assert_int_equal(qn_parameter_source_take(source, &parameter, &report, &taken, &error), QN_OK);
  assert_true(taken->value == 2.71);
  const double bad[] = {NAN, 0, -1, 200};
  for (int i = 0; i < 4; i++) {
    all->value = bad[i];
    assert_int_equal(qn_parameter_source_take(source, &parameter, &report, &taken, &error), QN_UNSUPPORTED);
    assert_non_null(strstr(error.message, "0.01 to 100 is accepted"));
  }
  qn_report_fini(&report);
}

static void layers_are_no_sources(void **state) {
  (void)state;
  const qn_parameter_source *source = qn_parameter_source_find("debye_waller_a2");
  double parameters[QN_MAX_PARAMETERS] = {0};
  assert_true(qn_parameter_source_suits(source, parameters));
  const qn_analysis_type *type = qn_analysis_find(source->type);
  for (int p = 0; p < type->parameter_count; p++)
    if (strcmp(type->parameters[p].name, "layer_a") == 0) parameters[p] = 2.5;
  assert_false(qn_parameter_source_suits(source, parameters));
  assert_true(qn_parameter_source_suits(qn_parameter_source_find("q_inv_a"), parameters));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(table_fits_the_analyses), cmocka_unit_test(takes_good_values_only),
                                     cmocka_unit_test(layers_are_no_sources)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

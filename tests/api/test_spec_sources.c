/* Parameters that another analysis measures: in a list of analyses they name a source beside them, and the canonical form pins it. */
#include "api/spec_text.h"

#include <stdio.h>

#include "api/spec.h"

static qn_faults faults;

static qn_simulation_spec *parse(const char *analyses) {
  char *text = spec_with(BULK, "/analyses", analyses);
  qn_simulation_spec *spec = malloc(sizeof *spec);
  assert_non_null(spec);
  qn_faults_fini(&faults);
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  free(text);
  return spec;
}

static void test_source_beside(void **state) {
  (void)state;
  qn_simulation_spec *spec = parse("[{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"},"
                                   " {\"type\": \"structure_factor\"}, {\"type\": \"diffusion\"}]");
  for (int i = 0; i < faults.count; i++) print_error("%s: %s\n", faults.items[i].pointer, faults.items[i].detail);
  assert_int_equal(faults.count, 0);
  assert_int_equal(spec->analyses[0].source_count, 1);
  char hash[QN_HASH_SIZE], fed[QN_HASH_SIZE], number[QN_HASH_SIZE];
  free(qn_spec_render_analysis(&spec->analyses[1], hash));
  assert_string_equal(spec->analyses[0].sources[0].sha256, hash);

  /* What is stored says where the number comes from, parses again to the same, and is other work than the number 2.7. */
  char *text = qn_spec_render_analysis(&spec->analyses[0], fed), wanted[200];
  snprintf(wanted, sizeof wanted, "\"q_inv_a\":{\"from\":\"structure_factor\",\"spec_sha256\":\"%s\"}", hash);
  assert_non_null(strstr(text, wanted));
  qn_analysis_spec again;
  qn_spec_parse_analysis(text, strlen(text), &again, &faults);
  assert_int_equal(faults.count, 0);
  char *twin = qn_spec_render_analysis(&again, number);
  assert_string_equal(twin, text);
  assert_string_equal(number, fed);
  free(text), free(twin);
  qn_analysis_spec plain = spec->analyses[0];
  plain.source_count = 0;
  free(qn_spec_render_analysis(&plain, number));
  assert_string_not_equal(number, fed);

  /* So does the whole simulation. */
  text = qn_spec_render_simulation(spec, fed);
  qn_simulation_spec *whole = malloc(sizeof *whole);
  qn_spec_parse_simulation(text, strlen(text), whole, &faults);
  assert_int_equal(faults.count, 0);
  twin = qn_spec_render_simulation(whole, number);
  assert_string_equal(twin, text);
  free(text), free(twin), free(spec), free(whole);

  /* Another source is another analysis. */
  spec = parse("[{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"},"
               " {\"type\": \"structure_factor\", \"vectors\": 100}]");
  assert_string_not_equal(spec->analyses[0].sources[0].sha256, hash);
  free(spec);
}

static void test_choice(void **state) {
  (void)state;
  const qn_parameter_source *source = qn_parameter_source_find("debye_waller_a2");
  const qn_analysis_type *from = qn_analysis_find("debye_waller"), *other = qn_analysis_find("diffusion");
  qn_analysis_spec list[4] = {{.type = other, .stage = 1}, {.type = from, .stage = 2}, {.type = from, .stage = 3},
                              {.type = from, .stage = 3}};
  assert_int_equal(qn_spec_choose_source(source, 1, list, 1), -1);
  assert_int_equal(qn_spec_choose_source(source, 1, list, 2), 1); /* of another stage: a short, fine run serves a long, coarse one */
  assert_int_equal(qn_spec_choose_source(source, 1, list, 3), -2);
  assert_int_equal(qn_spec_choose_source(source, 2, list, 3), 1);
  assert_int_equal(qn_spec_choose_source(source, 3, list, 3), 2);
  assert_int_equal(qn_spec_choose_source(source, 3, list, 4), -2);
  for (int p = 0; p < from->parameter_count; p++)
    if (strcmp(from->parameters[p].name, "layer_a") == 0) list[3].parameters[p] = 2.5;
  assert_int_equal(qn_spec_choose_source(source, 3, list, 4), 2); /* a layer's factor is not the whole system's */
}

static void test_faults(void **state) {
  (void)state;
  static const struct {
    const char *analyses, *pointer, *part;
  } cases[] = {
      {"[{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}]", "/analyses/0/q_inv_a", "add {\"type\": \"structure_factor\"}"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": \"diffusion\"}]", "/analyses/0/q_inv_a", "\"structure_factor\" for the"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": 3}}]", "/analyses/0/q_inv_a", "in a list it must stand beside"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": 0}}]", "/analyses/0/q_inv_a/analysis", "between 1"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {}}]", "/analyses/0/q_inv_a/analysis", "is missing"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"analysis\": 3, \"x\": 1}}]", "/analyses/0/q_inv_a/x", "unknown key"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"from\": \"diffusion\", \"spec_sha256\": \"x\"}}]", "/analyses/0/q_inv_a/from", "structure_factor"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"from\": \"structure_factor\", \"spec_sha256\": \"x\"}}]", "/analyses/0/q_inv_a/spec_sha256", "64"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": {\"from\": \"structure_factor\","
       " \"spec_sha256\": \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}]",
       "/analyses/0/q_inv_a", "no analysis in the list has this"},
      {"[{\"type\": \"relaxation\", \"q_inv_a\": true}]", "/analyses/0/q_inv_a", "must be a number"},
      {"[{\"type\": \"relaxation\", \"max_lag_ps\": \"structure_factor\"}]", "/analyses/0/max_lag_ps", "must be a number"},
      {"[{\"type\": \"structure_factor\"}, {\"type\": \"structure_factor\", \"vectors\": 50},"
       " {\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}]",
       "/analyses/2/q_inv_a", "more than one"},
      {"[{\"type\": \"structure_factor\"}, {\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"},"
       " {\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}]",
       "/analyses/2", "asked for before"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    free(parse(cases[i].analyses));
    bool found = false;
    for (int k = 0; k < faults.count; k++)
      found = found || (strcmp(faults.items[k].pointer, cases[i].pointer) == 0 && strstr(faults.items[k].detail, cases[i].part) != NULL);
    if (!found) fail_msg("case %zu: %d faults, first %s: %s", i, faults.count, faults.count > 0 ? faults.items[0].pointer : "", faults.count > 0 ? faults.items[0].detail : "");
  }
}

static int tear_down(void **state) {
  (void)state;
  qn_faults_fini(&faults);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_source_beside), cmocka_unit_test(test_choice), cmocka_unit_test(test_faults)};
  return cmocka_run_group_tests(tests, NULL, tear_down);
}

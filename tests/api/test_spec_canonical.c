/* The canonical form: one text for all spellings of the same work, another for other work, and it reads back as itself. */
#include "api/spec_text.h"

#include <stdio.h>

#include "api/fake_store.h"
#include "api/json.h"
#include "api/spec.h"

static qn_potential_facts facts_of_fake(void) {
  qn_store *store = fake_store_alloc();
  qn_potential_facts facts;
  qn_error error;
  assert_int_equal(qn_potential_facts_of_row(&store->potentials[0], &facts, &error), QN_OK);
  fake_store_free(store);
  return facts;
}

/* Canonical text (malloc'ed) and hash of a good spec, resolved when it starts from a lattice. */
static char *canonical(const char *text, char hash[QN_HASH_SIZE]) {
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_potential_facts facts = facts_of_fake();
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  if (faults.count == 0) qn_spec_resolve_potential(spec, &facts, &faults);
  for (int i = 0; i < faults.count; i++) print_error("%s: %s\n", faults.items[i].pointer, faults.items[i].detail);
  assert_int_equal(faults.count, 0);
  char *made = qn_spec_render_simulation(spec, hash);
  assert_non_null(made);
  free(spec);
  qn_faults_fini(&faults);
  return made;
}

static void expect_same(const char *a, const char *b, bool same_work, bool same_text) {
  char hash_a[QN_HASH_SIZE], hash_b[QN_HASH_SIZE];
  char *text_a = canonical(a, hash_a), *text_b = canonical(b, hash_b);
  if ((strcmp(hash_a, hash_b) == 0) != same_work || (strcmp(text_a, text_b) == 0) != same_text)
    print_error("%s\n%s\n", text_a, text_b);
  assert_true((strcmp(hash_a, hash_b) == 0) == same_work);
  assert_true((strcmp(text_a, text_b) == 0) == same_text);
  assert_int_equal(strlen(hash_a), 64);
  free(text_a);
  free(text_b);
}

static void test_reads_back_as_itself(void **state) {
  (void)state;
  static const char *const bases[] = {BULK, FROM_SNAPSHOT};
  static const char *const changes[][2] = {{NULL, NULL},
                                           {"/name", "\"\\u00dcber \\\"1500\\\" \\\\ \\u4e2d K\""},
                                           {"/timestep_fs", "0.7"},
                                           {"/timestep_fs", "3.3333333333333335"},
                                           {"/seed", "9007199254740991"},
                                           {"/stages/0/duration_ps", "12.34567890123456"},
                                           {"/stages/0/temperature_k", "1e3"}};
  for (size_t b = 0; b < 2; b++)
    for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
      char hash[QN_HASH_SIZE], hash_again[QN_HASH_SIZE];
      char *text = spec_with(bases[b], changes[c][0], changes[c][1]), *once = canonical(text, hash),
           *twice = canonical(once, hash_again);
      assert_string_equal(once, twice);
      assert_string_equal(hash, hash_again);
      free(text), free(once), free(twice);
    }
}

/* Without a potential too: what the parser alone makes of a spec is stable. */
static void test_unresolved_reads_back(void **state) {
  (void)state;
  static const char *const bases[] = {
      BULK, FROM_SNAPSHOT,
      "{\"potential\": \"p\", \"initial\": {\"type\": \"snapshot\", \"simulation\": 3}, \"stages\": [{\"type\": "
      "\"hold\", \"ensemble\": \"nve\", \"duration_ps\": 1}]}"};
  for (size_t b = 0; b < 3; b++) {
    qn_simulation_spec *spec = malloc(sizeof *spec);
    qn_faults faults = {0};
    char hash[QN_HASH_SIZE];
    qn_spec_parse_simulation(bases[b], strlen(bases[b]), spec, &faults);
    char *once = qn_spec_render_simulation(spec, hash);
    qn_spec_parse_simulation(once, strlen(once), spec, &faults);
    char *twice = qn_spec_render_simulation(spec, hash);
    assert_int_equal(faults.count, 0);
    assert_string_equal(once, twice);
    free(once), free(twice), free(spec);
  }
}

/* Text and hash made by another program (Python's json and hashlib): keys in byte order, no blanks. A change here makes all stored work other work. */
static void test_known_text_and_hash(void **state) {
  (void)state;
  static const char text[] =
      "{\"name\": \"n\", \"potential\": \"p\", \"initial\": {\"type\": \"snapshot\", \"simulation\": 3},"
      " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nve\", \"duration_ps\": 1}]}";
  static const char wanted[] =
      "{\"analyses\":[],\"initial\":{\"simulation\":3,\"type\":\"snapshot\"},\"name\":\"n\",\"potential"
      "\":\"p\",\"precision\":\"double\",\"seed\":1,\"stages\":[{\"duration_ps\":1,\"ensemble\":\"nve\""
      ",\"sample_every_ps\":0,\"snapshot\":false,\"thermo_every_ps\":0.1,\"type\":\"hold\",\"volume\":\""
      "current\"}],\"timestep_fs\":1}";
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  char hash[QN_HASH_SIZE];
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  char *made = qn_spec_render_simulation(spec, hash);
  assert_string_equal(made, wanted);
  assert_string_equal(hash, "b03e9d95f27054f647fef08561cc58529490717862fd41d6c7cc9e566e9f1ea8");
  free(made), free(spec);
}

/* One stream to the end of the stage is the same work however it is said; another stream is not. */
static void test_streams_of_frames(void **state) {
  (void)state;
  char hash[QN_HASH_SIZE], other[QN_HASH_SIZE];
  char *without = spec_with(BULK, "/stages/2/sample_every_ps", NULL), *text = canonical(BULK, hash);
  assert_non_null(strstr(text, "\"sample_every_ps\":0.05,"));
  assert_null(strstr(text, "\"sampling\""));
  free(text);
  char *same = spec_with(without, "/stages/2/sampling", "[{\"every_ps\": 0.05}]");
  text = canonical(same, other);
  assert_string_equal(hash, other);
  free(text), free(same);
  static const char *const lists[] = {"[{\"every_ps\":0.05},{\"every_ps\":5}]", "[{\"duration_ps\":50,\"every_ps\":0.05}]",
                                      "[{\"duration_ps\":50,\"every_ps\":0.01},{\"every_ps\":1}]"};
  for (int k = 0; k < 3; k++) {
    char *several = spec_with(without, "/stages/2/sampling", lists[k]), wanted[120];
    text = canonical(several, other);
    assert_string_not_equal(hash, other);
    snprintf(wanted, sizeof wanted, "\"sampling\":%s,", lists[k]);
    assert_non_null(strstr(text, wanted));
    char twice[QN_HASH_SIZE], *again = canonical(text, twice);
    assert_string_equal(text, again);
    free(again);
    /* Diffusion takes the stream that lasts longest, relaxation the finest; of one alone nothing is said. */
    const char *diffusion = strstr(text, "{\"depth_a\""), *relaxation = strstr(diffusion + 1, "{\"depth_a\"");
    const char *first = strstr(diffusion, "\"sampling\":"), *second = strstr(relaxation, "\"sampling\":");
    if (k == 1) assert_true(first == NULL || first > strstr(text, "\"stages\""));
    else assert_true(first[11] == '1' - (k == 0) * 1 && second[11] == '0');
    free(text), free(several);
  }
  free(without);
}

/* The method of a layer is a word; the numbers that it once was mean the same. */
static void test_words(void **state) {
  (void)state;
  static const char *const spelt[] = {"1", "\"a\"", "2", "\"b\"", "3", "\"c\""};
  for (int k = 0; k < 6; k++) {
    char body[64], hash[QN_HASH_SIZE], wanted[32];
    snprintf(body, sizeof body, "{\"type\": \"diffusion\", \"method\": %s}", spelt[k]);
    qn_analysis_spec analysis;
    qn_faults faults = {0};
    qn_spec_parse_analysis(body, strlen(body), &analysis, &faults);
    assert_int_equal(faults.count, 0);
    char *text = qn_spec_render_analysis(&analysis, hash);
    snprintf(wanted, sizeof wanted, "\"method\":\"%c\"", 'a' + k / 2);
    assert_non_null(strstr(text, wanted));
    free(text);
  }
}

/* Write `value` with the keys of every object in a shuffled order and with blanks. */
static void scramble(const json_t *value, unsigned *random, FILE *out) {
  static const char *const blanks[] = {"", " ", "\n\t", "  "};
#define BLANK fputs(blanks[(*random = *random * 1664525u + 1013904223u) >> 30], out)
  BLANK;
  if (json_is_object(value)) {
    const char *keys[64];
    size_t count = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) keys[count++] = key;
    for (size_t i = count; i > 1; i--) {
      size_t j = (*random = *random * 1664525u + 1013904223u) / 65536u % i;
      const char *swap = keys[i - 1];
      keys[i - 1] = keys[j], keys[j] = swap;
    }
    fputc('{', out);
    for (size_t i = 0; i < count; i++) {
      fprintf(out, "%s\"%s\"", i > 0 ? "," : "", keys[i]);
      BLANK;
      fputc(':', out);
      scramble(json_object_get(value, keys[i]), random, out);
    }
    fputc('}', out);
  } else if (json_is_array(value)) {
    fputc('[', out);
    for (size_t i = 0; i < json_array_size(value); i++) {
      if (i > 0) fputc(',', out);
      scramble(json_array_get(value, i), random, out);
    }
    fputc(']', out);
  } else if (json_is_number(value)) {
    double number = json_number_value(value);
    unsigned way = (*random = *random * 1664525u + 1013904223u) >> 30;
    fprintf(out,
            way == 0                             ? "%.17g"
            : way == 1                           ? "%.17e"
            : way == 2 && json_is_integer(value) ? "%.0f.0"
                                                 : "%.17g",
            number);
  } else {
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    fputs(text, out);
    free(text);
  }
  BLANK;
#undef BLANK
}

static void test_order_blanks_and_spelling_do_not_matter(void **state) {
  (void)state;
  json_t *root = json_loads(BULK, 0, NULL);
  for (unsigned seed = 1; seed <= 200; seed++) {
    char *text;
    size_t size;
    unsigned random = seed;
    FILE *out = open_memstream(&text, &size);
    scramble(root, &random, out);
    fclose(out);
    expect_same(BULK, text, true, true);
    free(text);
  }
  json_decref(root);
}

static void test_defaults_are_what_they_stand_for(void **state) {
  (void)state;
  static const char *const same[][2] = {
      {"/seed", "1"},
      {"/precision", "\"double\""},
      {"/stages/0/pressure_gpa", "0"},
      {"/stages/0/pressure_gpa", "-0.0"},
      {"/stages/0/barostat", "\"isotropic\""},
      {"/stages/0/barostat_ps", "1"},
      {"/stages/0/thermostat_ps", "0.1"},
      {"/stages/0/sample_every_ps", "0"},
      {"/stages/0/thermo_every_ps", "0.1"},
      {"/stages/0/snapshot", "false"},
      {"/stages/1/ensemble", "\"npt\""},
      {"/stages/4/volume", "\"current\""},
      {"/stages/3/axis", NULL},
      {"/stages/3/vacuum_a", NULL},
      {"/timestep_fs", NULL},
      {"/initial/lattice_constant_a", "4.158725"},
      {"/analyses/0/max_lag_ps", "null"},
      {"/analyses/0/max_lag_ps", "0"},
      {"/analyses/1/q_inv_a", NULL},
      {"/analyses/0/stage", NULL},
      {"/potential_sha256", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""}};
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    char *text = spec_with(BULK, same[i][0], same[i][1]);
    expect_same(BULK, text, true, true);
    free(text);
  }
}

static void test_name_and_analyses_are_not_the_work(void **state) {
  (void)state;
  static const char *const other[][2] = {{"/name", "\"another\""}, {"/analyses", "[]"}, {"/analyses/1/q_inv_a", "2.5"}};
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
    char *text = spec_with(BULK, other[i][0], other[i][1]);
    expect_same(BULK, text, true, false);
    free(text);
  }
}

static void test_everything_else_is(void **state) {
  (void)state;
  static const char *const other[][2] = {{"/seed", "2"},
                                         {"/timestep_fs", "1.0000001"},
                                         {"/initial/cells/0", "6"},
                                         {"/initial/structure", "\"bcc\""},
                                         {"/initial/composition", "{\"Cu\": 0.52, \"Zr\": 0.48}"},
                                         {"/initial/lattice_constant_a", "4.1"},
                                         {"/stages/0/temperature_k", "2000.5"},
                                         {"/stages/0/duration_ps", "20.001"},
                                         {"/stages/0/pressure_gpa", "0.1"},
                                         {"/stages/0/barostat", "\"anisotropic\""},
                                         {"/stages/0/thermo_every_ps", "0.2"},
                                         {"/stages/0/snapshot", "true"},
                                         {"/stages/1/step_k", "25"},
                                         {"/stages/1/ensemble", "\"nvt\""},
                                         {"/stages/2/volume", "\"current\""},
                                         {"/stages/2/sample_every_ps", "0.1"},
                                         {"/stages/3/axis", "\"x\""},
                                         {"/stages/4", NULL}};
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
    char *text = spec_with(BULK, other[i][0], other[i][1]);
    expect_same(BULK, text, false, false);
    free(text);
  }
}

static void test_species_order_does_not_hang_on_keys(void **state) {
  (void)state;
  char *text = spec_with(BULK, "/initial/composition", "{\"Zr\": 0.5, \"Cu\": 0.5}");
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  assert_string_equal(spec->lattice.species[0].symbol, "Cu");
  assert_string_equal(spec->lattice.species[1].symbol, "Zr");
  free(text), free(spec);
}

static void test_typed_values(void **state) {
  (void)state;
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(BULK, strlen(BULK), spec, &faults);
  assert_int_equal(faults.count, 0);
  const qn_protocol *protocol = &spec->protocol;
  assert_int_equal(protocol->stage_count, 5);
  assert_true(protocol->timestep == 1e-3 && protocol->seed == 1);
  assert_int_equal(protocol->stages[0].ensemble, QN_ENSEMBLE_NPT);
  assert_true(protocol->stages[0].temperature == 2000 && protocol->stages[0].duration == 20 &&
              !protocol->stages[0].anisotropic);
  assert_true(protocol->stages[1].to == 1500 && protocol->stages[1].step == 50 && protocol->stages[1].rate == 25000 &&
              protocol->stages[1].snapshot);
  assert_true(protocol->stages[2].mean_volume && protocol->stages[2].sampling_count == 1 &&
              protocol->stages[2].samplings[0].every == 0.05 && protocol->stages[2].samplings[0].duration == 0);
  assert_true(protocol->stages[3].kind == QN_STAGE_SURFACE && protocol->stages[3].axis == 2 &&
              protocol->stages[3].vacuum == 10);
  assert_int_equal(protocol->stages[4].ensemble, QN_ENSEMBLE_NVE);
  assert_true(qn_spec_start_temperature(spec) == 2000);
  assert_int_equal(spec->analysis_count, 2);
  assert_string_equal(spec->analyses[1].type->name, "relaxation");
  const qn_analysis_type *type = spec->analyses[1].type;
  int q = 0;
  while (q < type->parameter_count && strcmp(type->parameters[q].name, "q_inv_a") != 0) q++;
  assert_true(q < type->parameter_count && spec->analyses[1].parameters[q] == 2.7 && spec->analyses[1].stage == 2);
  free(spec);
}

static void test_long_stages_have_fewer_thermo_rows(void **state) {
  (void)state;
  char *text = spec_with(BULK, "/stages/0/duration_ps", "5000");
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  assert_true(spec->protocol.stages[0].thermo_every == 0.5);
  assert_true(spec->protocol.stages[1].thermo_every == 0.1);
  free(text), free(spec);
}

static void test_analysis_reads_back(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"type\": \"diffusion\"}",
                                      "{\"max_lag_ps\": 12.5, \"stage\": 3, \"type\": \"diffusion\"}",
                                      "{\"type\": \"relaxation\", \"q_inv_a\": 2.55}"};
  for (size_t i = 0; i < 3; i++) {
    qn_analysis_spec analysis;
    qn_faults faults = {0};
    char hash[QN_HASH_SIZE], again[QN_HASH_SIZE];
    qn_spec_parse_analysis(texts[i], strlen(texts[i]), &analysis, &faults);
    char *once = qn_spec_render_analysis(&analysis, hash);
    qn_spec_parse_analysis(once, strlen(once), &analysis, &faults);
    char *twice = qn_spec_render_analysis(&analysis, again);
    assert_int_equal(faults.count, 0);
    assert_string_equal(once, twice);
    assert_string_equal(hash, again);
    free(once), free(twice);
  }
}

static void test_numbers_read_back_exactly(void **state) {
  (void)state;
  static const double values[] = {0,
                                  -0.0,
                                  1,
                                  -1,
                                  0.1,
                                  0.05,
                                  1.0 / 3.0,
                                  2.5e-9,
                                  1e300,
                                  -1.7976931348623157e308,
                                  5e-324,
                                  9007199254740991.0,
                                  9007199254740992.0,
                                  123456789.123456789};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    char text[QN_NUMBER_SIZE];
    qn_number_spell(values[i], text);
    assert_true(strtod(text, NULL) == values[i]);
    assert_true(strlen(text) < QN_NUMBER_SIZE - 1 && text[0] != '.');
  }
  char text[QN_NUMBER_SIZE];
  qn_number_spell(0.05, text);
  assert_string_equal(text, "0.05");
  qn_number_spell(2000, text);
  assert_string_equal(text, "2000");
  qn_number_spell(-0.0, text);
  assert_string_equal(text, "0");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_back_as_itself),
      cmocka_unit_test(test_unresolved_reads_back),
      cmocka_unit_test(test_known_text_and_hash),
      cmocka_unit_test(test_streams_of_frames),
      cmocka_unit_test(test_words),
      cmocka_unit_test(test_order_blanks_and_spelling_do_not_matter),
      cmocka_unit_test(test_defaults_are_what_they_stand_for),
      cmocka_unit_test(test_name_and_analyses_are_not_the_work),
      cmocka_unit_test(test_everything_else_is),
      cmocka_unit_test(test_species_order_does_not_hang_on_keys),
      cmocka_unit_test(test_typed_values),
      cmocka_unit_test(test_long_stages_have_fewer_thermo_rows),
      cmocka_unit_test(test_analysis_reads_back),
      cmocka_unit_test(test_numbers_read_back_exactly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

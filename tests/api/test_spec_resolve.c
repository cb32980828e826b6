/* What a spec learns from its potential, from the simulation whose snapshot it starts from, and from the stages an analysis may use. */
#include "api/spec_text.h"

#include <math.h>
#include <stdio.h>

#include "api/fake_store.h"
#include "api/spec.h"

typedef struct bench {
  qn_simulation_spec spec, parent;
  qn_potential_facts facts;
  qn_faults faults;
} bench;

static int set_up(void **state) {
  bench *b = calloc(1, sizeof *b);
  qn_store *store = fake_store_alloc();
  qn_error error;
  assert_int_equal(qn_potential_facts_of_row(&store->potentials[0], &b->facts, &error), QN_OK);
  fake_store_free(store);
  *state = b;
  return 0;
}

static int tear_down(void **state) {
  bench *b = *state;
  qn_faults_fini(&b->faults);
  free(b);
  return 0;
}

static void parse(bench *b, qn_simulation_spec *spec, const char *base, const char *pointer, const char *value) {
  char *text = spec_with(base, pointer, value);
  qn_spec_parse_simulation(text, strlen(text), spec, &b->faults);
  for (int i = 0; i < b->faults.count; i++)
    print_error("%s: %s\n", b->faults.items[i].pointer, b->faults.items[i].detail);
  assert_int_equal(b->faults.count, 0);
  free(text);
}

static void expect_fault(const bench *b, const char *pointer, const char *says) {
  for (int i = 0; i < b->faults.count; i++)
    if (strcmp(b->faults.items[i].pointer, pointer) == 0 && strstr(b->faults.items[i].detail, says) != NULL) return;
  for (int i = 0; i < b->faults.count; i++)
    print_error("%s: %s\n", b->faults.items[i].pointer, b->faults.items[i].detail);
  fail_msg("no fault at %s that says \"%s\"", pointer, says);
}

static void test_lattice_constant_from_atomic_volumes(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, NULL, NULL);
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 0);
  /* fcc Cu: a^3/4; hcp Zr at the ideal ratio: a^3/sqrt(2); half of each, four atoms a cell */
  double volume = 0.5 * pow(3.639087, 3) / 4 + 0.5 * pow(3.233891, 3) / sqrt(2.0);
  assert_true(fabs(b->spec.lattice.constant - cbrt(4 * volume)) < 1e-6);
  assert_true(b->spec.lattice.species[0].mass == 63.546 && b->spec.lattice.species[1].mass == 91.224);
  assert_string_equal(b->spec.potential_sha256, b->facts.sha256);

  parse(b, &b->spec, BULK, "/initial/structure", "\"bcc\"");
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 0);
  assert_true(fabs(b->spec.lattice.constant - cbrt(2 * volume)) < 1e-6);
}

static void test_lattice_constant_that_is_given_stays(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, "/initial/lattice_constant_a", "4.25");
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 0);
  assert_true(b->spec.lattice.constant == 4.25);
}

static void test_lattice_constant_that_nobody_knows(void **state) {
  bench *b = *state;
  strcpy(b->facts.lattice[1], "icosa");
  parse(b, &b->spec, BULK, NULL, NULL);
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  expect_fault(b, "/initial/lattice_constant_a", "is needed");
}

static void test_small_box_names_the_cells(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, "/initial/cells", "[3, 5, 2]");
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 2);
  expect_fault(b, "/initial/cells/0", "too small for the cutoff of 7.6 A: at least 4 cells");
  expect_fault(b, "/initial/cells/2", "at least 4 cells");
}

static void test_species_that_the_potential_lacks(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, "/initial/composition", "{\"Cu\": 0.5, \"Al\": 0.4999, \"Zr\": 0.0001}");
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 2);
  expect_fault(b, "/initial/composition/Al", "does not know Al; it knows Cu, Zr");
  expect_fault(b, "/initial/composition/Zr", "less than half an atom");
}

static void test_other_text_under_the_same_name(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, "/potential_sha256", "\"0000000000000000000000000000000000000000000000000000000000000000\"");
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  expect_fault(b, "/potential_sha256", "has another text");
}

static void test_hash_covers_the_potential(void **state) {
  bench *b = *state;
  char one[QN_HASH_SIZE], other[QN_HASH_SIZE];
  parse(b, &b->spec, BULK, NULL, NULL);
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  free(qn_spec_render_simulation(&b->spec, one));
  b->facts.sha256[0] = 'b';
  parse(b, &b->spec, BULK, NULL, NULL);
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  free(qn_spec_render_simulation(&b->spec, other));
  assert_string_not_equal(one, other);
}

static void test_snapshot_defaults_to_the_last(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, NULL, NULL);
  parse(b, &b->spec, FROM_SNAPSHOT, "/initial/temperature_k", NULL);
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  assert_int_equal(b->faults.count, 0);
  assert_int_equal(b->spec.snapshot_stage, 1);
  assert_true(b->spec.snapshot_temperature == 1500);
  assert_true(qn_spec_start_temperature(&b->spec) == 1500);
}

static void test_snapshot_of_one_step(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, NULL, NULL);
  parse(b, &b->spec, FROM_SNAPSHOT, NULL, NULL);
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  assert_int_equal(b->faults.count, 0);
  assert_true(b->spec.snapshot_temperature == 1600);
  parse(b, &b->spec, FROM_SNAPSHOT, "/initial/temperature_k", "1613");
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  expect_fault(b, "/initial/temperature_k", "the nearest is at 1600 K");
}

static void test_snapshot_of_a_stage_without(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, NULL, NULL);
  parse(b, &b->spec, FROM_SNAPSHOT, "/initial/stage", "2");
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  expect_fault(b, "/initial/stage", "those that do: 1");
}

static void test_snapshot_of_a_simulation_without(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, "/stages/1/snapshot", "false");
  parse(b, &b->spec, FROM_SNAPSHOT, NULL, NULL);
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  expect_fault(b, "/initial/stage", "those that do: none");
}

static void test_snapshot_with_a_surface_takes_no_npt(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, "/stages/3/snapshot", "true");
  parse(b, &b->spec, FROM_SNAPSHOT, "/stages/0",
        "{\"type\": \"hold\", \"ensemble\": \"npt\", \"temperature_k\": 300, \"duration_ps\": 1}");
  b->spec.snapshot_temperature = 0;
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  expect_fault(b, "/stages/0/ensemble", "close the vacuum");
}

static void test_snapshot_brings_its_species(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, "/initial/composition", "{\"Al\": 0.5, \"Cu\": 0.5}");
  parse(b, &b->spec, FROM_SNAPSHOT, NULL, NULL);
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  assert_int_equal(b->faults.count, 0);
  qn_spec_resolve_potential(&b->spec, &b->facts, &b->faults);
  assert_int_equal(b->faults.count, 1);
  expect_fault(b, "/potential", "does not know Al, which simulation 7 has");
}

static void test_snapshot_brings_its_atoms(void **state) {
  bench *b = *state;
  parse(b, &b->parent, BULK, "/initial/cells", "[70, 70, 70]");
  parse(b, &b->spec, FROM_SNAPSHOT, "/stages/0/duration_ps", "1000");
  qn_spec_resolve_snapshot(&b->spec, &b->parent, &b->faults);
  expect_fault(b, "/stages", "2.744e+10 atoms x frames in all; at most 20000000000");
}

static void test_analysis_of_the_last_hold_with_frames(void **state) {
  bench *b = *state;
  parse(b, &b->spec, BULK, "/analyses", "[]");
  qn_analysis_spec analysis = {.type = qn_analysis_find("diffusion"), .stage = -1};
  qn_spec_resolve_stage(&b->spec, &analysis, "", &b->faults);
  assert_int_equal(b->faults.count, 0);
  assert_int_equal(analysis.stage, 2);
  analysis.stage = 4;
  qn_spec_resolve_stage(&b->spec, &analysis, "", &b->faults);
  expect_fault(b, "/stage", "stage 4 keeps no frames; with frames: 2");
}

static void test_analysis_of_a_quench_must_be_asked_for(void **state) {
  bench *b = *state;
  char *text = spec_with(BULK, "/stages/2/sample_every_ps", "0"), *quench = spec_with(text, "/analyses", "[]");
  parse(b, &b->spec, quench, "/stages/1/sample_every_ps", "0.05");
  qn_analysis_spec analysis = {.type = qn_analysis_find("diffusion"), .stage = -1};
  qn_spec_resolve_stage(&b->spec, &analysis, "", &b->faults);
  expect_fault(b, "", "no hold of the simulation keeps frames");
  free(text), free(quench);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_lattice_constant_from_atomic_volumes),
      TEST(test_lattice_constant_that_is_given_stays),
      TEST(test_lattice_constant_that_nobody_knows),
      TEST(test_small_box_names_the_cells),
      TEST(test_species_that_the_potential_lacks),
      TEST(test_other_text_under_the_same_name),
      TEST(test_hash_covers_the_potential),
      TEST(test_snapshot_defaults_to_the_last),
      TEST(test_snapshot_of_one_step),
      TEST(test_snapshot_of_a_stage_without),
      TEST(test_snapshot_of_a_simulation_without),
      TEST(test_snapshot_with_a_surface_takes_no_npt),
      TEST(test_snapshot_brings_its_species),
      TEST(test_snapshot_brings_its_atoms),
      TEST(test_analysis_of_the_last_hold_with_frames),
      TEST(test_analysis_of_a_quench_must_be_asked_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

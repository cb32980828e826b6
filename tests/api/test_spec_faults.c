/* Malformed specs, each with one fault: the fault must be found, at its place, and say what would be accepted. */
#include "api/spec_text.h"

#include <stdio.h>

#include "api/spec.h"

typedef struct fault_case {
  const char *base, *pointer, *value; /* the change; value NULL: the key is removed */
  const char *at;                     /* where the fault must be; NULL: at `pointer` */
  const char *says;                   /* what it must say; NULL: anything */
} fault_case;

static void check(const fault_case *c) {
  char *text = spec_with(c->base, c->pointer, c->value);
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  bool found = false;
  for (int i = 0; i < faults.count; i++)
    found = found || (strcmp(faults.items[i].pointer, c->at != NULL ? c->at : c->pointer) == 0 &&
                      (c->says == NULL || strstr(faults.items[i].detail, c->says) != NULL));
  if (!found) {
    print_error("%s = %s: no fault at %s that says \"%s\"; found:\n", c->pointer, c->value,
                c->at != NULL ? c->at : c->pointer, c->says != NULL ? c->says : "");
    for (int i = 0; i < faults.count; i++) print_error("  %s: %s\n", faults.items[i].pointer, faults.items[i].detail);
  }
  assert_true(found);
  assert_false(faults.syntax);
  qn_faults_fini(&faults);
  free(spec);
  free(text);
}

static void expect_good(const char *base, const char *pointer, const char *value) {
  char *text = spec_with(base, pointer, value);
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  for (int i = 0; i < faults.count; i++)
    print_error("%s = %s: %s: %s\n", pointer, value, faults.items[i].pointer, faults.items[i].detail);
  assert_int_equal(faults.count, 0);
  qn_faults_fini(&faults);
  free(spec);
  free(text);
}

/* Analyses that a stage's frames, ensemble or surface rule out: named when the spec comes in, not after hours of dynamics. */
static const char SLAB[] =
    "{\"potential\": \"cu-zr\","
    " \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": [16, 16, 16], \"composition\": {\"Cu\": 0.5, \"Zr\": 0.5}},"
    " \"stages\": ["
    "  {\"type\": \"hold\", \"ensemble\": \"npt\", \"temperature_k\": 700, \"duration_ps\": 1000, \"sample_every_ps\": 0.2},"
    "  {\"type\": \"surface\"},"
    "  {\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 700, \"duration_ps\": 2000,"
    "   \"sampling\": [{\"every_ps\": 0.2, \"duration_ps\": 100}, {\"every_ps\": 5}]}],"
    " \"analyses\": [{\"type\": \"cage_jumps\", \"layer_a\": 2.5}]}";

static void test_what_frames_cannot_answer(void **state) {
  (void)state;
  expect_good(SLAB, NULL, NULL);
  expect_good(SLAB, "/analyses/0", "{\"type\": \"relaxation\", \"layer_a\": 2.5}");
  expect_good(SLAB, "/analyses/0", "{\"type\": \"relaxation\", \"sampling\": 1}");
  static const fault_case cases[] = {
      {SLAB, "/analyses/0", "{\"type\": \"debye_waller\"}", NULL, "0.05 ps or less is needed"},
      {SLAB, "/analyses/0", "{\"type\": \"relaxation\", \"stage\": 0}", "/analyses/0/stage", "constant volume"},
      {SLAB, "/analyses/0", "{\"type\": \"pair_distribution\"}", NULL, "free surfaces"},
      {SLAB, "/analyses/0", "{\"type\": \"cage_jumps\", \"sampling\": 0}", NULL, "too short for windows"},
      {SLAB, "/analyses/0", "{\"type\": \"cage_jumps\", \"window_ps\": 20}", NULL, "need frames every 2.5 ps or less"},
      {SLAB, "/analyses/0", "{\"type\": \"diffusion\", \"stage\": 2, \"sampling\": 2}", "/analyses/0/sampling", "0 to 1"},
      {SLAB, "/analyses/0", "{\"type\": \"diffusion\", \"max_lag_ps\": 3000}", NULL, "not inside the run"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check(&cases[i]);
  /* 16384 atoms: 1716 frames are what 1 GiB holds beside the rest */
  char *fine = spec_with(SLAB, "/stages/2/sampling", "[{\"every_ps\": 0.5}]");
  expect_good(fine, "/analyses/0", "{\"type\": \"diffusion\", \"max_lag_ps\": 850}");
  check(&(fault_case){fine, "/analyses/0", "{\"type\": \"diffusion\", \"max_lag_ps\": 1000}", NULL, "the longest lag that fits is 858 ps"});
  free(fine);
}

static void test_bases_are_good(void **state) {
  (void)state;
  expect_good(BULK, NULL, NULL);
  expect_good(FROM_SNAPSHOT, NULL, NULL);
}

static void test_each_fault_is_found(void **state) {
  (void)state;
  static const fault_case cases[] = {
      /* the root */
      {BULK, "/nmae", "\"x\"", NULL, "nearest is name"},
      {BULK, "/pressure_gpa", "0", NULL, "unknown key in a simulation"},
      {BULK, "/name", "5", NULL, "must be a string, is an integer"},
      {BULK, "/name", "null", NULL, "is null"},
      {BULK, "/name", "\"a\\nb\"", NULL, "control characters"},
      {BULK, "/potential", NULL, NULL, "is missing"},
      {BULK, "/potential", "\"\"", NULL, "has 0 bytes"},
      {BULK, "/potential", "[]", NULL, "is an array"},
      {BULK, "/potential_sha256", "\"abc\"", NULL, "64 lower-case hex digits"},
      {BULK, "/potential_sha256", "\"ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"", NULL,
       "lower-case"},
      {BULK, "/seed", "-1", NULL, "must lie between 0 and 9007199254740991"},
      {BULK, "/seed", "9007199254740992", NULL, "9007199254740991"},
      {BULK, "/seed", "1.5", NULL, "must be an integer"},
      {BULK, "/seed", "\"1\"", NULL, "is a string"},
      {BULK, "/timestep_fs", "0", NULL, "between 0.1 and 10 fs"},
      {BULK, "/timestep_fs", "11", NULL, "is 11"},
      {BULK, "/timestep_fs", "-1", NULL, NULL},
      {BULK, "/timestep_fs", "1e300", NULL, NULL},
      {BULK, "/timestep_fs", "true", NULL, "is a boolean"},
      {BULK, "/precision", "\"half\"", NULL, "\"half\" is not accepted; accepted: double, fast"},
      {BULK, "/precision", "2", NULL, "must be a string"},
      /* initial */
      {BULK, "/initial", NULL, NULL, "is missing"},
      {BULK, "/initial", "[]", NULL, "must be an object, is an array"},
      {BULK, "/initial", "null", NULL, "must be an object, is null"},
      {BULK, "/initial/type", NULL, NULL, "accepted: lattice, snapshot"},
      {BULK, "/initial/type", "\"crystal\"", NULL, "accepted: lattice, snapshot"},
      {BULK, "/initial/structure", NULL, NULL, "fcc, bcc, b2"},
      {BULK, "/initial/structure", "\"hcp\"", NULL, "fcc, bcc, b2"},
      {BULK, "/initial/structure", "\"b2\"", "/initial/composition", "b2 takes ordered"},
      {BULK, "/initial/cells", NULL, NULL, "[8, 8, 8]"},
      {BULK, "/initial/cells", "5", NULL, "array of 3 integers"},
      {BULK, "/initial/cells", "[5, 5]", NULL, "array of 3 integers"},
      {BULK, "/initial/cells", "[5, 5, 5, 5]", NULL, NULL},
      {BULK, "/initial/cells/0", "0", NULL, "integer from 1 to 1000"},
      {BULK, "/initial/cells/1", "2.5", NULL, "integer from 1 to 1000"},
      {BULK, "/initial/cells/2", "\"5\"", NULL, NULL},
      {BULK, "/initial/cells/2", "1001", NULL, NULL},
      {BULK, "/initial/cells/2", "-3", NULL, NULL},
      {BULK, "/initial/cells", "[100, 100, 100]", NULL, "4000000 atoms; 2 to 2000000 are accepted"},
      {BULK, "/initial/composition", NULL, "/initial", "needs composition"},
      {BULK, "/initial/ordered", "[\"Cu\", \"Zr\"]", "/initial", "exactly one"},
      {BULK, "/initial/composition", "{}", NULL, "is empty"},
      {BULK, "/initial/composition", "[0.5, 0.5]", NULL, "must be an object"},
      {BULK, "/initial/composition/Cu", "0.6", "/initial/composition", "add up to 1.1"},
      {BULK, "/initial/composition/Cu", "50", NULL, "fraction above 0 and at most 1"},
      {BULK, "/initial/composition/Cu", "0", NULL, "fraction above 0"},
      {BULK, "/initial/composition/Cu", "\"half\"", NULL, "fraction"},
      {BULK, "/initial/composition/copper", "0.1", NULL, "no chemical symbol"},
      {BULK, "/initial/composition/Verylong", "0.1", NULL, "no chemical symbol"},
      {BULK, "/initial/composition/C~1u", "0.1", "/initial/composition/C~01u", "no chemical symbol"},
      {BULK, "/initial/lattice_constant_a", "0.5", NULL, "between 1 and 20 A"},
      {BULK, "/initial/lattice_constant_a", "0", NULL, NULL},
      {BULK, "/initial/lattice_constant_a", "null", NULL, "is null"},
      {BULK, "/initial/lattice_constant", "4", NULL, "nearest is lattice_constant_a"},
      {BULK, "/initial/vacuum_a", "4", NULL, "unknown key in a lattice"},
      {FROM_SNAPSHOT, "/initial/simulation", NULL, NULL, "is missing"},
      {FROM_SNAPSHOT, "/initial/simulation", "0", NULL, NULL},
      {FROM_SNAPSHOT, "/initial/simulation", "\"7\"", NULL, "must be an integer"},
      {FROM_SNAPSHOT, "/initial/stage", "64", NULL, "between 0 and 63"},
      {FROM_SNAPSHOT, "/initial/stage", "-1", NULL, NULL},
      {FROM_SNAPSHOT, "/initial/temperature_k", "0", NULL, "K"},
      {FROM_SNAPSHOT, "/initial/cells", "[1, 1, 1]", NULL, "unknown key in a snapshot"},
      /* stages */
      {BULK, "/stages", NULL, NULL, "is missing"},
      {BULK, "/stages", "[]", NULL, "is empty"},
      {BULK, "/stages", "{}", NULL, "must be an array"},
      {BULK, "/stages/0", "5", NULL, "must be an object"},
      {BULK, "/stages/0", "null", NULL, NULL},
      {BULK, "/stages/0/type", NULL, NULL, "hold, quench, surface"},
      {BULK, "/stages/0/type", "\"melt\"", NULL, "hold, quench, surface"},
      {BULK, "/stages/0/ensemble", NULL, NULL, "nve, nvt, npt"},
      {BULK, "/stages/0/ensemble", "\"NPT\"", NULL, "nve, nvt, npt"},
      {BULK, "/stages/0/temperature_k", NULL, NULL, "is missing: a number from 1 to 20000 K"},
      {BULK, "/stages/0/temperature_k", "0", NULL, "between 1 and 20000 K"},
      {BULK, "/stages/0/temperature_k", "-300", NULL, "is -300"},
      {BULK, "/stages/0/temperature_k", "1e9", NULL, NULL},
      {BULK, "/stages/0/temperature_k", "\"hot\"", NULL, "is a string"},
      {BULK, "/stages/0/temperature", "2000", NULL, "nearest is temperature_k"},
      {BULK, "/stages/0/temperature_c", "2000", NULL, "nearest is temperature_k"},
      {BULK, "/stages/0/duration_ps", NULL, NULL, "is missing"},
      {BULK, "/stages/0/duration_ps", "0", NULL, NULL},
      {BULK, "/stages/0/duration_ps", "1e8", NULL, "10000000 ps"},
      {BULK, "/stages/0/duration_ns", "1", NULL, "nearest is duration_ps"},
      {BULK, "/stages/0/pressure_gpa", "1000", NULL, "between -20 and 200 GPa"},
      {BULK, "/stages/0/thermostat_ps", "0", NULL, NULL},
      {BULK, "/stages/0/barostat_ps", "0", NULL, NULL},
      {BULK, "/stages/0/barostat", "\"iso\"", NULL, "isotropic, anisotropic"},
      {BULK, "/stages/0/barostat", "true", NULL, NULL},
      {BULK, "/stages/0/volume", "\"mean\"", NULL, "unknown key in a hold in npt"},
      {BULK, "/stages/0/snapshot", "1", NULL, "true or false"},
      {BULK, "/stages/0/snapshot", "\"yes\"", NULL, "true or false"},
      {BULK, "/stages/0/sample_every_ps", "-1", NULL, NULL},
      {BULK, "/stages/0/sample_every_ps", "0.0001", NULL, "from the timestep (0.001 ps)"},
      {BULK, "/stages/0/sample_every_ps", "21", NULL, "to the duration of the stage (20 ps)"},
      {BULK, "/stages/0/thermo_every_ps", "21", NULL, NULL},
      {BULK, "/stages/0/thermo_every_ps", "[]", NULL, NULL},
      {BULK, "/stages/0/step_k", "50", NULL, "unknown key"},
      {BULK, "/stages/2/pressure_gpa", "0", NULL, "unknown key in a hold in nvt"},
      {BULK, "/stages/2/barostat_ps", "1", NULL, "unknown key in a hold in nvt"},
      {BULK, "/stages/2/volume", "\"average\"", NULL, "current, mean"},
      {BULK, "/stages/4/volume", "\"mean\"", NULL, "no surface between"},
      {BULK, "/stages/4/thermostat_ps", "1", NULL, "unknown key in a hold in nve"},
      {BULK, "/stages/4/ensemble", "\"npt\"", NULL, "close the vacuum"},
      {BULK, "/stages/1/to_k", NULL, NULL, "is missing"},
      {BULK, "/stages/1/to_k", "2000", NULL, "already"},
      {BULK, "/stages/1/to_k", "0", NULL, NULL},
      {BULK, "/stages/1/rate_k_per_ns", NULL, NULL, "is missing"},
      {BULK, "/stages/1/rate_k_per_ns", "0", NULL, NULL},
      {BULK, "/stages/1/rate_k_per_ns", "-5", NULL, NULL},
      {BULK, "/stages/1/rate_k_per_ns", "1e9", NULL, "less than a timestep"},
      {BULK, "/stages/1/rate_k_per_ns", "1e8", NULL, "a step of 50 K takes"},
      {BULK, "/stages/1/rate_k_per_ns", "0.001", NULL, "so low"},
      {BULK, "/stages/1/rate", "5", NULL, "nearest is rate_k_per_ns"},
      {BULK, "/stages/1/step_k", NULL, "/stages/1", "neither step_k nor ramp"},
      {BULK, "/stages/1/ramp", "\"linear\"", "/stages/1", "both step_k and ramp"},
      {BULK, "/stages/1/step_k", "0", NULL, NULL},
      {BULK, "/stages/1/step_k", "-50", NULL, NULL},
      {BULK, "/stages/1/ensemble", "\"nve\"", NULL, "nvt, npt"},
      {BULK, "/stages/1/duration_ps", "10", NULL, "unknown key in a quench"},
      {BULK, "/stages/3/axis", "\"w\"", NULL, "x, y, z"},
      {BULK, "/stages/3/axis", "2", NULL, NULL},
      {BULK, "/stages/3/vacuum_a", "0", NULL, NULL},
      {BULK, "/stages/3/vacuum_a", "-10", NULL, NULL},
      {BULK, "/stages/3/temperature_k", "10", NULL, "unknown key in a surface"},
      {BULK, "/stages/-", "{\"type\": \"surface\", \"axis\": \"z\"}", "/stages/5/axis", "was cut before"},
      {BULK, "/stages/-", "{\"type\": \"quench\", \"to_k\": 300, \"ramp\": \"fast\", \"rate_k_per_ns\": 1000}",
       "/stages/5/ramp", "accepted: linear"},
      {BULK, "/stages", "[{\"type\": \"surface\"}]", NULL, "no stage has a temperature"},
      {BULK, "/stages", "[{\"type\": \"quench\", \"to_k\": 300, \"ramp\": \"linear\", \"rate_k_per_ns\": 1000}]",
       "/stages/0", "put a hold before it"},
      {BULK, "/stages", "[{\"type\": \"hold\", \"ensemble\": \"nve\", \"duration_ps\": 1}]", "/stages/0/temperature_k",
       "is missing"},
      {BULK, "/stages",
       "[{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 300, \"duration_ps\": 1, \"volume\": "
       "\"mean\"}]",
       "/stages/0/volume", "needs an npt stage"},
      {BULK, "/stages",
       "[{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 300, \"duration_ps\": 1e7, "
       "\"sample_every_ps\": 1}]",
       NULL, "frames in all; at most 1000000"},
      {BULK, "/stages",
       "[{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 300, \"duration_ps\": 1e7, "
       "\"thermo_every_ps\": 0.001}]",
       NULL, "thermo rows in all"},
      /* streams of frames */
      {BULK, "/stages/2/sampling", "[{\"every_ps\": 5}]", NULL, "beside sample_every_ps"},
      {BULK, "/stages/0/sampling", "5", NULL, "at most 4 streams"},
      {BULK, "/stages/0/sampling", "[{}, {}, {}, {}, {}]", NULL, "at most 4 streams"},
      {BULK, "/stages/0/sampling", "[5]", "/stages/0/sampling/0", "must be an object"},
      {BULK, "/stages/0/sampling", "[{\"duration_ps\": 5}]", "/stages/0/sampling/0/every_ps", "is missing"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 0}]", "/stages/0/sampling/0/every_ps", NULL},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 0.0001}]", "/stages/0/sampling/0/every_ps", "from the timestep (0.001 ps)"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 21}]", "/stages/0/sampling/0/every_ps", "duration of the stage (20 ps)"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 1, \"duration_ps\": 0.5}]", "/stages/0/sampling/0/duration_ps", "from the interval (1 ps)"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 1, \"duration_ps\": 21}]", "/stages/0/sampling/0/duration_ps", "duration of the stage"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 1}, {\"every_ps\": 2}, {\"every_ps\": 1}]", "/stages/0/sampling/2", "the same stream as number 0"},
      {BULK, "/stages/0/sampling", "[{\"every_ps\": 1, \"until_ps\": 3}]", "/stages/0/sampling/0/until_ps", "unknown key in a stream of frames"},
      {BULK, "/stages/3/sampling", "[{\"every_ps\": 1}]", NULL, "unknown key in a surface"},
      /* analyses */
      {BULK, "/analyses", "{}", NULL, "must be an array"},
      {BULK, "/analyses/0", "\"diffusion\"", NULL, "must be an object"},
      {BULK, "/analyses/0/type", NULL, NULL, "diffusion"},
      {BULK, "/analyses/0/type", "\"difusion\"", NULL, "diffusion, relaxation"},
      {BULK, "/analyses/0/type", "7", NULL, "must be a string"},
      {BULK, "/analyses/0/stage", "1", NULL, "keeps no frames; with frames: 2"},
      {BULK, "/analyses/0/stage", "9", NULL, "with frames: 2"},
      {BULK, "/analyses/0/stage", "64", NULL, "between 0 and 63"},
      {BULK, "/analyses/0/stage", "\"last\"", NULL, "must be an integer"},
      {BULK, "/analyses/0/q_inv_a", "2.7", NULL, "unknown key in the analysis diffusion"},
      {BULK, "/analyses/0/max_lag_ps", "\"long\"", NULL, "must be a number"},
      {BULK, "/analyses/0/max_lag_ps", "-1", NULL, NULL},
      {BULK, "/analyses/1/q_inv_a", "0", NULL, "between 0.01 and 100"},
      {BULK, "/analyses/1/q_inv_a", "null", NULL, "must be a number"},
      {BULK, "/analyses/1/q", "2", NULL, "nearest is q_inv_a"},
      {BULK, "/analyses/-", "{\"type\": \"diffusion\"}", "/analyses/2", "asked for before"},
      {BULK, "/analyses/0", "{\"type\": \"diffusion\", \"fit_start_ps\": 10, \"fit_end_ps\": 5}", NULL,
       "before fit_end_ps"},
      {BULK, "/analyses/0/method", "1.5", NULL, "accepted: a, b, c"},
      {BULK, "/analyses/0/method", "4", NULL, "accepted: a, b, c"},
      {BULK, "/analyses/0/method", "\"d\"", NULL, "accepted: a, b, c"},
      {BULK, "/analyses/0/sampling", "1", NULL, "stage 2 has 1 stream of frames; 0 to 0 is accepted"},
      {BULK, "/analyses/0/sampling", "4", NULL, "between 0 and 3"},
      /* what an analysis would refuse after the run */
      {BULK, "/analyses/0", "{\"type\": \"debye_waller\", \"stage\": 2, \"max_lag_ps\": 200}", NULL, "not inside the run of 100.05 ps"},
      {BULK, "/analyses/0", "{\"type\": \"cage_jumps\", \"stage\": 2}", NULL, "too short for windows of 200 ps"},
      {BULK, "/analyses/0", "{\"type\": \"diffusion\", \"layer_a\": 2.5}", NULL, "no free surface"},
      {BULK, "/analyses/0", "{\"type\": \"density_profile\"}", NULL, "no free surface"},
      {BULK, "/analyses/0", "{\"type\": \"van_hove\", \"bin_a\": 0.001}", NULL, "more than 4096 bins"},
      {BULK, "/analyses/0", "{\"type\": \"thermodynamics\", \"stage\": 9}", "/analyses/0/stage", "0 to 4 are accepted"},
      {BULK, "/analyses/0", "{\"type\": \"thermodynamics\", \"stage\": 3}", "/analyses/0/stage", "has no thermo rows"},
      {BULK, "/analyses/0", "{\"type\": \"thermodynamics\", \"sampling\": 0}", "/analyses/0/sampling", "unknown key"},
      {BULK, "/stages/2/sample_every_ps", "0", "/analyses/0", "no stage of the simulation keeps frames"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check(&cases[i]);
}

/* Every required key, every key with every wrong type: hundreds of specs, none accepted, none fatal. */
static void test_wrong_types_everywhere(void **state) {
  (void)state;
  static const char *const pointers[] = {"/name",
                                         "/potential",
                                         "/seed",
                                         "/timestep_fs",
                                         "/precision",
                                         "/initial",
                                         "/initial/type",
                                         "/initial/structure",
                                         "/initial/cells",
                                         "/initial/cells/1",
                                         "/initial/composition",
                                         "/initial/composition/Cu",
                                         "/initial/lattice_constant_a",
                                         "/stages",
                                         "/stages/0",
                                         "/stages/0/type",
                                         "/stages/0/ensemble",
                                         "/stages/0/temperature_k",
                                         "/stages/0/duration_ps",
                                         "/stages/0/pressure_gpa",
                                         "/stages/0/thermostat_ps",
                                         "/stages/0/barostat_ps",
                                         "/stages/0/barostat",
                                         "/stages/0/sample_every_ps",
                                         "/stages/0/thermo_every_ps",
                                         "/stages/0/snapshot",
                                         "/stages/1/to_k",
                                         "/stages/1/step_k",
                                         "/stages/1/rate_k_per_ns",
                                         "/stages/2/volume",
                                         "/stages/3/axis",
                                         "/stages/3/vacuum_a",
                                         "/analyses",
                                         "/analyses/0",
                                         "/analyses/0/type",
                                         "/analyses/0/stage",
                                         "/analyses/1/q_inv_a"};
  static const char *const values[] = {"{\"a\": 1}",          "[[]]", "[null]", "\"\\u00e9\\u4e2d\"", "-1e308", "1e308",
                                       "-9223372036854775808"};
  for (size_t p = 0; p < sizeof pointers / sizeof pointers[0]; p++)
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
      if (strcmp(pointers[p], "/name") == 0 && values[v][0] == '"') continue;      /* a good name */
      if (strcmp(pointers[p], "/potential") == 0 && values[v][0] == '"') continue; /* a good name, of nothing */
      char *text = spec_with(BULK, pointers[p], values[v]);
      qn_simulation_spec *spec = malloc(sizeof *spec);
      qn_faults faults = {0};
      qn_spec_parse_simulation(text, strlen(text), spec, &faults);
      if (faults.count == 0) print_error("%s = %s was accepted\n", pointers[p], values[v]);
      assert_true(faults.count > 0);
      bool near = false;
      for (int i = 0; i < faults.count; i++)
        near = near || strncmp(faults.items[i].pointer, pointers[p], strlen(pointers[p])) == 0;
      if (!near)
        print_error("%s = %s: first fault at %s: %s\n", pointers[p], values[v], faults.items[0].pointer,
                    faults.items[0].detail);
      assert_true(near);
      qn_faults_fini(&faults);
      free(spec);
      free(text);
    }
}

static void test_all_faults_at_once(void **state) {
  (void)state;
  static const char text[] = "{\"seed\": -1, \"initial\": {\"type\": \"lattice\", \"structure\": \"fcc\", \"cells\": "
                             "[0, 5, 5], \"composition\": {\"Cu\": 2}},"
                             " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": -5, "
                             "\"duration\": 3}, {\"type\": \"melt\"}],"
                             " \"analyses\": [{\"type\": \"nothing\"}], \"extra\": 1}";
  static const char *const wanted[] = {"/potential",
                                       "/seed",
                                       "/initial/cells/0",
                                       "/initial/composition/Cu",
                                       "/stages/0/temperature_k",
                                       "/stages/0/duration_ps",
                                       "/stages/0/duration",
                                       "/stages/1/type",
                                       "/analyses/0/type",
                                       "/extra"};
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
    int times = 0;
    for (int i = 0; i < faults.count; i++) times += strcmp(faults.items[i].pointer, wanted[w]) == 0;
    if (times != 1) print_error("%d faults at %s\n", times, wanted[w]);
    assert_int_equal(times, 1);
  }
  assert_int_equal(faults.count, sizeof wanted / sizeof wanted[0]); /* and none that only follows from another */
  qn_faults_fini(&faults);
  free(spec);
}

static void test_too_many_faults_are_counted(void **state) {
  (void)state;
  json_t *root = json_loads(BULK, 0, NULL);
  for (int i = 0; i < 150; i++) {
    char key[32];
    snprintf(key, sizeof key, "unknown_%03d", i);
    json_object_set_new(root, key, json_null());
  }
  char *text = json_dumps(root, 0);
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, strlen(text), spec, &faults);
  assert_int_equal(faults.count, QN_MAX_FAULTS);
  assert_int_equal(qn_faults_total(&faults), 150);
  qn_faults_fini(&faults);
  free(spec);
  free(text);
  json_decref(root);
}

static void expect_syntax_fault(const char *text, size_t size, const char *says) {
  qn_simulation_spec *spec = malloc(sizeof *spec);
  qn_faults faults = {0};
  qn_spec_parse_simulation(text, size, spec, &faults);
  assert_int_equal(faults.count, 1);
  assert_true(faults.syntax);
  assert_string_equal(faults.items[0].pointer, "");
  if (strstr(faults.items[0].detail, says) == NULL)
    print_error("\"%s\" does not say \"%s\"\n", faults.items[0].detail, says);
  assert_non_null(strstr(faults.items[0].detail, says));
  qn_faults_fini(&faults);
  free(spec);
}

static void test_what_is_not_json(void **state) {
  (void)state;
  expect_syntax_fault("", 0, "empty");
  expect_syntax_fault("  ", 2, "line 1");
  expect_syntax_fault("{", 1, "line 1");
  expect_syntax_fault("{\"a\": 1,}", 9, "line 1");
  expect_syntax_fault("{\"a\": 1}\n}", 10, "line 2");
  expect_syntax_fault("{\"a\": 1, \"a\": 2}", 16, "duplicate");
  expect_syntax_fault("{\"a\": NaN}", 10, "line 1");
  expect_syntax_fault("{\"a\": 1e999}", 12, "overflow");
  expect_syntax_fault("{\"a\": 99999999999999999999}", 27, "integer");
  expect_syntax_fault("{\"a\": \"\\u0000\"}", 15, "NUL");
  expect_syntax_fault("{\"a\": \"\xff\xfe\"}", 11, "decode");
  expect_syntax_fault("{\"a\": \"\xc3\"}", 10, "decode");
  expect_syntax_fault("{\"a\"\0: 1}", 9, "line 1");
  char deep[20000];
  memset(deep, '[', sizeof deep);
  expect_syntax_fault(deep, sizeof deep, "depth");
  for (size_t i = 1; i < strlen(BULK); i += 7) expect_syntax_fault(BULK, i, "line"); /* cut short anywhere */
}

static void test_other_roots(void **state) {
  (void)state;
  static const char *const roots[] = {"[]", "5", "\"text\"", "null", "true", "1.5"};
  for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
    qn_simulation_spec *spec = malloc(sizeof *spec);
    qn_faults faults = {0};
    qn_spec_parse_simulation(roots[i], strlen(roots[i]), spec, &faults);
    assert_int_equal(faults.count, 1);
    assert_false(faults.syntax);
    assert_non_null(strstr(faults.items[0].detail, "must be an object"));
    qn_faults_fini(&faults);
    free(spec);
  }
}

static void test_limits_over_all_stages(void **state) {
  (void)state;
  char list[20000] = "[";
  for (int i = 0; i < 64; i++) /* 64 x 1e8 steps of 0.1 fs: each is fine by itself */
    strcat(list,
           i == 0 ? "{\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 300, \"duration_ps\": 100000}"
                  : ", {\"type\": \"hold\", \"ensemble\": \"nvt\", \"temperature_k\": 300, \"duration_ps\": 100000}");
  strcat(list, "]");
  char *fine = spec_with(BULK, "/stages", list), *plain = spec_with(fine, "/analyses", "[]");
  char *many = spec_with(plain, "/timestep_fs", "0.1");
  expect_good(plain, NULL, NULL);
  const fault_case longer = {many, "/stages/0/duration_ps", "10000000", "/stages",
                             "timesteps in all; at most 10000000000"};
  check(&longer);
  char *more = spec_with(plain, "/stages/-", "{\"type\": \"surface\"}");
  const fault_case sixty_five = {more, "/name", "\"x\"", "/stages", "is too long: 1 to 64"};
  check(&sixty_five);
  const fault_case crowded = {
      BULK, "/stages/1",
      "{\"type\": \"quench\", \"to_k\": 1500, \"step_k\": 0.1, \"rate_k_per_ns\": 1000, \"snapshot\": true}", "/stages",
      "snapshots in all"};
  check(&crowded);
  char *large = spec_with(plain, "/initial/cells", "[70, 70, 70]");
  const fault_case heavy = {large, "/stages/0/sample_every_ps", "1", "/stages", "atoms x frames in all"};
  check(&heavy);
  free(large);
  free(fine), free(plain), free(many), free(more);
}

static void test_good_variants(void **state) {
  (void)state;
  expect_good(BULK, "/initial/cells", "[5.0, 5, 7]");
  expect_good(BULK, "/seed", "7.0");
  expect_good(BULK, "/name", NULL);
  expect_good(BULK, "/seed", NULL);
  expect_good(BULK, "/timestep_fs", NULL);
  expect_good(BULK, "/analyses", "[]");
  expect_good(BULK, "/analyses", NULL);
  expect_good(BULK, "/analyses/0/max_lag_ps", "null");
  expect_good(BULK, "/analyses/0/method", "\"a\"");
  expect_good(BULK, "/analyses/0/method", "2"); /* as it was spelt in stored specs */
  expect_good(BULK, "/analyses/0/sampling", "0");
  expect_good(BULK, "/analyses/0", "{\"type\": \"thermodynamics\"}");
  expect_good(BULK, "/analyses/0", "{\"type\": \"energy_series\"}");
  expect_good(BULK, "/stages/0/sampling", "[]");
  expect_good(BULK, "/stages/0/sampling", "[{\"every_ps\": 0.05, \"duration_ps\": 20}, {\"every_ps\": 0.05}, {\"every_ps\": 20}]");
  expect_good(BULK, "/analyses/0/max_lag_ps", "0");
  expect_good(BULK, "/analyses/0/stage", NULL);
  expect_good(BULK, "/initial",
              "{\"type\": \"lattice\", \"structure\": \"b2\", \"cells\": [8, 8, 8], \"ordered\": [\"Cu\", \"Zr\"]}");
  expect_good(BULK, "/initial",
              "{\"type\": \"lattice\", \"structure\": \"bcc\", \"cells\": [8, 8, 8], \"composition\": {\"Zr\": 1}}");
  expect_good(
      BULK, "/stages/1",
      "{\"type\": \"quench\", \"to_k\": 2500, \"ramp\": \"linear\", \"rate_k_per_ns\": 10000, \"ensemble\": \"nvt\"}");
  expect_good(FROM_SNAPSHOT, "/initial/temperature_k", NULL);
  expect_good(FROM_SNAPSHOT, "/stages/0/volume", "\"mean\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bases_are_good),
      cmocka_unit_test(test_what_frames_cannot_answer),
      cmocka_unit_test(test_each_fault_is_found),
      cmocka_unit_test(test_wrong_types_everywhere),
      cmocka_unit_test(test_all_faults_at_once),
      cmocka_unit_test(test_too_many_faults_are_counted),
      cmocka_unit_test(test_what_is_not_json),
      cmocka_unit_test(test_other_roots),
      cmocka_unit_test(test_limits_over_all_stages),
      cmocka_unit_test(test_good_variants),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

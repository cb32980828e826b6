/* quenchd analyse and fit on files made elsewhere: what has to be said beside them, what is refused, and that one refusal leaves the others. */
#include "server/cli/program.h"

#include <jansson.h>
#include <math.h>

#include "server/made_frames.h"

static char folder[] = "/tmp/quenchd-analyse.XXXXXX";

static void put(const char *name, const void *bytes, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

static int make_folder(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  size_t size, packed;
  char *text = made_walk(false, &size);
  put("walk.dump", text, size);
  void *gz = made_gzip(text, size, &packed);
  put("walk.dump.gz", gz, packed);
  free(gz), free(text);
  text = made_walk(true, &size);
  put("walk.xyz", text, size);
  free(text);
  text = made_crystal(&size);
  put("crystal.xyz", text, size);
  free(text);
  put_text("diffusion.json", "{\"type\": \"diffusion\"}");
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

/* "analyse FILE SPEC OPTIONS" in the folder. */
static void run(program *at, const char *command, const char *file, const char *spec, const char *options) {
  char line[600];
  snprintf(line, sizeof line, "%s %s%s%s%s%s%s%s", command, file[0] != '\0' ? folder : "", file[0] != '\0' ? "/" : "", file, file[0] != '\0' ? " " : "", folder, "/", spec);
  if (options[0] != '\0') snprintf(line + strlen(line), sizeof line - strlen(line), " %s", options);
  program_run(at, line);
}

/* The value of a quantity of one species, NAN without one. */
static double value_of(const char *text, const char *quantity, const char *species) {
  json_t *root = json_loads(text, 0, NULL), *row;
  assert_non_null(root);
  double value = NAN;
  size_t i;
  json_array_foreach(json_object_get(root, "results"), i, row)
    if (strcmp(json_string_value(json_object_get(row, "quantity")), quantity) == 0 && strcmp(json_string_value(json_object_get(row, "species")), species) == 0)
      value = json_number_value(json_object_get(row, "value"));
  json_decref(root);
  return value;
}

/* The same walk in three forms gives the same numbers, those of the walk. */
static void test_forms(void **state) {
  (void)state;
  static const struct {
    const char *file, *options;
  } cases[] = {{"walk.dump", "--timestep-fs 2 --species Cu,Zr --temperature-k 950"},
               {"walk.dump.gz", "--timestep-fs=2 --species=Cu,Zr --temperature-k=950"},
               {"walk.dump.gz", "--interval-ps 0.05 --species Cu,Zr --temperature-k 950"},
               {"walk.xyz", "--interval-ps 0.05 --temperature-k 950"}};
  double wanted = MADE_STEP * MADE_STEP / (2 * MADE_INTERVAL) * 1e-8, first[2] = {NAN, NAN};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    program at;
    run(&at, "analyse", cases[i].file, "diffusion.json", cases[i].options);
    if (at.code != 0) fail_msg("%s: %s", cases[i].file, at.err);
    assert_null(strstr(at.err, "quenchd:"));
    const char *const species[] = {"all", "Zr"};
    for (int s = 0; s < 2; s++) {
      double d = value_of(at.out, "diffusion_coefficient", species[s]);
      if (i == 0) first[s] = d;
      assert_true(fabs(d / wanted - 1) < 0.1);
      if (d != first[s]) print_error("%s: %.17g, %.17g\n", cases[i].file, d, first[s]);
      assert_true(fabs(d / first[s] - 1) < 1e-9);
    }
    assert_non_null(strstr(at.out, "\"temperature_k\":950"));
    assert_non_null(strstr(at.out, "\"parameters\":{"));
    program_fini(&at);
  }
}

/* Without what the file does not say: the reason, and which option gives it. */
static void test_what_is_missing(void **state) {
  (void)state;
  program at;
  run(&at, "analyse", "walk.dump", "diffusion.json", "");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "--timestep-fs (of a LAMMPS dump) or --interval-ps"));
  assert_non_null(strstr(at.err, "--species Cu,Zr names them"));
  assert_non_null(strstr(at.err, "quenchd: diffusion: the frames have no times"));
  program_fini(&at);
  run(&at, "analyse", "walk.dump", "diffusion.json", "--timestep-fs 2 --species Cu");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "type 2 has no species"));
  program_fini(&at);
  run(&at, "analyse", "walk.dump", "diffusion.json", "--timestep-fs 2 --species Cu,Xx");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "--species: \"Xx\" is no chemical element"));
  program_fini(&at);
  run(&at, "analyse", "walk.dump", "diffusion.json", "--timestep-fs 0");
  assert_int_equal(at.code, 2);
  program_fini(&at);
}

static void test_frames(void **state) {
  (void)state;
  program at;
  static const struct {
    const char *slice;
    double interval; /* of the lags */
  } cases[] = {{"0:200", 0.05}, {"::4", 0.2}, {"-100:", 0.05}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char options[128];
    snprintf(options, sizeof options, "--interval-ps 0.05 --frames %s", cases[i].slice);
    run(&at, "analyse", "walk.xyz", "diffusion.json", options);
    if (at.code != 0) fail_msg("%s: %s", cases[i].slice, at.err);
    json_t *root = json_loads(at.out, 0, NULL), *curve = json_array_get(json_object_get(root, "curves"), 0), *data = json_object_get(curve, "data");
    double first = json_number_value(json_array_get(json_array_get(data, 1), 0)) - json_number_value(json_array_get(json_array_get(data, 0), 0));
    assert_true(fabs(first - cases[i].interval) < 1e-9);
    json_decref(root);
    program_fini(&at);
  }
  static const char *const bad[] = {"--frames 500:600", "--frames ::0", "--frames x", "--frames 3:2"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    run(&at, "analyse", "walk.xyz", "diffusion.json", bad[i]);
    assert_int_equal(at.code, 1);
    assert_non_null(strstr(at.err, "--frames "));
    assert_string_equal(at.out, "");
    program_fini(&at);
  }
}

static const char MIXED[] = "{\"analyses\": [{\"type\": \"diffusion\", \"max_lag_ps\": 5000}, {\"type\": \"diffusion\"}, {\"type\": \"thermodynamics\"}]}";

/* What one analysis refuses is an entry of its own; the others are there. */
static void test_one_refusal_leaves_the_others(void **state) {
  (void)state;
  program at;
  put_text("mixed.json", MIXED);
  run(&at, "analyse", "walk.xyz", "mixed.json", "--interval-ps 0.05");
  assert_int_equal(at.code, 1);
  assert_true(value_of(at.out, "diffusion_coefficient", "all") > 0);
  json_t *root = json_loads(at.out, 0, NULL), *failures = json_object_get(root, "failures"), *first = json_array_get(failures, 0);
  assert_int_equal(json_array_size(failures), 2);
  assert_string_equal(json_string_value(json_object_get(first, "analysis")), "diffusion");
  assert_string_equal(json_string_value(json_object_get(first, "status")), "failed");
  assert_true(json_number_value(json_object_get(json_object_get(first, "parameters"), "max_lag_ps")) == 5000);
  assert_non_null(strstr(at.err, json_string_value(json_object_get(first, "error"))));
  assert_non_null(strstr(at.err, "thermodynamics: "));
  json_decref(root);
  program_fini(&at);
  run(&at, "analyse", "walk.xyz", "mixed.json", "--interval-ps 0.05 --csv");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.out, "\ndiffusion,diffusion_coefficient,"));
  assert_non_null(strstr(at.out, "\ndiffusion,,,,,failed,"));
  assert_non_null(strstr(at.out, "\nthermodynamics,,,,,failed,"));
  program_fini(&at);
}

/* An analysis that takes a parameter from another comes after it, whatever the order in the list. */
static void test_sources(void **state) {
  (void)state;
  program at;
  put_text("sources.json", "{\"analyses\": [{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"},"
                           " {\"type\": \"structure_factor\", \"longest_inv_a\": 6}]}");
  run(&at, "analyse", "crystal.xyz", "sources.json", "");
  if (at.code != 0) fail_msg("%s", at.err);
  double peak = value_of(at.out, "structure_factor_peak_wave_number", "all");
  assert_true(fabs(peak - 2 * M_PI * sqrt(3) / MADE_CELL) < 0.06);
  json_t *root = json_loads(at.out, 0, NULL), *row = json_array_get(json_object_get(root, "results"), 0);
  assert_string_equal(json_string_value(json_object_get(row, "analysis")), "relaxation");
  assert_true(json_number_value(json_object_get(json_object_get(row, "parameters"), "q_inv_a")) == peak);
  json_t *input = json_object_get(json_object_get(row, "inputs"), "q_inv_a");
  assert_string_equal(json_string_value(json_object_get(input, "type")), "structure_factor");
  assert_true(json_number_value(json_object_get(input, "value")) == peak);
  json_decref(root);
  program_fini(&at);

  put_text("missing.json", "{\"analyses\": [{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}]}");
  run(&at, "analyse", "crystal.xyz", "missing.json", "");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "/analyses/0/q_inv_a: there is no structure_factor"));
  program_fini(&at);
  put_text("alone.json", "{\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"}");
  run(&at, "analyse", "crystal.xyz", "alone.json", "");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "/q_inv_a: needs a structure_factor beside it"));
  program_fini(&at);

  /* One that finds nothing fails those that need it, and them alone. */
  put_text("nothing.json", "{\"analyses\": [{\"type\": \"cage_jumps\", \"window_ps\": 1, \"debye_waller_a2\": \"debye_waller\"},"
                           " {\"type\": \"debye_waller\"}, {\"type\": \"diffusion\"}]}");
  run(&at, "analyse", "walk.xyz", "nothing.json", "--interval-ps 0.05");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.err, "cage_jumps: debye_waller_a2 cannot be taken from debye_waller: its debye_waller_factor has the status unresolved"));
  assert_true(value_of(at.out, "diffusion_coefficient", "all") > 0);
  program_fini(&at);
}

/* ---- fits ---- */

static void test_fit(void **state) {
  (void)state;
  program at;
  char text[2000] = "{\"law\": \"arrhenius\", \"unit\": \"ps\", \"points\": [";
  for (int t = 800; t <= 1200; t += 50)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"temperature_k\": %d, \"value\": %.17g}", t > 800 ? ", " : "", t, 0.01 * exp(0.6 / (8.617333262e-5 * t)));
  strcat(text, "]}");
  put_text("fit.json", text);
  run(&at, "fit", "", "fit.json", "");
  if (at.code != 0) fail_msg("%s", at.err);
  json_t *root = json_loads(at.out, 0, NULL), *result = json_object_get(root, "result"), *value;
  assert_string_equal(json_string_value(json_object_get(result, "status")), "ok");
  assert_true(json_is_true(json_object_get(json_object_get(root, "spec"), "rising")));
  bool found = false;
  size_t i;
  json_array_foreach(json_object_get(result, "values"), i, value)
    if (strcmp(json_string_value(json_object_get(value, "quantity")), "activation_energy") == 0)
      found = fabs(json_number_value(json_object_get(value, "value")) - 0.6) < 1e-9;
  assert_true(found);
  json_decref(root);
  program_fini(&at);
  run(&at, "fit", "", "fit.json", "--csv");
  assert_int_equal(at.code, 0);
  assert_non_null(strstr(at.out, "quantity,value,standard_error,bootstrap_error,unit,status\r\n"));
  assert_non_null(strstr(at.out, "\r\nactivation_energy,0."));
  program_fini(&at);
}

static void test_fit_refusals(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"{\"law\": \"arrhenius\", \"points\": [{\"temperature_k\": 900, \"value\": 1}]}", "arrhenius needs 2"},
      {"{\"law\": \"arrhenius\", \"points\": [{\"temperature_k\": 900, \"value\": 0}, {\"temperature_k\": 1000, \"value\": 1}]}", "/points/0/value"},
      {"{\"law\": \"arrhenius\", \"query\": {\"quantity\": \"diffusion_coefficient\"}}", "needs the results of a server"},
      {"{\"law\": \"linear\"}", "/law"},
      {"", "fit.json"},
  };
  program at;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    put_text("bad-fit.json", cases[i].text);
    run(&at, "fit", "", "bad-fit.json", "");
    if (at.code != 1 || strstr(at.err, cases[i].says) == NULL) fail_msg("exit %d: %s", at.code, at.err);
    assert_string_equal(at.out, "");
    program_fini(&at);
  }
  /* No answer: what was looked at is written all the same. */
  put_text("flat.json", "{\"law\": \"vft\", \"unit\": \"m2/s\", \"points\": [{\"temperature_k\": 1000, \"value\": 1e-9}, {\"temperature_k\": 1100, \"value\": 1e-9},"
                        " {\"temperature_k\": 1200, \"value\": 1e-9}, {\"temperature_k\": 1300, \"value\": 1e-9}]}");
  run(&at, "fit", "", "flat.json", "");
  assert_int_equal(at.code, 1);
  assert_non_null(strstr(at.out, "not_converged"));
  assert_non_null(strstr(at.err, "do not show the law"));
  program_fini(&at);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forms),   cmocka_unit_test(test_what_is_missing), cmocka_unit_test(test_frames), cmocka_unit_test(test_one_refusal_leaves_the_others),
      cmocka_unit_test(test_sources), cmocka_unit_test(test_fit),             cmocka_unit_test(test_fit_refusals),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* Each kind of work from a request to numbers: fits, files made elsewhere and what is asked of them, parameters that other analyses measure. */
#include "server/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/version.h"
#include "server/made_frames.h"
#include "server/worker/workers.h"

static fixture f;
static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  worker_start(&f, 0, (qn_worker_options){.jobs = 2, .lease_s = 10, .checkpoint_s = 60});
  return 0;
}

static int teardown(void **state) {
  (void)state;
  worker_stop(0);
  fixture_fini(&f);
  return 0;
}

static void rest(void) { fixture_await(&f, 60, "0", "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')"); }

static const char *state_of(const char *table, int64_t id) {
  return fixture_text(&f, "SELECT j.state FROM jobs j JOIN %s t ON t.job_id = j.id WHERE t.id = %lld", table, (long long)id);
}

static const char *error_of(const char *table, int64_t id) {
  return fixture_text(&f, "SELECT j.error FROM jobs j JOIN %s t ON t.job_id = j.id WHERE t.id = %lld", table, (long long)id);
}

static void succeeded(const char *table, int64_t id) {
  if (strcmp(state_of(table, id), "succeeded") != 0) fail_msg("%s %lld: %s", table, (long long)id, error_of(table, id));
}

/* ---- fits ---- */

/* ln D = ln(1e-7) - 0.5 eV / (k T), and the line that least squares finds through exact points is that line. */
static void test_fit(void **state) {
  (void)state;
  char body[2000] = "{\"law\": \"arrhenius\", \"unit\": \"m2/s\", \"quantity\": \"diffusion_coefficient\", \"species\": \"Cu\", \"points\": [";
  for (int t = 1000; t <= 1600; t += 100)
    snprintf(body + strlen(body), sizeof body - strlen(body), "%s{\"temperature_k\": %d, \"value\": %.17g, \"standard_error\": 1e-12}", t > 1000 ? ", " : "", t,
             1e-7 * exp(-0.5 / (8.617333262e-5 * t)));
  strcat(body, "]}");
  int64_t id = fixture_post(&f, "/v1/fits", body, 202);
  rest();
  succeeded("fits", id);
  qn_error error;
  qn_fit_row row;
  assert_status(QN_OK, qn_store_get_fit(f.store, id, &row, &error), error);
  assert_string_equal(row.outcome, "ok");
  assert_string_equal(row.engine_version, qn_version());
  json_t *result = json_loads(row.result, 0, NULL);
  assert_int_equal(json_integer_value(json_object_get(result, "points_used")), 7);
  json_decref(result);
  qn_fit_row_fini(&row);
  qn_result_page page;
  const qn_result_query query = {.quantity = "activation_energy", .type = "arrhenius", .species = "Cu", .parameters = "{\"quantity\":\"diffusion_coefficient\"}",
                                 .temperature_min_k = NAN, .temperature_max_k = NAN, .page = {0, 5}};
  assert_status(QN_OK, qn_store_query_results(f.store, &query, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(fabs(page.rows[0].value - 0.5) < 1e-6);
  assert_true(page.rows[0].fit == id && page.rows[0].samples == 7);
  assert_string_equal(page.rows[0].unit, "eV");
  assert_string_equal(page.rows[0].status, "ok");
  qn_result_page_fini(&page);
}

/* A fit that finds nothing says so, and gives no numbers. */
static void test_fit_without_an_answer(void **state) {
  (void)state;
  int64_t id = fixture_post(&f, "/v1/fits", "{\"law\": \"vft\", \"unit\": \"m2/s\", \"points\": [{\"temperature_k\": 1000, \"value\": 1e-9},"
                                            " {\"temperature_k\": 1100, \"value\": 1e-9}, {\"temperature_k\": 1200, \"value\": 1e-9}, {\"temperature_k\": 1300, \"value\": 1e-9}]}", 202);
  rest();
  succeeded("fits", id);
  assert_string_equal(fixture_text(&f, "SELECT outcome FROM fits WHERE id = %lld", (long long)id), "not_converged");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM results WHERE fit_id = %lld", (long long)id), 0);
}

/* ---- files made elsewhere ---- */

static double diffusion(int64_t trajectory, const char *species) {
  return atof(fixture_text(&f, "SELECT value FROM results WHERE trajectory_id = %lld AND quantity = 'diffusion_coefficient' AND species = '%s' AND status = 'ok'",
                           (long long)trajectory, species));
}

static int64_t analyse(int64_t trajectory, const char *rest_of_spec) {
  char body[300];
  snprintf(body, sizeof body, "{\"trajectory\": %lld, %s}", (long long)trajectory, rest_of_spec);
  return fixture_post(&f, "/v1/analyses", body, 202);
}

static void test_import_and_analysis(void **state) {
  (void)state;
  size_t size, packed;
  char *dump = made_walk(false, &size);
  void *gz = made_gzip(dump, size, &packed);
  /* 25 steps of 2 fs between frames. */
  int64_t plain = fixture_upload(&f, "/v1/trajectories?name=walk&temperature_k=1234&timestep_fs=2&species=Cu,Zr", dump, size, 202);
  int64_t zipped = fixture_upload(&f, "/v1/trajectories?temperature_k=1234&timestep_fs=2&species=Cu,Zr", gz, packed, 202);
  int64_t early = analyse(plain, "\"type\": \"diffusion\""); /* asked before the file was read */
  rest();
  succeeded("uploads", plain);
  succeeded("uploads", zipped);
  succeeded("analyses", early);
  free(gz);

  qn_error error;
  qn_artifact_row row;
  assert_status(QN_OK, qn_store_get_artifact(f.store, plain, &row, &error), error);
  assert_true(row.frames == MADE_FRAMES && row.atoms == MADE_ATOMS && fabs(row.interval_ps - MADE_INTERVAL) < 1e-9 && row.temperature_k == 1234);
  assert_string_equal(row.composition, "Cu50Zr50");
  json_t *details = json_loads(row.details, 0, NULL);
  assert_string_equal(json_string_value(json_object_get(details, "format")), "lammps-dump");
  json_decref(details);
  int descriptor;
  char path[4096], other[4096];
  assert_status(QN_OK, qn_store_open_artifact(f.store, &row, &descriptor, path, &error), error);
  char *netcdf = malloc((size_t)row.size);
  assert_int_equal(read(descriptor, netcdf, (size_t)row.size), row.size);
  close(descriptor);
  snprintf(other, sizeof other, "%s/imports/%lld/upload", f.data, (long long)plain);
  assert_int_equal(access(other, F_OK), -1); /* what came is not kept beside what was made of it */

  /* The NetCDF file that it became is accepted in its turn, and gives the same numbers. */
  int64_t again = fixture_upload(&f, "/v1/trajectories?temperature_k=1234", netcdf, (size_t)row.size, 202);
  free(netcdf);
  qn_artifact_row_fini(&row);
  analyse(zipped, "\"type\": \"diffusion\"");
  analyse(again, "\"type\": \"diffusion\"");
  rest();
  double wanted = MADE_STEP * MADE_STEP / (2 * MADE_INTERVAL) * 1e-8; /* A2/ps in m2/s */
  static const char *const species[] = {"all", "Cu", "Zr"};
  for (int s = 0; s < 3; s++) {
    double d = diffusion(plain, species[s]);
    if (!(fabs(d / wanted - 1) < 0.1)) print_error("%s: %g, %g\n", species[s], d, wanted);
    assert_true(fabs(d / wanted - 1) < 0.1);
    assert_true(diffusion(zipped, species[s]) == d && diffusion(again, species[s]) == d);
  }
  free(dump);

  /* Found like the results of a simulation. */
  qn_result_page page;
  const qn_result_query query = {.quantity = "diffusion_coefficient", .species = "Cu", .composition = "Cu50Zr50", .temperature_min_k = 1200,
                                 .temperature_max_k = 1300, .page = {0, 10}};
  assert_status(QN_OK, qn_store_query_results(f.store, &query, &page, &error), error);
  assert_int_equal(page.count, 3);
  assert_true(page.rows[2].trajectory == plain && page.rows[2].simulation == 0 && page.rows[2].temperature_k == 1234);
  assert_string_equal(page.rows[2].trajectory_name, "walk");
  assert_string_equal(page.rows[2].type, "diffusion");
  assert_null(strstr(page.rows[2].parameters, "\"type\""));
  qn_result_page_fini(&page);
}

static const char TINY[] = "ITEM: TIMESTEP\n%d\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 20\n0 20\n0 20\nITEM: ATOMS id type x y z\n1 1 1 1 1\n2 2 5 5 5\n";

static char *tiny(const int *steps, int count, size_t *size) {
  char *text;
  FILE *out = open_memstream(&text, size);
  for (int i = 0; i < count; i++) fprintf(out, TINY, steps[i]);
  fclose(out);
  return text;
}

static void test_refused_imports(void **state) {
  (void)state;
  static const int even[] = {0, 100, 200}, uneven[] = {0, 100, 300, 400};
  size_t size, uneven_size, one_size;
  char *good = tiny(even, 3, &size), *odd = tiny(uneven, 4, &uneven_size), *one = tiny(even, 1, &one_size);
  const struct {
    const char *target, *text;
    size_t size;
    const char *says;
  } cases[] = {
      {"/v1/trajectories?species=Cu,Zr", good, size, "the frames have no times: timestep_fs"},
      {"/v1/trajectories?timestep_fs=1", good, size, "species is needed, such as Cu,Zr"},
      {"/v1/trajectories?species=Cu&timestep_fs=1", good, size, "type 2"},
      {"/v1/trajectories?species=Cu,Zr&timestep_fs=1", odd, uneven_size, "frame 1 comes at 0.1 ps, frame 2 at 0.3 ps"},
      {"/v1/trajectories?species=Cu,Zr&timestep_fs=1", one, one_size, "1 frame is no trajectory"},
      {"/v1/trajectories?species=Cu,Zr&timestep_fs=1", good, size - 9, "line"}, /* cut off within the last frame */
      {"/v1/trajectories?species=Cu,Zr&timestep_fs=1", "no trajectory at all", 20, ""},
      {"/v1/trajectories?species=Cu,Zr&timestep_fs=1", "\xe9t\xe9\nLattice\n", 12, "line 1: "}, /* not UTF-8 */
  };
  enum { CASES = sizeof cases / sizeof cases[0] };
  int64_t id[CASES];
  for (int i = 0; i < CASES; i++) id[i] = fixture_upload(&f, cases[i].target, cases[i].text, cases[i].size, 202);
  rest();
  for (int i = 0; i < CASES; i++) {
    if (strcmp(state_of("uploads", id[i]), "failed") != 0 || strstr(error_of("uploads", id[i]), cases[i].says) == NULL)
      print_error("%d: %s: %s\n", i, state_of("uploads", id[i]), error_of("uploads", id[i]));
    assert_string_equal(state_of("uploads", id[i]), "failed");
    const char *why = error_of("uploads", id[i]);
    assert_true(strlen(why) > 0 && strstr(why, cases[i].says) != NULL);
    assert_null(strstr(why, f.data)); /* where the server keeps it means nothing to whoever sent it */
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts WHERE id = %lld", (long long)id[i]), 0);
    qn_error error;
    qn_artifact_row row;
    assert_status(QN_OK, qn_store_get_artifact(f.store, id[i], &row, &error), error);
    assert_non_null(strstr(row.error, cases[i].says));
    qn_artifact_row_fini(&row);
  }
  free(good), free(odd), free(one);
}

/* ---- parameters that other analyses measure ---- */

static void test_sources(void **state) {
  (void)state;
  size_t size;
  char *xyz = made_crystal(&size);
  int64_t id = fixture_upload(&f, "/v1/trajectories?temperature_k=300", xyz, size, 202);
  free(xyz);
  int64_t factor = analyse(id, "\"type\": \"structure_factor\", \"longest_inv_a\": 6");
  int64_t relaxation = analyse(id, "\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"");
  rest();
  succeeded("uploads", id);
  succeeded("analyses", factor);
  succeeded("analyses", relaxation);
  double peak = atof(fixture_text(&f, "SELECT value FROM results WHERE analysis_id = %lld AND quantity = 'structure_factor_peak_wave_number'", (long long)factor));
  if (!(fabs(peak - 2 * M_PI * sqrt(3) / MADE_CELL) < 0.06)) print_error("%g, %g\n", peak, 2 * M_PI * sqrt(3) / MADE_CELL);
  assert_true(fabs(peak - 2 * M_PI * sqrt(3) / MADE_CELL) < 0.06);
#define USED(column) "SELECT DISTINCT " column " FROM results WHERE analysis_id = %lld"
  assert_true(atof(fixture_text(&f, USED("parameters->>'q_inv_a'"), (long long)relaxation)) == peak);
  assert_string_equal(fixture_text(&f, USED("inputs->'q_inv_a'->>'type'"), (long long)relaxation), "structure_factor");
  assert_int_equal(fixture_number(&f, USED("inputs->'q_inv_a'->>'analysis'"), (long long)relaxation), factor);
  assert_string_equal(fixture_text(&f, USED("(inputs->'q_inv_a'->>'result')::bigint IN (SELECT id FROM results)"), (long long)relaxation), "t");
  qn_error error;
  qn_result_page page;
  const qn_result_query query = {.type = "relaxation", .inputs = "{\"q_inv_a\":{\"type\":\"structure_factor\"}}", .temperature_min_k = NAN, .temperature_max_k = NAN,
                                 .trajectory = id, .page = {0, 50}};
  assert_status(QN_OK, qn_store_query_results(f.store, &query, &page, &error), error);
  assert_true(page.count > 0);
  qn_result_page_fini(&page);
}

/* A source that gave no good number fails what hangs on it, with the reason; one that failed itself does too. */
static void test_sources_that_give_nothing(void **state) {
  (void)state;
  size_t size;
  char *dump = made_walk(false, &size);
  int64_t id = fixture_upload(&f, "/v1/trajectories?temperature_k=1235&timestep_fs=2&species=Cu,Zr", dump, size, 202);
  free(dump);
  int64_t factor = analyse(id, "\"type\": \"debye_waller\""); /* a random walk has no cage */
  int64_t jumps = analyse(id, "\"type\": \"cage_jumps\", \"window_ps\": 1, \"debye_waller_a2\": \"debye_waller\"");
  rest();
  succeeded("analyses", factor);
  assert_string_not_equal(fixture_text(&f, "SELECT status FROM results WHERE analysis_id = %lld AND quantity = 'debye_waller_factor' AND species = 'all'", (long long)factor), "ok");
  assert_string_equal(state_of("analyses", jumps), "failed");
  const char *why = error_of("analyses", jumps);
  assert_non_null(strstr(why, "debye_waller_a2 cannot be taken from debye_waller"));
  assert_non_null(strstr(why, "has the status"));
  assert_int_equal(fixture_number(&f, "SELECT attempt FROM jobs j JOIN analyses a ON a.job_id = j.id WHERE a.id = %lld", (long long)jumps), 1);

  static const int even[] = {0, 100, 200, 300};
  char *short_one = tiny(even, 4, &size);
  int64_t bad = fixture_upload(&f, "/v1/trajectories?timestep_fs=1", short_one, size, 202); /* no species */
  free(short_one);
  int64_t first = analyse(bad, "\"type\": \"structure_factor\""), second = analyse(bad, "\"type\": \"relaxation\", \"q_inv_a\": \"structure_factor\"");
  rest();
  assert_string_equal(state_of("analyses", first), "failed");
  assert_string_equal(state_of("analyses", second), "failed");
  assert_non_null(strstr(error_of("analyses", second), "species is needed"));
}

/* ---- simulations from structures ---- */

/* Temperatures in the first and the last row of the thermo series. */
static void temperatures(int64_t id, double *first, double *last) {
  char path[600], header[400], line[400];
  qn_error error;
  qn_artifact_page page;
  assert_status(QN_OK, qn_store_list_artifacts(f.store, id, "thermo", (qn_page_query){0, 1}, &page, &error), error);
  assert_int_equal(page.count, 1);
  snprintf(path, sizeof path, "%s/%s", f.data, page.rows[0].path);
  qn_artifact_page_fini(&page);
  FILE *in = fopen(path, "r");
  assert_true(in != NULL && fgets(header, sizeof header, in) != NULL);
  int column = 0;
  char *names = header;
  for (char *name; (name = strsep(&names, ",\n")) != NULL && strcmp(name, "temperature_k") != 0;) column++;
  assert_non_null(names);
  *first = NAN;
  while (fgets(line, sizeof line, in) != NULL) {
    char *cells = line, *cell = NULL;
    for (int i = 0; i <= column; i++) cell = strsep(&cells, ",\n");
    *last = atof(cell);
    if (isnan(*first)) *first = *last;
  }
  fclose(in);
}

static void test_start_from_a_structure(void **state) {
  (void)state;
  FILE *in = fopen(QN_TEST_DATA "/b2-perturbed-432.xyz", "r"); /* without velocities */
  assert_non_null(in);
  static char text[200000];
  size_t size = fread(text, 1, sizeof text, in);
  fclose(in);
  int64_t structure = fixture_upload(&f, "/v1/structures?name=b2", text, size, 201);
  char body[600];
#define FROM "{\"potential\": \"mendelev-2009-cuzr\", \"timestep_fs\": 1, \"seed\": 5, \"initial\": {\"type\": \"structure\", \"structure\": %lld}," \
             " \"stages\": [{\"type\": \"hold\", \"ensemble\": \"nve\", \"temperature_k\": 600, \"duration_ps\": 0.02, \"snapshot\": true}]}"
  snprintf(body, sizeof body, FROM, (long long)structure);
  int64_t drawn = fixture_post(&f, "/v1/simulations", body, 202);
  rest();
  succeeded("simulations", drawn);
  double first, last, kept_first, kept_last;
  temperatures(drawn, &first, &last);
  if (!(fabs(first - 600) < 1)) print_error("%g\n", first);
  assert_true(fabs(first - 600) < 1); /* drawn, and scaled to the temperature of the first stage */
  assert_string_equal(fixture_text(&f, "SELECT composition FROM simulations WHERE id = %lld", (long long)drawn), "Cu50Zr50");
  assert_int_equal(fixture_number(&f, "SELECT atoms FROM simulations WHERE id = %lld", (long long)drawn), 432);

  /* Its snapshot is a structure with velocities: they are kept, and so is the temperature, whatever the stage says. */
  int64_t snapshot = fixture_number(&f, "SELECT id FROM artifacts WHERE simulation_id = %lld AND kind = 'snapshot'", (long long)drawn);
  snprintf(body, sizeof body, FROM, (long long)snapshot);
  int64_t kept = fixture_post(&f, "/v1/simulations", body, 202);
  rest();
  succeeded("simulations", kept);
  temperatures(kept, &kept_first, &kept_last);
  assert_true(fabs(last - 600) > 50); /* from a crystal out of shape */
  if (!(fabs(kept_first / last - 1) < 1e-9)) print_error("%.17g, %.17g\n", kept_first, last);
  assert_true(fabs(kept_first / last - 1) < 1e-9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fit),     cmocka_unit_test(test_fit_without_an_answer),     cmocka_unit_test(test_import_and_analysis),
      cmocka_unit_test(test_refused_imports), cmocka_unit_test(test_sources), cmocka_unit_test(test_sources_that_give_nothing),
      cmocka_unit_test(test_start_from_a_structure),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

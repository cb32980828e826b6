/* Listings and the results query, against rows made by SQL; the oracle is SQL of another shape. */
#include "server/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/queue/loss.h"

static fixture f;

/* 40 simulations at 10 temperatures and two compositions, 2 analyses each, 6 results each. */
static const char *const rows[] = {
    "INSERT INTO potentials (name, sha256, species, format, cutoff_a, details, content)"
    " VALUES ('other', repeat('a', 64), 'Cu', 'eam/alloy', 5, '{}', 'x')",
    "INSERT INTO jobs (id, kind, state, finished_at) SELECT i, CASE WHEN i <= 40 THEN 'simulation' ELSE 'analysis' END::job_kind, 'succeeded', now()"
    " FROM generate_series(1, 120) i",
    "INSERT INTO simulations (job_id, name, sha256, spec, spec_text, potential_id, atoms, composition, engine_version)"
    " SELECT i, 'run ' || i, lpad(i::text, 64, '0'), '{}', '{}', (SELECT min(id) FROM potentials) + i % 2, 500,"
    " CASE WHEN i % 3 = 0 THEN 'Cu64Zr36' ELSE 'Cu50Zr50' END, '0.1.0' FROM generate_series(1, 40) i",
    "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text) SELECT 40 + i, (i + 1) / 2,"
    " CASE WHEN i % 2 = 0 THEN 'diffusion' ELSE 'relaxation' END, lpad(i::text, 64, '0'), '{}', '{}' FROM generate_series(1, 80) i",
    "INSERT INTO results (analysis_id, ordinal, simulation_id, potential_id, type, quantity, species, region, unit, status, value, standard_error,"
    " temperature_k, composition, atoms, window_start_ps, window_end_ps, samples, engine_version, parameters, inputs)"
    " SELECT a.id, o, s.id, s.potential_id, a.type, CASE WHEN o < 3 THEN 'diffusion_coefficient' ELSE 'relaxation_time' END,"
    " (ARRAY['all','Cu','Zr'])[1 + o % 3], CASE WHEN s.id % 5 = 0 THEN 'surface' ELSE 'bulk' END, 'm2/s',"
    " CASE WHEN s.id % 7 = 0 THEN 'not_diffusive' ELSE 'ok' END, CASE WHEN s.id % 7 = 0 THEN NULL ELSE 1e-9 * s.id + o END,"
    " CASE WHEN s.id % 7 = 0 THEN NULL ELSE 1e-11 END, 600 + 100 * (s.id % 10), s.composition, 500, 0.5, 12.25, 10, '0.1.0',"
    " jsonb_build_object('stage', 1, 'q_inv_a', CASE WHEN s.id % 4 = 0 THEN NULL ELSE s.id / 10.0 END),"
    " CASE WHEN s.id % 6 = 0 THEN jsonb_build_object('q_inv_a', jsonb_build_object('type', 'structure_factor', 'analysis', a.id)) ELSE '{}' END"
    " FROM analyses a JOIN simulations s ON s.id = a.simulation_id, generate_series(0, 5) o",
    "INSERT INTO curves (analysis_id, ordinal, name, species, region, columns, data)"
    " VALUES (1, 0, 'msd', 'all', 'bulk', '[\"lag_ps\",\"msd_a2\"]', '[[0,0],[0.1,2.5e-3],[0.2,null]]')",
    "INSERT INTO artifacts (simulation_id, kind, stage, temperature_k, path, size, frames, interval_ps, sha256)"
    " SELECT i, k, 1, 700, 'simulations/' || i || '/' || k, 5, 0, NULL, repeat('b', 64)"
    " FROM generate_series(1, 5) i, unnest(ARRAY['trajectory','thermo','snapshot']) k",
};

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    PGresult *result = PQexec(f.sql.pg, rows[i]);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) fail_msg("%s", PQresultErrorMessage(result));
    PQclear(result);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

static qn_result_query everything(void) { return (qn_result_query){.temperature_min_k = NAN, .temperature_max_k = NAN, .page = {0, 37}}; }

/* Walk all pages; every row is there once, newest first, and as many as SQL counts. */
static void expect(qn_result_query query, const char *where) {
  qn_error error;
  int64_t count = 0, last = INT64_MAX;
  bool more = true;
  while (more) {
    qn_result_page page;
    assert_status(QN_OK, qn_store_query_results(f.store, &query, &page, &error), error);
    for (int i = 0; i < page.count; i++) {
      assert_true(page.rows[i].id < last);
      last = page.rows[i].id;
    }
    count += page.count;
    more = page.more;
    if (more) assert_int_equal(page.count, 37);
    query.page.before = last;
    qn_result_page_fini(&page);
  }
  int64_t wanted = fixture_number(&f, "SELECT count(*) FROM results r WHERE %s", where);
  assert_true(wanted > 0);
  assert_int_equal(count, wanted);
}

static void test_filters(void **state) {
  (void)state;
  qn_result_query q = everything();
  expect(q, "true");
  q.quantity = "diffusion_coefficient";
  expect(q, "quantity LIKE 'd%'");
  q.temperature_min_k = 800, q.temperature_max_k = 1100;
  expect(q, "quantity LIKE 'd%' AND temperature_k BETWEEN 800 AND 1100");
  q.species = "Cu";
  expect(q, "quantity LIKE 'd%' AND temperature_k BETWEEN 800 AND 1100 AND species = 'Cu'");
  q.region = "bulk";
  expect(q, "quantity LIKE 'd%' AND temperature_k BETWEEN 800 AND 1100 AND species = 'Cu' AND region = 'bulk'");
  q = everything(), q.status = "not_diffusive";
  expect(q, "value IS NULL");
  q = everything(), q.potential = "other", q.composition = "Cu64Zr36";
  expect(q, "potential_id = (SELECT max(id) FROM potentials) AND composition = 'Cu64Zr36'");
  q = everything(), q.simulation = 3;
  expect(q, "simulation_id = 3");
  q.quantity = "relaxation_time";
  expect(q, "simulation_id = 3 AND quantity LIKE 'r%'");
  q = everything(), q.analysis = 9;
  expect(q, "analysis_id = 9");
  q.species = "Zr", q.simulation = 5;
  expect(q, "analysis_id = 9 AND species = 'Zr'");
}

/* By how they were measured: a parameter as it was used, one that was left to the analysis, one that another analysis gave. */
static void test_filters_of_parameters(void **state) {
  (void)state;
  qn_result_query q = everything();
  q.type = "relaxation";
  expect(q, "type = 'relaxation'");
  q.parameters = "{\"q_inv_a\":2.7}";
  expect(q, "type = 'relaxation' AND simulation_id = 27");
  q = everything(), q.parameters = "{\"q_inv_a\":null}";
  expect(q, "simulation_id % 4 = 0");
  q.quantity = "relaxation_time";
  expect(q, "simulation_id % 4 = 0 AND quantity LIKE 'r%'");
  q = everything(), q.inputs = "{\"q_inv_a\":{\"type\":\"structure_factor\"}}";
  expect(q, "simulation_id % 6 = 0");
  q.parameters = "{\"stage\":1,\"q_inv_a\":3.0}";
  expect(q, "simulation_id = 30");
}

/* Numbers of a trajectory made elsewhere are found like those of a simulation; those of a fit by its law. */
static void test_results_of_all_kinds(void **state) {
  (void)state;
  static const char *const more[] = {
      "INSERT INTO jobs (id, kind, state, finished_at) VALUES (500, 'import', 'succeeded', now()), (501, 'analysis', 'succeeded', now()),"
      " (502, 'fit', 'succeeded', now())",
      "INSERT INTO uploads (id, kind, job_id, name, sha256, spec, spec_text, atoms, composition)"
      " VALUES (900, 'trajectory', 500, 'elsewhere', repeat('1', 64), '{\"temperature_k\":950}', '{}', 432, 'Cu50Zr50')",
      "INSERT INTO analyses (id, job_id, trajectory_id, type, sha256, spec, spec_text) OVERRIDING SYSTEM VALUE"
      " VALUES (300, 501, 900, 'diffusion', repeat('2', 64), '{}', '{}')",
      "INSERT INTO results (analysis_id, ordinal, trajectory_id, type, quantity, species, region, unit, status, value, temperature_k, composition, atoms,"
      " window_start_ps, window_end_ps, samples, engine_version)"
      " VALUES (300, 0, 900, 'diffusion', 'diffusion_coefficient', 'Al', 'bulk', 'm2/s', 'ok', 3e-9, 950, 'Cu50Zr50', 432, 0, 1, 5, '0.1.0')",
      "INSERT INTO fits (id, job_id, name, law, sha256, spec, spec_text, outcome, result, engine_version) OVERRIDING SYSTEM VALUE"
      " VALUES (70, 502, 'a line', 'arrhenius', repeat('3', 64), '{\"quantity\":\"diffusion_coefficient\",\"species\":\"Al\"}', '{\"points\":[]}',"
      " 'ok', '{\"status\":\"ok\"}', '0.1.0')",
      "INSERT INTO results (fit_id, ordinal, type, quantity, species, region, unit, status, value, composition, samples, engine_version, parameters)"
      " VALUES (70, 0, 'arrhenius', 'activation_energy', 'Al', 'bulk', 'eV', 'ok', 0.5, '', 5, '0.1.0', '{\"quantity\":\"diffusion_coefficient\"}')",
  };
  for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) fixture_text(&f, "%s", more[i]);
  qn_error error;
  qn_result_page page;
  qn_result_query q = everything();
  q.quantity = "diffusion_coefficient", q.species = "Al", q.temperature_min_k = 900, q.composition = "Cu50Zr50";
  assert_status(QN_OK, qn_store_query_results(f.store, &q, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(page.rows[0].trajectory == 900 && page.rows[0].simulation == 0 && page.rows[0].atoms == 432);
  assert_string_equal(page.rows[0].trajectory_name, "elsewhere");
  assert_string_equal(page.rows[0].potential, "");
  qn_result_page_fini(&page);
  q = everything(), q.trajectory = 900;
  expect(q, "trajectory_id = 900");
  q = everything(), q.type = "arrhenius", q.parameters = "{\"quantity\":\"diffusion_coefficient\"}", q.species = "Al";
  assert_status(QN_OK, qn_store_query_results(f.store, &q, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(page.rows[0].fit == 70 && page.rows[0].analysis == 0 && isnan(page.rows[0].temperature_k) && page.rows[0].atoms == 0);
  assert_int_equal(strlen(page.rows[0].spec_sha256), 64);
  qn_result_page_fini(&page);
  q = everything(), q.fit = 70;
  expect(q, "fit_id = 70");

  qn_fit_row fit;
  assert_status(QN_OK, qn_store_get_fit(f.store, 70, &fit, &error), error);
  assert_string_equal(fit.spec, "{\"points\":[]}");
  assert_int_equal(fit.state, QN_JOB_SUCCEEDED);
  qn_fit_row_fini(&fit);
  assert_status(QN_NOT_FOUND, qn_store_get_fit(f.store, 4711, &fit, &error), error);
  const struct {
    qn_fit_query query;
    int count;
  } lists[] = {{{.page = {0, 5}}, 1},
               {{.law = "arrhenius", .outcome = "ok", .quantity = "diffusion_coefficient", .species = "Al", .page = {0, 5}}, 1},
               {{.law = "vft", .page = {0, 5}}, 0},
               {{.species = "Cu", .page = {0, 5}}, 0},
               {{.page = {70, 5}}, 0}};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    qn_fit_page fits;
    assert_status(QN_OK, qn_store_list_fits(f.store, &lists[i].query, &fits, &error), error);
    assert_int_equal(fits.count, lists[i].count);
    qn_fit_page_fini(&fits);
  }
  qn_job_row job;
  assert_status(QN_OK, qn_store_get_job(f.store, 502, &job, &error), error);
  assert_string_equal(job.kind, "fit");
  assert_int_equal(job.resource, 70);
  qn_job_row_fini(&job);
  assert_status(QN_OK, qn_store_get_job(f.store, 500, &job, &error), error);
  assert_int_equal(job.resource, 900);
  qn_job_row_fini(&job);
  fixture_text(&f, "DELETE FROM results WHERE trajectory_id = 900 OR fit_id = 70"); /* the other tests count rows */
  fixture_text(&f, "DELETE FROM analyses WHERE id = 300");
  fixture_text(&f, "DELETE FROM fits");
  fixture_text(&f, "DELETE FROM uploads");
  fixture_text(&f, "DELETE FROM jobs WHERE id >= 500");
}

static void test_row(void **state) {
  (void)state;
  qn_error error;
  qn_result_page page;
  qn_result_query q = everything();
  q.simulation = 7, q.quantity = "diffusion_coefficient", q.species = "Zr", q.page.limit = 1;
  assert_status(QN_OK, qn_store_query_results(f.store, &q, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(page.more);
  assert_true(isnan(page.rows[0].value) && isnan(page.rows[0].standard_error));
  assert_string_equal(page.rows[0].status, "not_diffusive");
  qn_result_page_fini(&page);
  q.simulation = 6;
  assert_status(QN_OK, qn_store_query_results(f.store, &q, &page, &error), error);
  assert_true(page.rows[0].value == 1e-9 * 6 + 2);
  assert_true(page.rows[0].window_end_ps == 12.25);
  assert_string_equal(page.rows[0].simulation_name, "run 6");
  assert_string_equal(page.rows[0].composition, "Cu64Zr36");
  qn_result_page_fini(&page);
  q.simulation = 4711;
  assert_status(QN_OK, qn_store_query_results(f.store, &q, &page, &error), error);
  assert_int_equal(page.count, 0);
  assert_false(page.more);
  qn_result_page_fini(&page);
}

static void test_lists(void **state) {
  (void)state;
  qn_error error;
  qn_simulation_page simulations;
  assert_status(QN_OK, qn_store_list_simulations(f.store, (qn_page_query){11, 5}, &simulations, &error), error);
  assert_int_equal(simulations.count, 5);
  assert_int_equal(simulations.rows[0].id, 10);
  assert_true(simulations.more);
  qn_simulation_page_fini(&simulations);
  qn_analysis_page analyses;
  assert_status(QN_OK, qn_store_list_analyses(f.store, 3, 0, (qn_page_query){0, 5}, &analyses, &error), error);
  assert_int_equal(analyses.count, 2);
  assert_false(analyses.more);
  assert_int_equal(analyses.rows[0].simulation, 3);
  qn_analysis_page_fini(&analyses);
  assert_status(QN_OK, qn_store_list_analyses(f.store, 0, 0, (qn_page_query){0, 80}, &analyses, &error), error);
  assert_int_equal(analyses.count, 80);
  assert_false(analyses.more);
  qn_analysis_page_fini(&analyses);
  qn_artifact_page artifacts;
  assert_status(QN_OK, qn_store_list_artifacts(f.store, 2, NULL, (qn_page_query){0, 80}, &artifacts, &error), error);
  assert_int_equal(artifacts.count, 3);
  assert_true(isnan(artifacts.rows[0].interval_ps));
  qn_artifact_row row;
  assert_status(QN_OK, qn_store_get_artifact(f.store, artifacts.rows[0].id, &row, &error), error);
  int descriptor;
  char path[4096];
  assert_status(QN_NOT_FOUND, qn_store_open_artifact(f.store, &row, &descriptor, path, &error), error);
  qn_artifact_row_fini(&row);
  qn_artifact_page_fini(&artifacts);
  assert_status(QN_OK, qn_store_list_artifacts(f.store, 0, "thermo", (qn_page_query){0, 80}, &artifacts, &error), error);
  assert_int_equal(artifacts.count, 5);
  qn_artifact_page_fini(&artifacts);
  qn_curve_page curves;
  assert_status(QN_OK, qn_store_get_curves(f.store, 1, &curves, &error), error);
  assert_int_equal(curves.count, 1);
  assert_string_equal(curves.rows[0].data, "[[0,0],[0.1,2.5e-3],[0.2,null]]");
  qn_curve_page_fini(&curves);
  qn_job_page jobs;
  assert_status(QN_OK, qn_store_list_jobs(f.store, "succeeded", (qn_page_query){0, 100}, &jobs, &error), error);
  assert_int_equal(jobs.count, 100);
  assert_true(jobs.more);
  assert_int_equal(jobs.rows[0].resource, 80); /* analysis 80 is job 120 */
  qn_job_page_fini(&jobs);
  assert_status(QN_OK, qn_store_list_jobs(f.store, "queued", (qn_page_query){0, 100}, &jobs, &error), error);
  assert_int_equal(jobs.count, 0);
  qn_job_page_fini(&jobs);
  assert_status(QN_INVALID, qn_store_list_jobs(f.store, "no such state", (qn_page_query){0, 100}, &jobs, &error), error);
}

static void test_not_found(void **state) {
  (void)state;
  qn_error error;
  qn_simulation_row simulation;
  qn_analysis_row analysis;
  qn_job_row job;
  qn_artifact_row artifact;
  qn_potential_row potential;
  qn_event_page events;
  char *text;
  size_t size;
  assert_status(QN_NOT_FOUND, qn_store_get_simulation(f.store, 4711, &simulation, &error), error);
  assert_null(simulation.name);
  assert_status(QN_NOT_FOUND, qn_store_get_analysis(f.store, 4711, &analysis, &error), error);
  assert_status(QN_NOT_FOUND, qn_store_get_job(f.store, 4711, &job, &error), error);
  assert_status(QN_NOT_FOUND, qn_store_get_artifact(f.store, 4711, &artifact, &error), error);
  assert_status(QN_NOT_FOUND, qn_store_get_potential(f.store, "none", &potential, &error), error);
  assert_status(QN_NOT_FOUND, qn_store_get_potential_text(f.store, "none", &text, &size, &error), error);
  assert_status(QN_NOT_FOUND, qn_store_list_events(f.store, 4711, 0, 10, &events, &error), error);
}

static void test_potentials(void **state) {
  (void)state;
  qn_error error;
  qn_added_potential first, again;
  char hash[] = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", text[] = "a\0b\\c\xff";
  qn_potential_row row = {.name = "bytes", .sha256 = hash, .species = "Cu", .format = "eam/fs", .citation = "", .licence = "",
                          .details = "{ \"b\" : 1, \"a\" : 2.50 }", .cutoff_a = 5.5};
  assert_status(QN_OK, qn_store_add_potential(f.store, &row, text, sizeof text, NULL, &fixture_principal, &first, &error), error);
  assert_true(first.created);
  assert_string_equal(first.row.details, row.details);
  assert_status(QN_OK, qn_store_add_potential(f.store, &row, text, sizeof text, NULL, &fixture_principal, &again, &error), error);
  assert_false(again.created);
  assert_int_equal(again.row.id, first.row.id);
  qn_potential_row_fini(&again.row);
  hash[0] = 'd';
  assert_status(QN_CONFLICT, qn_store_add_potential(f.store, &row, "y", 1, NULL, &fixture_principal, &again, &error), error);
  assert_null(again.row.name);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM audit WHERE principal = 'tester' AND action = 'upload' AND resource_id = %lld",
                                  (long long)first.row.id), 1);
  qn_potential_row_fini(&first.row);
  char *back;
  size_t size;
  assert_status(QN_OK, qn_store_get_potential_text(f.store, "bytes", &back, &size, &error), error);
  assert_int_equal(size, sizeof text);
  assert_memory_equal(back, text, size);
  free(back);
  qn_potential_row got;
  assert_status(QN_OK, qn_store_get_potential(f.store, "bytes", &got, &error), error);
  assert_string_equal(got.details, row.details); /* as it came */
  assert_int_equal(got.size, sizeof text);
  qn_potential_row_fini(&got);
}

static void expect_metric(const char *line) {
  qn_error error;
  char *text;
  assert_status(QN_OK, qn_store_metrics(f.store, &text, &error), error);
  if (strstr(text, line) == NULL) fail_msg("no %s in %s", line, text);
  free(text);
}

static void test_metrics(void **state) {
  (void)state;
  expect_metric("quenchd_jobs{state=\"succeeded\"} 120\n");
  expect_metric("quenchd_jobs{state=\"queued\"} 0\n");
  expect_metric("quenchd_results 480\n");
  expect_metric("quenchd_leases_lost_total 0\n");
  fixture_text(&f, "SELECT setval(pg_get_serial_sequence('jobs', 'id'), 1000000)");
  /* Every way of changing a count; a rollback; and adding up, which changes nothing. */
  fixture_text(&f, "BEGIN");
  fixture_text(&f, "INSERT INTO jobs (kind, state) SELECT 'simulation', 'queued' FROM generate_series(1, 5000)");
  fixture_text(&f, "ROLLBACK");
  fixture_text(&f, "INSERT INTO jobs (kind, state) SELECT 'simulation', 'queued' FROM generate_series(1, 1500)");
  expect_metric("quenchd_jobs{state=\"queued\"} 1500\n");
  qn_error error;
  assert_status(QN_OK, qn_loss_forget(&f.sql, &error), error);
  assert_true(fixture_number(&f, "SELECT count(*) FROM tallies") < 20);
  expect_metric("quenchd_jobs{state=\"queued\"} 1500\n");
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE state = 'queued' AND id %% 3 = 0");
  expect_metric("quenchd_jobs{state=\"queued\"} 1000\n");
  expect_metric("quenchd_jobs{state=\"cancelled\"} 500\n");
  fixture_text(&f, "INSERT INTO job_attempts (job_id, attempt, worker, lease_token) SELECT min(id), 1, 'w', gen_random_uuid() FROM jobs");
  fixture_text(&f, "UPDATE job_attempts SET outcome = 'lost', ended_at = now() WHERE worker = 'w'");
  expect_metric("quenchd_leases_lost_total 1\n");
  fixture_text(&f, "DELETE FROM job_attempts WHERE worker = 'w'"); /* a counter does not go back */
  expect_metric("quenchd_leases_lost_total 1\n");
  fixture_text(&f, "DELETE FROM jobs WHERE state IN ('queued', 'cancelled')");
  expect_metric("quenchd_jobs{state=\"queued\"} 0\n");
  expect_metric("quenchd_jobs{state=\"cancelled\"} 0\n");
  assert_string_equal(fixture_text(&f, "SELECT string_agg(format('%%s %%s', name, n), ', ' ORDER BY name) FROM (SELECT name, sum(n) AS n FROM tallies"
                                       " WHERE name <> 'lost' GROUP BY name HAVING sum(n) <> 0) t"),
                      "results 480, succeeded 120");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_filters), cmocka_unit_test(test_filters_of_parameters), cmocka_unit_test(test_results_of_all_kinds),
      cmocka_unit_test(test_row),     cmocka_unit_test(test_lists),
      cmocka_unit_test(test_not_found), cmocka_unit_test(test_potentials), cmocka_unit_test(test_metrics),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Migrations: applied once, also by many at a time; refused when what was applied is not what the program carries. */
#include "server/fixture.h"

#include <pthread.h>
#include <string.h>

#include "api/hash.h"
#include "server/store/embedded.h"
#include "server/store/migrate.h"
#include "server/store/tokens.h"

static int setup(void **state) {
  static fixture f;
  fixture_init(&f, false);
  *state = &f;
  return 0;
}

static int teardown(void **state) {
  fixture_fini(*state);
  return 0;
}

/* Whoever meets a database without the schema hears what to do, whatever was asked. */
static void test_before_the_first(void **state) {
  fixture *f = *state;
  qn_error error;
  qn_job_page jobs;
  qn_potential_row potential;
  int64_t tokens;
  assert_status(QN_UNAVAILABLE, qn_store_ready(f->store, &error), error);
  assert_non_null(strstr(error.message, "quenchd migrate"));
  assert_status(QN_UNAVAILABLE, qn_store_list_jobs(f->store, NULL, (qn_page_query){0, 10}, &jobs, &error), error);
  assert_non_null(strstr(error.message, "quenchd migrate"));
  assert_status(QN_UNAVAILABLE, qn_store_list_jobs(f->store, "queued", (qn_page_query){0, 10}, &jobs, &error), error); /* a type */
  assert_non_null(strstr(error.message, "quenchd migrate"));
  assert_status(QN_UNAVAILABLE, qn_store_get_potential(f->store, "x", &potential, &error), error);
  assert_non_null(strstr(error.message, "quenchd migrate"));
  assert_status(QN_UNAVAILABLE, qn_token_count(f->store, &tokens, &error), error);
  assert_non_null(strstr(error.message, "quenchd migrate"));
}

static void test_twice(void **state) {
  fixture *f = *state;
  qn_error error;
  int applied;
  assert_status(QN_UNAVAILABLE, qn_store_ready(f->store, &error), error);
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  assert_int_equal(applied, qn_migrate_version());
  assert_status(QN_OK, qn_store_ready(f->store, &error), error);
  char before[64];
  strcpy(before, fixture_text(f, "SELECT max(applied_at) FROM schema_migrations"));
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  assert_int_equal(applied, 0);
  assert_string_equal(fixture_text(f, "SELECT max(applied_at) FROM schema_migrations"), before);
  assert_int_equal(fixture_number(f, "SELECT count(*) FROM potentials"), 1);
  qn_potential_row row;
  assert_status(QN_OK, qn_store_get_potential(f->store, "mendelev-2009-cuzr", &row, &error), error);
  assert_string_equal(row.species, "Cu,Zr");
  assert_string_equal(row.format, "eam/fs");
  assert_string_equal(row.licence, "CDDL-1.0");
  qn_potential_row_fini(&row);
}

enum { RACERS = 8 };

typedef struct racer {
  pthread_t thread;
  const fixture *f;
  int applied;
  qn_status status;
  qn_error error;
} racer;

static void *migrate(void *context) {
  racer *r = context;
  qn_store *store;
  const qn_store_options options = {.database_url = r->f->url, .data_directory = r->f->data, .connections = 1};
  r->status = qn_store_open(&store, &options, &r->error);
  if (r->status == QN_OK) r->status = qn_migrate_run(store, &r->applied, &r->error);
  qn_store_close(store);
  return NULL;
}

static void test_concurrently(void **state) {
  racer racers[RACERS] = {0};
  int applied = 0;
  for (int i = 0; i < RACERS; i++) {
    racers[i].f = *state;
    assert_int_equal(pthread_create(&racers[i].thread, NULL, migrate, &racers[i]), 0);
  }
  for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
  for (int i = 0; i < RACERS; i++) {
    if (racers[i].status != QN_OK) fail_msg("%s", racers[i].error.message);
    applied += racers[i].applied;
  }
  assert_int_equal(applied, qn_migrate_version());
  assert_int_equal(fixture_number(*state, "SELECT count(*) FROM potentials"), 1);
}

static void test_changed(void **state) {
  fixture *f = *state;
  qn_error error;
  int applied;
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  fixture_text(f, "UPDATE schema_migrations SET sha256 = 'x' WHERE version = 2");
  assert_status(QN_CONFLICT, qn_migrate_run(f->store, &applied, &error), error);
  assert_non_null(strstr(error.message, "002_queue was changed after it was applied"));
  assert_status(QN_CONFLICT, qn_store_ready(f->store, &error), error);
}

static void test_newer_and_older(void **state) {
  fixture *f = *state;
  qn_error error;
  int applied;
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  fixture_text(f, "INSERT INTO schema_migrations VALUES (%d, '999_future', 'x')", qn_migrate_version() + 1);
  assert_status(QN_CONFLICT, qn_store_ready(f->store, &error), error);
  assert_non_null(strstr(error.message, "older than the schema"));
  assert_status(QN_CONFLICT, qn_migrate_run(f->store, &applied, &error), error);
  fixture_text(f, "DELETE FROM schema_migrations WHERE version >= %d", qn_migrate_version());
  assert_status(QN_UNAVAILABLE, qn_store_ready(f->store, &error), error);
  assert_non_null(strstr(error.message, "quenchd migrate"));
}

/* A migration that fails leaves nothing behind. */
static void test_all_or_nothing(void **state) {
  fixture *f = *state;
  qn_error error;
  int applied;
  fixture_text(f, "CREATE TABLE curves (in_the_way integer)"); /* the last table of the first migration */
  assert_int_not_equal(qn_migrate_run(f->store, &applied, &error), QN_OK);
  assert_non_null(strstr(error.message, "001_core"));
  assert_string_equal(fixture_text(f, "SELECT to_regclass('jobs') IS NULL"), "t");
  fixture_text(f, "DROP TABLE curves");
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
}

/* Results that were there before they said how they were measured learn it from their analyses. */
static void test_results_from_before(void **state) {
  fixture *f = *state;
  qn_error error;
  int applied, first = 0;
  fixture_text(f, "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
                  " applied_at timestamptz NOT NULL DEFAULT now())");
  for (; strncmp(qn_embedded_migrations[first].name, "006", 3) != 0; first++) {
    const qn_embedded_file *file = &qn_embedded_migrations[first];
    char hash[QN_HASH_SIZE];
    assert_status(QN_OK, qn_connection_script(&f->sql, file->text, &error), error);
    qn_hash_hex(file->text, (size_t)(file->end - file->text), hash);
    fixture_text(f, "INSERT INTO schema_migrations VALUES (%d, '%s', '%s')", first + 1, file->name, hash);
  }
  static const char *const rows[] = {
      "INSERT INTO potentials (name, sha256, species, format, cutoff_a, details, content)"
      " VALUES ('other', repeat('a', 64), 'Cu', 'eam/alloy', 5, '{}', 'x')",
      "INSERT INTO jobs (id, kind, state, finished_at) VALUES (1, 'simulation', 'succeeded', now()), (2, 'analysis', 'succeeded', now())",
      "INSERT INTO simulations (job_id, name, sha256, spec, spec_text, potential_id, atoms, composition, engine_version)"
      " SELECT 1, 'run', repeat('0', 64), '{}', '{}', min(id), 500, 'Cu100', '0.1.0' FROM potentials",
      "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text) SELECT 2, id, 'relaxation', repeat('0', 64),"
      " '{\"type\": \"relaxation\", \"stage\": 1, \"q_inv_a\": 2.7, \"layer_a\": null}', '{}' FROM simulations",
      "INSERT INTO results (analysis_id, ordinal, simulation_id, potential_id, quantity, species, region, unit, status, value, standard_error,"
      " temperature_k, composition, atoms, window_start_ps, window_end_ps, samples, engine_version) SELECT a.id, 0, a.simulation_id,"
      " (SELECT min(id) FROM potentials), 'relaxation_time', 'all', 'bulk', 'ps', 'ok', 3, 0.1, 900, 'Cu100', 500, 0, 10, 5, '0.1.0' FROM analyses a",
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) fixture_text(f, "%s", rows[i]);
  assert_status(QN_OK, qn_migrate_run(f->store, &applied, &error), error);
  assert_int_equal(applied, qn_migrate_version() - first);
  qn_result_page page;
  const qn_result_query query = {.type = "relaxation", .parameters = "{\"q_inv_a\": 2.7, \"layer_a\": null, \"stage\": 1}",
                                 .temperature_min_k = 1, .temperature_max_k = 1e4, .page = {0, 5}};
  assert_status(QN_OK, qn_store_query_results(f->store, &query, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_string_equal(page.rows[0].inputs, "{}");
  assert_null(strstr(page.rows[0].parameters, "type"));
  qn_result_page_fini(&page);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_before_the_first, setup, teardown),
      cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
      cmocka_unit_test_setup_teardown(test_concurrently, setup, teardown),
      cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
      cmocka_unit_test_setup_teardown(test_newer_and_older, setup, teardown),
      cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_results_from_before, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Submission: the same work is the same job however many ask for it at once. */
#include "server/fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"

static fixture f;

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

enum { RACERS = 100 };

typedef struct racer {
  pthread_t thread;
  pthread_barrier_t *barrier;
  int number;
  qn_status status;
  qn_submitted submitted;
  qn_error error;
} racer;

static void *race(void *context) {
  racer *r = context;
  pthread_barrier_wait(r->barrier);
  r->status = fixture_submit(&f, r->number, NULL, &r->submitted, &r->error);
  return NULL;
}

static void run_race(racer racers[RACERS], int number) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, RACERS);
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.barrier = &barrier, .number = number};
    assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
  }
  for (int i = 0; i < RACERS; i++) pthread_join(racers[i].thread, NULL);
  pthread_barrier_destroy(&barrier);
}

static void test_racing_submissions_make_one_job(void **state) {
  (void)state;
  static racer racers[RACERS];
  int64_t before = fixture_number(&f, "SELECT count(*) FROM jobs");
  run_race(racers, 1);
  int created = 0;
  for (int i = 0; i < RACERS; i++) {
    if (racers[i].status != QN_OK) fail_msg("%s", racers[i].error.message);
    created += racers[i].submitted.created;
    assert_int_equal(racers[i].submitted.id, racers[0].submitted.id);
    assert_int_equal(racers[i].submitted.job, racers[0].submitted.job);
  }
  assert_int_equal(created, 1);
  for (int i = 0; i < RACERS; i++) assert_int_equal(racers[i].submitted.state, QN_JOB_QUEUED);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs") - before, 2); /* the simulation and its analysis */
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM simulations WHERE id = %lld", (long long)racers[0].submitted.id), 1);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", (long long)racers[0].submitted.job), "queued");
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs ORDER BY id DESC LIMIT 1"), "blocked");
}

static void test_known_simulation_gets_new_analyses(void **state) {
  (void)state;
  char *bare = fixture_spec(3, 1, false), *full = fixture_spec(3, 1, true);
  int64_t first = fixture_post(&f, "/v1/simulations", bare, 202);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM analyses WHERE simulation_id = %lld", (long long)first), 0);
  int64_t again = fixture_post(&f, "/v1/simulations", full, 200);
  assert_int_equal(again, first);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM analyses WHERE simulation_id = %lld", (long long)first), 2);
  fixture_post(&f, "/v1/simulations", full, 200);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM analyses WHERE simulation_id = %lld", (long long)first), 2);
  char body[128];
  snprintf(body, sizeof body, "{\"simulation\": %lld, \"type\": \"diffusion\"}", (long long)first);
  fixture_post(&f, "/v1/analyses", body, 200); /* the same work as one of them */
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM analyses WHERE simulation_id = %lld", (long long)first), 2);
  free(bare);
  free(full);
}

static void test_unknown_parents(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  const char hash[] = "00000000000000000000000000000000000000000000000000000000000000ff";
  qn_submission analysis = {.kind = "analysis", .name = "", .spec = "{}", .sha256 = hash, .type = "diffusion", .parent = 999999};
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
  qn_submission simulation = {.kind = "simulation", .name = "", .spec = "{}", .sha256 = hash, .potential = "no such"};
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  simulation.potential = "mendelev-2009-cuzr";
  simulation.parent = 999999;
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM simulations WHERE job_id = j.id)"
                                      " AND NOT EXISTS (SELECT 1 FROM analyses WHERE job_id = j.id)"), 0);
  analysis.parent = 0, analysis.trajectory = 999999;
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
}

static void hash_of(int number, char hash[65]) { snprintf(hash, 65, "%064d", number); }

static long long job_of(const char *table, int64_t id) {
  return (long long)fixture_number(&f, "SELECT job_id FROM %s WHERE id = %lld", table, (long long)id);
}

#define STATE "SELECT state FROM jobs WHERE id = %lld"
#define PARENTS "SELECT string_agg(parent_id::text, ' ' ORDER BY parent_id) FROM job_dependencies WHERE job_id = %lld"

/* An analysis that takes a parameter from another waits for that one too. */
static void test_needs(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  char spec[] = "{}", whole[65], factor[65], relaxation[65];
  hash_of(100, whole), hash_of(101, factor), hash_of(102, relaxation);
  struct qn_child children[2] = {{.type = "structure_factor", .spec = spec}, {.type = "relaxation", .spec = spec, .needs = {.count = 2}}};
  strcpy(children[0].sha256, factor), strcpy(children[1].sha256, relaxation);
  strcpy(children[1].needs.sha256[0], factor), strcpy(children[1].needs.sha256[1], factor); /* twice the same is one */
  qn_submission simulation = {.kind = "simulation", .name = "", .spec = "{}", .sha256 = whole, .potential = "mendelev-2009-cuzr",
                              .child_count = 2, .children = children};
  assert_status(QN_OK, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  long long first = fixture_number(&f, "SELECT job_id FROM analyses WHERE sha256 = '%s'", factor),
            second = fixture_number(&f, "SELECT job_id FROM analyses WHERE sha256 = '%s'", relaxation);
  char wanted[64];
  snprintf(wanted, sizeof wanted, "%lld", (long long)out.job);
  assert_string_equal(fixture_text(&f, PARENTS, first), wanted);
  snprintf(wanted, sizeof wanted, "%lld %lld", (long long)out.job, first);
  assert_string_equal(fixture_text(&f, PARENTS, second), wanted);

  /* The same analysis of another simulation is none of this one's. */
  char other[65];
  hash_of(103, other);
  simulation.sha256 = other, simulation.child_count = 0;
  int64_t of = out.id;
  assert_status(QN_OK, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  qn_submission analysis = {.kind = "analysis", .name = "", .spec = "{}", .sha256 = relaxation, .type = "relaxation", .parent = out.id,
                            .needs = children[1].needs};
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);

  /* One that comes when what it needs has failed has failed too, and says of what. */
  fixture_text(&f, "UPDATE jobs SET state = 'succeeded', finished_at = now() WHERE id = %lld", job_of("simulations", of));
  fixture_text(&f, "UPDATE jobs SET state = 'failed', error = 'no peak', finished_at = now() WHERE id = %lld", first);
  char late[65];
  hash_of(104, late);
  analysis.parent = of, analysis.sha256 = late;
  assert_status(QN_OK, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
  assert_string_equal(fixture_text(&f, STATE, (long long)out.job), "failed");
  snprintf(wanted, sizeof wanted, "it needed job %lld (analysis), which failed: no peak", first);
  assert_string_equal(fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", (long long)out.job), wanted);
}

static void test_fits_are_unique(void **state) {
  (void)state;
  qn_error error;
  qn_submitted first, again;
  char hash[65];
  hash_of(200, hash);
  const qn_submission fit = {.kind = "fit", .name = "a", .spec = "{\"quantity\":\"x\"}", .sha256 = hash, .type = "arrhenius"},
                      twin = {.kind = "fit", .name = "b", .spec = "{}", .sha256 = hash, .type = "arrhenius"};
  assert_status(QN_OK, qn_store_submit(f.store, &fit, NULL, &fixture_principal, &first, &error), error);
  assert_true(first.created);
  assert_string_equal(fixture_text(&f, STATE, job_of("fits", first.id)), "queued");
  assert_status(QN_OK, qn_store_submit(f.store, &twin, NULL, &fixture_principal, &again, &error), error);
  assert_true(!again.created && again.id == first.id && again.job == first.job);
  qn_fit_row row;
  assert_status(QN_OK, qn_store_get_fit(f.store, first.id, &row, &error), error);
  assert_string_equal(row.name, "a");
  assert_string_equal(row.outcome, "");
  assert_string_equal(row.result, "");
  assert_int_equal(row.state, QN_JOB_QUEUED);
  qn_fit_row_fini(&row);
}

static void test_spec_is_kept_to_the_byte(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  const char *spec = "{\"b\":1.50,\"a\":\"\xc3\x85\"}";
  const char hash[] = "0000000000000000000000000000000000000000000000000000000000000001";
  const qn_submission s = {.kind = "simulation", .name = "n", .spec = spec, .sha256 = hash, .potential = "mendelev-2009-cuzr"};
  assert_status(QN_OK, qn_store_submit(f.store, &s, NULL, &fixture_principal, &out, &error), error);
  qn_simulation_row row;
  assert_status(QN_OK, qn_store_get_simulation(f.store, out.id, &row, &error), error);
  assert_string_equal(row.spec, spec);
  assert_string_equal(row.name, "n");
  assert_int_equal(row.job, out.job);
  assert_int_equal(row.state, QN_JOB_QUEUED);
  qn_simulation_row_fini(&row);
}

static int priority_of(const char *kind, int64_t simulation) {
  return (int)fixture_number(&f, strcmp(kind, "simulation") == 0
                                     ? "SELECT priority FROM jobs JOIN simulations s ON s.job_id = jobs.id WHERE s.id = %lld"
                                     : "SELECT priority FROM jobs JOIN analyses a ON a.job_id = jobs.id WHERE a.simulation_id = %lld",
                             (long long)simulation);
}

/* The simulation gets what was asked for. Its analyses go before it, unless it was sent behind everyone or before everyone. */
static void test_priorities(void **state) {
  (void)state;
  static const struct { bool asked; int priority, simulation, analysis; } cases[] = {
      {false, 0, 0, 10}, {true, 0, 0, 10}, {true, 7, 7, 10}, {true, 10, 10, 10}, {true, -4, -4, -4}, {true, 50, 50, 50}};
  for (int i = 0; i < 6; i++) {
    qn_error error;
    qn_submitted out, alone;
    char spec[64], hash[QN_HASH_SIZE], child_spec[] = "{\"stage\":0}";
    snprintf(spec, sizeof spec, "{\"priorities\":%d}", i);
    qn_hash_hex(spec, strlen(spec), hash);
    struct qn_child child = {.type = "diffusion", .spec = child_spec};
    qn_hash_hex(child_spec, strlen(child_spec), child.sha256);
    const qn_submission s = {.kind = "simulation", .name = "", .spec = spec, .sha256 = hash, .potential = "mendelev-2009-cuzr",
                             .prioritised = cases[i].asked, .priority = cases[i].priority, .child_count = 1, .children = &child};
    assert_status(QN_OK, qn_store_submit(f.store, &s, NULL, &fixture_principal, &out, &error), error);
    assert_int_equal(priority_of("simulation", out.id), cases[i].simulation);
    assert_int_equal(priority_of("analysis", out.id), cases[i].analysis);
    const qn_submission a = {.kind = "analysis", .name = "", .spec = "{}", .sha256 = hash, .type = "relaxation", .parent = out.id,
                             .prioritised = cases[i].asked, .priority = cases[i].priority};
    assert_status(QN_OK, qn_store_submit(f.store, &a, NULL, &fixture_principal, &alone, &error), error);
    assert_int_equal(alone.state, QN_JOB_BLOCKED);
    assert_int_equal(fixture_number(&f, "SELECT priority FROM jobs WHERE id = %lld", (long long)alone.job),
                     cases[i].asked ? cases[i].priority : 10);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_racing_submissions_make_one_job),
      cmocka_unit_test(test_known_simulation_gets_new_analyses), cmocka_unit_test(test_unknown_parents),
      cmocka_unit_test(test_spec_is_kept_to_the_byte), cmocka_unit_test(test_priorities),
      cmocka_unit_test(test_needs), cmocka_unit_test(test_fits_are_unique),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

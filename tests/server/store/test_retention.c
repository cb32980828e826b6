/* Retention: what is old enough goes, what unfinished work needs stays, files follow rows, and nothing is removed twice or by mistake. */
#include "server/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/hash.h"
#include "api/operations.h"
#include "server/job/durable.h"
#include "server/queue/queue.h"
#include "server/store/removals.h"

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

/* ---- a small world ---- */

static void path_of(char path[512], const char *name) { snprintf(path, 512, "%s/%s", f.data, name); }

static bool exists(const char *name) {
  char path[512];
  path_of(path, name);
  return access(path, F_OK) == 0;
}

static void write_file(const char *name, int size) {
  char path[512], folder[512];
  qn_error error;
  path_of(path, name);
  strcpy(folder, path);
  *strrchr(folder, '/') = '\0';
  assert_status(QN_OK, qn_durable_make(folder, &error), error);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  for (int i = 0; i < size; i++) fputc('x', file);
  fclose(file);
}

static void empty(void) {
  qn_error error;
  char path[512];
  fixture_text(&f, "TRUNCATE jobs, job_events, job_attempts, simulations, analyses, artifacts, removals CASCADE");
  path_of(path, "simulations");
  assert_status(QN_OK, qn_durable_remove(path, &error), error);
  assert_status(QN_OK, qn_durable_make(path, &error), error);
}

typedef struct made {
  long long id, job;
} made;

/* A simulation that ended `days` ago; a succeeded one left a trajectory of stage 1, a thermo series and a snapshot of stage 0, all with files. */
static made make(const char *state, double days) {
  static int number;
  char spec[64], hash[QN_HASH_SIZE], name[128];
  snprintf(spec, sizeof spec, "{\"retention\": %d}", ++number);
  qn_hash_hex(spec, strlen(spec), hash);
  made m;
  m.job = fixture_number(&f, "INSERT INTO jobs (kind, state, attempt, submitted_by, finished_at) VALUES ('simulation', '%s', 2, 'tester',"
                             " now() - %g * interval '1 day') RETURNING id", state, days);
  m.id = fixture_number(&f, "INSERT INTO simulations (job_id, sha256, spec, spec_text, potential_id) SELECT %lld, '%s', '%s', '%s', id FROM potentials"
                            " RETURNING id", m.job, hash, spec, spec);
  fixture_text(&f, "INSERT INTO job_attempts (job_id, attempt, worker, lease_token, ended_at, outcome) VALUES (%lld, 2, 'w', gen_random_uuid(), now(), 'failed')",
               m.job);
  if (strcmp(state, "succeeded") == 0) {
    static const struct { const char *kind, *name; int stage, size; } files[] = {
        {"trajectory", "trajectory-1.nc", 1, 1000}, {"thermo", "thermo.csv", -1, 100}, {"snapshot", "snapshot-0.xyz", 0, 10}};
    for (int i = 0; i < 3; i++) {
      snprintf(name, sizeof name, "simulations/%lld/2/%s", m.id, files[i].name);
      write_file(name, files[i].size);
      fixture_text(&f, "INSERT INTO artifacts (simulation_id, kind, stage, path, size, sha256) VALUES (%lld, '%s', %d, '%s', %d, '%s')", m.id,
                   files[i].kind, files[i].stage, name, files[i].size, hash);
    }
  } else {
    snprintf(name, sizeof name, "simulations/%lld/1/checkpoint", m.id);
    write_file(name, 30);
    snprintf(name, sizeof name, "simulations/%lld/2/checkpoint", m.id);
    write_file(name, 40);
  }
  return m;
}

static qn_retention all(double days, bool dry_run) {
  qn_retention wanted = {.older_than_days = days, .dry_run = dry_run, .most = 1000};
  for (int k = 0; k < QN_RETAINED_KINDS; k++) wanted.kinds[k] = true;
  for (int s = 0; s <= QN_JOB_CANCELLED; s++) wanted.states[s] = true;
  return wanted;
}

static qn_retention only(double days, bool dry_run, qn_retained kind) {
  qn_retention wanted = all(days, dry_run);
  for (int k = 0; k < QN_RETAINED_KINDS; k++) wanted.kinds[k] = k == (int)kind;
  return wanted;
}

typedef struct sums {
  int count, held;
  int64_t bytes;
  bool complete;
} sums;

static sums retain(qn_retention wanted) {
  qn_error error;
  qn_retention_report report;
  assert_status(QN_OK, qn_store_retain(f.store, &wanted, &fixture_principal, &report, &error), error);
  sums s = {.complete = report.complete};
  for (int i = 0; i < report.count; i++) {
    bool held = report.rows[i].needed_by != 0;
    s.held += held;
    s.count += !held;
    if (!held) s.bytes += report.rows[i].bytes;
    assert_string_not_equal(report.rows[i].finished_at, "");
  }
  qn_retention_report_fini(&report);
  return s;
}

static int sweep(void) {
  qn_error error;
  int done;
  assert_status(QN_OK, qn_removals_work(&f.sql, f.data, 100, &done, &error), error);
  return done;
}

/* ---- tests ---- */

static void test_a_dry_run_changes_nothing(void **state) {
  (void)state;
  empty();
  made old = make("succeeded", 40), young = make("succeeded", 10), failed = make("failed", 40);
  (void)failed;
  sums s = retain(all(30, true));
  assert_int_equal(s.count, 3 + 1 + 2); /* files of the old one, the folder of the failed one, two histories */
  assert_int_equal(s.held, 0);
  assert_true(s.bytes > 1110 + 70);
  assert_true(s.complete);
  assert_int_equal(retain(only(30, true, QN_RETAINED_TRAJECTORY)).bytes, 1000);
  assert_int_equal(retain(only(30, true, QN_RETAINED_THERMO)).bytes, 100);
  assert_int_equal(retain(only(30, true, QN_RETAINED_SNAPSHOT)).bytes, 10);
  assert_int_equal(retain(only(30, true, QN_RETAINED_FOLDER)).bytes, 70);
  assert_int_equal(retain(only(5, true, QN_RETAINED_TRAJECTORY)).count, 2);
  qn_retention failed_only = all(30, true);
  failed_only.states[QN_JOB_SUCCEEDED] = failed_only.states[QN_JOB_CANCELLED] = false;
  assert_int_equal(retain(failed_only).count, 2);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM removals"), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts WHERE removed_at IS NOT NULL"), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts"), 3);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM audit WHERE action = 'retention'"), 0);
  (void)old, (void)young;
}

static void test_removal(void **state) {
  (void)state;
  empty();
  made old = make("succeeded", 40), young = make("succeeded", 10), failed = make("failed", 40), cancelled = make("cancelled", 50);
  char file[128];
  assert_int_equal(retain(all(30, false)).count, 3 + 2 + 3);
  assert_string_equal(fixture_text(&f, "SELECT string_agg(DISTINCT removed_by, ',') FROM artifacts WHERE removed_at IS NOT NULL AND simulation_id = %lld",
                                   old.id), "tester");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts WHERE removed_at IS NOT NULL AND simulation_id = %lld", young.id), 0);
  snprintf(file, sizeof file, "simulations/%lld/2/trajectory-1.nc", old.id);
  assert_true(exists(file)); /* files go after the rows */
  qn_artifact_page page;
  qn_error error;
  assert_status(QN_OK, qn_store_list_artifacts(f.store, old.id, NULL, (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 3); /* what it was is still told */
  for (int i = 0; i < 3; i++) assert_string_not_equal(page.rows[i].removed_at, "");
  qn_artifact_page_fini(&page);

  assert_int_equal(sweep(), 5);
  const made gone[] = {old, failed, cancelled};
  for (int i = 0; i < 3; i++) {
    snprintf(file, sizeof file, "simulations/%lld", gone[i].id);
    assert_false(exists(file)); /* with the empty folders */
  }
  snprintf(file, sizeof file, "simulations/%lld/2/trajectory-1.nc", young.id);
  assert_true(exists(file));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM removals"), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts"), 1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_events WHERE job_id <> %lld", young.job), 0);
  assert_true(fixture_number(&f, "SELECT count(*) FROM job_events WHERE job_id = %lld", young.job) > 0);
  assert_string_equal(fixture_text(&f, "SELECT principal || ' ' || (detail ->> 'count') FROM audit WHERE action = 'retention'"), "tester 8");
  /* Again: there is nothing left to do, and jobs and results stay. */
  assert_int_equal(retain(all(30, false)).count, 0);
  assert_int_equal(sweep(), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs"), 4);
}

/* Work that needs a simulation: another "simulation", or an analysis of this type. */
static long long need(const char *what, made of, const char *state, int stage) {
  bool analysis = strcmp(what, "simulation") != 0;
  long long job = fixture_number(&f, "INSERT INTO jobs (kind, state) VALUES ('%s', '%s') RETURNING id", analysis ? "analysis" : what, state);
  char hash[QN_HASH_SIZE];
  qn_hash_hex(&job, sizeof job, hash);
  if (analysis)
    fixture_text(&f, "INSERT INTO analyses (job_id, simulation_id, type, sha256, spec, spec_text) VALUES (%lld, %lld, '%s', '%s', '{\"stage\": %d}', '')",
                 job, of.id, what, hash, stage);
  else
    fixture_text(&f, "INSERT INTO simulations (job_id, parent_id, sha256, spec, spec_text, potential_id)"
                     " SELECT %lld, %lld, '%s', '{\"initial\": {\"stage\": %d}}', '', id FROM potentials", job, of.id, hash, stage);
  return job;
}

static void test_unfinished_work_holds_back(void **state) {
  (void)state;
  static const char *const unfinished[] = {"blocked", "queued"};
  for (int i = 0; i < 2; i++) {
    empty();
    made sim = make("succeeded", 40);
    long long analysis = need("diffusion", sim, unfinished[i], 1), child = need("simulation", sim, unfinished[i], 0);
    need("diffusion", sim, unfinished[i], 5); /* of a stage that is not here */
    qn_retention wanted = all(30, false);
    wanted.kinds[QN_RETAINED_HISTORY] = false;
    qn_error error;
    qn_retention_report report;
    assert_status(QN_OK, qn_store_retain(f.store, &wanted, &fixture_principal, &report, &error), error);
    assert_int_equal(report.count, 3);
    for (int r = 0; r < 3; r++) {
      const qn_retention_item *item = &report.rows[r];
      assert_int_equal(item->needed_by, item->kind == QN_RETAINED_TRAJECTORY ? analysis : item->kind == QN_RETAINED_SNAPSHOT ? child : 0);
    }
    qn_retention_report_fini(&report);
    assert_string_equal(fixture_text(&f, "SELECT string_agg(kind, ',') FROM artifacts WHERE removed_at IS NOT NULL"), "thermo");
    fixture_text(&f, "UPDATE jobs SET state = 'succeeded', finished_at = now() WHERE id IN (%lld, %lld)", analysis, child);
    assert_int_equal(retain(wanted).count, 2);
  }
}

/* Whoever asks for an analysis and whoever removes its trajectory: one of them comes first, and the other sees it. */
static void test_submission_against_removal(void **state) {
  (void)state;
  empty();
  made sim = make("succeeded", 40);
  qn_error error;
  qn_submitted out;
  const char hash[] = "00000000000000000000000000000000000000000000000000000000000000aa";
  const qn_submission analysis = {.kind = "analysis", .name = "", .spec = "{\"stage\": 1}", .sha256 = hash, .type = "diffusion", .parent = sim.id};
  /* Its job is held by someone, as a submission does before it commits: left alone this time. */
  fixture_text(&f, "BEGIN");
  fixture_text(&f, "SELECT 1 FROM jobs WHERE id = %lld FOR SHARE", sim.job);
  assert_int_equal(retain(only(30, false, QN_RETAINED_TRAJECTORY)).count, 0);
  fixture_text(&f, "ROLLBACK");
  assert_int_equal(retain(only(30, false, QN_RETAINED_TRAJECTORY)).count, 1);
  assert_status(QN_CONFLICT, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
  assert_non_null(strstr(error.message, "removed by retention"));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM analyses"), 0);
  /* A simulation from its snapshot, which is still there, is another matter. */
  const qn_submission child = {.kind = "simulation", .name = "", .spec = "{\"initial\": {\"stage\": 0}}", .sha256 = hash,
                               .potential = "mendelev-2009-cuzr", .parent = sim.id};
  assert_status(QN_OK, qn_store_submit(f.store, &child, NULL, &fixture_principal, &out, &error), error);
}

static void test_retry_without_its_input(void **state) {
  (void)state;
  empty();
  made sim = make("succeeded", 40);
  qn_error error;
  qn_job_row row;
  long long job = need("diffusion", sim, "queued", 1);
  fixture_text(&f, "UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = %lld", job);
  assert_int_equal(retain(only(30, false, QN_RETAINED_TRAJECTORY)).count, 1);
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  assert_non_null(strstr(error.message, "removed by retention"));
}

/* The thermo series is one for all stages, and what analyses of it need. */
static void test_the_thermo_series_is_needed_too(void **state) {
  (void)state;
  empty();
  made sim = make("succeeded", 40);
  qn_error error;
  qn_job_row row;
  qn_submitted out;
  long long job = need("thermodynamics", sim, "queued", 1);
  sums held = retain(only(30, false, QN_RETAINED_THERMO));
  assert_int_equal(held.held, 1);
  assert_string_equal(fixture_text(&f, "SELECT count(*) FROM artifacts WHERE removed_at IS NOT NULL"), "0");
  assert_int_equal(retain(only(30, false, QN_RETAINED_TRAJECTORY)).held, 0); /* which it does not read */
  fixture_text(&f, "UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = %lld", job);
  assert_int_equal(retain(only(30, false, QN_RETAINED_THERMO)).held, 0);
  assert_string_equal(fixture_text(&f, "SELECT string_agg(kind, ',' ORDER BY kind) FROM artifacts WHERE removed_at IS NOT NULL"), "thermo,trajectory");
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  assert_non_null(strstr(error.message, "the thermo of simulation"));
  const qn_submission analysis = {.kind = "analysis", .name = "", .spec = "{\"stage\": 0}", .type = "thermodynamics", .parent = sim.id,
                                  .sha256 = "00000000000000000000000000000000000000000000000000000000000000ac"};
  assert_status(QN_CONFLICT, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
}

/* A failed simulation whose folder was given up, and that is retried before the folder goes: it keeps what it works with. */
static void test_a_retried_simulation_keeps_its_folder(void **state) {
  (void)state;
  empty();
  made sim = make("failed", 40);
  qn_error error;
  qn_job_row row;
  char file[128];
  assert_int_equal(retain(only(30, false, QN_RETAINED_FOLDER)).count, 1);
  assert_status(QN_OK, qn_store_retry_job(f.store, sim.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_int_equal(sweep(), 1); /* the removal is over, without a file having gone */
  snprintf(file, sizeof file, "simulations/%lld/2/checkpoint", sim.id);
  assert_true(exists(file));
  /* It fails again: the folder of the new attempt, and the old ones, can be given up anew. */
  fixture_text(&f, "UPDATE jobs SET state = 'failed', attempt = 3, finished_at = now() - interval '40 days' WHERE id = %lld", sim.job);
  assert_int_equal(retain(only(30, false, QN_RETAINED_FOLDER)).count, 1);
  assert_int_equal(sweep(), 1);
  snprintf(file, sizeof file, "simulations/%lld", sim.id);
  assert_false(exists(file));
}

static void test_batches(void **state) {
  (void)state;
  empty();
  for (int i = 0; i < 5; i++) make("succeeded", 40);
  qn_retention wanted = only(30, false, QN_RETAINED_TRAJECTORY);
  wanted.most = 2;
  sums s = retain(wanted);
  assert_int_equal(s.count, 2);
  assert_false(s.complete);
  s = retain(wanted);
  assert_int_equal(s.count, 2);
  s = retain(wanted);
  assert_int_equal(s.count, 1);
  assert_true(s.complete);
  qn_error error;
  int done;
  assert_status(QN_OK, qn_removals_work(&f.sql, f.data, 2, &done, &error), error);
  assert_int_equal(done, 2);
  assert_int_equal(sweep(), 3);
}

/* What holds much back must not keep the rest from going. */
static void test_what_is_held_does_not_block(void **state) {
  (void)state;
  empty();
  for (int i = 0; i < 4; i++) need("diffusion", make("succeeded", 50), "queued", 1);
  for (int i = 0; i < 3; i++) make("succeeded", 40);
  qn_retention wanted = only(30, false, QN_RETAINED_TRAJECTORY);
  wanted.most = 3;
  assert_int_equal(retain(wanted).count, 3);
}

static void test_files_that_cannot_go(void **state) {
  (void)state;
  empty();
  made sim = make("succeeded", 40);
  char name[128], path[512];
  qn_error error;
  int done;
  /* A folder where the file should be: unlink refuses. */
  snprintf(name, sizeof name, "simulations/%lld/2/trajectory-1.nc", sim.id);
  path_of(path, name);
  assert_int_equal(unlink(path), 0);
  strcat(name, "/inside");
  write_file(name, 1);
  assert_int_equal(retain(only(30, false, QN_RETAINED_TRAJECTORY)).count, 1);
  assert_int_equal(sweep(), 0);
  assert_string_equal(fixture_text(&f, "SELECT tries || ' ' || (error <> '') || ' ' || (due_at > now()) FROM removals"), "1 true true");
  assert_int_equal(sweep(), 0); /* not again at once */
  assert_int_equal(fixture_number(&f, "SELECT tries FROM removals"), 1);
  fixture_text(&f, "UPDATE removals SET due_at = now()");
  path_of(path, name);
  unlink(path);
  *strrchr(path, '/') = '\0';
  rmdir(path);
  assert_int_equal(sweep(), 1); /* gone by another's hand counts as done */

  /* Never outside of the data directory, whatever a row says. */
  fixture_text(&f, "INSERT INTO removals (path, job_id, requested_by) VALUES ('../precious', %lld, 'x'), ('/etc/passwd', %lld, 'x'), ('simulations/../x', %lld, 'x')",
               sim.job, sim.job, sim.job);
  assert_int_equal(sweep(), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM removals WHERE error LIKE '%%outside%%'"), 3);

  /* The directory itself is away, as when a disk is not mounted: nothing counts as gone. */
  fixture_text(&f, "DELETE FROM removals");
  assert_int_equal(retain(only(30, false, QN_RETAINED_THERMO)).count, 1);
  char from[512], to[512];
  path_of(from, "simulations");
  path_of(to, "elsewhere");
  assert_int_equal(rename(from, to), 0);
  assert_status(QN_NO_STORAGE, qn_removals_work(&f.sql, f.data, 10, &done, &error), error);
  assert_int_equal(done, 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM removals"), 1);
  assert_int_equal(rename(to, from), 0);

  /* Nor in the directory of another database, where the same names are. */
  char mark[512], kept[512];
  path_of(mark, ".quenchd");
  path_of(kept, ".kept");
  assert_int_equal(rename(mark, kept), 0);
  FILE *file = fopen(mark, "w");
  fputs("e0000000-0000-4000-8000-000000000000\n", file);
  fclose(file);
  assert_status(QN_NO_STORAGE, qn_removals_work(&f.sql, f.data, 10, &done, &error), error);
  assert_int_equal(done, 0);
  snprintf(name, sizeof name, "simulations/%lld/2/thermo.csv", sim.id);
  assert_true(exists(name));
  assert_int_equal(rename(kept, mark), 0);

  /* One that has been refused for months is tried on, and holds nobody up. */
  fixture_text(&f, "INSERT INTO removals (path, job_id, requested_by, tries, due_at) VALUES ('../precious', %lld, 'x', 2000, now() - interval '1 day')",
               sim.job);
  assert_int_equal(sweep(), 1);
  assert_string_equal(fixture_text(&f, "SELECT tries || ' ' || (due_at > now() + interval '50 min') FROM removals"), "2001 true");
}

/* Events are gone; the stream of the job's events still ends as it should. */
static void test_a_forgotten_history(void **state) {
  (void)state;
  empty();
  made sim = make("failed", 40);
  qn_error error;
  qn_event_page page;
  assert_int_equal(retain(only(30, false, QN_RETAINED_HISTORY)).count, 1);
  assert_int_equal(retain(only(30, false, QN_RETAINED_HISTORY)).count, 0);
  assert_status(QN_OK, qn_store_list_events(f.store, sim.job, 0, 10, &page, &error), error);
  assert_int_equal(page.count, 0);
  assert_true(page.final);
  qn_event_page_fini(&page);
  /* Of a job that is retried there is history again. */
  qn_job_row row;
  assert_status(QN_OK, qn_store_retry_job(f.store, sim.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  fixture_text(&f, "UPDATE jobs SET state = 'failed', finished_at = now() - interval '31 days' WHERE id = %lld", sim.job);
  assert_int_equal(retain(only(30, false, QN_RETAINED_HISTORY)).count, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_dry_run_changes_nothing),  cmocka_unit_test(test_removal),
      cmocka_unit_test(test_unfinished_work_holds_back), cmocka_unit_test(test_submission_against_removal),
      cmocka_unit_test(test_retry_without_its_input),    cmocka_unit_test(test_a_retried_simulation_keeps_its_folder),
      cmocka_unit_test(test_batches),                    cmocka_unit_test(test_what_is_held_does_not_block),
      cmocka_unit_test(test_files_that_cannot_go),       cmocka_unit_test(test_a_forgotten_history),
      cmocka_unit_test(test_the_thermo_series_is_needed_too),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Files from outside: kept once, at their places, and gone when what they were kept for came to nothing. */
#include "server/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/removals.h"

static fixture f;
static char file[300];

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  mkdir(f.data, 0700);
  snprintf(file, sizeof file, "%s/came", f.data);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

static void came(const char *text) {
  FILE *out = fopen(file, "w");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

static bool holds(const char *path, const char *text) {
  char whole[600], found[100] = "";
  snprintf(whole, sizeof whole, "%s/%s", f.data, path);
  FILE *in = fopen(whole, "r");
  if (in == NULL) return false;
  size_t got = fread(found, 1, sizeof found - 1, in);
  fclose(in);
  return got == strlen(text) && strcmp(found, text) == 0;
}

static const char HASH[] = "00000000000000000000000000000000000000000000000000000000000000aa";

static qn_status import(const char *hash, qn_idempotency *key, qn_submitted *out, qn_error *error) {
  const qn_submission submission = {.kind = "import", .name = "n", .spec = "{\"temperature_k\":900}", .sha256 = hash, .upload = file};
  return qn_store_submit(f.store, &submission, key, &fixture_principal, out, error);
}

static void test_import(void **state) {
  (void)state;
  qn_error error;
  qn_submitted first, again;
  char path[128];
  came("one");
  assert_status(QN_OK, import(HASH, NULL, &first, &error), error);
  assert_true(first.created);
  unlink(file); /* as the server does when the request is over */
  snprintf(path, sizeof path, "imports/%lld/upload", (long long)first.id);
  assert_true(holds(path, "one"));
  qn_artifact_row row;
  assert_status(QN_OK, qn_store_get_artifact(f.store, first.id, &row, &error), error);
  assert_string_equal(row.kind, "trajectory");
  assert_true(row.simulation == 0 && row.state == QN_JOB_QUEUED && row.temperature_k == 900 && row.job == first.job);
  assert_string_equal(row.name, "n");
  assert_string_equal(row.path, "");
  qn_artifact_row_fini(&row);
  qn_artifact_page page;
  assert_status(QN_OK, qn_store_list_artifacts(f.store, 0, "trajectory", (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 0); /* nothing to analyse yet */
  qn_artifact_page_fini(&page);

  /* While it waits or runs the file stays as it is; after a failure it comes again, for a retry. */
  came("two");
  assert_status(QN_OK, import(HASH, NULL, &again, &error), error);
  assert_true(!again.created && again.id == first.id);
  assert_true(holds(path, "one"));
  char whole[600];
  snprintf(whole, sizeof whole, "%s/%s", f.data, path);
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = %lld", (long long)first.job);
  assert_int_equal(unlink(whole), 0);
  assert_status(QN_OK, import(HASH, NULL, &again, &error), error);
  assert_false(again.created);
  assert_true(holds(path, "two"));
}

static int remove_due(void) {
  qn_error error;
  int done;
  fixture_text(&f, "UPDATE removals SET due_at = now() WHERE due_at > now()");
  assert_status(QN_OK, qn_removals_work(&f.sql, f.data, 10, &done, &error), error);
  return done;
}

/* What an import that came to nothing was made of is kept for a day, and goes then; not when it was posted again or the job was retried. */
static void test_given_up(void **state) {
  (void)state;
  qn_error error;
  qn_submitted first, again;
  qn_job_row row;
  char folder[400];
  static const char hash[] = "00000000000000000000000000000000000000000000000000000000000000a0";
  came("refused");
  assert_status(QN_OK, import(hash, NULL, &first, &error), error);
  snprintf(folder, sizeof folder, "%s/imports/%lld", f.data, (long long)first.id);
  assert_status(QN_OK, qn_store_cancel_job(f.store, first.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
#define DUE "SELECT coalesce(string_agg(path || ' ' || round(extract(epoch FROM due_at - now()) / 3600), ','), '') FROM removals WHERE job_id = %lld"
  char wanted[64];
  snprintf(wanted, sizeof wanted, "imports/%lld 24", (long long)first.id);
  assert_string_equal(fixture_text(&f, DUE, (long long)first.job), wanted);
  fixture_text(&f, "UPDATE removals SET due_at = now() + interval '1 hour'");
  assert_status(QN_OK, import(hash, NULL, &again, &error), error);
  assert_string_equal(fixture_text(&f, DUE, (long long)first.job), wanted); /* from now on, and once */
  assert_int_equal(access(folder, F_OK), 0);
  assert_true(remove_due() >= 1);
  assert_int_equal(access(folder, F_OK), -1);
  assert_string_equal(fixture_text(&f, DUE, (long long)first.job), "");

  assert_status(QN_OK, import(hash, NULL, &again, &error), error);
  assert_int_equal(access(folder, F_OK), 0);
  assert_status(QN_OK, qn_store_retry_job(f.store, first.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  remove_due();
  assert_int_equal(access(folder, F_OK), 0); /* it is queued, and needs it */
  assert_string_equal(fixture_text(&f, DUE, (long long)first.job), "");
}

/* A mount point whose file system is away: nothing is put there, and nothing promised. */
static void test_not_in_another_directory(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  char mark[400], kept[400];
  int64_t uploads = fixture_number(&f, "SELECT count(*) FROM uploads");
  came("four");
  snprintf(mark, sizeof mark, "%s/.quenchd", f.data);
  snprintf(kept, sizeof kept, "%s/.kept", f.data);
  assert_int_equal(rename(mark, kept), 0);
  assert_status(QN_NO_STORAGE, import("00000000000000000000000000000000000000000000000000000000000000ad", NULL, &out, &error), error);
  assert_non_null(strstr(error.message, "is it mounted?"));
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM uploads"), uploads);
  assert_int_equal(rename(kept, mark), 0);
}

/* A transaction that fails after the file was put down leaves no folder. */
static void test_nothing_stays(void **state) {
  (void)state;
  qn_error error;
  qn_submitted out;
  int64_t next = fixture_number(&f, "SELECT last_value FROM artifacts_id_seq");
  came("three");
  fixture_text(&f, "ALTER TABLE audit RENAME TO audit_away");
  assert_int_not_equal(import("00000000000000000000000000000000000000000000000000000000000000ab", NULL, &out, &error), QN_OK);
  fixture_text(&f, "ALTER TABLE audit_away RENAME TO audit");
  for (int64_t id = next; id < next + 4; id++) {
    char folder[400];
    snprintf(folder, sizeof folder, "%s/imports/%lld", f.data, (long long)id);
    if (fixture_number(&f, "SELECT count(*) FROM uploads WHERE id = %lld", (long long)id) == 0) assert_int_equal(access(folder, F_OK), -1);
  }
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM uploads"), 2);
  assert_status(QN_OK, import("00000000000000000000000000000000000000000000000000000000000000ab", NULL, &out, &error), error);
}

static void test_structure(void **state) {
  (void)state;
  qn_error error;
  qn_added_structure added, again;
  char name[] = "start", composition[] = "Cu100", details[] = "{ \"format\" : \"extxyz\" }", content[65];
  memset(content, 'e', 64), content[64] = '\0';
  const qn_artifact_row row = {.temperature_k = 700, .sha256 = content, .size = 4, .name = name, .atoms = 2, .composition = composition,
                               .details = details};
  static const char work[] = "00000000000000000000000000000000000000000000000000000000000000ba";
  came("atom");
  assert_status(QN_OK, qn_store_add_structure(f.store, &row, "{}", work, file, NULL, &fixture_principal, &added, &error), error);
  assert_true(added.created && added.row.atoms == 2);
  int64_t id = added.row.id;
  qn_artifact_row_fini(&added.row);
  assert_status(QN_OK, qn_store_add_structure(f.store, &row, "{}", work, file, NULL, &fixture_principal, &again, &error), error);
  assert_true(!again.created && again.row.id == id);
  qn_artifact_row_fini(&again.row);
  qn_artifact_row got;
  assert_status(QN_OK, qn_store_get_artifact(f.store, id, &got, &error), error);
  assert_string_equal(got.kind, "snapshot");
  assert_string_equal(got.composition, "Cu100");
  assert_string_equal(got.details, details);
  assert_true(got.atoms == 2 && got.stage == -1 && got.simulation == 0 && got.temperature_k == 700 && got.frames == 1 && got.job == 0);
  assert_int_equal(got.state, QN_JOB_SUCCEEDED);
  int descriptor;
  char path[4096];
  assert_status(QN_OK, qn_store_open_artifact(f.store, &got, &descriptor, path, &error), error);
  close(descriptor);
  assert_true(holds(got.path, "atom"));
  qn_artifact_row_fini(&got);
  qn_artifact_page page;
  assert_status(QN_OK, qn_store_list_artifacts(f.store, 0, "snapshot", (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 1);
  qn_artifact_page_fini(&page);

  /* A simulation that starts from it says so, and one from what is not there is refused. */
  char first[65], second[65];
  memset(first, '1', 64), memset(second, '2', 64), first[64] = second[64] = '\0';
  qn_submission simulation = {.kind = "simulation", .name = "", .spec = "{}", .sha256 = first, .potential = "mendelev-2009-cuzr", .structure = id};
  qn_submitted out;
  assert_status(QN_OK, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT structure_id FROM simulations WHERE id = %lld", (long long)out.id), id);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", (long long)out.job), "queued");
  assert_int_equal(fixture_number(&f, "SELECT artifact_needed_by(a) FROM artifacts a WHERE id = %lld", (long long)id), out.job);
  fixture_text(&f, "UPDATE artifacts SET removed_at = now() WHERE id = %lld", (long long)id);
  simulation.sha256 = second;
  assert_status(QN_CONFLICT, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
  qn_job_row row_of_job;
  fixture_text(&f, "UPDATE jobs SET state = 'failed', finished_at = now() WHERE kind = 'simulation'");
  long long job = fixture_number(&f, "SELECT job_id FROM simulations WHERE structure_id = %lld", (long long)id);
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row_of_job, &error), error);
  fixture_text(&f, "UPDATE artifacts SET removed_at = NULL WHERE id = %lld", (long long)id);
  simulation.structure = 4711;
  assert_status(QN_NOT_FOUND, qn_store_submit(f.store, &simulation, NULL, &fixture_principal, &out, &error), error);
}

static void test_structure_leaves_nothing(void **state) {
  (void)state;
  qn_error error;
  qn_added_structure added;
  char name[] = "", content[65];
  memset(content, 'f', 64), content[64] = '\0';
  const qn_artifact_row row = {.sha256 = content, .size = 4, .name = name, .atoms = 2, .composition = name, .details = (char[]){"{}"}};
  int64_t before = fixture_number(&f, "SELECT count(*) FROM artifacts");
  came("gone");
  fixture_text(&f, "ALTER TABLE audit RENAME TO audit_away");
  assert_int_not_equal(qn_store_add_structure(f.store, &row, "{}", "00000000000000000000000000000000000000000000000000000000000000bb", file,
                                              NULL, &fixture_principal, &added, &error), QN_OK);
  fixture_text(&f, "ALTER TABLE audit_away RENAME TO audit");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM artifacts"), before);
  char folder[400];
  for (int64_t i = 1; i < 40; i++) {
    snprintf(folder, sizeof folder, "%s/structures/%lld", f.data, (long long)i);
    assert_int_equal(access(folder, F_OK) == 0, fixture_number(&f, "SELECT count(*) FROM artifacts WHERE id = %lld AND kind = 'snapshot'", (long long)i) == 1);
  }
}

/* Analyses of it wait for its import. */
static void test_analysis_waits_for_the_import(void **state) {
  (void)state;
  qn_error error;
  qn_submitted upload, out;
  came("four");
  assert_status(QN_OK, import("00000000000000000000000000000000000000000000000000000000000000ac", NULL, &upload, &error), error);
  char hash[65];
  memset(hash, '7', 64), hash[64] = '\0';
  const qn_submission analysis = {.kind = "analysis", .name = "", .spec = "{}", .sha256 = hash, .type = "diffusion", .trajectory = upload.id};
  assert_status(QN_OK, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &out, &error), error);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", (long long)out.job), "blocked");
  assert_int_equal(fixture_number(&f, "SELECT parent_id FROM job_dependencies WHERE job_id = %lld", (long long)out.job), upload.job);
  qn_submitted again;
  assert_status(QN_OK, qn_store_submit(f.store, &analysis, NULL, &fixture_principal, &again, &error), error);
  assert_true(!again.created && again.id == out.id);
  qn_analysis_page page;
  assert_status(QN_OK, qn_store_list_analyses(f.store, 0, upload.id, (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(page.rows[0].trajectory == upload.id && page.rows[0].simulation == 0);
  qn_analysis_page_fini(&page);
  /* Cancelling the import ends what waits for it. */
  qn_job_row row;
  assert_status(QN_OK, qn_store_cancel_job(f.store, upload.job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_string_equal(fixture_text(&f, "SELECT state FROM jobs WHERE id = %lld", (long long)out.job), "failed");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_import),    cmocka_unit_test(test_given_up), cmocka_unit_test(test_nothing_stays),
      cmocka_unit_test(test_not_in_another_directory),
      cmocka_unit_test(test_structure), cmocka_unit_test(test_structure_leaves_nothing),
      cmocka_unit_test(test_analysis_waits_for_the_import),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

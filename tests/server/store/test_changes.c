/* Changes of jobs on request: whose they are to make, what they leave in the audit, and what the job then tells. */
#include "server/fixture.h"

#include <string.h>

#include "api/operations.h"
#include "server/queue/queue.h"

static fixture f;
static const qn_principal owner = {.token = 3, .name = "tester", .scope = QN_SCOPE_SUBMIT, .request_id = "req-1"};
static const qn_principal stranger = {.token = 4, .name = "stranger", .scope = QN_SCOPE_SUBMIT, .request_id = "req-2"};
static const qn_principal admin = {.token = 5, .name = "boss", .scope = QN_SCOPE_ADMIN, .request_id = "req-3"};

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

static int64_t submit(int number) {
  static int base;
  qn_submitted out;
  qn_error error;
  assert_status(QN_OK, fixture_submit(&f, 100 * ++base + number, NULL, &out, &error), error);
  return out.job;
}

static const char *last_audit(void) {
  return fixture_text(&f, "SELECT concat_ws(' ', principal, token_id, action, resource, request_id, outcome, detail) FROM audit ORDER BY id DESC LIMIT 1");
}

static void test_whose_job_it_is(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  int64_t job = submit(1);
  assert_status(QN_FORBIDDEN, qn_store_cancel_job(f.store, job, NULL, &stranger, &row, &error), error);
  assert_string_equal(last_audit(), "stranger 4 cancel job req-2 refused {}");
  assert_status(QN_FORBIDDEN, qn_store_set_priority(f.store, job, 1, NULL, &stranger, &row, &error), error);
  assert_string_equal(last_audit(), "stranger 4 prioritise job req-2 refused {}");
  assert_string_equal(fixture_text(&f, "SELECT state::text || priority FROM jobs WHERE id = %lld", (long long)job), "queued0");
  assert_status(QN_OK, qn_store_set_priority(f.store, job, -7, NULL, &owner, &row, &error), error);
  assert_int_equal(row.priority, -7);
  qn_job_row_fini(&row);
  assert_string_equal(last_audit(), "tester 3 prioritise job req-1 done {\"to\": -7, \"from\": 0}");
  assert_status(QN_OK, qn_store_set_priority(f.store, job, 500, NULL, &admin, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &admin, &row, &error), error);
  assert_string_equal(row.submitted_by, "tester");
  qn_job_row_fini(&row);
  assert_string_equal(last_audit(), "boss 5 cancel job req-3 done {}");
  assert_status(QN_FORBIDDEN, qn_store_retry_job(f.store, job, NULL, &stranger, &row, &error), error);
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &owner, &row, &error), error);
  qn_job_row_fini(&row);
  /* A job that does not exist is no secret, and a refusal says nothing of its state. */
  assert_status(QN_NOT_FOUND, qn_store_cancel_job(f.store, 999999, NULL, &stranger, &row, &error), error);
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, job, NULL, &owner, &row, &error), error);
  assert_status(QN_FORBIDDEN, qn_store_retry_job(f.store, job, NULL, &stranger, &row, &error), error);
}

static void test_priority_of_an_ended_job(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  int64_t job = submit(1);
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &owner, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_CONFLICT, qn_store_set_priority(f.store, job, 1, NULL, &owner, &row, &error), error);
}

static void test_priority_moves_a_job(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  qn_claim claim;
  bool found;
  double wait;
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE state IN ('queued', 'blocked')");
  submit(1);
  int64_t second = submit(2);
  assert_status(QN_OK, qn_store_set_priority(f.store, second, 1, NULL, &owner, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &claim, &found, &wait, &error), error);
  assert_int_equal(claim.lease.job, second);
  assert_status(QN_OK, qn_store_set_priority(f.store, second, 2, NULL, &owner, &row, &error), error); /* running: for when it is queued again */
  assert_int_equal(row.state, QN_JOB_RUNNING);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_end(&f.sql, &claim.lease, QN_ENDING_RELEASED, NULL, NULL, NULL, &error), error);
}

static void test_what_a_job_tells(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  qn_claim claim;
  bool found;
  double wait;
  char wanted[64];
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE state IN ('queued', 'blocked')");
  int64_t parent = submit(1), child = fixture_number(&f, "SELECT job_id FROM job_dependencies WHERE parent_id = %lld", (long long)parent);
  fixture_text(&f, "INSERT INTO job_dependencies VALUES (%lld, 1)", (long long)child);
  assert_status(QN_OK, qn_store_get_job(f.store, parent, &row, &error), error);
  assert_string_equal(row.parents, "[]");
  assert_string_equal(row.cancel_requested_at, "");
  assert_int_equal(row.failed_by, 0);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &claim, &found, &wait, &error), error);
  fixture_text(&f, "UPDATE jobs SET failures = 3 WHERE id = %lld", (long long)parent);
  assert_status(QN_OK, qn_queue_end(&f.sql, &claim.lease, QN_ENDING_FAILED, "no good", NULL, NULL, &error), error);
  assert_status(QN_OK, qn_store_get_job(f.store, child, &row, &error), error);
  snprintf(wanted, sizeof wanted, "[1, %lld]", (long long)parent);
  assert_string_equal(row.parents, wanted);
  assert_int_equal(row.failed_by, parent);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_store_get_job(f.store, parent, &row, &error), error);
  assert_int_equal(row.failures, 3);
  qn_job_row_fini(&row);
}

static void test_attempts(void **state) {
  (void)state;
  qn_error error;
  qn_job_row row;
  qn_attempt_page page;
  qn_claim claim;
  bool found;
  double wait;
  fixture_text(&f, "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE state IN ('queued', 'blocked')");
  int64_t job = submit(1);
  assert_status(QN_NOT_FOUND, qn_store_list_attempts(f.store, 999999, (qn_page_query){0, 10}, &page, &error), error);
  assert_status(QN_OK, qn_store_list_attempts(f.store, job, (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 0);
  qn_attempt_page_fini(&page);
  for (int i = 0; i < 3; i++) {
    assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &claim, &found, &wait, &error), error);
    if (i < 2) assert_status(QN_OK, qn_queue_end(&f.sql, &claim.lease, i == 0 ? QN_ENDING_RELEASED : QN_ENDING_FAILED, i == 1 ? "why" : NULL, NULL, NULL, &error), error);
    if (i == 1) {
      assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &owner, &row, &error), error);
      qn_job_row_fini(&row);
    }
  }
  assert_status(QN_OK, qn_store_list_attempts(f.store, job, (qn_page_query){0, 2}, &page, &error), error);
  assert_int_equal(page.count, 2);
  assert_true(page.more);
  assert_int_equal(page.rows[0].attempt, 3);
  assert_string_equal(page.rows[0].ended_at, "");
  assert_string_equal(page.rows[0].outcome, "");
  assert_string_equal(page.rows[1].outcome, "failed");
  assert_string_equal(page.rows[1].error, "why");
  qn_attempt_page_fini(&page);
  assert_status(QN_OK, qn_store_list_attempts(f.store, job, (qn_page_query){2, 2}, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_false(page.more);
  assert_string_equal(page.rows[0].outcome, "released");
  qn_attempt_page_fini(&page);
}

static void test_workers(void **state) {
  (void)state;
  qn_error error;
  qn_worker_page page;
  fixture_text(&f, "DELETE FROM workers");
  fixture_text(&f, "INSERT INTO workers (name, jobs, threads, seen_at) VALUES ('gone', 1, 1, now() - interval '1 min'), ('w', 2, 4, now())");
  char running[64];
  snprintf(running, sizeof running, "%s", fixture_text(&f, "SELECT json_agg(id ORDER BY id) FROM jobs WHERE state = 'running' AND worker = 'w'"));
  assert_string_not_equal(running, "");
  assert_status(QN_OK, qn_store_list_workers(f.store, &page, &error), error);
  assert_int_equal(page.count, 2);
  assert_string_equal(page.rows[0].name, "gone");
  assert_false(page.rows[0].alive);
  assert_string_equal(page.rows[0].running, "[]");
  assert_true(page.rows[1].alive);
  assert_string_equal(page.rows[1].running, running);
  assert_int_equal(page.rows[1].jobs, 2);
  assert_int_equal(page.rows[1].threads, 4);
  qn_worker_page_fini(&page);
}

static int count_audit(const qn_audit_query *query) {
  qn_error error;
  qn_audit_page page;
  assert_status(QN_OK, qn_store_list_audit(f.store, query, &page, &error), error);
  for (int i = 1; i < page.count; i++) assert_true(page.rows[i].id < page.rows[i - 1].id);
  int count = page.count;
  qn_audit_page_fini(&page);
  return count;
}

static void test_reading_the_audit(void **state) {
  (void)state;
  qn_error error;
  qn_audit_page page;
  const qn_page_query all = {0, 1000};
  int64_t job = fixture_number(&f, "SELECT min(resource_id) FROM audit WHERE principal = 'stranger'");
  assert_int_equal(count_audit(&(qn_audit_query){.page = all}), fixture_number(&f, "SELECT count(*) FROM audit"));
  assert_int_equal(count_audit(&(qn_audit_query){.principal = "stranger", .page = all}), 4);
  assert_int_equal(count_audit(&(qn_audit_query){.outcome = "refused", .page = all}), 4);
  assert_int_equal(count_audit(&(qn_audit_query){.principal = "stranger", .action = "cancel", .page = all}), 1);
  assert_int_equal(count_audit(&(qn_audit_query){.resource = "job", .resource_id = job, .page = all}),
                   fixture_number(&f, "SELECT count(*) FROM audit WHERE resource = 'job' AND resource_id = %lld", (long long)job));
  assert_int_equal(count_audit(&(qn_audit_query){.principal = "nobody", .page = all}), 0);
  assert_status(QN_OK, qn_store_list_audit(f.store, &(qn_audit_query){.principal = "stranger", .page = {0, 1}}, &page, &error), error);
  assert_true(page.more);
  assert_string_equal(page.rows[0].request_id, "req-2");
  assert_int_equal(page.rows[0].token, 4);
  assert_string_equal(page.rows[0].outcome, "refused");
  qn_audit_page_fini(&page);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whose_job_it_is),  cmocka_unit_test(test_priority_of_an_ended_job), cmocka_unit_test(test_priority_moves_a_job),
      cmocka_unit_test(test_what_a_job_tells), cmocka_unit_test(test_attempts),                 cmocka_unit_test(test_workers),
      cmocka_unit_test(test_reading_the_audit),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

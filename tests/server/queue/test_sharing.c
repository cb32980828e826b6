/* The order of the queue: users share it, priorities order within a share, and what a job is told of its place is what comes to pass. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/fixture.h"
#include "server/queue/pace.h"
#include "server/queue/queue.h"

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

static void empty(void) {
  fixture_text(&f, "TRUNCATE jobs, workers CASCADE");
  qn_error error;
  assert_status(QN_OK, qn_queue_greet(&f.sql, &(const qn_greeting){.worker = "w", .jobs = 1, .threads = 1}, &error), error);
}

/* `count` queued jobs of a user. */
static void add(const char *user, int count, int priority) {
  fixture_text(&f, "INSERT INTO jobs (kind, state, submitted_by, priority) SELECT 'simulation', 'queued', '%s', %d FROM generate_series(1, %d)", user,
               priority, count);
}

static bool claim_on(qn_connection *connection, qn_claim *out) {
  qn_error error;
  bool found;
  double wait;
  assert_status(QN_OK, qn_queue_claim(connection, "w", 600, out, &found, &wait, &error), error);
  return found;
}

/* The user of the next job, "" when there is none; the job is left running, or ended. */
static const char *next(bool ended) {
  qn_claim got;
  qn_error error;
  if (!claim_on(&f.sql, &got)) return "";
  if (ended) assert_status(QN_OK, qn_queue_end(&f.sql, &got.lease, QN_ENDING_SUCCEEDED, NULL, NULL, NULL, &error), error);
  return fixture_text(&f, "SELECT submitted_by FROM jobs WHERE id = %lld", (long long)got.lease.job);
}

/* Whose jobs come, a letter for each: names of users are single letters. */
static void expect(const char *users, bool ended) {
  char seen[64] = "";
  for (size_t i = 0; i < strlen(users); i++) strcat(seen, next(ended));
  assert_string_equal(seen, users);
}

static void test_one_slot_is_shared(void **state) {
  (void)state;
  empty();
  add("a", 10000, 0);
  add("b", 3, 0);
  add("c", 2, 0);
  /* One after the other, though the jobs of a are the oldest and nothing runs when the next one is chosen. */
  expect("abcabcabaaa", true);
}

static void test_slots_are_shared(void **state) {
  (void)state;
  empty();
  add("a", 10000, 0);
  expect("aaa", false); /* alone: all that there is */
  add("b", 10, 0);
  add("c", 10, 0);
  expect("bcbcbc", false); /* until they have as many running */
  expect("abcabc", false);
}

static void test_priorities_within_a_share(void **state) {
  (void)state;
  empty();
  add("a", 5, 10);
  add("a", 2, 0);
  add("b", 3, 0);
  add("b", 1, 3);
  /* 10 does not go before the others' 0; among those of b the one with 3 is first. */
  qn_claim got;
  char seen[64] = "";
  while (claim_on(&f.sql, &got))
    strcat(seen, fixture_text(&f, "SELECT submitted_by || priority FROM jobs WHERE id = %lld", (long long)got.lease.job));
  assert_string_equal(seen, "a10b3a10b0a10b0a10b0a10a0a0");
}

static void test_classes(void **state) {
  (void)state;
  empty();
  add("a", 2, -1);
  add("b", 2, 0);
  add("c", 2, 11);
  add("d", 1, 12);
  add("e", 1, -10);
  expect("dccbbaae", true); /* beyond 10: before everyone, whoever it is; below 0: after everyone */
}

static void test_jobs_that_are_not_ready(void **state) {
  (void)state;
  empty();
  add("a", 20, 5);
  fixture_text(&f, "UPDATE jobs SET run_after = now() + interval '1 h'");
  add("a", 1, 0);
  add("b", 1, 0);
  expect("ab", true);
  qn_claim got;
  qn_error error;
  bool found;
  double wait;
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &got, &found, &wait, &error), error);
  assert_false(found);
  assert_true(wait > 3500 && wait <= 3600);
}

/* ---- many at once ---- */

typedef struct claimer {
  pthread_t thread;
  pthread_barrier_t *barrier;
  bool found;
  int64_t job;
} claimer;

static void *claim_once(void *context) {
  claimer *c = context;
  qn_connection connection;
  qn_error error;
  qn_claim got;
  double wait;
  if (qn_connection_open(&connection, f.url, "claimer", &error) != QN_OK) return NULL;
  pthread_barrier_wait(c->barrier);
  if (qn_queue_claim(&connection, "w", 600, &got, &c->found, &wait, &error) == QN_OK && c->found) c->job = got.lease.job;
  qn_connection_close(&connection);
  return NULL;
}

/* Every one of as many claims as there are jobs gets one, also when all of them want the same user's. */
static void test_racing_claims(void **state) {
  (void)state;
  enum { CLAIMERS = 12 };
  for (int users = 1; users <= 3; users++) {
    empty();
    for (int u = 0; u < users; u++) add((const char[]){(char)('a' + u), '\0'}, CLAIMERS / users, 0);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, CLAIMERS);
    claimer claimers[CLAIMERS] = {0};
    for (int i = 0; i < CLAIMERS; i++) {
      claimers[i].barrier = &barrier;
      assert_int_equal(pthread_create(&claimers[i].thread, NULL, claim_once, &claimers[i]), 0);
    }
    for (int i = 0; i < CLAIMERS; i++) pthread_join(claimers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < CLAIMERS; i++) {
      assert_true(claimers[i].found);
      for (int k = 0; k < i; k++) assert_true(claimers[k].job != claimers[i].job);
    }
  }
}

/* While one claim holds a user's first job, the next goes to another user, and a third to the same user's second job. */
static void test_held_heads(void **state) {
  (void)state;
  empty();
  add("a", 2, 0);
  add("b", 1, 0);
  qn_connection other;
  qn_error error;
  qn_claim got;
  assert_status(QN_OK, qn_connection_open(&other, f.url, "other", &error), error);
  assert_status(QN_OK, qn_connection_script(&other, "BEGIN", &error), error);
  assert_true(claim_on(&other, &got)); /* a's first, not committed */
  assert_string_equal(next(false), "b");
  assert_string_equal(next(false), "a");
  /* Nothing is left, but the one that is held may come back: it is not left to the next regular look. */
  bool found;
  double wait;
  qn_claim none;
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &none, &found, &wait, &error), error);
  assert_false(found);
  assert_true(wait > 0 && wait < 1);
  assert_status(QN_OK, qn_connection_script(&other, "ROLLBACK", &error), error);
  assert_string_equal(next(false), "a");
  assert_status(QN_OK, qn_queue_claim(&f.sql, "w", 600, &none, &found, &wait, &error), error);
  assert_false(found || !isnan(wait));
  qn_connection_close(&other);
}

/* ---- what a job is told ---- */

static long ahead_of(int64_t job) {
  qn_job_row row;
  qn_error error;
  assert_status(QN_OK, qn_store_get_job(f.store, job, &row, &error), error);
  long ahead = strncmp(row.waiting, "next in line", 12) == 0 ? 0 : strncmp(row.waiting, "one job", 7) == 0 ? 1 : strtol(row.waiting, NULL, 10);
  if (ahead == 0 && row.waiting[0] != 'n') fail_msg("%s", row.waiting);
  qn_job_row_fini(&row);
  return ahead;
}

/* Random queues, drained without an end: the number ahead is the number of claims before, up to one a user for the circle of ties. */
static void test_the_count_is_the_order(void **state) {
  (void)state;
  unsigned seed = 4;
  for (int round = 0; round < 12; round++) {
    empty();
    int users = 1 + (int)(rand_r(&seed) % 5), total = 0;
    for (int u = 0; u < users; u++)
      for (int part = 0; part < 3; part++) {
        static const int priorities[] = {0, 0, 0, 5, 10, -2, 15};
        int count = (int)(rand_r(&seed) % 6);
        add((const char[]){(char)('a' + u), '\0'}, count, priorities[rand_r(&seed) % 7]);
        total += count;
      }
    for (int i = (int)(rand_r(&seed) % 4); i > 0 && total > 0; i--) total -= next(false)[0] != '\0';
    int64_t jobs[128];
    long told[128];
    int count = 0;
    for (int64_t job = fixture_number(&f, "SELECT coalesce(min(id), 0) FROM jobs WHERE state = 'queued'"); job > 0;
         job = fixture_number(&f, "SELECT coalesce(min(id), 0) FROM jobs WHERE state = 'queued' AND id > %lld", (long long)job)) {
      jobs[count] = job;
      told[count++] = ahead_of(job);
    }
    assert_int_equal(count, total);
    for (int turn = 0; turn < total; turn++) {
      qn_claim got;
      assert_true(claim_on(&f.sql, &got));
      for (int i = 0; i < count; i++) {
        if (jobs[i] != got.lease.job) continue;
        long slack = users > 1 ? users : 0;
        if (labs(told[i] - turn) > slack) fail_msg("round %d, %d users: job %lld was told %ld ahead, and came after %d", round, users, (long long)jobs[i], told[i], turn);
      }
    }
  }
}

static void test_the_count_stops(void **state) {
  (void)state;
  empty();
  add("a", 3000, 0);
  add("b", 1500, 0);
  qn_job_row row;
  qn_error error;
  assert_status(QN_OK, qn_store_get_job(f.store, fixture_number(&f, "SELECT max(id) FROM jobs WHERE submitted_by = 'a'"), &row, &error), error);
  assert_string_equal(row.waiting, "1000 jobs or more are ahead of it");
  qn_job_row_fini(&row);
  assert_int_equal(ahead_of(fixture_number(&f, "SELECT min(id) FROM jobs WHERE submitted_by = 'b'")), 1); /* not 3000 */
}

static void test_silence(void **state) {
  (void)state;
  empty();
  add("a", 1, 0);
  qn_claim got;
  qn_job_row row;
  qn_error error;
  assert_true(claim_on(&f.sql, &got));
  static const struct { int heartbeat, lease; const char *waiting; } cases[] = {
      {1, 9, ""},
      {7, 3, "its worker w has been silent for 7 s; in 3 s the job is given to another"},
      {30, -20, "its worker w fell silent 30 s ago; the job is queued again as soon as a live worker or server notices"}};
  for (int i = 0; i < 3; i++) {
    char told[256] = "-";
    for (int tries = 0; tries < 20 && strcmp(told, cases[i].waiting) != 0; tries++) { /* who asks half a second later is told another second */
      fixture_text(&f, "UPDATE jobs SET heartbeat_at = now() - interval '%d s' + interval '0.2 s',"
                       " lease_expires_at = now() + interval '%d s' - interval '0.2 s'",
                   cases[i].heartbeat, cases[i].lease);
      assert_status(QN_OK, qn_store_get_job(f.store, got.lease.job, &row, &error), error);
      snprintf(told, sizeof told, "%s", row.waiting);
      qn_job_row_fini(&row);
    }
    assert_string_equal(told, cases[i].waiting);
  }
}

/* ---- at size ---- */

enum { CLAIMS = 500 };

/* ms of the median. */
static double measure(const char *what) {
  static double took[CLAIMS];
  for (int i = 0; i < CLAIMS; i++) {
    qn_claim got;
    qn_error error;
    double before = qn_clock_now();
    assert_true(claim_on(&f.sql, &got));
    took[i] = 1e3 * (qn_clock_now() - before);
    assert_status(QN_OK, qn_queue_end(&f.sql, &got.lease, QN_ENDING_SUCCEEDED, NULL, NULL, NULL, &error), error);
  }
  return pace_median(took, CLAIMS, what);
}

static void test_fifty_users_and_100000_jobs(void **state) {
  (void)state;
  empty();
  fixture_text(&f, "ALTER TABLE jobs DISABLE TRIGGER ALL");
  fixture_text(&f, "INSERT INTO jobs (kind, state, priority, submitted_by) SELECT 'simulation', 'queued', i %% 7 - 1,"
                   " 'user-' || CASE WHEN i <= 50000 THEN 0 ELSE i %% 50 END FROM generate_series(1, 100000) i");
  fixture_text(&f, "ALTER TABLE jobs ENABLE TRIGGER ALL");
  fixture_text(&f, "ANALYZE jobs");
  fixture_text(&f, "SET synchronous_commit = off"); /* the queue is measured, not the disk */
  assert_true(measure("claim among 100000 jobs of 50 users") < 10);
  assert_int_equal(fixture_number(&f, "SELECT count(DISTINCT submitted_by) FROM jobs WHERE state = 'succeeded'"), 50);
  assert_int_equal(fixture_number(&f, "SELECT max(n) - min(n) FROM (SELECT count(*) n FROM jobs WHERE state = 'succeeded' GROUP BY submitted_by) q"), 0);
  /* A long look at the database, as pg_dump takes it, keeps PostgreSQL from clearing up behind the claims. */
  qn_connection dump;
  qn_error error;
  assert_status(QN_OK, qn_connection_open(&dump, f.url, "dump", &error), error);
  assert_status(QN_OK, qn_connection_script(&dump, "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ;"
                                                   " SELECT count(*) FROM jobs", &error), error);
  assert_true(measure("claim among 100000 jobs of 50 users, while a snapshot is held") < 10);
  qn_connection_close(&dump);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_slot_is_shared), cmocka_unit_test(test_slots_are_shared),       cmocka_unit_test(test_priorities_within_a_share),
      cmocka_unit_test(test_classes),            cmocka_unit_test(test_jobs_that_are_not_ready), cmocka_unit_test(test_racing_claims),
      cmocka_unit_test(test_held_heads),         cmocka_unit_test(test_the_count_is_the_order), cmocka_unit_test(test_the_count_stops),
      cmocka_unit_test(test_silence),            cmocka_unit_test(test_fifty_users_and_100000_jobs),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

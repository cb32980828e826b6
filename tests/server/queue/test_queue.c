/* The queue: one job, one owner; a lost lease writes nothing; every state can be left the right way. */
#include "server/queue/loss.h"
#include "server/queue/peers.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/queue/pace.h"

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

#define STATE "SELECT state FROM jobs WHERE id = %lld"

static void empty(void) {
  fixture_text(&f, "TRUNCATE jobs, job_dependencies, job_attempts, job_events, simulations, analyses, results, curves, artifacts,"
                   " idempotency_keys, workers CASCADE");
}

static long long submit(int number) {
  qn_submitted out;
  qn_error error;
  assert_status(QN_OK, fixture_submit(&f, number, NULL, &out, &error), error);
  return out.job;
}

static long long child_of(long long job) {
  return fixture_number(&f, "SELECT job_id FROM job_dependencies WHERE parent_id = %lld", job);
}

static bool claim(double lease_s, qn_claim *out) {
  qn_error error;
  bool found;
  double wait;
  assert_status(QN_OK, qn_queue_claim(&f.sql, "tester", lease_s, out, &found, &wait, &error), error);
  return found;
}

static qn_status end(const qn_lease *lease, qn_ending ending, const char *why) {
  qn_error error;
  return qn_queue_end(&f.sql, lease, ending, why, NULL, NULL, &error);
}

static qn_heartbeat beat_at(const qn_lease *lease, double progress, int64_t checkpoint_step) {
  qn_error error;
  qn_beat one = {.lease = *lease, .progress = progress, .checkpoint_step = checkpoint_step};
  assert_status(QN_OK, qn_queue_beat(&f.sql, &one, 1, 5, &error), error);
  return one.heartbeat;
}

static qn_heartbeat beat(const qn_lease *lease, double progress) { return beat_at(lease, progress, -1); }

static int reap_after(double up_s) {
  qn_error error;
  int lost;
  assert_status(QN_OK, qn_loss_expired(&f.sql, up_s, &lost, &error), error);
  return lost;
}

static int reap(void) { return reap_after((double)INFINITY); }

/* A lease that is over may not be longer than PostgreSQL is up, which was started a moment ago, nor shorter than the moment that this
 * machine may stand. */
#define LEASE "lease_s = least(4, extract(epoch FROM now() - pg_postmaster_start_time()) / 2)"

static void expire(long long job) {
  fixture_text(&f, "UPDATE jobs SET " LEASE ", lease_expires_at = now() - interval '1 s' WHERE id = %lld", job);
}

/* ---- many at once ---- */

enum { CLAIMERS = 16, JOBS = 200 };

typedef struct claimer {
  pthread_t thread;
  int count;
  int64_t jobs[2 * JOBS];
} claimer;

static void *claim_all(void *context) {
  claimer *c = context;
  qn_connection connection;
  qn_error error;
  if (qn_connection_open(&connection, f.url, "claimer", &error) != QN_OK) return NULL;
  for (bool found = true; found;) {
    qn_claim got;
    double wait;
    if (qn_queue_claim(&connection, "w", 60, &got, &found, &wait, &error) != QN_OK) break;
    if (!found) break;
    c->jobs[c->count++] = got.lease.job;
    if (qn_queue_end(&connection, &got.lease, QN_ENDING_SUCCEEDED, NULL, NULL, NULL, &error) != QN_OK) break;
  }
  qn_connection_close(&connection);
  return NULL;
}

static void test_every_job_has_one_owner(void **state) {
  (void)state;
  empty();
  for (int i = 0; i < JOBS; i++) submit(i);
  static claimer claimers[CLAIMERS];
  for (int i = 0; i < CLAIMERS; i++) assert_int_equal(pthread_create(&claimers[i].thread, NULL, claim_all, &claimers[i]), 0);
  int total = 0;
  for (int i = 0; i < CLAIMERS; i++) {
    pthread_join(claimers[i].thread, NULL);
    total += claimers[i].count;
  }
  /* Idle claimers leave when the queue looks empty; what others then unblocked is for the last. */
  qn_claim got;
  while (claim(60, &got)) {
    assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
    total++;
  }
  assert_int_equal(total, 2 * JOBS);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE state = 'succeeded' AND attempt = 1"), 2 * JOBS);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE outcome = 'succeeded'"), 2 * JOBS);
}

static void test_order(void **state) {
  (void)state;
  empty();
  long long a = submit(1), b = submit(2), c = submit(3);
  fixture_text(&f, "UPDATE jobs SET priority = 5 WHERE id = %lld", c);
  qn_claim got;
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, c);
  assert_string_equal(got.kind, "simulation");
  assert_int_equal(got.resource, fixture_number(&f, "SELECT id FROM simulations WHERE job_id = %lld", c));
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, a);
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_true(claim(5, &got)); /* the analysis of a goes before b */
  assert_int_equal(got.lease.job, child_of(a));
  assert_string_equal(got.kind, "analysis");
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, b);
  assert_false(claim(5, &got));
}

/* ---- fencing ---- */

static qn_status write_worker(qn_connection *connection, void *context, qn_error *error) {
  (void)context;
  return qn_connection_script(connection, "INSERT INTO workers (name, jobs, threads) VALUES ('proof', 1, 1)", error);
}

static void test_stale_lease_writes_nothing(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim old, new;
  qn_error error;
  assert_true(claim(5, &old));
  expire(job);
  assert_int_equal(reap(), 1);
  assert_string_equal(fixture_text(&f, STATE, job), "queued");
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &new));
  assert_int_equal(new.lease.job, job);
  assert_int_equal(new.lease.attempt, 2);
  assert_string_not_equal(new.lease.token, old.lease.token);

  const qn_ending endings[] = {QN_ENDING_SUCCEEDED, QN_ENDING_FAILED, QN_ENDING_CANCELLED, QN_ENDING_RELEASED};
  for (int i = 0; i < 4; i++) {
    assert_int_equal(qn_queue_end(&f.sql, &old.lease, endings[i], "late", write_worker, NULL, &error), QN_CONFLICT);
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
    assert_string_equal(fixture_text(&f, STATE, job), "running");
  }
  assert_int_equal(beat(&old.lease, 0.9), QN_HEARTBEAT_LOST);
  assert_string_equal(fixture_text(&f, "SELECT progress FROM jobs WHERE id = %lld", job), "0");
  /* The token alone, or the attempt alone, is not the lease. */
  qn_lease mixed = new.lease;
  mixed.attempt = 1;
  assert_int_equal(beat(&mixed, 0.9), QN_HEARTBEAT_LOST);
  mixed = new.lease;
  strcpy(mixed.token, old.lease.token);
  assert_int_equal(beat(&mixed, 0.9), QN_HEARTBEAT_LOST);

  assert_status(QN_OK, qn_queue_end(&f.sql, &new.lease, QN_ENDING_SUCCEEDED, NULL, write_worker, NULL, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 1);
  /* Ended, and asked again because the answer was lost: the same answer, and nothing twice. */
  assert_status(QN_OK, qn_queue_end(&f.sql, &new.lease, QN_ENDING_SUCCEEDED, NULL, write_worker, NULL, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 1);
  assert_int_equal(end(&new.lease, QN_ENDING_FAILED, "x"), QN_CONFLICT);
  assert_string_equal(fixture_text(&f, "SELECT string_agg(outcome, ' ' ORDER BY attempt) FROM job_attempts WHERE job_id = %lld", job), "lost succeeded");
}

static qn_status write_failure(qn_connection *connection, void *context, qn_error *error) {
  write_worker(connection, context, error);
  return qn_connection_script(connection, "INSERT INTO workers (name, jobs, threads) VALUES ('proof', 1, 1)", error); /* taken */
}

static void test_failed_write_ends_nothing(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim got;
  qn_error error;
  assert_true(claim(5, &got));
  /* A key that is taken is no lost lease: whoever runs the job must hear that its results cannot be stored. */
  assert_int_equal(qn_queue_end(&f.sql, &got.lease, QN_ENDING_SUCCEEDED, NULL, write_failure, NULL, &error), QN_INTERNAL);
  assert_string_equal(fixture_text(&f, STATE, job), "running");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
  assert_int_equal(beat(&got.lease, 0.5), QN_HEARTBEAT_KEPT);
}

/* ---- leases ---- */

static void test_lease_expires_and_heartbeats_keep_it(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim got;
  assert_true(claim(60, &got));
  assert_int_equal(reap(), 0);
  fixture_text(&f, "UPDATE jobs SET lease_expires_at = now() + interval '0.1 s' WHERE id = %lld", job);
  assert_int_equal(beat(&got.lease, 0.25), QN_HEARTBEAT_KEPT); /* for 5 s more */
  assert_string_equal(fixture_text(&f, "SELECT lease_expires_at - heartbeat_at BETWEEN interval '4.9 s' AND interval '25 s'"
                                       " FROM jobs WHERE id = %lld", job), "t");
  usleep(200000);
  assert_int_equal(reap(), 0);
  assert_string_equal(fixture_text(&f, "SELECT progress FROM jobs WHERE id = %lld", job), "0.25");
  expire(job);
  assert_int_equal(beat(&got.lease, 0.3), QN_HEARTBEAT_KEPT); /* late, but nobody took it */
  assert_int_equal(reap(), 0);
  expire(job);
  assert_int_equal(reap(), 1);
  assert_int_equal(beat(&got.lease, 0.35), QN_HEARTBEAT_LOST);
  assert_string_equal(fixture_text(&f, "SELECT outcome || ' ' || error FROM job_attempts WHERE job_id = %lld", job), "lost the worker fell silent");
}

static void lose(long long job, double progress) {
  qn_claim got;
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, job);
  beat(&got.lease, progress);
  expire(job);
  assert_int_equal(reap(), 1);
}

static void test_attempts_are_limited(void **state) {
  (void)state;
  empty();
  long long job = submit(1), other;
  for (int i = 1; i <= 5; i++) {
    assert_string_equal(fixture_text(&f, STATE, job), "queued");
    lose(job, 0.3);
    if (i < 5) /* 0, 1, 2, 4 s, less up to a quarter */
      assert_string_equal(fixture_text(&f, "SELECT extract(epoch FROM run_after - (SELECT max(ended_at) FROM job_attempts WHERE job_id = %lld))"
                                           " BETWEEN %d * 0.75 AND %d FROM jobs WHERE id = %lld", job, (1 << i) / 4, (1 << i) / 4, job), "t");
  }
  assert_string_equal(fixture_text(&f, STATE, job), "failed");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE job_id = %lld AND outcome = 'lost'", job), 5);
  assert_non_null(strstr(fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job), "given up after 5 attempts"));
  assert_string_equal(fixture_text(&f, STATE, child_of(job)), "failed");
  other = submit(2); /* it took no other with it */
  qn_claim got;
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, other);
}

/* An attempt that begins at one step, writes a checkpoint at another, and is lost. */
static void lose_from(long long job, int64_t begun, int64_t checkpoint_step) {
  qn_claim got;
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.job, job);
  beat_at(&got.lease, 0.3, begun);
  beat_at(&got.lease, 0.3, checkpoint_step);
  expire(job);
  assert_int_equal(reap(), 1);
}

static void lose_at(long long job, int64_t checkpoint_step) { lose_from(job, checkpoint_step, checkpoint_step); }

/* A healthy job of days, on a machine that dies every few minutes: each attempt writes a checkpoint, within the same per cent of progress. */
static void test_checkpoints_forgive(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  for (int i = 1; i <= 12; i++) lose_at(job, 1000 + i);
  assert_string_equal(fixture_text(&f, STATE, job), "queued");
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
  /* The same step again is no new checkpoint, an earlier one neither. */
  for (int i = 0; i < 4; i++) lose_at(job, 1012 - i);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 4);
  lose_at(job, 1013);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
  for (int i = 0; i < 5; i++) lose_at(job, 0);
  assert_string_equal(fixture_text(&f, STATE, job), "failed");
}

/* A checkpoint that turns out to be of no use: whoever begins anew because of it is a failure, those who go on from what that one wrote are not. */
static void test_a_useless_checkpoint(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  lose_from(job, 0, 11585);
  lose_from(job, 0, 3944);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 1);
  for (int i = 1; i <= 6; i++) {
    lose_from(job, 3943 + i, 3944 + i);
    assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
  }
  /* Each time the same one, though: that has an end. */
  for (int i = 1; i <= 5; i++) lose_from(job, 300, 600);
  assert_string_equal(fixture_text(&f, STATE, job), "failed");
}

/* Analyses write no checkpoints: getting further serves. Simulations that get further without a checkpoint begin again all the same. */
static void test_progress_forgives_analyses(void **state) {
  (void)state;
  empty();
  long long job = submit(1), child = child_of(job);
  for (int i = 1; i <= 4; i++) lose(job, 0.05 * i);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 4);
  qn_claim got;
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &got));
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  for (int i = 1; i <= 12; i++) lose(child, 0.05 * i);
  assert_string_equal(fixture_text(&f, STATE, child), "queued");
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", child), 0);
  for (int i = 0; i < 5; i++) lose(child, 0.6);
  assert_string_equal(fixture_text(&f, STATE, child), "failed");
}

/* Who was cut off from the database does not judge others by what it did not hear; nor does anyone right after PostgreSQL started. */
static void test_nobody_is_robbed_after_an_outage(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim got;
  assert_true(claim(5, &got));
  fixture_text(&f, "UPDATE jobs SET lease_expires_at = now() - interval '1 min', heartbeat_at = now() - interval '1 min', lease_s = 0.3 WHERE id = %lld", job);
  assert_int_equal(reap_after(0.2), 0);
  assert_int_equal(beat(&got.lease, 0.1), QN_HEARTBEAT_KEPT);
  fixture_text(&f, "UPDATE jobs SET lease_expires_at = now() - interval '1 s', lease_s = 1e9 WHERE id = %lld", job); /* longer than PostgreSQL is up */
  assert_int_equal(reap(), 0);

#define SILENT "UPDATE jobs SET lease_expires_at = now() - interval '1 s', heartbeat_at = now() - interval '20 s', " LEASE " WHERE id = %lld"
  /* Silent since before we heard from the database again: taken, but held against nobody. */
  fixture_text(&f, SILENT, job);
  assert_int_equal(reap_after(5), 1);
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s %%s', state, failures, losses) FROM jobs WHERE id = %lld", job), "queued 0 1");
  assert_int_equal(beat(&got.lease, 0.1), QN_HEARTBEAT_LOST);
  /* But not for ever. */
  for (int i = 0; i < 19; i++) {
    fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
    assert_true(claim(5, &got));
    fixture_text(&f, SILENT, job);
    assert_int_equal(reap_after(5), 1);
  }
  assert_string_equal(fixture_text(&f, STATE, job), "failed");
  assert_non_null(strstr(fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job), "given up after 20 attempts"));
}

/* ---- losses that are known at once ---- */

static void test_a_process_that_died(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long job = submit(1);
  qn_claim got, next;
  bool lost;
  assert_true(claim(5, &got));
  assert_status(QN_OK, qn_loss_attempt(&f.sql, &got.lease, "ended by SIGSEGV at step 17", 0, 0, &lost, &error), error);
  assert_true(lost);
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s %%s', state, failures, hold_reason) FROM jobs WHERE id = %lld", job),
                      "queued 1 attempt 1 was lost: ended by SIGSEGV at step 17");
  assert_string_equal(fixture_text(&f, "SELECT outcome || ': ' || error FROM job_attempts WHERE job_id = %lld", job),
                      "lost: ended by SIGSEGV at step 17");
  assert_status(QN_OK, qn_loss_attempt(&f.sql, &got.lease, "again", 0, 0, &lost, &error), error);
  assert_false(lost);
  /* A checkpoint that no heartbeat has told of yet counts as well. */
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &next));
  assert_status(QN_OK, qn_loss_attempt(&f.sql, &next.lease, "x", 100, 0, &lost, &error), error);
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);
}

static void test_a_worker_that_died(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long a = submit(1), b = submit(2), c = submit(3);
  qn_claim got;
  int lost;
  assert_true(claim(60, &got));
  assert_true(claim(60, &got));
  assert_true(claim(60, &got));
  fixture_text(&f, "UPDATE jobs SET worker = 'other' WHERE id = %lld", c);
  assert_status(QN_OK, qn_queue_greet(&f.sql, &(qn_greeting){.worker = "tester", .jobs = 3, .threads = 1}, &error), error);
  assert_status(QN_OK, qn_loss_worker(&f.sql, "tester", NULL, "its worker was ended by SIGKILL", &lost, &error), error);
  assert_int_equal(lost, 2);
  assert_string_equal(fixture_text(&f, "SELECT string_agg(state::text, ' ' ORDER BY id) FROM jobs WHERE id IN (%lld, %lld, %lld)", a, b, c), "queued queued running");
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
}

/* Whoever saw that a process is gone may say so late: what one of the same name runs since is left alone. */
static void test_a_worker_that_came_again(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_claim got;
  int lost;
  submit(1);
  const qn_peer before = {.host = "h", .pid = 7, .birth = 100}, now = {.host = "h", .pid = 7, .birth = 200};
  assert_status(QN_OK, qn_queue_greet(&f.sql, &(qn_greeting){.worker = "tester", .jobs = 1, .threads = 1, .process = now}, &error), error);
  assert_true(claim(60, &got));
  assert_status(QN_OK, qn_loss_worker(&f.sql, "tester", &before, QN_LOSS_GONE, &lost, &error), error);
  assert_int_equal(lost, 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 1);
  assert_status(QN_OK, qn_loss_worker(&f.sql, "tester", &now, QN_LOSS_GONE, &lost, &error), error);
  assert_int_equal(lost, 1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
}

/* A process of this machine that is gone is seen to be gone, also when another has its number now; one that lives, or is elsewhere, is not judged. */
static void test_peers(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_claim got;
  int lost, how;
  const qn_peer self = qn_peer_self();
  assert_string_not_equal(self.host, "");
  pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  qn_greeting greeting = {.worker = "mortal", .jobs = 1, .threads = 1, .process = self};
  char path[64], word[32];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  for (int i = 1; i <= 22; i++) assert_int_equal(fscanf(file, "%31s", word), 1); /* our name holds no blank */
  fclose(file);
  greeting.process.pid = (int)child;
  greeting.process.birth = strtoll(word, NULL, 10);
  long long job = submit(1);
  assert_true(claim(60, &got));
  fixture_text(&f, "UPDATE jobs SET worker = 'mortal' WHERE id = %lld", job);
  assert_status(QN_OK, qn_queue_greet(&f.sql, &greeting, &error), error);
  assert_status(QN_OK, qn_peers_bury(&f.sql, &self, &lost, &error), error);
  assert_int_equal(lost, 0);
  kill(child, SIGKILL);
  siginfo_t ending;
  assert_int_equal(waitid(P_PID, (id_t)child, &ending, WEXITED | WNOWAIT), 0); /* dead, and not yet waited for */
  qn_peer elsewhere = self;
  strcat(elsewhere.host, "x");
  assert_status(QN_OK, qn_peers_bury(&f.sql, &elsewhere, &lost, &error), error);
  assert_int_equal(lost, 0);
  assert_status(QN_OK, qn_peers_bury(&f.sql, &self, &lost, &error), error);
  assert_int_equal(lost, 1);
  waitpid(child, &how, 0);
  assert_string_equal(fixture_text(&f, STATE, job), "queued");
  assert_string_equal(fixture_text(&f, "SELECT error FROM job_attempts WHERE job_id = %lld", job), "the process of its worker is gone");
  fixture_text(&f, "UPDATE job_attempts SET worker = 'mortal' WHERE job_id = %lld", job);
  assert_status(QN_OK, qn_loss_explain(&f.sql, "another", "it was another", &error), error);
  assert_status(QN_OK, qn_loss_explain(&f.sql, "mortal", "its parent ended it", &error), error);
  assert_string_equal(fixture_text(&f, "SELECT error FROM job_attempts WHERE job_id = %lld", job), "its parent ended it");
  assert_status(QN_OK, qn_loss_explain(&f.sql, "mortal", "no, it was old", &error), error);
  assert_string_equal(fixture_text(&f, "SELECT error FROM job_attempts WHERE job_id = %lld", job), "its parent ended it");
  /* Our own number, of an earlier life. */
  greeting.process = self;
  greeting.process.birth--;
  assert_true(claim(60, &got));
  fixture_text(&f, "UPDATE jobs SET worker = 'mortal' WHERE id = %lld", job);
  assert_status(QN_OK, qn_queue_greet(&f.sql, &greeting, &error), error);
  assert_status(QN_OK, qn_peers_bury(&f.sql, &self, &lost, &error), error);
  assert_int_equal(lost, 1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
}

/* ---- one statement for all leases ---- */

static void test_beats_together(void **state) {
  (void)state;
  empty();
  qn_error error;
  enum { N = 4 };
  qn_beat beats[N];
  long long jobs[N];
  for (int i = 0; i < N; i++) submit(1 + i);
  for (int i = 0; i < N; i++) {
    qn_claim got;
    assert_true(claim(5, &got));
    jobs[i] = got.lease.job;
    beats[i] = (qn_beat){.lease = got.lease, .progress = i == 0 ? (double)NAN : 0.1 * i, .checkpoint_step = 10 * i};
  }
  /* One is cancelled, one locked by somebody who takes his time, one taken away. */
  qn_job_row row;
  assert_status(QN_OK, qn_store_cancel_job(f.store, jobs[1], NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  qn_connection holder;
  assert_status(QN_OK, qn_connection_open(&holder, f.url, "holder", &error), error);
  char sql[160];
  snprintf(sql, sizeof sql, "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT 1 FROM jobs WHERE id = %lld FOR UPDATE", jobs[2]);
  assert_status(QN_OK, qn_connection_script(&holder, sql, &error), error);
  expire(jobs[3]);
  assert_int_equal(reap(), 1);
  fixture_text(&f, "UPDATE jobs SET lease_expires_at = now() WHERE state = 'running' AND id <> %lld", jobs[2]);

  double before = qn_clock_now();
  assert_status(QN_OK, qn_queue_beat(&f.sql, beats, N, 5, &error), error);
  assert_true(qn_clock_now() - before < 8); /* a lock that is waited for is given up after ten */
  assert_int_equal(beats[0].heartbeat, QN_HEARTBEAT_KEPT);
  assert_int_equal(beats[1].heartbeat, QN_HEARTBEAT_CANCEL);
  assert_int_equal(beats[2].heartbeat, QN_HEARTBEAT_LOCKED);
  assert_int_equal(beats[3].heartbeat, QN_HEARTBEAT_LOST);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE lease_expires_at > now() + interval '4 s' AND id IN (%lld, %lld)", jobs[0], jobs[1]), 2);
  assert_string_equal(fixture_text(&f, "SELECT string_agg(checkpoint_step || ' ' || progress, ', ' ORDER BY id) FROM jobs WHERE id IN (%lld, %lld)", jobs[0], jobs[1]),
                      "0 0, 10 0.1");
  assert_int_equal(reap(), 0);
  assert_status(QN_OK, qn_connection_script(&holder, "ROLLBACK", &error), error);
  qn_connection_close(&holder);
  assert_status(QN_OK, qn_queue_beat(&f.sql, beats, N, 5, &error), error);
  assert_int_equal(beats[2].heartbeat, QN_HEARTBEAT_KEPT);
  assert_int_equal(beats[3].heartbeat, QN_HEARTBEAT_LOST);
}

/* A claim whose answer is lost is found again by the token that its claimer made. */
static void test_recall(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long job = submit(1);
  qn_claim got;
  bool found;
  assert_true(claim(5, &got));
  qn_claim unsure = {0};
  strcpy(unsure.lease.token, got.lease.token);
  assert_status(QN_OK, qn_queue_recall(&f.sql, &unsure, &found, &error), error);
  assert_true(found);
  assert_int_equal(unsure.lease.job, job);
  assert_int_equal(unsure.lease.attempt, 1);
  assert_int_equal(unsure.resource, got.resource);
  assert_int_equal(beat(&unsure.lease, 0.5), QN_HEARTBEAT_KEPT);
  assert_int_equal(end(&got.lease, QN_ENDING_RELEASED, NULL), QN_OK);
  assert_status(QN_OK, qn_queue_recall(&f.sql, &unsure, &found, &error), error);
  assert_false(found);
  /* On a connection that breaks under it, the claim tells its token. */
  qn_connection broken;
  double wait;
  assert_status(QN_OK, qn_connection_open(&broken, f.url, "broken", &error), error);
  fixture_text(&f, "SELECT pg_terminate_backend(%d)", PQbackendPID(broken.pg));
  assert_int_equal(qn_queue_claim(&broken, "tester", 5, &got, &found, &wait, &error), QN_UNAVAILABLE);
  assert_int_equal(strlen(got.lease.token), 36);
  qn_connection_close(&broken);
  assert_status(QN_OK, qn_queue_recall(&f.sql, &got, &found, &error), error);
  assert_false(found);
}

static void test_backoff_is_waited_for(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim got;
  qn_error error;
  bool found;
  double wait;
  lose(job, 0.1);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE id = %lld AND run_after <= now()", job), 1); /* once more at once */
  lose(job, 0.1);
  assert_string_equal(fixture_text(&f, "SELECT run_after > (SELECT max(ended_at) FROM job_attempts WHERE job_id = %lld) + interval '0.7 s'"
                                       " FROM jobs WHERE id = %lld", job, job), "t");
  fixture_text(&f, "UPDATE jobs SET run_after = now() + interval '60 s' WHERE id = %lld", job);
  assert_status(QN_OK, qn_queue_claim(&f.sql, "tester", 5, &got, &found, &wait, &error), error);
  assert_false(found);
  assert_true(wait > 20 && wait <= 60);
  qn_job_row row;
  int seconds;
  assert_status(QN_OK, qn_store_get_job(f.store, job, &row, &error), error);
  assert_int_equal(sscanf(row.waiting, "tries again in %d s: ", &seconds), 1);
  assert_true(seconds > 20 && seconds <= 60);
  assert_non_null(strstr(row.waiting, " s: attempt 2 was lost: the worker fell silent"));
  qn_job_row_fini(&row);
}

static void test_release_is_no_failure(void **state) {
  (void)state;
  empty();
  long long job = submit(1);
  qn_claim got;
  for (int i = 1; i <= 8; i++) {
    assert_true(claim(5, &got));
    assert_int_equal(got.lease.attempt, i);
    beat(&got.lease, 0.5);
    assert_int_equal(end(&got.lease, QN_ENDING_RELEASED, NULL), QN_OK);
  }
  assert_string_equal(fixture_text(&f, STATE, job), "queued");
  assert_int_equal(fixture_number(&f, "SELECT failures FROM jobs WHERE id = %lld", job), 0);

  /* With a reason it is put by for a while. */
  qn_error error;
  qn_job_row row;
  assert_true(claim(5, &got));
  assert_status(QN_OK, qn_queue_release(&f.sql, &got.lease, 30, "the disk is full", &error), error);
  assert_status(QN_OK, qn_queue_release(&f.sql, &got.lease, 30, "the disk is full", &error), error);
  assert_false(claim(5, &got));
  assert_status(QN_OK, qn_store_get_job(f.store, job, &row, &error), error);
  assert_non_null(strstr(row.waiting, "tries again in "));
  assert_non_null(strstr(row.waiting, " s: the disk is full"));
  qn_job_row_fini(&row);
  assert_string_equal(fixture_text(&f, "SELECT outcome || ': ' || error FROM job_attempts WHERE job_id = %lld ORDER BY attempt DESC LIMIT 1", job),
                      "released: the disk is full");
  fixture_text(&f, "UPDATE jobs SET run_after = now() WHERE id = %lld", job);
  assert_true(claim(5, &got));
  assert_string_equal(fixture_text(&f, "SELECT hold_reason FROM jobs WHERE id = %lld", job), "");
  assert_status(QN_OK, qn_store_cancel_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_release(&f.sql, &got.lease, 30, "the disk is full", &error), error);
  assert_string_equal(fixture_text(&f, "SELECT format('%%s %%s', state, hold_reason) FROM jobs WHERE id = %lld", job), "cancelled ");
}

/* ---- cancel and retry ---- */

static qn_status cancel(long long job, qn_job_row *row, qn_error *error) {
  return qn_store_cancel_job(f.store, job, NULL, &fixture_principal, row, error);
}

static void test_cancel_in_each_state(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_job_row row;
  qn_claim got;
  long long queued = submit(1), blocked = child_of(queued);
  assert_status(QN_OK, cancel(blocked, &row, &error), error);
  assert_int_equal(row.state, QN_JOB_CANCELLED);
  qn_job_row_fini(&row);
  assert_status(QN_OK, cancel(queued, &row, &error), error);
  assert_int_equal(row.state, QN_JOB_CANCELLED);
  assert_string_not_equal(row.finished_at, "");
  qn_job_row_fini(&row);
  assert_false(claim(5, &got));
  assert_status(QN_CONFLICT, cancel(queued, &row, &error), error);
  assert_status(QN_NOT_FOUND, cancel(4711, &row, &error), error);

  long long running = submit(2);
  assert_true(claim(5, &got));
  assert_status(QN_OK, cancel(running, &row, &error), error);
  assert_int_equal(row.state, QN_JOB_RUNNING);
  assert_string_not_equal(row.cancel_requested_at, "");
  qn_job_row_fini(&row);
  assert_int_equal(beat(&got.lease, 0.1), QN_HEARTBEAT_CANCEL);
  assert_int_equal(end(&got.lease, QN_ENDING_CANCELLED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, running), "cancelled");
  assert_string_equal(fixture_text(&f, STATE, child_of(running)), "failed");
  assert_status(QN_CONFLICT, cancel(running, &row, &error), error);

  /* A worker that dies, or drains, before it hears of it: the cancel is not lost. */
  long long dying = submit(3);
  assert_true(claim(5, &got));
  assert_status(QN_OK, cancel(dying, &row, &error), error);
  qn_job_row_fini(&row);
  expire(dying);
  assert_int_equal(reap(), 1);
  assert_string_equal(fixture_text(&f, STATE, dying), "cancelled");
  long long drained = submit(4);
  assert_true(claim(5, &got));
  assert_status(QN_OK, cancel(drained, &row, &error), error);
  qn_job_row_fini(&row);
  assert_int_equal(end(&got.lease, QN_ENDING_RELEASED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, drained), "cancelled");
  /* Too late: it was done. */
  long long done = submit(5);
  assert_true(claim(5, &got));
  assert_status(QN_OK, cancel(done, &row, &error), error);
  qn_job_row_fini(&row);
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, done), "succeeded");
  assert_string_equal(fixture_text(&f, "SELECT string_agg(DISTINCT principal || action, ' ') FROM audit WHERE resource = 'job'"), "testercancel");
}

static void test_retry(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_job_row row;
  qn_claim got;
  long long job = submit(1), child = child_of(job);
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  assert_true(claim(5, &got));
  assert_int_equal(end(&got.lease, QN_ENDING_FAILED, "disk full"), QN_OK);
  assert_string_equal(fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", job), "disk full");
  char wanted[128];
  snprintf(wanted, sizeof wanted, "it needed job %lld (simulation), which failed: disk full", job);
  assert_string_equal(fixture_text(&f, "SELECT error FROM jobs WHERE id = %lld", child), wanted);
  assert_status(QN_CONFLICT, qn_store_retry_job(f.store, child, NULL, &fixture_principal, &row, &error), error);
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  assert_int_equal(row.state, QN_JOB_QUEUED);
  assert_string_equal(row.error, "");
  qn_job_row_fini(&row);
  assert_string_equal(fixture_text(&f, STATE, child), "blocked");
  assert_true(claim(5, &got));
  assert_int_equal(got.lease.attempt, 2);
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, child), "queued");
}

/* A cancel that commits while the loss waits for the row is not overlooked. */
static void *cancel_slowly(void *context) {
  qn_connection *connection = context;
  qn_error error;
  usleep(300000);
  return qn_connection_script(connection, "COMMIT", &error) == QN_OK ? NULL : connection;
}

static void test_cancel_against_a_loss(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long job = submit(1);
  qn_claim got;
  qn_connection holder;
  pthread_t thread;
  void *failed;
  char sql[128];
  bool lost;
  assert_true(claim(5, &got));
  assert_status(QN_OK, qn_connection_open(&holder, f.url, "holder", &error), error);
  snprintf(sql, sizeof sql, "BEGIN; UPDATE jobs SET cancel_requested_at = now() WHERE id = %lld", job);
  assert_status(QN_OK, qn_connection_script(&holder, sql, &error), error);
  assert_int_equal(pthread_create(&thread, NULL, cancel_slowly, &holder), 0);
  assert_status(QN_OK, qn_loss_attempt(&f.sql, &got.lease, "x", 0, 0, &lost, &error), error);
  pthread_join(thread, &failed);
  assert_null(failed);
  qn_connection_close(&holder);
  assert_true(lost);
  assert_string_equal(fixture_text(&f, STATE, job), "cancelled");
}

/* What an ended simulation leaves on the disk is put down in the transaction that ends it, whoever does. */
static void test_leftovers(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_job_row row;
  qn_claim got;
#define LEFTOVERS "SELECT coalesce(string_agg(format('%%s %%s', attempt, kept), ', ' ORDER BY id), '') FROM leftovers WHERE simulation_id = (SELECT id FROM simulations WHERE job_id = %lld)"
  long long never = submit(1);
  assert_status(QN_OK, cancel(never, &row, &error), error);
  qn_job_row_fini(&row);
  assert_string_equal(fixture_text(&f, LEFTOVERS, never), ""); /* it was never begun */

  long long job = submit(2);
  lose(job, 0.1);
  assert_string_equal(fixture_text(&f, LEFTOVERS, job), "");
  assert_status(QN_OK, cancel(job, &row, &error), error); /* while it waits for the next attempt */
  qn_job_row_fini(&row);
  assert_string_equal(fixture_text(&f, LEFTOVERS, job), "1 f");
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_true(claim(5, &got));
  assert_status(QN_OK, cancel(job, &row, &error), error);
  qn_job_row_fini(&row);
  expire(job);
  assert_int_equal(reap(), 1);
  assert_string_equal(fixture_text(&f, LEFTOVERS, job), "1 f, 2 f");
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_true(claim(5, &got));
  assert_int_equal(end(&got.lease, QN_ENDING_FAILED, "x"), QN_OK);
  assert_status(QN_OK, qn_store_retry_job(f.store, job, NULL, &fixture_principal, &row, &error), error);
  qn_job_row_fini(&row);
  assert_true(claim(5, &got));
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, LEFTOVERS, job), "1 f, 2 f, 4 t"); /* what failed may be resumed */
}

/* ---- dependencies ---- */

static void test_two_parents(void **state) {
  (void)state;
  empty();
  long long a = submit(1), b = submit(2), child = child_of(a);
  fixture_text(&f, "INSERT INTO job_dependencies VALUES (%lld, %lld)", child, b);
  qn_claim one, two;
  assert_true(claim(5, &one));
  assert_true(claim(5, &two));
  assert_int_equal(end(&two.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, child), "blocked");
  assert_int_equal(end(&one.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_string_equal(fixture_text(&f, STATE, child), "queued");
}

typedef struct finisher {
  pthread_t thread;
  pthread_barrier_t *barrier;
  qn_lease lease;
  qn_status status;
  qn_error error;
} finisher;

static void *finish(void *context) {
  finisher *r = context;
  qn_connection connection;
  r->status = qn_connection_open(&connection, f.url, "finisher", &r->error);
  pthread_barrier_wait(r->barrier);
  if (r->status == QN_OK) r->status = qn_queue_end(&connection, &r->lease, QN_ENDING_SUCCEEDED, NULL, NULL, NULL, &r->error);
  qn_connection_close(&connection);
  return NULL;
}

/* Both parents end at the same moment: one of them must see the other, or the child waits for ever. */
static void test_two_parents_at_once(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    empty();
    long long a = submit(1), b = submit(2), child = child_of(a);
    fixture_text(&f, "INSERT INTO job_dependencies VALUES (%lld, %lld)", child, b);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    finisher both[2];
    for (int i = 0; i < 2; i++) {
      qn_claim got;
      assert_true(claim(5, &got));
      both[i] = (finisher){.barrier = &barrier, .lease = got.lease};
    }
    for (int i = 0; i < 2; i++) pthread_create(&both[i].thread, NULL, finish, &both[i]);
    for (int i = 0; i < 2; i++) pthread_join(both[i].thread, NULL);
    for (int i = 0; i < 2; i++)
      if (both[i].status != QN_OK) fail_msg("%s", both[i].error.message);
    assert_string_equal(fixture_text(&f, STATE, child), "queued");
    pthread_barrier_destroy(&barrier);
  }
}

/* An analysis is asked for in the moment in which its simulation ends. */
static void *analyse(void *context) {
  finisher *r = context;
  char hash[65] = "1111111111111111111111111111111111111111111111111111111111111111";
  const qn_submission s = {.kind = "analysis", .name = "", .spec = "{}", .sha256 = hash, .type = "relaxation",
                           .parent = fixture_number(&f, "SELECT max(id) FROM simulations")};
  qn_submitted out;
  pthread_barrier_wait(r->barrier);
  r->status = qn_store_submit(f.store, &s, NULL, &fixture_principal, &out, &r->error);
  return NULL;
}

static void test_submission_against_the_end(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    empty();
    submit(1);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    qn_claim got;
    assert_true(claim(5, &got));
    finisher a = {.barrier = &barrier, .lease = got.lease}, b = {.barrier = &barrier};
    pthread_create(&a.thread, NULL, finish, &a);
    pthread_create(&b.thread, NULL, analyse, &b);
    pthread_join(a.thread, NULL);
    pthread_join(b.thread, NULL);
    if (a.status != QN_OK || b.status != QN_OK) fail_msg("%s; %s", a.error.message, b.error.message);
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE kind = 'analysis' AND state = 'queued'"), 2);
    pthread_barrier_destroy(&barrier);
  }
}

static void test_analysis_of_a_failed_simulation(void **state) {
  (void)state;
  empty();
  submit(1);
  qn_claim got;
  assert_true(claim(5, &got));
  assert_int_equal(end(&got.lease, QN_ENDING_FAILED, "why"), QN_OK);
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 1);
  finisher a = {.barrier = &barrier};
  analyse(&a);
  assert_int_equal(a.status, QN_OK);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE kind = 'analysis' AND state = 'failed' AND error LIKE '%%which failed: why'"), 2);
  pthread_barrier_destroy(&barrier);
}

/* ---- what the world sees ---- */

static void test_events(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long job = submit(1);
  qn_claim got;
  fixture_text(&f, "LISTEN quenchd_queue");
  assert_true(claim(5, &got));
  for (int i = 0; i <= 40; i++) beat(&got.lease, i / 40.0 * 0.1);
  qn_event_page page;
  assert_status(QN_OK, qn_store_list_events(f.store, job, 0, 100, &page, &error), error);
  assert_false(page.final);
  assert_int_equal(page.count, 2 + 10); /* queued, running, and one for each whole per cent */
  assert_string_equal(page.rows[0].kind, "state");
  assert_non_null(strstr(page.rows[0].data, "queued"));
  assert_non_null(strstr(page.rows[1].data, "running"));
  assert_string_equal(page.rows[2].kind, "progress");
  int64_t last = page.rows[page.count - 1].id;
  qn_event_page_fini(&page);
  assert_int_equal(end(&got.lease, QN_ENDING_SUCCEEDED, NULL), QN_OK);
  assert_status(QN_OK, qn_store_list_events(f.store, job, last, 100, &page, &error), error);
  assert_int_equal(page.count, 1);
  assert_true(page.final);
  last = page.rows[0].id;
  qn_event_page_fini(&page);
  assert_status(QN_OK, qn_store_list_events(f.store, job, last, 100, &page, &error), error);
  assert_int_equal(page.count, 0);
  assert_true(page.final);
  qn_event_page_fini(&page);
  assert_status(QN_OK, qn_store_list_events(f.store, job, 0, 5, &page, &error), error);
  assert_int_equal(page.count, 5);
  assert_false(page.final); /* there are more to come */
  qn_event_page_fini(&page);
  PGresult *changed = PQexec(f.sql.pg, "UPDATE job_events SET kind = 'progress'");
  assert_int_equal(PQresultStatus(changed), PGRES_FATAL_ERROR);
  PQclear(changed);
}

static void test_why_it_waits(void **state) {
  (void)state;
  empty();
  qn_error error;
  qn_job_row row;
  long long first = submit(1), second = submit(2), third = submit(3);
  char wanted[128];
  struct { long long job; const char *waiting; } const cases[] = {
      {first, "next in line for a free worker"}, {second, "one job is ahead of it"}, {third, "2 jobs are ahead of it"}};
  assert_status(QN_OK, qn_store_get_job(f.store, first, &row, &error), error);
  assert_string_equal(row.waiting, "no worker is alive");
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_greet(&f.sql, &(qn_greeting){.worker = "w", .trouble = "/data is full", .jobs = 2, .threads = 1}, &error), error);
  assert_status(QN_OK, qn_store_get_job(f.store, first, &row, &error), error);
  assert_string_equal(row.waiting, "no worker can take it: w: /data is full");
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_greet(&f.sql, &(qn_greeting){.worker = "w", .jobs = 2, .threads = 1}, &error), error);
  for (int i = 0; i < 3; i++) {
    assert_status(QN_OK, qn_store_get_job(f.store, cases[i].job, &row, &error), error);
    assert_string_equal(row.waiting, cases[i].waiting);
    qn_job_row_fini(&row);
  }
  snprintf(wanted, sizeof wanted, "waits for job %lld (simulation), which is queued", first);
  assert_status(QN_OK, qn_store_get_job(f.store, child_of(first), &row, &error), error);
  assert_string_equal(row.waiting, wanted);
  qn_job_row_fini(&row);
  assert_status(QN_OK, qn_queue_leave(&f.sql, "w", &error), error);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM workers"), 0);
}

static void test_eta(void **state) {
  (void)state;
  empty();
  qn_error error;
  long long job = submit(1);
  qn_claim got;
  qn_job_row row;
  assert_true(claim(5, &got));
  fixture_text(&f, "UPDATE jobs SET claimed_at = now() - interval '30 s' WHERE id = %lld", job);
  beat(&got.lease, 0.25);
  assert_status(QN_OK, qn_store_get_job(f.store, job, &row, &error), error);
  assert_true(row.eta_s > 89 && row.eta_s < 92);
  assert_string_equal(row.worker, "tester");
  assert_string_equal(row.submitted_by, "tester");
  qn_job_row_fini(&row);
}

/* ---- at size ---- */

static void test_claims_among_100000_jobs(void **state) {
  (void)state;
  empty();
  fixture_text(&f, "ALTER TABLE jobs DISABLE TRIGGER jobs_changed");
  fixture_text(&f, "INSERT INTO jobs (kind, state, priority, finished_at) SELECT 'simulation', CASE WHEN i %% 2 = 0 THEN 'queued' ELSE 'succeeded' END::job_state,"
                   " i %% 7, CASE WHEN i %% 2 = 1 THEN now() END FROM generate_series(1, 100000) i");
  fixture_text(&f, "ALTER TABLE jobs ENABLE TRIGGER jobs_changed");
  fixture_text(&f, "ANALYZE jobs");
  fixture_text(&f, "SET synchronous_commit = off"); /* the queue is measured, not the disk */
  enum { CLAIMS = 500 };
  static double took[CLAIMS];
  for (int i = 0; i < CLAIMS; i++) {
    qn_claim got;
    double before = qn_clock_now();
    assert_true(claim(60, &got));
    took[i] = 1e3 * (qn_clock_now() - before);
  }
  assert_true(pace_median(took, CLAIMS, "claim among 100000 jobs") < 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_job_has_one_owner), cmocka_unit_test(test_order), cmocka_unit_test(test_stale_lease_writes_nothing),
      cmocka_unit_test(test_failed_write_ends_nothing), cmocka_unit_test(test_lease_expires_and_heartbeats_keep_it),
      cmocka_unit_test(test_attempts_are_limited), cmocka_unit_test(test_checkpoints_forgive), cmocka_unit_test(test_a_useless_checkpoint),
      cmocka_unit_test(test_progress_forgives_analyses),
      cmocka_unit_test(test_nobody_is_robbed_after_an_outage), cmocka_unit_test(test_a_process_that_died), cmocka_unit_test(test_a_worker_that_died), cmocka_unit_test(test_peers),
      cmocka_unit_test(test_a_worker_that_came_again),
      cmocka_unit_test(test_beats_together), cmocka_unit_test(test_recall), cmocka_unit_test(test_backoff_is_waited_for),
      cmocka_unit_test(test_release_is_no_failure), cmocka_unit_test(test_cancel_in_each_state), cmocka_unit_test(test_retry), cmocka_unit_test(test_cancel_against_a_loss), cmocka_unit_test(test_leftovers),
      cmocka_unit_test(test_two_parents), cmocka_unit_test(test_two_parents_at_once), cmocka_unit_test(test_submission_against_the_end),
      cmocka_unit_test(test_analysis_of_a_failed_simulation), cmocka_unit_test(test_events), cmocka_unit_test(test_why_it_waits),
      cmocka_unit_test(test_eta), cmocka_unit_test(test_claims_among_100000_jobs),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

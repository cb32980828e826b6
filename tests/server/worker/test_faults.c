/* Workers as real processes that are killed, stopped past their lease, and cut off from the database, while a mix of jobs runs. Afterwards every
 * job has succeeded once, no result is there twice, and every file and number is the one of the undisturbed run.
 *
 * QN_TEST_LONG runs 200 schedules instead of a few. */
#include "server/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/worker/worker.h"

enum { WORKERS = 2, SPECS = 3 };

#ifdef __SANITIZE_THREAD__
#define PACE 0.05
#elif defined(__SANITIZE_ADDRESS__)
#define PACE 0.4
#else
#define PACE 1
#endif

static fixture f;
static pid_t workers[WORKERS];
static unsigned seed;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double uniform(void) { return (double)rand_r(&seed) / (double)RAND_MAX; }

static void pause_s(double seconds) {
  const struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

static atomic_int drain;
static void on_term(int number) {
  (void)number;
  atomic_store(&drain, 1);
}

static void start(int which) {
  fflush(NULL);
  workers[which] = fork();
  assert_true(workers[which] >= 0);
  if (workers[which] > 0) return;
  signal(SIGTERM, on_term);
  const qn_worker_options options = {.database_url = f.url, .data_directory = f.data, .program = QN_PROGRAM, .jobs = 1, .threads = 1, .lease_s = 2,
                                     .heartbeat_s = 0.3, .poll_s = 0.5, .checkpoint_s = 0.2};
  qn_error error;
  _exit(qn_worker_run(&options, &drain, &error) == QN_OK ? 0 : 1);
}

static void end(int which, int number) {
  if (workers[which] == 0) return;
  kill(workers[which], SIGCONT);
  kill(workers[which], number);
  waitpid(workers[which], NULL, 0);
  workers[which] = 0;
}

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < WORKERS; i++) end(i, SIGKILL);
  fixture_fini(&f);
  return 0;
}

/* ---- the work, and what it left ---- */

static void post_all(void) {
  for (int i = 0; i < SPECS; i++) {
    char *spec = fixture_spec(1 + i, 3 * PACE, true);
    fixture_post(&f, "/v1/simulations", spec, 202);
    free(spec);
  }
}

static void clear(void) {
  fixture_text(&f, "TRUNCATE jobs, job_dependencies, job_attempts, job_events, simulations, analyses, results, curves, artifacts,"
                   " idempotency_keys, workers CASCADE");
}

/* Everything that was computed, under names that do not depend on when. */
static char *outcome(void) {
  char *text = NULL;
  PGresult *result = PQexec(f.sql.pg,
      "SELECT string_agg(line, chr(10) ORDER BY line) FROM ("
      " SELECT format('%s %s %s %s %s', s.name, a.kind, a.stage, a.frames, a.sha256) AS line FROM artifacts a JOIN simulations s ON s.id = a.simulation_id"
      " UNION ALL SELECT format('%s %s %s %s %s %s %s %s', s.name, a.type, r.quantity, r.species, r.value, r.standard_error, r.status, r.samples)"
      " FROM results r JOIN analyses a ON a.id = r.analysis_id JOIN simulations s ON s.id = a.simulation_id"
      " UNION ALL SELECT format('%s %s %s %s %s', s.name, a.type, c.name, c.species, md5(c.data::text))"
      " FROM curves c JOIN analyses a ON a.id = c.analysis_id JOIN simulations s ON s.id = a.simulation_id) all_lines");
  if (PQresultStatus(result) != PGRES_TUPLES_OK) fail_msg("%s", PQresultErrorMessage(result));
  text = strdup(PQgetvalue(result, 0, 0));
  PQclear(result);
  return text;
}

static bool finished(void) {
  return fixture_number(&f, "SELECT count(*) FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')") == 0;
}

static void await_all(double seconds) {
  double end_by = now() + seconds;
  while (!finished()) {
    if (now() > end_by)
      fail_msg("after %.0f s: %s", seconds, fixture_text(&f, "SELECT string_agg(format('%%s %%s %%s %%s', id, kind, state, error), '; ') FROM jobs"));
    pause_s(0.05);
  }
}

/* ---- faults ---- */

/* The jobs that the workers of `hit` (bits) were running, as a condition. */
static void affected(unsigned hit, char text[1000]) {
  snprintf(text, 1000, "(false");
  for (int i = 0; i < WORKERS; i++)
    if ((hit >> i & 1) != 0 && workers[i] != 0) snprintf(text + strlen(text), 1000 - strlen(text), " OR worker LIKE '%%:%d-%%'", (int)workers[i]);
  strcat(text, ")");
  char jobs[400];
  snprintf(jobs, sizeof jobs, "%s", fixture_text(&f, "SELECT string_agg(format('(%%s,%%s)', id, attempt), ',') FROM jobs WHERE state = 'running' AND %s", text));
  if (jobs[0] == '\0') strcpy(text, "false");
  else snprintf(text, 1000, "(id, attempt) IN (%s)", jobs);
}

/* Until every one of these jobs was claimed anew, has ended, or was heard of since the fault. */
static double recovery(const char *which, const char *since, double from) {
  while (now() - from < 60 && fixture_number(&f, "SELECT count(*) FROM jobs WHERE %s AND state IN ('running', 'queued')"
                                                 " AND (state = 'queued' OR heartbeat_at <= '%s')", which, since) > 0)
    pause_s(0.02);
  return now() - from;
}

static const char *disturb(double *took) {
  static const char *const names[] = {"kill -9", "SIGSTOP past the lease", "backends ended", "SIGTERM", "both killed"};
  int which = rand_r(&seed) % WORKERS, kind = rand_r(&seed) % 5;
  char jobs[1000], since[64];
  affected(kind == 2 || kind == 4 ? 3 : 1U << which, jobs);
  snprintf(since, sizeof since, "%s", fixture_text(&f, "SELECT clock_timestamp()"));
  double from = now();
  switch (kind) {
    case 0: end(which, SIGKILL); break;
    case 1:
      kill(workers[which], SIGSTOP);
      pause_s(2.5 + uniform());
      kill(workers[which], SIGCONT);
      break;
    case 2:
      fixture_text(&f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
      break;
    case 3: end(which, SIGTERM); break;
    default:
      for (int i = 0; i < WORKERS; i++) end(i, SIGKILL);
  }
  for (int i = 0; i < WORKERS; i++)
    if (workers[i] == 0) start(i); /* whoever supervises them does so */
  *took = recovery(jobs, since, from);
  return names[kind];
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static void test_schedules(void **state) {
  (void)state;
  int schedules = getenv("QN_TEST_LONG") != NULL ? 200 : 4, faults = 0;
  double *took = calloc((size_t)schedules * 4, sizeof *took);
  for (int i = 0; i < WORKERS; i++) start(i);
  post_all();
  await_all(60 / PACE);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs WHERE state = 'succeeded'"), 3 * SPECS);
  char *wanted = outcome();

  for (int schedule = 0; schedule < schedules; schedule++) {
    seed = (unsigned)schedule + 1;
    clear();
    post_all();
    for (int i = 0; i < 1 + schedule % 4 && !finished(); i++) {
      pause_s(0.1 + 0.7 * uniform());
      const char *what = disturb(&took[faults]);
      print_message("schedule %d: %s, its jobs go on after %.2f s\n", schedule, what, took[faults]);
      faults++;
    }
    await_all(60 / PACE);
    char *got = outcome();
    assert_string_equal(fixture_text(&f, "SELECT coalesce(string_agg(format('%%s: %%s', kind, error), '; '), '') FROM jobs WHERE state <> 'succeeded'"), "");
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM jobs"), 3 * SPECS);
    assert_int_equal(fixture_number(&f, "SELECT count(*) FROM job_attempts WHERE outcome = 'succeeded'"), 3 * SPECS);
    if (strcmp(got, wanted) != 0) print_error("wanted:\n%s\ngot:\n%s\n", wanted, got);
    assert_string_equal(got, wanted);
    free(got);
  }
  qsort(took, (size_t)faults, sizeof *took, by_value);
  print_message("%d schedules, %d faults, leases of 2 s: work goes on after %.2f s (median), %.2f s (worst)\n", schedules, faults, took[faults / 2], took[faults - 1]);
  assert_true(took[faults - 1] < 30);
  free(wanted);
  free(took);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_schedules)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

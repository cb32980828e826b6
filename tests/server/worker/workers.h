/* Workers inside the test's own process, each in a thread; the processes of their jobs are real. */
#ifndef QN_TESTS_SERVER_WORKER_WORKERS_H
#define QN_TESTS_SERVER_WORKER_WORKERS_H

#include "server/fixture.h"
#include "server/process.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/worker/worker.h"

enum { WORKERS_MOST = 2 };

typedef struct running_worker {
  pthread_t thread;
  bool running;
  atomic_int stop;
  qn_worker_options options;
  qn_status status;
  qn_error error;
} running_worker;

static running_worker workers[WORKERS_MOST]; /* they outlive a test that fails */

static void *worker_run(void *context) {
  running_worker *w = context;
  w->status = qn_worker_run(&w->options, &w->stop, &w->error);
  return NULL;
}

/* What `options` leaves out is set for short tests. */
static inline void worker_start(const fixture *f, int which, qn_worker_options options) {
  running_worker *w = &workers[which];
  memset(w, 0, sizeof *w);
  options.database_url = f->url;
  if (options.data_directory == NULL) options.data_directory = f->data;
  options.program = QN_PROGRAM;
  if (options.jobs == 0) options.jobs = 1;
  if (options.lease_s == 0) options.lease_s = 2;
  options.heartbeat_s = options.lease_s / 8;
  options.poll_s = 0.5;
  if (options.checkpoint_s == 0) options.checkpoint_s = 0.2;
  options.threads = 1;
  w->options = options;
  assert_int_equal(pthread_create(&w->thread, NULL, worker_run, w), 0);
  w->running = true;
}

static inline void worker_stop(int which) {
  running_worker *w = &workers[which];
  if (!w->running) return;
  w->running = false;
  atomic_store(&w->stop, 1);
  pthread_join(w->thread, NULL);
  if (w->status != QN_OK) fail_msg("%s", w->error.message);
}

static inline int workers_stop(void **state) {
  (void)state;
  for (int i = 0; i < WORKERS_MOST; i++) worker_stop(i);
  return 0;
}

/* The processes of jobs, in the order of their numbers. */
static inline int job_processes(pid_t pids[], int room) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
    char path[300], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(text, sizeof text, file) == NULL) text[0] = '\0';
    fclose(file);
    for (char *word = strtok(text, " \n"); word != NULL && count < room; word = strtok(NULL, " \n")) pids[count++] = (pid_t)atoi(word);
  }
  closedir(tasks);
  for (int i = 1; i < count; i++)
    for (int k = i; k > 0 && pids[k] < pids[k - 1]; k--) {
      pid_t swap = pids[k];
      pids[k] = pids[k - 1];
      pids[k - 1] = swap;
    }
  return count;
}

/* One that is not `other`; waited for. */
static inline pid_t job_process(pid_t other) {
  for (int i = 0; i < 1000; i++) {
    pid_t pids[16];
    int count = job_processes(pids, 16);
    for (int k = 0; k < count; k++)
      if (pids[k] != other) return pids[k];
    usleep(20000);
  }
  fail_msg("no job runs");
  return 0;
}

/* Files that nobody needs any more are removed in the background. */
static inline void await_gone(const char *path) {
  for (int i = 0; i < 500 && access(path, F_OK) == 0; i++) usleep(20000);
  assert_int_not_equal(access(path, F_OK), 0);
}

static inline long long job_of(fixture *f, int64_t simulation) {
  return (long long)fixture_number(f, "SELECT job_id FROM simulations WHERE id = %lld", (long long)simulation);
}

/* Post a simulation of about so many picoseconds; its job. */
static inline long long post(fixture *f, int seed, double ps, int64_t *simulation) {
  char *spec = fixture_spec(seed, ps, false);
  int64_t id = fixture_post(f, "/v1/simulations", spec, 202);
  free(spec);
  if (simulation != NULL) *simulation = id;
  return job_of(f, id);
}

/* Post a simulation to one worker that has nothing else, and stop its process half way, when the database knows of a checkpoint. One that ended
 * before that, since the machine is fast or the test was late, is posted again, twice as long. SIGCONT lets it go on: part of its way is before it,
 * and not less than it tells of at a time, which may be a tenth of a second. */
static inline pid_t post_and_stop(fixture *f, int seed, double *ps, int64_t *simulation) {
  for (int tries = 0; tries < 8; tries++, *ps *= 2) {
    long long job = post(f, seed, *ps, simulation);
    fixture_await(f, 60, "t", "SELECT state = 'succeeded' OR progress > 0.1 AND checkpoint_step > 0 AND clock_timestamp() > claimed_at + interval '1 s'"
                         " FROM jobs WHERE id = %lld", job);
    pid_t pids[16];
    if (job_processes(pids, 16) == 1 && process_stands(pids[0])) {
      /* How far it was is in the database with the second heartbeat from now on: the first may have been on its way. */
      for (int i = 0; i < 2; i++) {
        char before[64];
        snprintf(before, sizeof before, "%s", fixture_text(f, "SELECT heartbeat_at FROM jobs WHERE id = %lld", job));
        fixture_await(f, 30, "t", "SELECT state = 'succeeded' OR heartbeat_at > '%s' FROM jobs WHERE id = %lld", before, job);
      }
      if (strcmp(fixture_text(f, "SELECT state = 'running' AND progress < 0.6 FROM jobs WHERE id = %lld", job), "t") == 0) return pids[0];
      kill(pids[0], SIGCONT);
    }
    fixture_await(f, 60, "succeeded", "SELECT state FROM jobs WHERE id = %lld", job);
  }
  fail_msg("no simulation is stopped before its end");
  return 0;
}

#endif

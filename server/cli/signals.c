#include "server/cli/signals.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

/* What draining may take beyond its time, for what cannot be cut short: a handler in the database, a checkpoint being written. */
static const double grace_s = 5;

static void fill(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
  sigaddset(set, SIGCHLD);
}

void qn_signals_block(void) {
  sigset_t set;
  fill(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int qn_signals_wait(double seconds) {
  sigset_t set;
  fill(&set);
  double whole = floor(seconds);
  struct timespec time = {.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
  int number = sigtimedwait(&set, NULL, &time);
  return number > 0 ? number : 0;
}

typedef struct watch {
  atomic_int *stop;
  double drain_s;
} watch;

static bool asks_to_stop(int number) { return number == SIGTERM || number == SIGINT; }

static void *run(void *argument) {
  watch at = *(watch *)argument;
  free(argument);
  if (atomic_load(at.stop) == 0) {
    while (!asks_to_stop(qn_signals_wait(3600))) continue;
    qn_log("info", "draining");
    atomic_store(at.stop, 1);
  }
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  double end = (double)time.tv_sec + at.drain_s + grace_s, left = at.drain_s + grace_s;
  while (left > 0 && !asks_to_stop(qn_signals_wait(left))) {
    clock_gettime(CLOCK_MONOTONIC, &time);
    left = end - (double)time.tv_sec;
  }
  qn_log("warning", left > 0 ? "a second signal: ending at once" : "draining took too long: ending at once");
  _exit(1);
}

void qn_signals_watch(atomic_int *stop, double drain_s) {
  watch *at = malloc(sizeof *at);
  pthread_t thread;
  if (at == NULL) return;
  *at = (watch){.stop = stop, .drain_s = drain_s};
  if (pthread_create(&thread, NULL, run, at) == 0)
    pthread_detach(thread);
  else
    free(at);
}

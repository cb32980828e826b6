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

#include "server/clock.h"
#include "server/log.h"

/* What draining may take beyond its time, for what cannot be cut short: a handler in the database, a checkpoint being written. */
static const double grace_s = 5;
/* SIGTERMs that come so soon after the first signal are one wish, s. */
static const double same_wish_s = 1;

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
  bool supervised;
} watch;

static bool asks_to_stop(int number) { return number == SIGTERM || number == SIGINT; }

static bool is_another_wish(int number, double since_first, bool supervised) {
  return number == SIGINT || (number == SIGTERM && !supervised && since_first >= same_wish_s);
}

static void *run(void *argument) {
  watch at = *(watch *)argument;
  free(argument);
  if (atomic_load(at.stop) == 0) {
    while (!asks_to_stop(qn_signals_wait(3600))) continue;
    qn_log("info", "draining");
    atomic_store(at.stop, 1);
  }
  double first = qn_clock_now(), end = first + at.drain_s + grace_s;
  bool another = false;
  while (!another && qn_clock_now() < end) {
    int number = qn_signals_wait(end - qn_clock_now());
    another = is_another_wish(number, qn_clock_now() - first, at.supervised);
  }
  qn_log("warning", another ? "a second signal: ending at once" : "draining took too long: ending at once");
  _exit(1);
}

void qn_signals_watch(atomic_int *stop, double drain_s, bool supervised) {
  watch *at = malloc(sizeof *at);
  pthread_t thread;
  if (at == NULL) return;
  *at = (watch){.stop = stop, .drain_s = drain_s, .supervised = supervised};
  if (pthread_create(&thread, NULL, run, at) == 0)
    pthread_detach(thread);
  else
    free(at);
}

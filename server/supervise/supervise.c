#include "server/supervise/supervise.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

extern char **environ;

static const char parent_variable[] = "QUENCHD_SUPERVISOR";
/* A child that lived for so long did not die of its start. The pauses stay well below the 30 s within which work must go on. */
static const double grown_up_s = 10, pause_first_s = 0.1, pause_most_s = 5, look_s = 1;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void qn_supervise_init(qn_supervised *child, const char *command) {
  *child = (qn_supervised){.command = command};
}

static void start(qn_supervised *child) {
  char parent[24], name[] = "quenchd", command[32];
  snprintf(parent, sizeof parent, "%d", (int)getpid());
  setenv(parent_variable, parent, 1);
  snprintf(command, sizeof command, "%s", child->command);
  char *arguments[] = {name, command, NULL};

  /* The server blocks the signals that it waits for; the child must not begin so. */
  posix_spawnattr_t attributes;
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  int failure = posix_spawn(&child->pid, "/proc/self/exe", NULL, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  child->started = now();
  if (failure == 0) {
    qn_log("info", "the worker runs as process %d", (int)child->pid);
    return;
  }
  child->pid = 0;
  child->pause = pause_most_s;
  child->start_at = now() + pause_most_s;
  qn_log("error", "cannot start the worker: %s", strerror(failure));
}

static void bury(qn_supervised *child, int status) {
  bool grown_up = now() - child->started >= grown_up_s;
  child->pid = 0;
  child->pause = grown_up || child->pause == 0 ? pause_first_s : fmin(2 * child->pause, pause_most_s);
  child->start_at = now() + child->pause;
  if (child->stopping) return;
  if (WIFSIGNALED(status))
    qn_log("error", "the worker was ended by signal %d (%s); it starts again in %g s", WTERMSIG(status), strsignal(WTERMSIG(status)),
           child->pause);
  else
    qn_log("error", "the worker ended with status %d; it starts again in %g s", WEXITSTATUS(status), child->pause);
}

static void reap(qn_supervised *child) {
  int status;
  if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) bury(child, status);
}

double qn_supervise_turn(qn_supervised *child) {
  reap(child);
  if (child->pid > 0 || child->stopping) return look_s;
  double left = child->start_at - now();
  if (left > 0) return fmin(left, look_s);
  start(child);
  return child->pid > 0 ? look_s : 0.1;
}

void qn_supervise_signal(qn_supervised *child, int signal_number) {
  child->stopping = true;
  if (child->pid > 0) kill(child->pid, signal_number);
}

void qn_supervise_stop(qn_supervised *child, double seconds) {
  double deadline = now() + seconds;
  child->stopping = true;
  for (reap(child); child->pid > 0 && now() < deadline; reap(child)) usleep(10000);
  if (child->pid == 0) return;
  qn_log("warning", "the worker did not end within %g s and is killed; its jobs resume from their last checkpoints", seconds);
  kill(child->pid, SIGKILL);
  waitpid(child->pid, NULL, 0);
  child->pid = 0;
}

void qn_supervise_follow_parent(void) {
  const char *parent = getenv(parent_variable);
  if (parent == NULL) return;
  long pid = strtol(parent, NULL, 10);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  /* It may have died before the line above; then nobody will tell us. */
  if (getppid() != (pid_t)pid) raise(SIGTERM);
  unsetenv(parent_variable);
}

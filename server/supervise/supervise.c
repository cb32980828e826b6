#include "server/supervise/supervise.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/log.h"

extern char **environ;

static const char parent_variable[] = "QUENCHD_SUPERVISOR";
/* A child that lived for so long did not die of its start. The pauses stay well below the 30 s within which work must go on. */
static const double grown_up_s = 10, pause_first_s = 0.1, pause_most_s = 5, look_s = 1;

void qn_supervise_init(qn_supervised *child, const char *command, const char *variable) {
  *child = (qn_supervised){.command = command, .variable = variable};
}

/* Containers share process numbers, sometimes also the host's name. */
static void set_name(qn_supervised *child) {
  char host[100] = "host";
  unsigned char random[2] = {0};
  gethostname(host, sizeof host - 1);
  if (child->children++ == 0) {
    if (getrandom(random, sizeof random, 0) != sizeof random) memset(random, 0, sizeof random);
    child->mark = (unsigned)random[0] << 8 | random[1];
  }
  snprintf(child->name, sizeof child->name, "%s:%d-%04x.%u", host, (int)getpid(), child->mark, child->children);
}

/* Ours with two more words, in a list of its own: other threads read the environment meanwhile. NULL without memory. */
static char **extend_environment(const char *parent, const char *name) {
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **list = malloc((count + 3) * sizeof *list);
  if (list == NULL) return NULL;
  size_t used = 0;
  const char *const words[] = {parent, name};
  for (size_t i = 0; i < count; i++) {
    bool replaced = false;
    for (int w = 0; w < 2; w++) replaced = replaced || strncmp(environ[i], words[w], strcspn(words[w], "=") + 1) == 0;
    if (!replaced) list[used++] = environ[i];
  }
  for (int w = 0; w < 2; w++) list[used++] = (char *)(uintptr_t)words[w];
  list[used] = NULL;
  return list;
}

static void start(qn_supervised *child) {
  char parent[48], name[256], program[] = "quenchd", command[32];
  set_name(child);
  snprintf(parent, sizeof parent, "%s=%d", parent_variable, (int)getpid());
  snprintf(name, sizeof name, "%s=%s", child->variable, child->name);
  snprintf(command, sizeof command, "%s", child->command);
  char *arguments[] = {program, command, NULL}, **environment = extend_environment(parent, name);

  /* The server blocks the signals that it waits for; the child must not begin so. */
  posix_spawnattr_t attributes;
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  int failure = environment != NULL ? posix_spawn(&child->pid, "/proc/self/exe", NULL, &attributes, arguments, environment) : ENOMEM;
  posix_spawnattr_destroy(&attributes);
  free(environment);
  child->started = qn_clock_now();
  if (failure == 0) {
    qn_log("info", "the worker runs as process %d", (int)child->pid);
    return;
  }
  child->pid = 0;
  child->pause = pause_most_s;
  child->start_at = qn_clock_now() + pause_most_s;
  qn_log("error", "cannot start the worker: %s", strerror(failure));
}

static void bury(qn_supervised *child, int status) {
  bool grown_up = qn_clock_now() - child->started >= grown_up_s;
  char how[96];
  if (WIFSIGNALED(status)) snprintf(how, sizeof how, "the worker was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else snprintf(how, sizeof how, "the worker ended with status %d", WEXITSTATUS(status));
  child->pid = 0;
  child->pause = grown_up || child->pause == 0 ? pause_first_s : fmin(2 * child->pause, pause_most_s);
  child->start_at = qn_clock_now() + child->pause;
  if (child->died != NULL) child->died(child->context, child->name, how);
  if (!child->stopping) qn_log("error", "%s; it starts again in %g s", how, child->pause);
}

static void reap(qn_supervised *child) {
  int status;
  if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) bury(child, status);
}

double qn_supervise_turn(qn_supervised *child) {
  reap(child);
  if (child->pid > 0 || child->stopping) return look_s;
  double left = child->start_at - qn_clock_now();
  if (left > 0) return fmin(left, look_s);
  start(child);
  return child->pid > 0 ? look_s : 0.1;
}

void qn_supervise_signal(qn_supervised *child, int signal_number) {
  child->stopping = true;
  if (child->pid > 0) kill(child->pid, signal_number);
}

void qn_supervise_stop(qn_supervised *child, double seconds) {
  double deadline = qn_clock_now() + seconds;
  child->stopping = true;
  for (reap(child); child->pid > 0 && qn_clock_now() < deadline; reap(child)) usleep(10000);
  if (child->pid == 0) return;
  qn_log("warning", "the worker did not end within %g s and is killed; its jobs resume from their last checkpoints", seconds);
  int status = 0;
  kill(child->pid, SIGKILL);
  waitpid(child->pid, &status, 0);
  bury(child, status);
}

bool qn_supervise_follow_parent(void) {
  const char *parent = getenv(parent_variable);
  if (parent == NULL) return false;
  long pid = strtol(parent, NULL, 10);
  prctl(PR_SET_PDEATHSIG, SIGINT);
  /* It may have died before the line above; then nobody will tell us. */
  if (getppid() != (pid_t)pid) kill(getpid(), SIGINT);
  unsetenv(parent_variable);
  return true;
}

#include "server/worker/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

qn_status qn_process_prepare(qn_process *process, qn_error *error) {
  *process = (qn_process){.watch = -1, .descriptor = -1};
  process->board = qn_board_alloc(&process->descriptor);
  if (process->board != NULL) return QN_OK;
  return qn_error_set(error, QN_NO_MEMORY, "no memory to share with a job: %s", strerror(errno));
}

qn_status qn_process_start(qn_process *process, const char *program, qn_error *error) {
  char name[] = "quenchd", command[] = "run-job";
  char *arguments[] = {name, command, NULL};
  process->board->worker = getpid();

  /* What asks a worker to stop may be sent to its jobs as well (by an init system; a terminal's does not reach their session): they hear of it from the
   * worker, and ignore it. They begin so, since it may come before their first line. */
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t blocked, usual;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGHUP);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, process->descriptor, QN_BOARD_DESCRIPTOR);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  posix_spawnattr_setsigmask(&attributes, &blocked);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  int failure = posix_spawn(&process->pid, program != NULL ? program : "/proc/self/exe", &files, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) {
    process->pid = 0;
    return qn_error_set(error, QN_NO_MEMORY, "no process for a job: %s", strerror(failure));
  }
  process->watch = pidfd_open(process->pid, 0);
  return QN_OK;
}

bool qn_process_ended(qn_process *process, int *how) {
  if (process->pid == 0) return false;
  pid_t ended = waitpid(process->pid, how, WNOHANG);
  if (ended != process->pid && !(ended < 0 && errno == ECHILD)) return false;
  if (ended < 0) *how = 0; /* somebody told the kernel to forget our children */
  process->pid = 0;
  return true;
}

void qn_process_kill(const qn_process *process) {
  if (process->pid > 0) kill(process->pid, SIGKILL);
}

void qn_process_fini(qn_process *process) {
  if (process->watch >= 0) close(process->watch);
  qn_board_free(process->board, process->descriptor);
  *process = (qn_process){.watch = -1, .descriptor = -1};
}

void qn_process_obituary(const qn_process *process, int how, char text[128]) {
  long long step = atomic_load(&process->board->step);
  char place[48] = "before its first step", cause[64];
  if (strcmp(process->board->claim.kind, "simulation") != 0) {
    double progress = atomic_load(&process->board->progress);
    if (progress > 0) snprintf(place, sizeof place, "at %.0f %%", 100 * progress);
    else strcpy(place, "at its beginning");
  } else if (step > 0) {
    snprintf(place, sizeof place, "at step %lld", step);
  }
  const char *abbreviation = WIFSIGNALED(how) ? sigabbrev_np(WTERMSIG(how)) : NULL;
  if (abbreviation != NULL) snprintf(cause, sizeof cause, "ended by SIG%s", abbreviation);
  else if (WIFSIGNALED(how)) snprintf(cause, sizeof cause, "ended by signal %d", WTERMSIG(how));
  else snprintf(cause, sizeof cause, "ended with status %d", WEXITSTATUS(how));
  snprintf(text, 128, "%s %s", cause, place);
}

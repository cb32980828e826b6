/* Running the program itself: its output, its exit code, its signals. */
#ifndef QN_TESTS_SERVER_CLI_PROGRAM_H
#define QN_TESTS_SERVER_CLI_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/process.h"

extern char **environ;

typedef struct program {
  pid_t pid;
  char folder[64];    /* of its own: "out", "err" */
  char *out, *err;    /* malloc'ed, once it has ended */
  int code;           /* exit code; -signal */
} program;

static inline char *program_read(const char *folder, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = calloc(1, (size_t)size + 1);
  assert_non_null(text);
  assert_int_equal(fread(text, 1, (size_t)size, file), size);
  fclose(file);
  return text;
}

/* Start `command`, found in PATH or "quenchd", with the words of `line`, separated by single blanks; in a process group of its own when asked. */
static inline void program_spawn(program *at, const char *command, const char *line, int group) {
  char *words = strdup(line), *arguments[32] = {(char *)(uintptr_t)command};
  assert_non_null(words);
  int count = 1;
  for (char *word = strtok(words, " "); word != NULL && count < 31; word = strtok(NULL, " ")) arguments[count++] = word;
  memset(at, 0, sizeof *at);
  strcpy(at->folder, "/tmp/quenchd-cli.XXXXXX");
  assert_non_null(mkdtemp(at->folder));
  char out[96], err[96];
  snprintf(out, sizeof out, "%s/out", at->folder);
  snprintf(err, sizeof err, "%s/err", at->folder);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (group) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const char *file = strcmp(command, "quenchd") == 0 ? QN_PROGRAM : command;
  assert_int_equal(posix_spawnp(&at->pid, file, &actions, &attributes, arguments, environ), 0);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free(words);
}

static inline void program_start(program *at, const char *line) { program_spawn(at, "quenchd", line, 0); }

/* Whether it has written `text` to "out" or "err", or does within so many seconds. */
static inline bool program_says(const program *at, const char *name, const char *text, double seconds) {
  for (double end = qn_clock_now() + seconds;; usleep(10000)) {
    char *all = program_read(at->folder, name);
    bool found = strstr(all, text) != NULL;
    free(all);
    if (found || qn_clock_now() >= end) return found;
  }
}

static inline void program_await(const program *at, const char *name, const char *text, double seconds) {
  if (!program_says(at, name, text, seconds)) fail_msg("it did not say '%s' within %g s", text, seconds);
}

/* Wait for its end, at most so many seconds; then it is killed and the test fails. */
static inline void program_wait(program *at, double seconds) {
  double end = qn_clock_now() + seconds;
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(at->pid, &status, WNOHANG)) == 0 && qn_clock_now() < end) usleep(5000);
  if (ended == 0) {
    kill(at->pid, SIGKILL);
    waitpid(at->pid, &status, 0);
  }
  at->out = program_read(at->folder, "out");
  at->err = program_read(at->folder, "err");
  at->code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  if (ended == 0) fail_msg("quenchd did not end within %g s; it said: %s", seconds, at->err);
}

static inline void program_run(program *at, const char *line) {
  program_start(at, line);
  program_wait(at, 60);
}

static inline void program_fini(program *at) {
  char path[96];
  snprintf(path, sizeof path, "%s/out", at->folder);
  unlink(path);
  snprintf(path, sizeof path, "%s/err", at->folder);
  unlink(path);
  rmdir(at->folder);
  free(at->out);
  free(at->err);
}

#endif

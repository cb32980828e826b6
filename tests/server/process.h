/* Looking at other processes, and stopping them where a test wants them. */
#ifndef QN_TESTS_SERVER_PROCESS_H
#define QN_TESTS_SERVER_PROCESS_H

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/types.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/clock.h"

/* The state of a process: 'R', 'S', 'T' (it stands), 'Z' (it has ended, which nobody asked for yet); 0 when it is gone. */
static inline char process_state(pid_t pid) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return 0;
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  const char *name_end = strrchr(text, ')');
  return name_end != NULL && name_end[1] == ' ' ? name_end[2] : 0;
}

static inline bool process_has_ended(pid_t pid) {
  char state = process_state(pid);
  return state == 0 || state == 'Z' || state == 'X';
}

/* Whether it ends within so many seconds; an orphan in a container may find nobody who reaps it. */
static inline bool process_ends(pid_t pid, double seconds) {
  double end = qn_clock_now() + seconds;
  while (!process_has_ended(pid) && qn_clock_now() < end) usleep(10000);
  return process_has_ended(pid);
}

/* Stop it, and wait until it stands: signals that come before that find it as it was. False when it has ended instead. */
static inline bool process_stands(pid_t pid) {
  if (kill(pid, SIGSTOP) != 0) return false;
  for (double end = qn_clock_now() + 20; process_state(pid) != 'T'; usleep(2000)) {
    if (process_has_ended(pid)) return false;
    if (qn_clock_now() > end) fail_msg("process %d does not stand", (int)pid);
  }
  return true;
}

/* The same with one that has no reason to end. */
static inline void process_stop(pid_t pid) { assert_true(process_stands(pid)); }

/* The child of `parent`, 0 without one, after at most so many seconds; one that is not `before`. */
static inline pid_t process_child(pid_t parent, pid_t before, double seconds) {
  char path[64], text[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
  for (double end = qn_clock_now() + seconds;; usleep(10000)) {
    FILE *file = fopen(path, "re");
    if (file != NULL) {
      pid_t child = fgets(text, sizeof text, file) != NULL ? (pid_t)atoi(text) : 0;
      fclose(file);
      if (child > 0 && child != before) return child;
    }
    if (qn_clock_now() > end) return 0;
  }
}

#endif

#include "server/worker/courtesy.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NICENESS = 10 }; /* of a core that two want, a job gets a tenth */

/* False: the kernel would not have it. */
static bool put(const char *file, int value) {
  FILE *out = fopen(file, "we");
  if (out == NULL) return false;
  bool written = fprintf(out, "%d", value) > 0;
  return fclose(out) == 0 && written;
}

/* Where Linux groups processes by session (autogroups: without cgroups, as on a bare machine), niceness counts within a session alone, and each session
 * has an equal share: each of PostgreSQL's backends is one, and would wait for a job until it had as much of the core. So the job's session is to be nice
 * too. Without privileges the kernel takes such a wish but once in a tenth of a second, of all that are made. */
static void make_session_nice(void) {
  if (getsid(0) != getpid()) return; /* others would be meant as well */
  for (int attempt = 0; attempt < 5 && !put("/proc/self/autogroup", NICENESS) && errno == EAGAIN; attempt++)
    nanosleep(&(struct timespec){.tv_nsec = 120000000}, NULL);
}

void qn_courtesy_show(void) {
  sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
  if (getpriority(PRIO_PROCESS, 0) < NICENESS) setpriority(PRIO_PROCESS, 0, NICENESS);
  make_session_nice();
  put("/proc/self/oom_score_adj", 500);
}

#include "server/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "server/cli/signals.h"
#include "server/clock.h"

/* Time in which a simulation writes its checkpoint after a signal. */
static const double drain_s = 30;
static const double every_s = 0.5, every_line = 0.1;

static atomic_int stop; /* what a signal sets has to be seen from everywhere */

void qn_cli_progress_watch(void) {
  qn_signals_block();
  qn_signals_watch(&stop, drain_s, false);
}

static qn_status check(void *context, double fraction, qn_error *error) {
  qn_cli_progress *progress = context;
  if (atomic_load(&stop) != 0) return qn_error_set(error, QN_CANCELLED, "stopped by a signal");
  double time = qn_clock_now();
  if (isatty(STDERR_FILENO) == 1 && time - progress->at >= every_s) {
    fprintf(stderr, "\r%s %5.1f %%", progress->what, 100 * fraction);
    progress->at = time;
  } else if (isatty(STDERR_FILENO) != 1 && fraction >= progress->shown + every_line) {
    fprintf(stderr, "%s %.0f %%\n", progress->what, 100 * fraction);
    progress->shown = fraction;
  }
  return QN_OK;
}

qn_job_control qn_cli_progress_control(qn_cli_progress *progress, const char *what, double checkpoint_s) {
  *progress = (qn_cli_progress){.what = what};
  return (qn_job_control){.context = progress, .check = check, .checkpoint_s = checkpoint_s};
}

void qn_cli_progress_end(const qn_cli_progress *progress) {
  if (isatty(STDERR_FILENO) == 1 && progress->at > 0) fputs("\r\033[K", stderr);
}

#include "engine/analysis/unwrapped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

static const double STAND_OUT = 4; /* A, of wrapped atoms out of their box, both sides together */

qn_status qn_unwrapped_init(qn_unwrapped *run, const qn_frame *first, qn_error *error) {
  *run = (qn_unwrapped){.atoms = first->count, .box = first->box};
  bool good = true;
  for (int a = 0; a < 3; a++) {
    run->last[a] = qn_memory_alloc((size_t)first->count, sizeof(double));
    good = good && run->last[a] != NULL;
    run->low[a] = INFINITY;
    run->high[a] = -INFINITY;
  }
  return good ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

void qn_unwrapped_fini(qn_unwrapped *run) {
  for (int a = 0; a < 3; a++) free(run->last[a]);
  memset(run, 0, sizeof *run);
}

static qn_status refuse_wrapped(long long number, const char *why, qn_error *error) {
  return qn_error_set(error, QN_UNSUPPORTED, "frame %lld: %s: the positions are wrapped, and displacements cannot be told; unwrapped positions are needed",
                      number, why);
}

qn_status qn_unwrapped_check(qn_unwrapped *run, const qn_frame *frame, qn_error *error) {
  long long number = (long long)run->seen + 1;
  if (frame->count != run->atoms) return qn_error_set(error, QN_UNSUPPORTED, "frame %lld has another number of atoms", number);
  if (frame->wrapping == QN_WRAPPING_WRAPPED) return refuse_wrapped(number, "the file has neither unwrapped positions nor image counts", error);
  for (int a = 0; a < 3; a++)
    if (!frame->open[a] && fabs(frame->box.length[a] - run->box.length[a]) > 1e-6 * run->box.length[a])
      return qn_error_set(error, QN_UNSUPPORTED, "frame %lld: the box changes from %.9g to %.9g A; displacements need a run at constant volume",
                          number, run->box.length[a], frame->box.length[a]);
  for (int a = 0; a < 3 && frame->wrapping == QN_WRAPPING_UNKNOWN; a++) {
    if (frame->open[a]) continue;
    double largest = 0;
    for (int64_t i = 0; i < frame->count; i++) {
      double x = frame->r[a][i], step = run->seen > 0 ? fabs(x - run->last[a][i]) : 0;
      largest = step > largest ? step : largest;
      run->low[a] = x < run->low[a] ? x : run->low[a];
      run->high[a] = x > run->high[a] ? x : run->high[a];
    }
    double length = frame->box.length[a];
    if (largest <= length / 2 || run->high[a] - run->low[a] > length + STAND_OUT) continue;
    char why[160];
    snprintf(why, sizeof why, "an atom moves %.3g A along %c in one interval and no atom has ever been outside one box of %.3g A", largest, "xyz"[a],
             length);
    return refuse_wrapped(number, why, error);
  }
  for (int a = 0; a < 3; a++) memcpy(run->last[a], frame->r[a], (size_t)frame->count * sizeof(double));
  run->seen++;
  return QN_OK;
}


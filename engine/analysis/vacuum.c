#include "engine/analysis/vacuum.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/base/memory.h"

static const double GAP = 6, BIN = 0.25; /* A */

/* The longest run of empty bins along an axis, periodic, A, and its middle. */
static double widest_gap(const qn_frame *frame, int axis, double *middle) {
  double length = frame->box.length[axis];
  int64_t bins = (int64_t)(length / BIN);
  if (bins < 2 || bins > 100000000) return 0;
  bool *filled = qn_memory_alloc((size_t)bins, sizeof *filled);
  if (filled == NULL) return 0;
  for (int64_t i = 0; i < frame->count; i++) {
    double x = (frame->r[axis][i] - frame->box.origin[axis]) / length;
    int64_t bin = (int64_t)((x - floor(x)) * (double)bins);
    filled[bin < bins ? bin : bins - 1] = true;
  }
  int64_t longest = 0, run = 0, end = 0;
  for (int64_t b = 0; b < 2 * bins; b++) {
    run = filled[b % bins] ? 0 : run + 1;
    if (run > longest) {
      longest = run;
      end = b + 1;
    }
  }
  free(filled);
  double width = length / (double)bins;
  *middle = frame->box.origin[axis] + width * ((double)end - 0.5 * (double)longest);
  return (double)longest * width;
}

int qn_vacuum_axis(const qn_frame *frame, double *middle, int *axes) {
  int found = -1, count = 0;
  for (int axis = 0; axis < 3; axis++) {
    double at = 0;
    if (!frame->open[axis] && widest_gap(frame, axis, &at) < GAP) continue;
    if (count++ > 0) continue;
    found = axis;
    if (middle != NULL) *middle = at;
  }
  if (axes != NULL) *axes = count;
  return found;
}

const char *qn_vacuum_region(const qn_frame *frame) { return qn_vacuum_axis(frame, NULL, NULL) < 0 ? "bulk" : "slab"; }

#include "engine/analysis/radial.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { NEIGHBOURS = 16384, SMOOTH = 2 };
static const double NEAREST_SHELL = 6, SECOND_SHELL = 1.7;

qn_status qn_radial_measure(qn_pairs *pairs, const qn_frame *frame, double bin, int bins, int threads, double *g, qn_error *error) {
  qn_status status = qn_pairs_build(pairs, frame, bin * bins, error);
  if (status != QN_OK) return status;
  int kinds = frame->species_count * (frame->species_count + 1) / 2;
  int64_t *count = qn_memory_alloc((size_t)threads * (size_t)(kinds * bins), sizeof *count);
  qn_neighbour *near = qn_memory_alloc((size_t)threads * NEIGHBOURS, sizeof *near);
  bool crowded = false;
  if (count == NULL || near == NULL) {
    free(count);
    free(near);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  /* Counts are integers: their sum does not depend on who counted. */
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads) reduction(|| : crowded)
  for (int64_t i = 0; i < frame->count; i++) {
    int64_t *mine = count + (int64_t)omp_get_thread_num() * kinds * bins;
    qn_neighbour *list = near + (int64_t)omp_get_thread_num() * NEIGHBOURS;
    int64_t found = qn_pairs_of(pairs, i, list, NEIGHBOURS);
    crowded = crowded || found > NEIGHBOURS;
    for (int64_t k = 0; k < found && k < NEIGHBOURS; k++) {
      int at = (int)(sqrt(list[k].square) / bin);
      if (at < bins) mine[qn_radial_pair(frame->type[i], list[k].type, frame->species_count) * bins + at]++;
    }
  }
  free(near);
  if (crowded) {
    free(count);
    return qn_error_set(error, QN_UNSUPPORTED, "an atom has more than %d neighbours within %g A", NEIGHBOURS, bin * bins);
  }
  for (int t = 1; t < threads; t++)
    for (int e = 0; e < kinds * bins; e++) count[e] += count[(int64_t)t * kinds * bins + e];

  double atoms[QN_MAX_SPECIES] = {0}, volume = qn_box_volume(&frame->box), all = (double)frame->count;
  for (int64_t i = 0; i < frame->count; i++) atoms[frame->type[i]] += 1;
  for (int b = 0; b < bins; b++) {
    double low = bin * b, high = bin * (b + 1), shell = 4 * QN_PI / 3 * (high * high * high - low * low * low), sum = 0;
    for (int s = 0; s < frame->species_count; s++)
      for (int t = s; t < frame->species_count; t++) {
        int kind = qn_radial_pair(s, t, frame->species_count);
        double n = (double)count[kind * bins + b]; /* a-b and b-a are both counted */
        sum += n;
        g[kind * bins + b] = n * volume / ((s == t ? 1 : 2) * atoms[s] * atoms[t] * shell);
      }
    g[kinds * bins + b] = sum * volume / (all * all * shell);
  }
  free(count);
  return QN_OK;
}

static double smooth(const double *g, int bins, int at) {
  int first = at < SMOOTH ? 0 : at - SMOOTH, last = at + SMOOTH >= bins ? bins - 1 : at + SMOOTH;
  double sum = 0;
  for (int b = first; b <= last; b++) sum += g[b];
  return sum / (last - first + 1);
}

/* Vertex of the parabola through a bin and those two bins away, A. */
static double refine(const double *g, double bin, int bins, int at) {
  if (at < SMOOTH || at + SMOOTH >= bins) return bin * (at + 0.5);
  double left = smooth(g, bins, at - SMOOTH), middle = smooth(g, bins, at), right = smooth(g, bins, at + SMOOTH), curve = left - 2 * middle + right;
  double shift = fabs(curve) > 0 ? 0.5 * (left - right) / curve : 0;
  return bin * (at + 0.5 + SMOOTH * fmin(fmax(shift, -1), 1));
}

void qn_radial_shell(const double *g, double bin, int bins, double *maximum, double *minimum) {
  *maximum = *minimum = NAN;
  int highest = 0;
  for (int b = 1; b < bins && bin * b < NEAREST_SHELL; b++)
    if (smooth(g, bins, b) > smooth(g, bins, highest)) highest = b;
  if (highest == 0 || isnan(g[0])) return;
  *maximum = refine(g, bin, bins, highest);
  int lowest = highest, end = (int)(SECOND_SHELL * *maximum / bin);
  if (end >= bins) return;
  for (int b = highest; b <= end; b++)
    if (smooth(g, bins, b) < smooth(g, bins, lowest)) lowest = b;
  if (lowest > highest && lowest < end) *minimum = refine(g, bin, bins, lowest);
}

#include "engine/analysis/cage_size.h"

#include <math.h>

#include "engine/analysis/jackknife.h"

static const double BIN = 0.005 /* A */, CUT = 5;

void qn_cage_size_add(qn_cage_size *size, int part, double square) {
  double at = sqrt(square) / BIN;
  int bin = at < QN_CAGE_BINS - 1 ? (int)at : QN_CAGE_BINS - 1;
  size->count[part][bin] += 1;
  size->square[part][bin] += square;
}

/* The largest u with u = mean of the squares below 5 u, coming from the mean of all. */
static double self_consistent(const qn_cage_size *size, int without) {
  double count[QN_CAGE_BINS] = {0}, square[QN_CAGE_BINS] = {0}; /* of all bins up to this one */
  for (int b = 0; b < QN_CAGE_BINS; b++) {
    for (int p = 0; p < QN_CAGE_PARTS; p++) {
      if (p == without) continue;
      count[b] += size->count[p][b];
      square[b] += size->square[p][b];
    }
    if (b == 0) continue;
    count[b] += count[b - 1];
    square[b] += square[b - 1];
  }
  int last = QN_CAGE_BINS - 1;
  if (!(count[last] > 0)) return NAN;
  double u = square[last] / count[last];
  for (int cut = last; cut > 0;) {
    double edge = sqrt(CUT * u) / BIN;
    int next = edge < last ? (int)edge : last; /* bins that lie wholly below the cut */
    if (next >= cut) break;
    cut = next;
    if (!(count[cut] > 0)) break;
    u = square[cut] / count[cut];
  }
  return u;
}

double qn_cage_size_measure(const qn_cage_size *size, double *standard_error) {
  double without[QN_CAGE_PARTS];
  for (int p = 0; p < QN_CAGE_PARTS; p++) without[p] = self_consistent(size, p);
  *standard_error = qn_jackknife_error(without, QN_CAGE_PARTS);
  double u = self_consistent(size, -1);
  return isfinite(u) ? u : 0;
}

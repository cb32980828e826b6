/* Histograms of distances by pair of species, and the shells read from them: for g(r) and for coordination cutoffs. */
#ifndef QN_ANALYSIS_RADIAL_H
#define QN_ANALYSIS_RADIAL_H

#include "engine/analysis/pairs.h"

/* Index of the unordered pair (a, b) among species_count (species_count + 1) / 2. */
static inline int qn_radial_pair(int a, int b, int species_count) {
  int low = a < b ? a : b, high = a < b ? b : a;
  return low * species_count - low * (low - 1) / 2 + high - low;
}

/* g(r) of one frame into g[pair][bins], every pair of species and, last, all atoms: n V / (N_a N_b v(r)) with n the ordered pairs in the shell.
 * NAN for a species without atoms. `pairs` is workspace. */
qn_status qn_radial_measure(qn_pairs *pairs, const qn_frame *frame, double bin, int bins, int threads, double *g, qn_error *error);

/* First maximum and first minimum of g, A. The maximum is the highest place below 6 A; the minimum the lowest between it and 1.7 times its
 * distance, where the second shell begins; both of g smoothed over five bins and refined by a parabola. NAN when there is none. */
void qn_radial_shell(const double *g, double bin, int bins, double *maximum, double *minimum);

#endif

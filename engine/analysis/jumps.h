/* Cage jumps of one atom, from its means and variances over time windows (paper, section III.3, and its references 28 and 55).
 *
 * Windows have the length dt and start every dt/2: window j is made of half-windows j and j + 1. A window is flagged when the variance of the
 * positions inside it, mean |r - mean|^2, exceeds 5 <u^2>. A run of flagged windows a .. b is one jump, from mean(a - o) to mean(b + o):
 *   o = 1  the paper's wording; these windows can overlap the jump
 *   o = 2  windows that do not
 * A jump shorter than sqrt(<u^2>) is dropped. A forward-backward pair is dropped: two jumps, one after the other or with
 * only dropped pairs between them, whose vectors add up to less than 1 A. */
#ifndef QN_ANALYSIS_JUMPS_H
#define QN_ANALYSIS_JUMPS_H

#include <stdbool.h>

typedef struct qn_jump {
  int first, last;  /* windows a and b */
  double vector[3]; /* A */
} qn_jump;

/* mean: [windows][3], A; flagged: [windows]. `axis` is left out of lengths (-1: none). Jumps that would need windows before the first or after
 * the last are left out. Writes at most (windows + 1) / 2 jumps; returns their number. */
int qn_jumps_find(int windows, const double (*mean)[3], const bool *flagged, int o, double debye_waller, int axis, qn_jump *jump);

/* |vector|^2 without one axis, A^2. */
double qn_jump_square(const double vector[3], int axis);

#endif

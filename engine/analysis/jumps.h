/* Cage jumps of one atom, from its means over time windows and whether they are flagged (paper, section III.3, and its references 28 and 55).
 *
 * Windows have the length dt and start every dt/2. A run of flagged windows a .. b is one jump, from mean(a - o) to mean(b + o):
 *   o = 1  the paper's wording; these windows can overlap the jump
 *   o = 2  windows that do not
 * A jump shorter than sqrt(<u^2>) is dropped. A forward-backward pair is dropped: two jumps, one after the other or with only dropped pairs
 * between them, in opposite directions (l1 . l2 < 0) whose vectors add up to less than 1 A. (The sum alone would take two short
 * jumps the same way for one there and back.) Jumps that would need windows before the first or after the last are left out.
 *
 * Windows come one by one; kept are the last two, the run that is open, and the jumps themselves. */
#ifndef QN_ANALYSIS_JUMPS_H
#define QN_ANALYSIS_JUMPS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"

enum { QN_JUMP_OFFSETS = 2 };

/* What is known of an atom in one window. */
typedef struct qn_jump_window {
  double mean[3];  /* A */
  bool flagged;
  bool inside;     /* the mean lies in the layer; true without one */
  int16_t number;  /* coordination number in the middle of the window */
} qn_jump_window;

typedef struct qn_jump {
  int32_t first, last;         /* windows a and b */
  double vector[3];            /* A */
  bool begins, ends, always;   /* inside the layer: the window a - o, b + o, all from the one to the other */
  int16_t before, after;       /* coordination number in windows a - o and b + o */
} qn_jump;

typedef struct qn_jump_list {
  int count, room;
  qn_jump *jump;
} qn_jump_list;

/* Where a run may have begun. */
typedef struct qn_jump_start {
  bool known;
  qn_jump_window window;
} qn_jump_start;

/* Begin with qn_jump_track_init; end with qn_jump_track_fini. */
typedef struct qn_jump_track {
  int32_t windows;                             /* seen */
  int32_t inside_since;                        /* window from which on all were inside; INT32_MAX when the last was not */
  int32_t run;                                 /* first window of the open run; -1: none */
  bool waiting;                                /* a run has ended, whose window b + 2 is still to come */
  int32_t waiting_first, waiting_last;
  qn_jump_window last[QN_JUMP_OFFSETS];        /* window j at j % 2 */
  qn_jump_start start[QN_JUMP_OFFSETS];        /* of the open run, o = 1 and 2 */
  qn_jump_start waiting_start;
  qn_jump_list kept[QN_JUMP_OFFSETS];          /* jumps found so far, o = 1 and 2 */
} qn_jump_track;

void qn_jump_track_init(qn_jump_track *track);
void qn_jump_track_fini(qn_jump_track *track); /* also fine on an all-zero object */

/* The next window. `debye_waller`: <u^2>, A^2; `axis` is left out of lengths (-1: none). */
qn_status qn_jump_track_add(qn_jump_track *track, const qn_jump_window *window, double debye_waller, int axis, qn_error *error);

/* |vector|^2 without one axis, A^2. */
double qn_jump_square(const double vector[3], int axis);

#endif

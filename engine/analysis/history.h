/* The positions of the last frames of a reading, shared by every time correlation made of it: one ring, however many analyses there are.
 *
 * Each attaches its window (window.h: lags, a kernel, a layer). A frame goes in once; the squared displacement of each atom over a lag is
 * computed once for all windows that want it. The centre of mass of all atoms, weighted by mass, is held still.
 *
 * Memory. The ring holds 28 bytes an atom for each frame up to the longest lag of any window (and some that wait), at most 768 MiB: a longest lag
 * that was asked for and needs more is refused, naming the longest that fits (1716 frames of 16384 atoms); one that was not is shortened
 * to it. The sums that wait for the ring take 32 MiB more, or one frame's if that is more.
 *
 * What displacements cannot be told from is refused, with QN_UNSUPPORTED (unwrapped.h).
 *
 * Sums go over fixed chunks of atoms in a fixed order with fixed lanes: the bits depend neither on threads nor on the width of vectors, nor on
 * which other windows are attached. */
#ifndef QN_ANALYSIS_HISTORY_H
#define QN_ANALYSIS_HISTORY_H

#include "engine/analysis/analysis.h"
#include "engine/analysis/layer.h"

struct qn_window;

enum { QN_HISTORY_CHUNK = 64, QN_HISTORY_MAX_LAYERS = 32 };

/* For frames like the first, which will be added too. */
qn_status qn_history_alloc(qn_history **history, const qn_frame *first, int threads, qn_error *error);
void qn_history_free(qn_history *history); /* NULL is fine */

/* How many frames of so many atoms the ring can look back. */
int64_t qn_history_reach(int64_t atoms);

/* A window that is all set but for its sums; before the first frame is added. Its layer (NULL: none) is copied. */
qn_status qn_history_attach(qn_history *history, struct qn_window *window, const qn_layer *layer, qn_error *error);
void qn_history_detach(qn_history *history, struct qn_window *window);

qn_status qn_history_add(qn_history *history, const qn_frame *frame, qn_error *error);
void qn_history_finish(qn_history *history); /* after the last frame, before averages are read */

/* Of the last frame added: the drift of the centre of mass since the first, A. */
const double *qn_history_drift(const qn_history *history);
#endif

/* Frames through analyses: all that are wanted of one reading in one pass. */
#ifndef QN_ANALYSIS_RUN_H
#define QN_ANALYSIS_RUN_H

#include "engine/analysis/analysis.h"
#include "engine/trajectory/trajectory.h"

/* Where frames come from, in order. */
typedef struct qn_analysis_frames {
  void *context;
  /* Frame `index`, from 0, never going back; what `frame` points to stays valid until the next call. */
  qn_status (*read)(void *context, int64_t index, qn_frame *frame, qn_error *error);
  int64_t count;
  double interval;      /* ps; NAN: the frames have no times or are not evenly spaced */
  qn_wrapping wrapping; /* as far as it is known beforehand */
} qn_analysis_frames;

/* Frames first, first + every, ... before `end` (end <= 0: all) of a trajectory. The slice is the caller's storage. */
typedef struct qn_analysis_slice {
  qn_trajectory *trajectory;
  int64_t first, every;
} qn_analysis_slice;
qn_status qn_analysis_slice_init(qn_analysis_slice *slice, qn_analysis_frames *frames, qn_trajectory *trajectory, int64_t first, int64_t end,
                                 int64_t every, qn_error *error);

/* One analysis that is wanted, and what became of it. */
typedef struct qn_analysis_order {
  const qn_analysis_type *type;
  const double *parameters;
  const qn_value *fed;  /* what the type's feed asks for, or NULL */
  qn_status status;     /* out */
  qn_error error;       /* out, when status is not QN_OK */
  qn_report report;     /* out, the caller's, when it is */
} qn_analysis_order;

/* Called after every frame; a status other than QN_OK ends the reading with it. */
typedef qn_status (*qn_analysis_progress)(void *context, int64_t done, int64_t frames, qn_error *error);

/* Every frame is read once, and goes to every order that has not failed yet: one that fails does not disturb the others. The reading ends early when
 * all have. `potential` (may be NULL) is for those that need one. Not QN_OK when the reading itself failed or was ended: then no order has
 * a report. Memory: the history's (history.h), the first 16 frames (or as many as fit 64 MiB, at least one), and what each type states. */
qn_status qn_analysis_run(const qn_analysis_frames *frames, qn_analysis_order *orders, int count, const qn_eam *potential, int threads,
                          qn_analysis_progress progress, void *context, qn_error *error);

#endif

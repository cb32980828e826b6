/* A stored trajectory through an analysis. */
#ifndef QN_ANALYSIS_RUN_H
#define QN_ANALYSIS_RUN_H

#include "engine/analysis/analysis.h"
#include "engine/trajectory/trajectory.h"

/* Called after every frame; a status other than QN_OK ends the analysis with it. */
typedef qn_status (*qn_analysis_progress)(void *context, int64_t done, int64_t frames, qn_error *error);

/* Frames first, first + every, ... before `end` (end <= 0: all) go through a new analysis of `type`; the caller owns the report.
 * QN_UNSUPPORTED when the frames are not evenly spaced in time or have no times; otherwise what trajectory or analysis refuse. */
qn_status qn_analysis_run(const qn_analysis_type *type, const double *parameters, qn_trajectory *trajectory, int64_t first, int64_t end,
                          int64_t every, int threads, qn_analysis_progress progress, void *context, qn_report *report, qn_error *error);

#endif

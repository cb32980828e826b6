#include "engine/analysis/run.h"

#include <math.h>
#include <string.h>

#include "engine/base/number.h"

/* The interval of the frames chosen, ps; NAN when they are not even to 1 %. */
static double interval_of(const qn_trajectory_info *info, int64_t first, int64_t frames, int64_t every) {
  if (frames < 2) return NAN;
  double interval = (info->time[first + (frames - 1) * every] - info->time[first]) / (double)(frames - 1);
  if (!(interval > 0)) return NAN;
  for (int64_t i = 1; i < frames; i++)
    if (!(fabs(info->time[first + i * every] - info->time[first + (i - 1) * every] - interval) <= 0.01 * interval)) return NAN;
  return qn_number_round(interval);
}

qn_status qn_analysis_run(const qn_analysis_type *type, const double *parameters, qn_trajectory *trajectory, int64_t first, int64_t end,
                          int64_t every, int threads, qn_analysis_progress progress, void *context, qn_report *report, qn_error *error) {
  memset(report, 0, sizeof *report);
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  if (end <= 0 || end > info->frames) end = info->frames;
  if (first < 0 || every < 1 || first >= end)
    return qn_error_set(error, QN_INVALID, "frames %lld to %lld by %lld: the trajectory has %lld", (long long)first, (long long)end,
                        (long long)every, (long long)info->frames);
  int64_t frames = (end - first + every - 1) / every;
  if (frames < 2) return qn_error_set(error, QN_INVALID, "%lld frame: an analysis needs at least two", (long long)frames);
  double interval = interval_of(info, first, frames, every);
  if (isnan(interval))
    return qn_error_set(error, QN_UNSUPPORTED, "%s",
                        isnan(info->time[first]) ? "the frames have no times" : "the frames are not evenly spaced in time");
  qn_analysis *analysis;
  qn_status status = type->alloc(&analysis, parameters, frames, interval, threads, error);
  for (int64_t i = 0; status == QN_OK && i < frames; i++) {
    qn_frame frame;
    status = qn_trajectory_read(trajectory, first + i * every, &frame, error);
    if (status == QN_OK) status = type->accumulate(analysis, &frame, error);
    if (status == QN_OK && progress != NULL) status = progress(context, i + 1, frames, error);
  }
  if (status == QN_OK) status = type->reduce(analysis, report, error);
  type->free(analysis);
  return status;
}

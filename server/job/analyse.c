#include "engine/analysis/run.h"
#include "server/job/job.h"

typedef struct watch { const qn_job_control *control; } watch;

static qn_status on_progress(void *context, int64_t done, int64_t frames, qn_error *error) {
  const qn_job_control *control = ((const watch *)context)->control;
  return control->check(control->context, (double)done / (double)frames, error);
}

qn_status qn_job_analyse(const char *trajectory_path, const qn_analysis_spec *analysis, int threads, const qn_job_control *control,
                         qn_report *report, qn_error *error) {
  qn_trajectory *trajectory;
  qn_status status = qn_trajectory_open(&trajectory, trajectory_path, error);
  if (status != QN_OK) return status;
  watch w = {control};
  bool watched = control != NULL && control->check != NULL;
  status = qn_analysis_run(analysis->type, analysis->parameters, trajectory, 0, 0, 1, threads, watched ? on_progress : NULL, &w, report, error);
  qn_trajectory_close(trajectory);
  return status;
}

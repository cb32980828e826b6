/* One job, from its spec to files and numbers, without queue or database: what a worker runs, and `quenchd simulate` and `analyse` too. */
#ifndef QN_SERVER_JOB_JOB_H
#define QN_SERVER_JOB_JOB_H

#include "api/composition.h"
#include "api/spec.h"

/* A file that a simulation leaves in its directory. */
typedef struct qn_job_artifact {
  char kind[16];          /* "trajectory", "thermo", "snapshot" */
  char path[64];          /* relative to the directory */
  char sha256[65];
  int stage;              /* index into the protocol; -1: all (thermo) */
  double temperature_k;   /* target; the mean temperature of an NVE stage */
  int64_t size, frames;
  double interval_ps;     /* trajectory: time between frames */
} qn_job_artifact;

typedef struct qn_job_output {
  int64_t atoms;
  int64_t resumed_step;   /* the step that a checkpoint brought; 0: from the beginning */
  char composition[QN_COMPOSITION_SIZE];
  int count, capacity;
  qn_job_artifact *artifacts;
} qn_job_output;
void qn_job_output_fini(qn_job_output *output);

/* Called between chunks of work, many times a second. A status other than QN_OK ends the job with it; QN_CANCELLED and QN_UNAVAILABLE (hand it
 * back: the worker drains) leave a checkpoint behind. NULL: never ends. */
typedef struct qn_job_control {
  void *context;
  qn_status (*check)(void *context, double progress, qn_error *error);
  double checkpoint_s;    /* wall time between checkpoints; 0: one at the end of each stage only */
} qn_job_control;

typedef struct qn_job_simulation {
  const qn_simulation_spec *spec;
  const qn_eam *potential;
  const char *directory;       /* made when absent; with a checkpoint of the same spec in it, the run goes on from there */
  const char *const *earlier;  /* folders of earlier attempts, newest first, NULL-terminated; NULL: none. When `directory` holds no checkpoint, the
                                * first one found there is used, and their files are copied, never written: their owner may still live */
  const char *snapshot_path;   /* extended XYZ to start from, when the spec's initial state is a snapshot; NULL otherwise */
  int threads;
} qn_job_simulation;

/* Run a simulation. Files appear under their final names only when they are whole; "checkpoint" and "checkpoint.previous" stay behind, so that a
 * finished run is not run again. The caller owns `output` in any case: qn_job_output_fini. */
qn_status qn_job_simulate(const qn_job_simulation *job, const qn_job_control *control, qn_job_output *output, qn_error *error);

/* Run one analysis over a NetCDF trajectory. On success the caller owns `report`: qn_report_fini. */
qn_status qn_job_analyse(const char *trajectory_path, const qn_analysis_spec *analysis, int threads, const qn_job_control *control,
                         qn_report *report, qn_error *error);

#endif

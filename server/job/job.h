/* One job, from its spec to files and numbers, without queue or database: what a worker runs, and `quenchd simulate` and `analyse` too. */
#ifndef QN_SERVER_JOB_JOB_H
#define QN_SERVER_JOB_JOB_H

#include "api/composition.h"
#include "api/slice.h"
#include "api/spec.h"
#include "api/upload.h"
#include "engine/trajectory/trajectory.h"

/* A file that a simulation leaves in its directory. */
typedef struct qn_job_artifact {
  char kind[16];          /* "trajectory", "thermo", "snapshot" */
  char path[64];          /* relative to the directory */
  char sha256[65];
  int stage;              /* index into the protocol; -1: all (thermo) */
  int sampling;           /* which of the stage's streams of frames; -1: the only one, or no trajectory */
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

/* `check` is called between chunks of work, many times a second, with the part that is done, NAN while files are being fetched. A status other than
 * QN_OK ends the job with it; QN_UNAVAILABLE (hand it back: the worker drains) leaves a checkpoint behind. NULL: never ends. */
typedef struct qn_job_control {
  void *context;
  qn_status (*check)(void *context, double progress, qn_error *error);
  void (*began)(void *context, int64_t step);               /* told where a simulation begins: 0, or what its checkpoint holds; may be NULL */
  void (*reached)(void *context, int64_t step, bool saved); /* told how far the run is, and what each checkpoint (`saved`) holds; may be NULL */
  double checkpoint_s;    /* wall time between checkpoints, the first of which come sooner; 0: one at the end of each stage only */
} qn_job_control;

typedef struct qn_job_simulation {
  const qn_simulation_spec *spec;
  const qn_eam *potential;
  const char *directory;       /* made when absent; with a checkpoint of the same spec in it, the run goes on from there */
  const char *const *earlier;  /* folders of earlier attempts, newest first, NULL-terminated; NULL: none. When `directory` holds no checkpoint, the
                                * first one found there is used, and their growing files are copied, never written: their owner may still live */
  const char *snapshot_path;   /* extended XYZ to start from, when the spec's initial state is a snapshot or a structure; NULL otherwise */
  int threads;
} qn_job_simulation;

/* Run a simulation. Files appear under their final names only when they are whole; "checkpoint" and "checkpoint.previous" stay behind, so that a
 * finished run is not run again. A checkpoint is passed over (and the one before it tried, then those of the earlier folders, then the beginning)
 * when it is damaged, when its files are not there, or when it was made by an engine whose bits are others (QN_RUN_REVISION); one of another
 * quenchd with the same revision is used. The caller owns `output` in any case: qn_job_output_fini. */
qn_status qn_job_simulate(const qn_job_simulation *job, const qn_job_control *control, qn_job_output *output, qn_error *error);

/* What a parameter was taken from: the value of another analysis. */
typedef struct qn_job_input {
  const qn_parameter_source *source;
  double value, standard_error;
} qn_job_input;

/* An analysis that is wanted, and what became of it: one that fails does not disturb the others. One that takes a parameter from another comes after
 * it. */
typedef struct qn_job_wanted {
  const qn_analysis_spec *spec;
  qn_analysis_spec used;  /* out: as it was run, what it took from others in its parameters */
  int input_count;        /* out */
  qn_job_input inputs[QN_MAX_SOURCES];
  qn_status status;       /* out */
  qn_error error;         /* out, when status is not QN_OK */
  qn_report report;       /* out, when it is: the caller's, qn_report_fini */
} qn_job_wanted;

/* Analyses of one trajectory, wherever it comes from, or of the frames of a slice (NULL: all): all in one reading, but for what one takes from another
 * and for a value that one feeds another (qn_analysis_feed), which take a reading before. `potential` may be NULL. Not QN_OK when the reading failed or the control ended it: then there are no reports. */
qn_status qn_job_analyse_trajectory(qn_trajectory *trajectory, const qn_slice *slice, qn_job_wanted *wanted, int count, const qn_eam *potential,
                                    int threads, const qn_job_control *control, qn_error *error);

/* Analyses of a simulation that has run, whose files lie in `directory`: those of the same stream of frames in one reading, and those of the thermo
 * series. A missing file fails the analyses that need it. */
typedef struct qn_job_simulated {
  const qn_simulation_spec *spec;
  const char *directory;
  int64_t atoms;
  const qn_eam *potential; /* NULL: none at hand */
} qn_job_simulated;
qn_status qn_job_analyse_simulation(const qn_job_simulated *simulated, qn_job_wanted *wanted, int count, int threads,
                                    const qn_job_control *control, qn_error *error);

/* A trajectory made elsewhere, to be brought into the form in which trajectories are kept. */
typedef struct qn_job_import {
  const char *path;      /* the file that came */
  const qn_upload_spec *spec;
  const char *directory; /* made when absent */
} qn_job_import;

typedef struct qn_job_imported {
  char path[64];         /* of the NetCDF file, relative to the directory */
  char sha256[65], composition[QN_COMPOSITION_SIZE];
  int64_t size, frames, atoms;
  double interval_ps;
  char *details;         /* JSON object, for people: malloc'ed */
} qn_job_imported;
void qn_job_imported_fini(qn_job_imported *imported);

/* What a file made elsewhere may unpack to, and how much of it is kept. */
#define QN_MOST_IMPORT_BYTES (INT64_C(256) << 30)
#define QN_MOST_IMPORT_ATOM_FRAMES 2e10

/* Read every frame and write it as NetCDF, atoms in the order of their ids. Refused, with the reason: what the reader refuses; a file without times, or unevenly
 * spaced ones; fewer than two frames; species that nothing names. The caller owns `imported`: qn_job_imported_fini. */
qn_status qn_job_import_run(const qn_job_import *job, const qn_job_control *control, qn_job_imported *imported, qn_error *error);

#endif

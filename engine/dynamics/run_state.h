/* The inside of a run, shared by the files that make it up and by nobody else: run.c (the loop and the stages), report.c (what leaves
 * through callbacks), watch.c (what ends it), save.c (its state as bytes). */
#ifndef QN_DYNAMICS_RUN_STATE_H
#define QN_DYNAMICS_RUN_STATE_H

#include "engine/dynamics/integrator.h"
#include "engine/dynamics/run.h"

/* Where the run is. With atoms, box and the integrator's state this is all that decides how it goes on: forces do not
 * depend on neighbour lists. */
typedef struct qn_run_state {
  int64_t step;             /* since the start of the run */
  int64_t offset;           /* since the start of the stage */
  int stage, level;         /* index into the protocol; level of that stage */
  bool entered;             /* the stage has begun */
  bool mean_known;          /* mean_length holds something */
  double base;              /* K, the target before the stage */
  double mean_sum[3];       /* A, box lengths summed over the second half of the level ... */
  int64_t mean_count;       /* ... and over how many steps */
  double mean_length[3];    /* A, of the last npt level */
  double start_length[3];   /* A, box at the start of the stage */
  double start_temperature; /* K, measured at the start of the stage */
  bool drift_known;         /* the two below hold something */
  double drift_energy;      /* eV, conserved quantity when it was first known in this level ... */
  int64_t drift_step;       /* ... at this step */
  bool force_known;         /* force and atoms->f belong to the present positions */
  qn_force_result force;    /* zero but for what the step needed */
} qn_run_state;

struct qn_run {
  qn_protocol protocol;
  const qn_eam *potential;
  qn_atoms *atoms;
  qn_box *box;
  qn_run_callbacks callbacks;
  int64_t steps;           /* in all */
  int threads;
  double smallest_length;  /* A, of a box that the potential allows */
  qn_force *force;         /* NULL when the box has just been changed by more than a step can */
  qn_integrator integrator;
  qn_run_state state;
  double *unwrapped;       /* [3][count], A; NULL when no stage samples */
  qn_error failure;        /* what ended the run */
};

/* Make the force calculation anew for the present box. */
qn_status qn_run_new_force(qn_run *run, qn_error *error);

/* The stage that the run is in, its targets, and the time in ps. */
const qn_stage *qn_run_present(const qn_run *run);
double qn_run_target(const qn_run *run);
double qn_run_time(const qn_run *run);

/* What the present stage asks of the integrator. */
qn_integrator_settings qn_run_settings(const qn_run *run);

/* Whether something that happens every `interval` ps (0: never) falls on this step of the stage. */
bool qn_run_due(int64_t offset, double interval, double timestep);

/* Frame and thermo row, when the present offset is due one; and a snapshot. */
qn_status qn_run_report(qn_run *run, qn_error *error);
qn_status qn_run_snapshot(qn_run *run, qn_error *error);

/* QN_BLOWUP with the reason when the state after a step, or the box before a force evaluation, is unphysical. */
qn_status qn_run_watch(const qn_run *run, qn_error *error);
qn_status qn_run_watch_box(const qn_run *run, qn_error *error);

/* The same when the conserved quantity has drifted; to be called where the energy is known. While the target changes it is not conserved, and
 * not watched. */
qn_status qn_run_watch_drift(qn_run *run, qn_error *error);

/* Whether the target of the present stage changes with every step. */
bool qn_run_ramps(const qn_run *run);

#endif

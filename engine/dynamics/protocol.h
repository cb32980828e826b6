/* A temperature protocol: the stages that a simulation passes through, with their units.
 *
 * The numbers are those of METHOD "Dynamics" and of the paper's section II; everything is a parameter. */
#ifndef QN_DYNAMICS_PROTOCOL_H
#define QN_DYNAMICS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/potential/force.h"

typedef enum qn_ensemble { QN_ENSEMBLE_NVE, QN_ENSEMBLE_NVT, QN_ENSEMBLE_NPT } qn_ensemble;

typedef enum qn_stage_kind {
  QN_STAGE_HOLD,   /* constant temperature (or energy) for a time */
  QN_STAGE_QUENCH, /* from the temperature before it to `to`, in steps or as a linear ramp */
  QN_STAGE_SURFACE /* vacuum on both sides of one axis; takes no time */
} qn_stage_kind;

/* A stream of trajectory frames of a stage: one every so often from the stage's start on, for some time or to its end. A stage may have several,
 * such as a fine and short one for vibrations beside a coarse and long one for jumps. */
typedef struct qn_sampling {
  double every;           /* ps between frames, > 0 */
  double duration;        /* ps; 0: to the end of the stage */
} qn_sampling;

enum { QN_MAX_SAMPLINGS = 4 };

typedef struct qn_stage {
  qn_stage_kind kind;
  qn_ensemble ensemble;
  bool anisotropic;       /* npt: each axis relaxes on its own; otherwise the box keeps its shape */
  bool mean_volume;       /* hold, nve or nvt: begin with the box scaled to the mean lengths of the npt stage (or quench step) before it */
  double temperature;     /* hold, K */
  double pressure;        /* npt, GPa */
  double duration;        /* hold, ps */
  double to;              /* quench, K */
  double step;            /* quench, K a step, > 0; 0: a linear ramp */
  double rate;            /* quench, K/ns, > 0 */
  int axis;               /* surface: 0, 1, 2 */
  double vacuum;          /* surface, A added on each side */
  double thermostat_time; /* ps */
  double barostat_time;   /* ps */
  int sampling_count;     /* streams; 0: no frames */
  qn_sampling samplings[QN_MAX_SAMPLINGS];
  double thermo_every;    /* ps between rows of the thermo series */
  bool snapshot;          /* keep the state at the end of the stage, and of each step of a quench in steps */
} qn_stage;

enum { QN_MAX_STAGES = 64 };

typedef struct qn_protocol {
  double timestep;        /* ps */
  uint64_t seed;
  qn_precision precision;
  int stage_count;
  qn_stage stages[QN_MAX_STAGES];
} qn_protocol;

/* How times become steps: a time is rounded to the nearest whole number of timesteps; an interval (of frames, of thermo rows) that is
 * not zero is at least one step. The ends of the steps of a quench are rounded each from the start of the stage, so that no error adds
 * up. Frames and rows carry the time that was really simulated, step x timestep. */
int64_t qn_interval_steps(double interval, double timestep); /* 0 for 0 */

/* A stage is a row of levels: one for a hold or a linear ramp, one for each step of a quench in steps (the last may be smaller), none
 * for a surface or a quench that is there already. `temperature` is the target before the stage, K. */
int qn_stage_levels(const qn_stage *stage, double temperature);
double qn_stage_level_target(const qn_stage *stage, double temperature, int level); /* K, at the end of the level */
int64_t qn_stage_level_end(const qn_stage *stage, double temperature, double timestep, int level); /* steps from the stage's start */

/* The target that a stage leaves behind, K. An nve hold without a temperature leaves the one before it. */
double qn_stage_final_target(const qn_stage *stage, double temperature);

/* Steps of one stage and of all, as the run loop counts them. `temperature` is the target before the stage, or before the first. */
int64_t qn_stage_steps(const qn_stage *stage, double temperature, double timestep);
int64_t qn_protocol_steps(const qn_protocol *protocol, double temperature);

/* Frames that a stream of a stage of so many steps gives: at its offsets 0, every, ... */
int64_t qn_sampling_frames(const qn_sampling *sampling, int64_t stage_steps, double timestep);
bool qn_sampling_due(const qn_sampling *sampling, int64_t offset, double timestep); /* a frame at this offset, in steps? */

/* QN_INVALID, naming stage, field and what would be accepted, when a protocol cannot be run. `mean_length` tells whether mean lengths come
 * with the start. */
qn_status qn_protocol_check(const qn_protocol *protocol, double temperature, bool mean_length, qn_error *error);

#endif

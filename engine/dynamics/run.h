/* The run loop: carries atoms through a protocol. The caller owns the loop (alloc, advance until done, free), so that it can look at a
 * cancel flag, renew a lease, or stop between any two calls; frames, thermo rows and snapshots leave through callbacks.
 *
 * A run that becomes unphysical ends with QN_BLOWUP and a message that says in which stage, at which step and time, and why: too hot, an atom
 * lost, not a number, a box that collapsed or evaporated, or a conserved quantity that drifted; the limits are in watch.c. */
#ifndef QN_DYNAMICS_RUN_H
#define QN_DYNAMICS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/dynamics/protocol.h"
#include "engine/trajectory/frame.h"

typedef struct qn_thermo {
  int stage;               /* index into the protocol */
  int64_t step;
  double time;             /* ps */
  double temperature;      /* K, from 3N-3 degrees of freedom */
  double potential_energy; /* eV */
  double kinetic_energy;   /* eV */
  double conserved;        /* eV, the conserved quantity of the ensemble */
  double pressure;         /* GPa */
  double volume;           /* A^3 */
  double length[3];        /* A */
} qn_thermo;

typedef struct qn_snapshot {
  int stage;               /* index into the protocol */
  double temperature;      /* K, the target when it was taken */
  double time;             /* ps */
  int64_t step;
  const qn_atoms *atoms;
  qn_box box;
  double mean_length[3];   /* A, means over the second half of the npt stage or step just ended (the first half is for
                            * equilibration); the box's own lengths elsewhere */
} qn_snapshot;

/* Any callback may be NULL; a status other than QN_OK ends the run with it. */
typedef struct qn_run_callbacks {
  void *context;
  qn_status (*frame)(void *context, int stage, int sampling, const qn_frame *frame, qn_error *error); /* of each stream that is due */
  qn_status (*thermo)(void *context, const qn_thermo *row, qn_error *error);
  qn_status (*snapshot)(void *context, const qn_snapshot *snapshot, qn_error *error);
} qn_run_callbacks;

typedef struct qn_run qn_run;

/* Raised by every change of the engine after which a run gives other bits: a checkpoint goes on only under the revision that wrote it.
 * 1: 0.1.0; 2: the double kernel sums integers, the fast kernel has other tables; 3: its virial has another
 * quantum. */
enum { QN_RUN_REVISION = 3 };

/* What of the processor the bits depend on: "x86-64-fma", "x86-64" (without fused multiply-add), or "other". */
const char *qn_run_arithmetic(void);

/* `atoms` and `box` are the start, and the run's working state; with `potential` they stay the caller's and must outlive the run. Velocities
 * are used as they are, but for a motion of the centre of mass, which every nvt and npt step takes out (3N-3 degrees of freedom mean that
 * there is none). `mean_length` (A, may be NULL) are the mean lengths that come with a snapshot, for a first stage with mean_volume.
 * `temperature` (K) is the target before the first stage, used when that is a quench. QN_INVALID names the fault of a protocol. */
qn_status qn_run_alloc(qn_run **run, const qn_protocol *protocol, const qn_eam *potential, qn_atoms *atoms, qn_box *box,
                       const double *mean_length, double temperature, int threads, const qn_run_callbacks *callbacks, qn_error *error);

/* At most `steps` steps further, and everything due that takes no time: the first frame of a stage, a surface, a snapshot. So call it
 * until qn_run_done; a protocol without a single step needs one call too. The bits do not depend on how the steps are cut into calls.
 * Between two calls `atoms` and `box` hold the state in full. After an error the run is over, and gives that error again. */
qn_status qn_run_advance(qn_run *run, int64_t steps, qn_error *error);
bool qn_run_done(const qn_run *run);
int64_t qn_run_step(const qn_run *run);  /* steps done */
int64_t qn_run_steps(const qn_run *run); /* steps in all */
int qn_run_stage(const qn_run *run);
void qn_run_free(qn_run *run);

/* The complete state between two calls of advance, as bytes for a checkpoint (the caller frees *data): a run that loads it goes on with the
 * same bits as this one, and hands out only what this one had not yet: who writes frames and rows keeps their number beside the state, and
 * cuts the files back to it. QN_INVALID when the run has failed. */
qn_status qn_run_save(const qn_run *run, void **data, size_t *size, qn_error *error);

/* Go on from a saved state: `run` comes fresh from qn_run_alloc with the same protocol, potential and atoms (their number, species and
 * order; where they stood does not matter). QN_CONFLICT when the state is of another protocol, potential, system or version, QN_CORRUPT when it
 * contradicts itself; then the run must not go on. Safe for any bytes. */
qn_status qn_run_load(qn_run *run, const void *data, size_t size, qn_error *error);

#endif

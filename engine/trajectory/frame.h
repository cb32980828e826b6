/* One frame of a trajectory, as the integrator hands it out and as readers hand it in: unwrapped positions, box, time. */
#ifndef QN_TRAJECTORY_FRAME_H
#define QN_TRAJECTORY_FRAME_H

#include <stdint.h>

#include "engine/model/atoms.h"
#include "engine/model/box.h"

typedef struct qn_frame {
  int64_t step;
  double time;           /* ps since the start of the run */
  double temperature;    /* K, from the velocities at this step; NAN in a frame that was read, files do not tell it */
  qn_box box;            /* A */
  int64_t count;
  int species_count;
  const qn_species *species;
  const uint8_t *type;   /* [count] */
  double *r[3];          /* [axis][count], A, unwrapped */
} qn_frame;

#endif

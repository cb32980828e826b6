/* One frame of a trajectory, as the integrator hands it out and as readers hand it in: positions, box, time. */
#ifndef QN_TRAJECTORY_FRAME_H
#define QN_TRAJECTORY_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/atoms.h"
#include "engine/model/box.h"

/* How positions lie to the box. Displacements can be told from unwrapped positions alone. */
typedef enum qn_wrapping {
  QN_WRAPPING_UNWRAPPED, /* known to follow each atom through the boxes: our own frames, columns such as xu, image counts */
  QN_WRAPPING_WRAPPED,   /* known to be folded into the box along a periodic axis */
  QN_WRAPPING_UNKNOWN    /* the file does not say */
} qn_wrapping;
const char *qn_wrapping_name(qn_wrapping wrapping); /* "unwrapped", "wrapped", "unknown" */

typedef struct qn_frame {
  int64_t step;
  double time;           /* ps since the start of the run */
  double temperature;    /* K, from the velocities at this step; NAN in a frame that was read, files do not tell it */
  qn_box box;            /* A */
  bool open[3];          /* the axis is not periodic: nothing lies beyond the box, whose edges mean little there and may move */
  qn_wrapping wrapping;
  int64_t count;
  int species_count;
  const qn_species *species;
  const uint8_t *type;   /* [count] */
  double *r[3];          /* [axis][count], A */
} qn_frame;

#endif

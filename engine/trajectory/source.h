/* What a trajectory format provides; only trajectory.c and the formats include this. */
#ifndef QN_TRAJECTORY_SOURCE_H
#define QN_TRAJECTORY_SOURCE_H

#include "engine/trajectory/trajectory.h"

typedef struct qn_source qn_source;

struct qn_source {
  /* Fills everything in `frame`, whose r[axis] and writable `type` (both [count]) are the caller's; species may be left as described. */
  qn_status (*read)(qn_source *source, int64_t index, qn_frame *frame, uint8_t *type, qn_error *error);
  void (*close)(qn_source *source);
};

/* Each opener allocates its source and fills `info` except interval; `*time` ([frames]) is allocated and becomes the caller's. */
qn_status qn_source_open_dump(qn_source **source, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                              qn_error *error);
qn_status qn_source_open_netcdf(qn_source **source, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                                qn_error *error);
qn_status qn_source_open_extxyz(qn_source **source, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                                qn_error *error);

#endif

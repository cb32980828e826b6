/* Frames a:b:step of a trajectory, as Python means it: from a, below b, every step; negative numbers count from the end. */
#ifndef QN_API_SLICE_H
#define QN_API_SLICE_H

#include "api/message.h"
#include "engine/base/status.h"
#include "engine/trajectory/trajectory.h"

typedef struct qn_slice {
  int64_t first, step, count; /* frames first, first + step, ... */
} qn_slice;

/* "a:b:step" with every part optional, or one index. QN_INVALID says what would be accepted; so it does for a slice without a frame. */
qn_status qn_slice_parse(const char *text, int64_t frames, qn_slice *slice, qn_error *error);

/* Make `response` a stream of the slice as extended XYZ. Takes the trajectory over. */
qn_status qn_slice_stream_xyz(qn_trajectory *trajectory, qn_slice slice, qn_response *response, qn_error *error);

/* The slice as a NetCDF file without a name, which goes when `descriptor` is closed. */
qn_status qn_slice_write_netcdf(qn_trajectory *trajectory, qn_slice slice, int *descriptor, int64_t *size,
                                qn_error *error);

#endif

/* What the numbers of a NetCDF variable mean: its units and the packing attributes scale_factor and add_offset. */
#ifndef QN_TRAJECTORY_NETCDF_SCALE_H
#define QN_TRAJECTORY_NETCDF_SCALE_H

#include "engine/base/status.h"

/* value in ours = factor * stored + offset */
typedef struct qn_netcdf_scale {
  double factor, offset;
} qn_netcdf_scale;

typedef enum qn_netcdf_kind { QN_NETCDF_TIME /* ps */, QN_NETCDF_LENGTH /* A */, QN_NETCDF_ANGLE /* degree */ } qn_netcdf_kind;

/* Read the attributes of a variable; without `units` it has those of the AMBER convention (picosecond, angstrom, degree). QN_UNSUPPORTED
 * names units that are not known. `path` is for messages. The caller holds the lock. */
qn_status qn_netcdf_scale_read(qn_netcdf_scale *scale, int file, int variable, qn_netcdf_kind kind, const char *path, qn_error *error);

static inline double qn_netcdf_scale_apply(const qn_netcdf_scale *scale, double stored) { return scale->factor * stored + scale->offset; }

#endif

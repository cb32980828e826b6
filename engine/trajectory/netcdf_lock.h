/* The one lock around libnetcdf, which keeps its table of open files in global variables. */
#ifndef QN_TRAJECTORY_NETCDF_LOCK_H
#define QN_TRAJECTORY_NETCDF_LOCK_H

void qn_netcdf_lock(void);
void qn_netcdf_unlock(void);

#endif

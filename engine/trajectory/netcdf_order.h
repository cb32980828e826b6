/* The order of atoms in a NetCDF file that stores ids, or types, with every frame: programs such as LAMMPS write atoms in another order each time. */
#ifndef QN_TRAJECTORY_NETCDF_ORDER_H
#define QN_TRAJECTORY_NETCDF_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"

typedef struct qn_netcdf_order {
  int file, ids, types;  /* variables (frame, atom); -1: the file has none */
  int species_count;     /* types go from 1 to this */
  int64_t atoms;
  const char *path;      /* borrowed, for messages */
  int64_t *id;           /* [atoms], of the first frame, ascending; NULL without ids */
  int64_t *place;        /* [atoms], where each atom of the frame last read goes */
  bool *seen;            /* [atoms] */
  long long *row;        /* [atoms], workspace */
} qn_netcdf_order;

/* With the ids of the first frame, when `ids` is not -1; `types` and species_count are for the caller to set. The caller holds the lock. */
qn_status qn_netcdf_order_init(qn_netcdf_order *order, int file, int ids, int64_t atoms, const char *path, qn_error *error);
void qn_netcdf_order_fini(qn_netcdf_order *order); /* also fine on an all-zero object */

/* The order of a frame; and its types into type[atoms], from 0, in the order of ids, when they are stored with it (else `type` is left alone).
 * QN_UNSUPPORTED when its atoms are not those of the first frame. Takes the lock. */
qn_status qn_netcdf_order_read(qn_netcdf_order *order, int64_t index, uint8_t *type, qn_error *error);

/* place[atoms] of that frame, or NULL where atoms stay as they are stored. */
const int64_t *qn_netcdf_order_place(const qn_netcdf_order *order);

#endif

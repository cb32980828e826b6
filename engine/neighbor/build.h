/* Building the lists of a qn_neighbor from its reference positions; called by list.c alone. */
#ifndef QN_NEIGHBOR_BUILD_H
#define QN_NEIGHBOR_BUILD_H

#include "engine/neighbor/list.h"

qn_status qn_neighbor_build(qn_neighbor *neighbor, const qn_atoms *atoms, qn_error *error);

#endif

/* Cutting free surfaces: the periodic box is opened along one axis and vacuum put on both sides (METHOD "Dynamics").
 *
 * The atoms stay where they are inside the old box and the box grows around them, so the material is one whole slab
 * with a free face on each side. Along the axis the images start again at 0: in the new box nothing has crossed yet. */
#ifndef QN_MODEL_SURFACE_H
#define QN_MODEL_SURFACE_H

#include "engine/model/atoms.h"
#include "engine/model/box.h"

/* `axis` 0, 1 or 2; `vacuum` A added below and above, > 0. QN_INVALID for others; QN_BLOWUP for a lost atom. */
qn_status qn_surface_cut(qn_atoms *atoms, qn_box *box, int axis, double vacuum, qn_error *error);

#endif

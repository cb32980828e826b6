#include "engine/model/surface.h"

#include <string.h>

qn_status qn_surface_cut(qn_atoms *atoms, qn_box *box, int axis, double vacuum, qn_error *error) {
  if (axis < 0 || axis > 2) return qn_error_set(error, QN_INVALID, "axis is %d, must be 0, 1 or 2", axis);
  if (!(vacuum > 0.0 && vacuum <= 1e4))
    return qn_error_set(error, QN_INVALID, "vacuum is %g A, must be above 0 and at most 10000", vacuum);
  qn_status status = qn_atoms_wrap(atoms, box, error);
  if (status != QN_OK) return status;
  memset(atoms->image[axis], 0, (size_t)atoms->count * sizeof *atoms->image[axis]);
  box->origin[axis] -= vacuum;
  box->length[axis] += 2.0 * vacuum;
  return QN_OK;
}

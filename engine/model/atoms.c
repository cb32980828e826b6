#include "engine/model/atoms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"

qn_status qn_atoms_init(qn_atoms *atoms, int64_t count, qn_error *error) {
  *atoms = (qn_atoms){0};
  if (count < 1 || count > INT32_MAX)
    return qn_error_set(error, QN_INVALID, "number of atoms is %lld, must lie between 1 and %d", (long long)count, INT32_MAX);
  size_t n = (size_t)count;
  int missing = (atoms->type = qn_memory_alloc(n, sizeof *atoms->type)) == NULL;
  for (int axis = 0; axis < 3; axis++) {
    missing |= (atoms->r[axis] = qn_memory_alloc(n, sizeof *atoms->r[axis])) == NULL;
    missing |= (atoms->v[axis] = qn_memory_alloc(n, sizeof *atoms->v[axis])) == NULL;
    missing |= (atoms->f[axis] = qn_memory_alloc(n, sizeof *atoms->f[axis])) == NULL;
    missing |= (atoms->image[axis] = qn_memory_alloc(n, sizeof *atoms->image[axis])) == NULL;
  }
  if (missing) {
    qn_atoms_fini(atoms);
    return qn_error_set(error, QN_NO_MEMORY, "no memory for %lld atoms", (long long)count);
  }
  atoms->count = count;
  return QN_OK;
}

void qn_atoms_fini(qn_atoms *atoms) {
  free(atoms->type);
  for (int axis = 0; axis < 3; axis++) {
    free(atoms->r[axis]);
    free(atoms->v[axis]);
    free(atoms->f[axis]);
    free(atoms->image[axis]);
  }
  *atoms = (qn_atoms){0};
}

bool qn_symbol_is_valid(const char *symbol) {
  size_t size = 0;
  for (; symbol[size] != '\0'; size++) {
    char c = symbol[size];
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'), other = (c >= '0' && c <= '9') || c == '_';
    if (!letter && (size == 0 || !other)) return false;
  }
  return size > 0 && size < QN_SYMBOL_SIZE;
}

int qn_atoms_find_species(const qn_atoms *atoms, const char *symbol) {
  for (int s = 0; s < atoms->species_count; s++)
    if (strcmp(atoms->species[s].symbol, symbol) == 0) return s;
  return -1;
}

qn_status qn_atoms_wrap_one(qn_atoms *atoms, const qn_box *box, int64_t i, qn_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    double position = atoms->r[axis][i], length = box->length[axis], origin = box->origin[axis];
    double crossed = floor((position - origin) / length);
    if (!(fabs(crossed) < 1e9)) /* also true for not-a-number; keeps the image inside its 32 bits */
      return qn_error_set(error, QN_BLOWUP, "atom %lld is lost: its %c coordinate is %g A", (long long)i, "xyz"[axis], position);
    if (crossed == 0.0 && position >= origin) continue; /* a quotient too small for a double is 0 */
    double inside = position - crossed * length;
    int64_t image = atoms->image[axis][i] + (int64_t)crossed;
    /* The subtraction can round onto either edge. */
    if (inside < origin) inside += length, image--;
    if (inside >= origin + length) inside -= length, image++;
    if (inside < origin) inside = origin;
    if (image < INT32_MIN || image > INT32_MAX)
      return qn_error_set(error, QN_BLOWUP, "atom %lld is lost: it crossed the box %lld times along %c", (long long)i, (long long)image,
                          "xyz"[axis]);
    atoms->r[axis][i] = inside;
    atoms->image[axis][i] = (int32_t)image;
  }
  return QN_OK;
}

qn_status qn_atoms_wrap(qn_atoms *atoms, const qn_box *box, qn_error *error) {
  qn_status status = QN_OK;
  for (int64_t i = 0; i < atoms->count && status == QN_OK; i++) status = qn_atoms_wrap_one(atoms, box, i, error);
  return status;
}

#include "engine/potential/force.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/fast.h"
#include "engine/potential/kernel.h"

enum { MOST_THREADS = 1024 };

/* The fast kernel keeps lists of its own. Where atoms are nearer than its tables answer, the reference kernel steps in, from lists
 * made for that one evaluation, so that the bits still depend on the positions alone. */
struct qn_force {
  qn_fast *fast; /* NULL in double precision */
  const qn_kernel *kernel;
  void *state;
  qn_neighbor neighbor;
};

static double skin_of(const qn_kernel *kernel, const qn_force_options *options) {
  return options->skin > 0.0 ? options->skin : kernel->skin;
}

double qn_force_smallest_length(const qn_eam *potential, const qn_force_options *options) {
  (void)options; /* images are sites of their own, so the skin asks for no room */
  return 2.0 * qn_ranges_longest(potential);
}

static qn_status check_options(const qn_force_options *options, qn_error *error) {
  if (options->precision != QN_PRECISION_DOUBLE && options->precision != QN_PRECISION_FAST)
    return qn_error_set(error, QN_UNSUPPORTED, "there is no kernel of this precision");
  if (options->threads < 1 || options->threads > MOST_THREADS)
    return qn_error_set(error, QN_INVALID, "number of threads is %d, must lie between 1 and %d", options->threads, MOST_THREADS);
  if (!(options->skin >= 0.0 && options->skin <= 10.0))
    return qn_error_set(error, QN_INVALID, "skin is %g A, must lie between 0 and 10", options->skin);
  return QN_OK;
}

static qn_status check_box(const qn_box *box, double smallest, qn_error *error) {
  for (int axis = 0; axis < 3; axis++)
    if (!(isfinite(box->origin[axis]) && box->length[axis] >= smallest && isfinite(box->length[axis])))
      return qn_error_set(error, QN_INVALID,
                          "the box is %.6g A long along %c, too small for the potential: every length must be at least %.6g A, twice its range",
                          box->length[axis], "xyz"[axis], smallest);
  return QN_OK;
}

static qn_status check_types(const qn_atoms *atoms, qn_error *error) {
  for (int64_t i = 0; i < atoms->count; i++)
    if (atoms->type[i] >= atoms->species_count)
      return qn_error_set(error, QN_INVALID, "atom %lld is of species %d, of which there are %d", (long long)i, atoms->type[i],
                          atoms->species_count);
  return QN_OK;
}

static qn_status make(qn_force **force, const qn_eam *used, const qn_atoms *atoms, const qn_force_options *options, qn_error *error) {
  qn_ranges ranges;
  qn_ranges_find(used, &ranges);
  qn_system system = {.eam = used, .ranges = &ranges, .species_count = used->species_count, .threads = options->threads};
  for (int s = 0; s < used->species_count; s++) system.species[s] = s;
  qn_force *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  made->kernel = &qn_kernel_double;
  double reach[QN_MAX_SPECIES][QN_MAX_SPECIES] = {{0}};
  for (int a = 0; a < system.species_count; a++)
    for (int b = 0; b < system.species_count; b++) reach[a][b] = ranges.reach[system.species[a]][system.species[b]];
  qn_status status = qn_neighbor_init(&made->neighbor, atoms, reach, options->precision == QN_PRECISION_DOUBLE ? skin_of(made->kernel, options) : made->kernel->skin, options->threads, error);
  if (status == QN_OK) status = made->kernel->alloc(&made->state, &system, &made->neighbor, error);
  if (status == QN_OK && options->precision == QN_PRECISION_FAST)
    status = qn_fast_alloc(&made->fast, &system, atoms->count, options->skin, options->instructions, error);
  if (status != QN_OK) {
    qn_force_free(made);
    return status;
  }
  *force = made;
  return QN_OK;
}

qn_status qn_force_alloc(qn_force **force, const qn_eam *potential, const qn_atoms *atoms, const qn_box *box,
                         const qn_force_options *options, qn_error *error) {
  *force = NULL;
  qn_status status = check_options(options, error);
  if (status == QN_OK) status = check_box(box, qn_force_smallest_length(potential, options), error);
  if (status == QN_OK) status = check_types(atoms, error);
  /* Of a potential of many elements only those that the atoms have are tabulated. */
  qn_eam used = {0};
  if (status == QN_OK) status = qn_eam_select(potential, atoms->species, atoms->species_count, &used, error);
  if (status == QN_OK) status = make(force, &used, atoms, options, error);
  qn_eam_fini(&used);
  return status;
}

void qn_force_free(qn_force *force) {
  if (force == NULL) return;
  qn_fast_free(force->fast);
  force->kernel->free(force->state);
  qn_neighbor_fini(&force->neighbor);
  free(force);
}

qn_status qn_force_compute(qn_force *force, const qn_box *box, qn_atoms *atoms, qn_force_result *result, double *atom_energy,
                           qn_error *error) {
  if (atoms->count != force->neighbor.atom_count)
    return qn_error_set(error, QN_INVALID, "%lld atoms, but the force calculation was made for %lld", (long long)atoms->count,
                        (long long)force->neighbor.atom_count);
  if (force->fast != NULL) {
    bool close;
    qn_status status = qn_fast_compute(force->fast, box, atoms, result, atom_energy, &close, error);
    if (status != QN_OK || !close) return status;
    force->neighbor.built = force->neighbor.restored = false;
  }
  qn_force_result unwanted;
  if (result == NULL) result = &unwanted;
  *result = (qn_force_result){0};
  qn_status status = qn_neighbor_update(&force->neighbor, box, atoms, error);
  if (status != QN_OK) return status;
  return force->kernel->compute(force->state, &force->neighbor, atoms, result, atom_energy, error);
}

qn_status qn_force_reference(const qn_force *force, double *positions[3], qn_box *box, qn_error *error) {
  if (force->fast != NULL || !force->neighbor.built)
    return qn_error_set(error, QN_NOT_FOUND, "no neighbour lists have been built yet");
  for (int axis = 0; axis < 3; axis++)
    memcpy(positions[axis], force->neighbor.reference[axis], (size_t)force->neighbor.atom_count * sizeof(double));
  *box = force->neighbor.reference_box;
  return QN_OK;
}

qn_status qn_force_restore(qn_force *force, double *const positions[3], const qn_box *box, qn_error *error) {
  for (int axis = 0; axis < 3; axis++) {
    if (!(box->length[axis] >= force->neighbor.longest && isfinite(box->length[axis]) && isfinite(box->origin[axis])))
      return qn_error_set(error, QN_INVALID, "the reference box is %g A long along %c", box->length[axis], "xyz"[axis]);
    for (int64_t i = 0; i < force->neighbor.atom_count; i++)
      if (!isfinite(positions[axis][i])) return qn_error_set(error, QN_INVALID, "the reference position of atom %lld is not finite", (long long)i);
  }
  if (force->fast == NULL) qn_neighbor_restore(&force->neighbor, positions, box);
  return QN_OK;
}

int64_t qn_force_rebuilds(const qn_force *force) { return force->fast != NULL ? qn_fast_builds(force->fast) : force->neighbor.builds; }
const char *qn_force_kernel(const qn_force *force) { return force->fast != NULL ? qn_fast_name(force->fast) : force->kernel->name; }

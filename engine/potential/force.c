#include "engine/potential/force.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/double.h"
#include "engine/potential/embedding.h"
#include "engine/potential/fast.h"
#include "engine/potential/kernel.h"

enum { MOST_THREADS = 1024 };

/* Each kernel works on lists of its own, half ones for the fast, complete ones for the double. Where atoms are nearer than the tables of the fast kernel answer,
 * or its integers too small, the reference kernel steps in, for that one evaluation. It and its lists are kept from the first time on; before that only the
 * other lists want to know where it needs split terms. A small system has hardly more bytes than its tables. (An atom that one kind of lists wrapped has jumped
 * for the other, which is then built anew.) */
struct qn_force {
  const qn_eam *potential; /* borrowed */
  qn_instructions instructions;
  int threads;
  qn_embedding embedding;
  qn_lists_ranges ranges;
  double skin;          /* A */
  qn_fast *fast;        /* NULL in double precision */
  qn_lists half;        /* of the fast kernel */
  qn_double *reference; /* NULL until the fast kernel first needs it */
  qn_lists complete;    /* of the reference kernel */
  char name[32];
};

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

/* How far pairs of the system's species matter: densities to the core, the pair term to the shell. Pairs that may be nearer than `near` are in the core, where
 * the kernels look for them. */
static qn_lists_ranges ranges_of(const qn_system *system, double near) {
  const qn_ranges *ranges = system->ranges;
  qn_lists_ranges found = {.reach = ranges->longest, .near = near};
  for (int a = 0; a < system->eam->species_count; a++)
    for (int b = 0; b < system->eam->species_count; b++) {
      double density = fmax(ranges->density[a][b], ranges->density[b][a]);
      found.core[a][b] = fmin(fmax(density > 0.0 ? density : ranges->pair[a][b], near), found.reach);
      found.shell[a][b] = fmax(found.core[a][b], ranges->pair[a][b]);
    }
  return found;
}

/* Of a potential of many elements only those that the atoms have are tabulated. `used` is to be freed with qn_eam_fini, also after a failure. */
static qn_status select_used(const qn_force *force, const qn_atoms *atoms, qn_eam *used, qn_ranges *ranges, qn_error *error) {
  qn_status status = qn_eam_select(force->potential, atoms->species, atoms->species_count, used, error);
  if (status == QN_OK) qn_ranges_find(used, ranges);
  return status;
}

static qn_status make_reference(qn_force *force, const qn_system *system, const qn_atoms *atoms, qn_error *error) {
  return qn_double_alloc(&force->reference, system, &force->embedding, atoms->count, force->instructions, error);
}

static qn_status make_kernels(qn_force *force, const qn_atoms *atoms, bool fast, qn_error *error) {
  qn_eam used = {0};
  qn_ranges ranges;
  const qn_system system = {.eam = &used, .ranges = &ranges, .threads = force->threads};
  qn_status status = select_used(force, atoms, &used, &ranges, error);
  if (status == QN_OK) status = qn_embedding_init(&force->embedding, &system, error);
  if (status == QN_OK) status = make_reference(force, &system, atoms, error);
  if (status == QN_OK && fast) status = qn_fast_alloc(&force->fast, &system, &force->embedding, atoms->count, force->instructions, error);
  if (status == QN_OK) {
    force->ranges = ranges_of(&system, fmax(force->reference->near, fast ? force->fast->tables.nearest : 0.0));
    if (fast) {
      qn_double_free(force->reference);
      force->reference = NULL;
    }
  }
  qn_eam_fini(&used);
  return status;
}

static qn_status make_lists(const qn_force *force, const qn_atoms *atoms, bool half, qn_lists *lists, qn_error *error) {
  return qn_lists_init(lists, atoms, &force->ranges, half, force->skin, force->instructions, force->threads, error);
}

static qn_status step_in(qn_force *force, const qn_atoms *atoms, qn_error *error) {
  if (force->reference != NULL) return QN_OK;
  qn_eam used = {0};
  qn_ranges ranges;
  const qn_system system = {.eam = &used, .ranges = &ranges, .threads = force->threads};
  qn_status status = select_used(force, atoms, &used, &ranges, error);
  if (status == QN_OK) status = make_lists(force, atoms, false, &force->complete, error);
  if (status == QN_OK) status = make_reference(force, &system, atoms, error);
  if (status != QN_OK) qn_lists_fini(&force->complete);
  qn_eam_fini(&used);
  return status;
}

static qn_status make(qn_force *force, const qn_atoms *atoms, const qn_force_options *options, qn_error *error) {
  const bool fast = options->precision == QN_PRECISION_FAST;
  force->skin = options->skin;
  qn_status status = qn_instructions_choose(options->instructions, &force->instructions, error);
  if (status == QN_OK) status = make_kernels(force, atoms, fast, error);
  if (status != QN_OK) return status;
  snprintf(force->name, sizeof force->name, "%s-%s", fast ? "fast" : "double", qn_instructions_name(force->instructions));
  return make_lists(force, atoms, fast, fast ? &force->half : &force->complete, error);
}

qn_status qn_force_alloc(qn_force **force, const qn_eam *potential, const qn_atoms *atoms, const qn_box *box,
                         const qn_force_options *options, qn_error *error) {
  *force = NULL;
  qn_status status = check_options(options, error);
  if (status == QN_OK) status = check_box(box, qn_force_smallest_length(potential, options), error);
  if (status == QN_OK) status = check_types(atoms, error);
  if (status != QN_OK) return status;
  qn_force *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a force calculation");
  made->potential = potential;
  made->threads = options->threads;
  status = make(made, atoms, options, error);
  if (status != QN_OK) {
    qn_force_free(made);
    return status;
  }
  *force = made;
  return QN_OK;
}

void qn_force_free(qn_force *force) {
  if (force == NULL) return;
  qn_fast_free(force->fast);
  qn_double_free(force->reference);
  qn_lists_fini(&force->half);
  qn_lists_fini(&force->complete);
  qn_embedding_fini(&force->embedding);
  free(force);
}

static const qn_lists *lists_of(const qn_force *force) { return force->fast != NULL ? &force->half : &force->complete; }

static qn_status compute(qn_force *force, const qn_box *box, qn_atoms *atoms, qn_sums sums, qn_force_result *result, double *atom_energy, qn_error *error) {
  const int64_t count = lists_of(force)->count;
  if (atoms->count != count)
    return qn_error_set(error, QN_INVALID, "%lld atoms, but the force calculation was made for %lld", (long long)atoms->count, (long long)count);
  bool prune;
  if (force->fast != NULL) {
    bool beyond;
    qn_status status = qn_lists_update(&force->half, box, atoms, &prune, error);
    if (status == QN_OK) status = qn_fast_compute(force->fast, &force->half, prune, sums, result, atom_energy, &beyond, error);
    if (status != QN_OK || !beyond) return status;
    status = step_in(force, atoms, error);
    if (status != QN_OK) return status;
  }
  qn_status status = qn_lists_update(&force->complete, box, atoms, &prune, error);
  if (status != QN_OK) return status;
  return qn_double_compute(force->reference, &force->complete, prune, sums, result, atom_energy, error);
}

qn_status qn_force_compute(qn_force *force, const qn_box *box, qn_atoms *atoms, qn_force_result *result, double *atom_energy,
                           qn_error *error) {
  qn_force_result unwanted;
  qn_sums sums = result != NULL || atom_energy != NULL ? QN_SUMS_ALL : QN_SUMS_NONE;
  return compute(force, box, atoms, sums, result != NULL ? result : &unwanted, atom_energy, error);
}

qn_status qn_force_compute_pressure(qn_force *force, const qn_box *box, qn_atoms *atoms, double virial[3], qn_error *error) {
  qn_force_result result;
  qn_status status = compute(force, box, atoms, QN_SUMS_PRESSURE, &result, NULL, error);
  if (status == QN_OK) memcpy(virial, result.virial, 3 * sizeof *virial);
  return status;
}

int64_t qn_force_rebuilds(const qn_force *force) { return lists_of(force)->builds; }
const char *qn_force_kernel(const qn_force *force) { return force->name; }

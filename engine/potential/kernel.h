/* What a kernel behind qn_force provides. force.c owns the neighbour lists, chooses the kernel by precision, and turns
 * arguments into this form; a kernel owns its tables and workspace. */
#ifndef QN_POTENTIAL_KERNEL_H
#define QN_POTENTIAL_KERNEL_H

#include "engine/neighbor/list.h"
#include "engine/potential/eam.h"
#include "engine/potential/force.h"
#include "engine/potential/ranges.h"

/* The potential as seen by one system. `eam` holds the atoms' species alone, in their order. */
typedef struct qn_system {
  const qn_eam *eam;
  const qn_ranges *ranges;      /* by species of the potential */
  int species_count;
  int species[QN_MAX_SPECIES];  /* of the potential, by species of the atoms */
  int threads;
} qn_system;

typedef struct qn_kernel {
  const char *name; /* as qn_force_kernel gives it */
  double skin;      /* A, default */
  qn_status (*alloc)(void **state, const qn_system *system, const qn_neighbor *neighbor, qn_error *error);
  /* The lists are up to date; builds counts their rebuilds. */
  qn_status (*compute)(void *state, const qn_neighbor *neighbor, qn_atoms *atoms, qn_force_result *result, double *atom_energy,
                       qn_error *error);
  void (*free)(void *state); /* NULL is fine */
} qn_kernel;

extern const qn_kernel qn_kernel_double;

#endif

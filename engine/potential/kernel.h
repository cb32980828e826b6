/* What the kernels behind qn_force are given. force.c owns the neighbour lists and chooses the kernel by precision; a kernel owns its tables and
 * workspace. */
#ifndef QN_POTENTIAL_KERNEL_H
#define QN_POTENTIAL_KERNEL_H

#include "engine/base/instructions.h"
#include "engine/neighbor/lists.h"
#include "engine/potential/eam.h"
#include "engine/potential/force.h"
#include "engine/potential/ranges.h"

/* What an evaluation sums up besides forces; each includes the ones before it. */
typedef enum qn_sums {
  QN_SUMS_NONE,
  QN_SUMS_PRESSURE, /* the diagonal of the virial */
  QN_SUMS_ALL       /* energy and all of the virial */
} qn_sums;

/* The potential as seen by one system. `eam` holds the atoms' species alone, in their order. */
typedef struct qn_system {
  const qn_eam *eam;
  const qn_ranges *ranges;
  int threads;
} qn_system;

#endif

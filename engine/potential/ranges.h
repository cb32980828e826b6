/* How far the functions of a potential really reach, read from its tables: beyond these radii the splines are exactly zero,
 * so leaving pairs out changes nothing; and below which distance a table holds padding instead of physics. */
#ifndef QN_POTENTIAL_RANGES_H
#define QN_POTENTIAL_RANGES_H

#include "engine/potential/eam.h"

typedef struct qn_ranges {
  double pair[QN_MAX_SPECIES][QN_MAX_SPECIES];    /* A, phi; symmetric */
  double density[QN_MAX_SPECIES][QN_MAX_SPECIES]; /* A, rho at [centre] from [neighbour] */
  double reach[QN_MAX_SPECIES][QN_MAX_SPECIES];   /* A, the longest of phi and both rho; symmetric */
  double core[QN_MAX_SPECIES][QN_MAX_SPECIES];    /* A, no answer below this distance; symmetric */
  double longest;                                 /* A, of all */
} qn_ranges;

/* Of a potential with at most QN_MAX_SPECIES elements: see qn_eam_select. */
void qn_ranges_find(const qn_eam *eam, qn_ranges *ranges);

/* The longest of all its functions, A, of any potential. */
double qn_ranges_longest(const qn_eam *eam);

#endif

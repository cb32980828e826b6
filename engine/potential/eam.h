/* An embedded-atom potential as tabulated functions, from a setfl file (eam/alloy or eam/fs).
 *
 *   E = sum_i F_i( sum_j rho_ij(r) ) + 1/2 sum_ij phi_ij(r)
 *
 * Tables are kept as the file gives them (third block r*phi). In eam/alloy rho depends on the
 * neighbour alone; in eam/fs on the pair, and rho_ab need not equal rho_ba. */
#ifndef QN_POTENTIAL_EAM_H
#define QN_POTENTIAL_EAM_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/status.h"
#include "engine/model/atoms.h"

/* More elements than there are; the atoms of one system may have QN_MAX_SPECIES of them. */
enum { QN_MAX_ELEMENTS = 128 };

typedef struct qn_eam {
  int species_count;
  qn_species species[QN_MAX_ELEMENTS];      /* symbol and mass, in the file's order */
  double lattice_constant[QN_MAX_ELEMENTS]; /* A, from the header */
  char lattice[QN_MAX_ELEMENTS][8];         /* "fcc", ... from the header */
  bool finnis_sinclair;                     /* eam/fs */
  int rho_points, r_points;                 /* table lengths: nrho, nr */
  double rho_step, r_step;                  /* drho; dr in A */
  double cutoff;                            /* A, as the header says; true ranges can be shorter */
  double *embedding;                        /* [species][rho_points], eV */
  double *density;                          /* [centre][neighbour][r_points]: density at `centre` from `neighbour` */
  double *pair;                             /* [a][b][r_points], r*phi in eV A, symmetric in a, b */
  char comment[3][256];                     /* the header's comment lines */
} qn_eam;

/* Read setfl text of `size` bytes (need not end in NUL). Whether the file is eam/alloy or eam/fs is told by its
 * number of values. Every malformed file is QN_PARSE with line and reason. On success the caller owns `eam`: qn_eam_fini. */
qn_status qn_eam_parse(qn_eam *eam, const char *text, size_t size, qn_error *error);
qn_status qn_eam_read(qn_eam *eam, const char *path, qn_error *error);
void qn_eam_fini(qn_eam *eam);

int qn_eam_find_species(const qn_eam *eam, const char *symbol); /* -1 when absent */

/* The part of a potential that concerns these species, in their order, as a potential of its own (caller: qn_eam_fini). QN_INVALID when one has no
 * entry. */
qn_status qn_eam_select(const qn_eam *eam, const qn_species *species, int species_count, qn_eam *selected, qn_error *error);

#endif

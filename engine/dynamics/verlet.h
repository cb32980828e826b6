/* The passes of velocity-Verlet over the atoms, one before the forces and one after, with the factors that thermostat and barostat
 * reduce to (Martyna, Tuckerman, Tobias, Klein, Mol. Phys. 87, 1117 (1996)). With all factors trivial this is plain NVE.
 *
 * Sums are taken over fixed chunks of atoms and added in their order: the same bits for any number of threads. */
#ifndef QN_DYNAMICS_VERLET_H
#define QN_DYNAMICS_VERLET_H

#include <stdint.h>

#include "engine/base/status.h"
#include "engine/model/atoms.h"

/* What one axis undergoes. Velocity first: v = (v - drift) * pending * scale, then v = v * keep + f/m * kick; then
 * r = r * stretch + shift + v * drive. */
typedef struct qn_verlet_axis {
  double drift;   /* A/ps, motion of the centre of mass to take out */
  double pending; /* factor left over from the end of the step before */
  double scale;   /* factor of the thermostat now */
  double keep;    /* factor of the barostat's friction */
  double kick;    /* ps */
  double stretch; /* factor of the box */
  double shift;   /* A */
  double drive;   /* ps */
} qn_verlet_axis;

typedef struct qn_verlet_sums {
  double twice_kinetic[3]; /* sum m v_a^2, eV */
  double momentum[3];      /* sum m v_a, eV ps/A */
  double top_speed;        /* largest |v_a| of any atom and axis, A/ps; says nothing when a sum is not finite */
} qn_verlet_sums;

typedef struct qn_verlet {
  int64_t count;
  int threads;
  double total_mass; /* eV ps^2/A^2 */
  double *mass;      /* [count], eV ps^2/A^2 */
  double *inverse;   /* [count] */
  double *partial;   /* sums by chunk */
} qn_verlet;

/* Masses of `atoms` and workspace; the caller owns it: qn_verlet_fini. */
qn_status qn_verlet_init(qn_verlet *verlet, const qn_atoms *atoms, int threads, qn_error *error);
void qn_verlet_fini(qn_verlet *verlet);

/* The pass before the forces: velocities and positions. */
void qn_verlet_first(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3]);

/* The pass after the forces: v = v * keep + f/m * kick, and the sums over the new velocities. */
void qn_verlet_second(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3], qn_verlet_sums *sums);

/* v = (v - drift) * pending alone, to leave true velocities behind. */
void qn_verlet_settle(const qn_verlet *verlet, qn_atoms *atoms, const qn_verlet_axis axis[3]);

#endif

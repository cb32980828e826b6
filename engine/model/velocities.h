/* Velocities: Maxwell's distribution, temperature, and the drift of the whole.
 *
 * T = 2 E_kin / (N_f k) with N_f = 3N - 3 degrees of freedom (METHOD "Dynamics"): the momentum of the whole is
 * conserved and carries no heat. */
#ifndef QN_MODEL_VELOCITIES_H
#define QN_MODEL_VELOCITIES_H

#include <stdint.h>

#include "engine/model/atoms.h"

/* 3N - 3, and never below 1. */
double qn_velocities_freedom(const qn_atoms *atoms);

/* eV. */
double qn_velocities_kinetic_energy(const qn_atoms *atoms);

/* K, from 3N - 3 degrees of freedom. */
double qn_velocities_temperature(const qn_atoms *atoms);

/* Velocity of the centre of mass, A/ps. */
void qn_velocities_drift(const qn_atoms *atoms, double drift[3]);

/* Bring the centre of mass to rest. */
void qn_velocities_remove_drift(qn_atoms *atoms);

/* Draw every component from a normal distribution of variance kT/m (atom i's numbers depend on seed and i alone), remove the drift,
 * and scale to `temperature` (K, >= 0) exactly. QN_INVALID for another temperature, or fewer than 2 atoms when it is not 0. */
qn_status qn_velocities_maxwell(qn_atoms *atoms, double temperature, uint64_t seed, qn_error *error);

#endif

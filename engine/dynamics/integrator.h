/* One timestep of NVE, NVT (Nosé-Hoover chain) or NPT (Martyna-Tobias-Klein), around a force that the caller evaluates:
 *
 *   qn_integrator_first(...);   velocities half a step, positions and box a whole one
 *   forces and virial at the new positions
 *   qn_integrator_second(...);  velocities the other half
 *
 * N_f = 3N-3: nvt and npt take the motion of the centre of mass out at every step. */
#ifndef QN_DYNAMICS_INTEGRATOR_H
#define QN_DYNAMICS_INTEGRATOR_H

#include "engine/dynamics/barostat.h"
#include "engine/dynamics/protocol.h"
#include "engine/dynamics/verlet.h"
#include "engine/model/box.h"

typedef struct qn_integrator_settings {
  qn_ensemble ensemble;
  bool anisotropic;
  double timestep;        /* ps */
  double temperature;     /* K, the target */
  double pressure;        /* eV/A^3, the target */
  double thermostat_time; /* ps */
  double barostat_time;   /* ps */
} qn_integrator_settings;

/* All that a step hands to the next one besides atoms and box; a checkpoint carries it as it is. */
typedef struct qn_integrator_state {
  double twice_kinetic[3]; /* by axis, eV, of the true velocities */
  double drift[3];         /* A/ps, still to be taken from atoms->v, before ... */
  double pending;          /* ... this factor is applied */
  double top_speed;        /* A/ps, largest velocity component at the last sum */
  qn_chain chain;
  qn_barostat barostat;
} qn_integrator_state;

typedef struct qn_integrator {
  double freedom; /* N_f */
  qn_integrator_settings settings;
  qn_integrator_state state;
  qn_verlet verlet;
} qn_integrator;

/* For `atoms` (at least two); the caller owns it: qn_integrator_fini. */
qn_status qn_integrator_init(qn_integrator *integrator, const qn_atoms *atoms, int threads, qn_error *error);
void qn_integrator_fini(qn_integrator *integrator);

/* Begin with `settings`: thermostat and barostat at rest, sums taken anew. The target temperature may change between steps. */
void qn_integrator_start(qn_integrator *integrator, const qn_integrator_settings *settings, qn_atoms *atoms);

/* `virial` is by axis, eV, at the positions before the step (first) or after it (second). */
void qn_integrator_first(qn_integrator *integrator, qn_atoms *atoms, qn_box *box, const double virial[3]);
void qn_integrator_second(qn_integrator *integrator, qn_atoms *atoms, const qn_box *box, const double virial[3]);

/* Leave the true velocities in atoms->v, which between steps lag by a factor. Changes no bit of what follows. */
void qn_integrator_settle(qn_integrator *integrator, qn_atoms *atoms);

double qn_integrator_kinetic(const qn_integrator *integrator);     /* eV */
double qn_integrator_temperature(const qn_integrator *integrator); /* K, from N_f */

/* The conserved quantity of the ensemble, eV, for a potential energy (eV) and a volume (A^3). While the target temperature changes it is not
 * conserved. */
double qn_integrator_conserved(const qn_integrator *integrator, double potential_energy, double volume);

#endif

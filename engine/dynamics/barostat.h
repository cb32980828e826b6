/* The barostat of Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994), for an orthorhombic box: one strain rate for all axes
 * (isotropic) or one each.
 *
 *   dL_a/dt = e_a L_a,   dr_a/dt = v_a + e_a r_a,   dv_a/dt = f_a/m - (e_a + sum_b e_b / N_f) v_a - thermostat
 *   isotropic:    W dE/dt = sum_a [V (P_aa - P)] + 3 * 2K / N_f,        W = (N_f + 3) kT t^2,      e_a = E
 *   one per axis: W de_a/dt = V (P_aa - P) + 2K / N_f,                  W = (N_f + 3) kT t^2 / 3
 *
 * The sum over b with 1/N_f is the correction that makes the volume distribution right. The rates have a chain of their own;
 * the mean of W E^2 is kT, of sum_a W e_a^2 3 kT. */
#ifndef QN_DYNAMICS_BAROSTAT_H
#define QN_DYNAMICS_BAROSTAT_H

#include <stdbool.h>

#include "engine/dynamics/chain.h"

typedef struct qn_barostat {
  double rate[3]; /* strain rates e_a, 1/ps; all equal when isotropic */
  qn_chain chain;
} qn_barostat;

typedef struct qn_barostat_bath {
  bool anisotropic;
  double freedom;  /* N_f of the atoms */
  double kt;       /* eV */
  double pressure; /* P, eV/A^3 */
  double time;     /* t, ps; also that of the chain */
} qn_barostat_bath;

/* Carry the chain through `time` ps and let it act on the rates. */
void qn_barostat_thermostat(qn_barostat *barostat, const qn_barostat_bath *bath, double time);

/* Change the rates through `time` ps by the pressure: `twice_kinetic` sum m v_a^2 and `virial` by axis, eV; `volume` A^3. */
void qn_barostat_kick(qn_barostat *barostat, const qn_barostat_bath *bath, const double twice_kinetic[3], const double virial[3],
                      double volume, double time);

/* Friction of the barostat on the velocities along `axis`, 1/ps: e_a + sum_b e_b / N_f. */
double qn_barostat_friction(const qn_barostat *barostat, const qn_barostat_bath *bath, int axis);

/* Twice the barostat's kinetic energy, eV: W E^2 or sum_a W e_a^2. */
double qn_barostat_twice_kinetic(const qn_barostat *barostat, const qn_barostat_bath *bath);

/* Share of the conserved quantity, eV: kinetic energy, P V, and the chain. */
double qn_barostat_energy(const qn_barostat *barostat, const qn_barostat_bath *bath, double volume);

#endif

/* A Nosé-Hoover chain of three: the thermostat of atoms and of a barostat.
 *
 *   Q_1 dv_1/dt = 2K - g kT - Q_1 v_1 v_2,   Q_k dv_k/dt = Q_{k-1} v_{k-1}^2 - kT - Q_k v_k v_{k+1}
 *
 * for g degrees of freedom whose velocities feel the friction -v_1, with Q_1 = g kT t^2 and Q_k = kT t^2.
 * Martyna, Klein, Tuckerman, J. Chem. Phys. 97, 2635 (1992); integrated with the third-order Suzuki-Yoshida weights of
 * Martyna, Tuckerman, Tobias, Klein, Mol. Phys. 87, 1117 (1996). */
#ifndef QN_DYNAMICS_CHAIN_H
#define QN_DYNAMICS_CHAIN_H

enum { QN_CHAIN_LENGTH = 3 };

typedef struct qn_chain {
  double position[QN_CHAIN_LENGTH]; /* eta, no unit */
  double rate[QN_CHAIN_LENGTH];     /* d eta/dt, 1/ps */
} qn_chain;

typedef struct qn_chain_bath {
  double freedom; /* g, degrees of freedom coupled to the chain */
  double kt;      /* eV */
  double time;    /* t, ps */
} qn_chain_bath;

/* Carry the chain through `time` ps, for the system's twice kinetic energy (eV) at its beginning; returns the factor by which the
 * system's velocities shrink or grow meanwhile. */
double qn_chain_advance(qn_chain *chain, const qn_chain_bath *bath, double twice_kinetic, double time);

/* The chain's share of the conserved quantity, eV. */
double qn_chain_energy(const qn_chain *chain, const qn_chain_bath *bath);

#endif

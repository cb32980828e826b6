/* Units and constants. Inside the engine: A, ps, eV, amu, K; velocities A/ps, forces eV/A,
 * pressures eV/A^3. Values are CODATA 2018. */
#ifndef QN_BASE_UNITS_H
#define QN_BASE_UNITS_H

#define QN_PI 3.14159265358979323846

/* Boltzmann constant, eV/K. */
#define QN_BOLTZMANN 8.617333262e-5

/* Energy of 1 amu (A/ps)^2, in eV: kinetic energy = QN_MVV_EV * m v^2 / 2; acceleration in A/ps^2 =
 * force in eV/A / (m QN_MVV_EV). */
#define QN_MVV_EV 1.0364269656e-4

/* Pressure: 1 eV/A^3 in GPa. */
#define QN_EV_A3_GPA 160.2176634
/* Pressure: 1 eV/A^3 in bar, for comparison with LAMMPS alone: the constant of its metal units, 8e-8 less than CODATA's, so that
 * pressures of 1e5 bar agree to 1e-3 bar. */
#define QN_EV_A3_BAR 1.6021765e6

/* Diffusion coefficient: 1 A^2/ps in m^2/s. */
#define QN_A2_PS_M2_S 1e-8

#define QN_FS_PS 1e-3

#endif

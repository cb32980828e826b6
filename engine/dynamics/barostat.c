#include "engine/dynamics/barostat.h"

static double mass(const qn_barostat_bath *bath) {
  double whole = (bath->freedom + 3.0) * bath->kt * bath->time * bath->time;
  return bath->anisotropic ? whole / 3.0 : whole;
}

static qn_chain_bath chain_bath(const qn_barostat_bath *bath) {
  return (qn_chain_bath){.freedom = bath->anisotropic ? 3.0 : 1.0, .kt = bath->kt, .time = bath->time};
}

double qn_barostat_twice_kinetic(const qn_barostat *barostat, const qn_barostat_bath *bath) {
  const double *e = barostat->rate;
  return mass(bath) * (bath->anisotropic ? e[0] * e[0] + e[1] * e[1] + e[2] * e[2] : e[0] * e[0]);
}

void qn_barostat_thermostat(qn_barostat *barostat, const qn_barostat_bath *bath, double time) {
  qn_chain_bath chain = chain_bath(bath);
  double scale = qn_chain_advance(&barostat->chain, &chain, qn_barostat_twice_kinetic(barostat, bath), time);
  for (int a = 0; a < 3; a++) barostat->rate[a] *= scale;
}

void qn_barostat_kick(qn_barostat *barostat, const qn_barostat_bath *bath, const double twice_kinetic[3], const double virial[3],
                      double volume, double time) {
  double correction = (twice_kinetic[0] + twice_kinetic[1] + twice_kinetic[2]) / bath->freedom;
  double push[3];
  for (int a = 0; a < 3; a++) push[a] = twice_kinetic[a] + virial[a] - bath->pressure * volume + correction;
  if (!bath->anisotropic) push[0] = push[1] = push[2] = push[0] + push[1] + push[2];
  for (int a = 0; a < 3; a++) barostat->rate[a] += time * push[a] / mass(bath);
}

double qn_barostat_friction(const qn_barostat *barostat, const qn_barostat_bath *bath, int axis) {
  const double *e = barostat->rate;
  return e[axis] + (e[0] + e[1] + e[2]) / bath->freedom;
}

double qn_barostat_energy(const qn_barostat *barostat, const qn_barostat_bath *bath, double volume) {
  qn_chain_bath chain = chain_bath(bath);
  return 0.5 * qn_barostat_twice_kinetic(barostat, bath) + bath->pressure * volume + qn_chain_energy(&barostat->chain, &chain);
}

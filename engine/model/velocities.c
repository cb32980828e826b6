#include "engine/model/velocities.h"

#include <math.h>

#include "engine/base/rng.h"
#include "engine/base/units.h"

double qn_velocities_freedom(const qn_atoms *atoms) {
  return atoms->count > 1 ? 3.0 * (double)atoms->count - 3.0 : 1.0;
}

double qn_velocities_kinetic_energy(const qn_atoms *atoms) {
  double sum = 0.0;
  for (int64_t i = 0; i < atoms->count; i++) {
    double x = atoms->v[0][i], y = atoms->v[1][i], z = atoms->v[2][i];
    sum += atoms->species[atoms->type[i]].mass * (x * x + y * y + z * z);
  }
  return 0.5 * QN_MVV_EV * sum;
}

double qn_velocities_temperature(const qn_atoms *atoms) {
  return 2.0 * qn_velocities_kinetic_energy(atoms) / (qn_velocities_freedom(atoms) * QN_BOLTZMANN);
}

void qn_velocities_drift(const qn_atoms *atoms, double drift[3]) {
  double mass = 0.0, momentum[3] = {0};
  for (int64_t i = 0; i < atoms->count; i++) {
    double m = atoms->species[atoms->type[i]].mass;
    mass += m;
    for (int axis = 0; axis < 3; axis++) momentum[axis] += m * atoms->v[axis][i];
  }
  for (int axis = 0; axis < 3; axis++) drift[axis] = momentum[axis] / mass;
}

void qn_velocities_remove_drift(qn_atoms *atoms) {
  double drift[3];
  qn_velocities_drift(atoms, drift);
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms->count; i++) atoms->v[axis][i] -= drift[axis];
}

qn_status qn_velocities_maxwell(qn_atoms *atoms, double temperature, uint64_t seed, qn_error *error) {
  if (!(temperature >= 0.0 && isfinite(temperature)))
    return qn_error_set(error, QN_INVALID, "temperature is %g K, must be 0 or above", temperature);
  if (temperature > 0.0 && atoms->count < 2)
    return qn_error_set(error, QN_INVALID, "one atom at rest in the centre of mass has no temperature");
  for (int64_t i = 0; i < atoms->count; i++) {
    double width = sqrt(QN_BOLTZMANN * temperature / (QN_MVV_EV * atoms->species[atoms->type[i]].mass));
    qn_rng rng;
    qn_rng_init(&rng, seed, QN_RNG_VELOCITIES, (uint32_t)i);
    for (int axis = 0; axis < 3; axis++) atoms->v[axis][i] = width * qn_rng_normal(&rng);
  }
  if (temperature == 0.0) return QN_OK;
  qn_velocities_remove_drift(atoms);
  double scale = sqrt(temperature / qn_velocities_temperature(atoms));
  for (int axis = 0; axis < 3; axis++)
    for (int64_t i = 0; i < atoms->count; i++) atoms->v[axis][i] *= scale;
  return QN_OK;
}

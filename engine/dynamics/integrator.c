#include "engine/dynamics/integrator.h"

#include <math.h>

#include "engine/base/units.h"

qn_status qn_integrator_init(qn_integrator *integrator, const qn_atoms *atoms, int threads, qn_error *error) {
  *integrator = (qn_integrator){.freedom = 3.0 * (double)atoms->count - 3.0, .state.pending = 1.0};
  if (atoms->count < 2)
    return qn_error_set(error, QN_INVALID, "%lld atoms: at least two are needed for a temperature", (long long)atoms->count);
  return qn_verlet_init(&integrator->verlet, atoms, threads, error);
}

void qn_integrator_fini(qn_integrator *integrator) { qn_verlet_fini(&integrator->verlet); }

static qn_chain_bath atom_bath(const qn_integrator *integrator) {
  const qn_integrator_settings *settings = &integrator->settings;
  return (qn_chain_bath){
      .freedom = integrator->freedom, .kt = QN_BOLTZMANN * settings->temperature, .time = settings->thermostat_time};
}

static qn_barostat_bath box_bath(const qn_integrator *integrator) {
  const qn_integrator_settings *settings = &integrator->settings;
  return (qn_barostat_bath){.anisotropic = settings->anisotropic,
                            .freedom = integrator->freedom,
                            .kt = QN_BOLTZMANN * settings->temperature,
                            .pressure = settings->pressure,
                            .time = settings->barostat_time};
}

static double twice_kinetic(const qn_integrator_state *state) {
  return state->twice_kinetic[0] + state->twice_kinetic[1] + state->twice_kinetic[2];
}

/* Take over the sums; a thermostatted system loses the motion of its centre of mass. */
static void take_sums(qn_integrator *integrator, const qn_verlet_sums *sums) {
  qn_integrator_state *state = &integrator->state;
  double mass = integrator->verlet.total_mass;
  bool remove = integrator->settings.ensemble != QN_ENSEMBLE_NVE;
  for (int a = 0; a < 3; a++) {
    state->drift[a] = remove ? sums->momentum[a] / mass : 0.0;
    state->twice_kinetic[a] = sums->twice_kinetic[a] - state->drift[a] * state->drift[a] * mass;
  }
  state->pending = 1.0;
  state->top_speed = sums->top_speed;
}

/* Half a step of the atoms' thermostat: the factor for the velocities, already in the sums. */
static double thermostat(qn_integrator *integrator) {
  qn_integrator_state *state = &integrator->state;
  qn_chain_bath bath = atom_bath(integrator);
  double scale = qn_chain_advance(&state->chain, &bath, twice_kinetic(state), 0.5 * integrator->settings.timestep);
  for (int a = 0; a < 3; a++) state->twice_kinetic[a] *= scale * scale;
  return scale;
}

void qn_integrator_start(qn_integrator *integrator, const qn_integrator_settings *settings, qn_atoms *atoms) {
  integrator->settings = *settings;
  integrator->state.chain = (qn_chain){0};
  integrator->state.barostat = (qn_barostat){0};
  const qn_verlet_axis rest[3] = {{.keep = 1.0}, {.keep = 1.0}, {.keep = 1.0}};
  qn_verlet_sums sums;
  qn_integrator_settle(integrator, atoms);
  qn_verlet_second(&integrator->verlet, atoms, rest, &sums);
  take_sums(integrator, &sums);
}

/* sinh(x)/x for the small strains of a step; the rest of the series is below rounding for |x| < 0.1. */
static double sinh_over(double x) {
  double y = x * x;
  return 1.0 + y / 6.0 * (1.0 + y / 20.0 * (1.0 + y / 42.0));
}

/* Factors of half a velocity step along an axis: friction and force together, solved exactly. */
static void velocity_factors(const qn_integrator *integrator, int axis, qn_verlet_axis *factors) {
  double half = 0.5 * integrator->settings.timestep;
  factors->keep = 1.0;
  factors->kick = half;
  if (integrator->settings.ensemble != QN_ENSEMBLE_NPT) return;
  qn_barostat_bath bath = box_bath(integrator);
  double decay = 0.5 * half * qn_barostat_friction(&integrator->state.barostat, &bath, axis);
  factors->keep = exp(-2.0 * decay);
  factors->kick = half * exp(-decay) * sinh_over(decay);
}

static void position_factors(const qn_integrator *integrator, const qn_box *box, int axis, qn_verlet_axis *factors) {
  double step = integrator->settings.timestep;
  factors->stretch = 1.0;
  factors->shift = 0.0;
  factors->drive = step;
  if (integrator->settings.ensemble != QN_ENSEMBLE_NPT) return;
  double strain = 0.5 * step * integrator->state.barostat.rate[axis];
  factors->stretch = exp(2.0 * strain);
  factors->shift = box->origin[axis] - box->origin[axis] * factors->stretch;
  factors->drive = step * exp(strain) * sinh_over(strain);
}

void qn_integrator_first(qn_integrator *integrator, qn_atoms *atoms, qn_box *box, const double virial[3]) {
  qn_integrator_state *state = &integrator->state;
  const qn_integrator_settings *settings = &integrator->settings;
  double half = 0.5 * settings->timestep, scale = 1.0;
  if (settings->ensemble == QN_ENSEMBLE_NPT) {
    qn_barostat_bath bath = box_bath(integrator);
    qn_barostat_thermostat(&state->barostat, &bath, half);
    scale = thermostat(integrator);
    qn_barostat_kick(&state->barostat, &bath, state->twice_kinetic, virial, qn_box_volume(box), half);
  } else if (settings->ensemble == QN_ENSEMBLE_NVT) {
    scale = thermostat(integrator);
  }

  qn_verlet_axis axis[3];
  for (int a = 0; a < 3; a++) {
    axis[a] = (qn_verlet_axis){.drift = state->drift[a], .pending = state->pending, .scale = scale};
    velocity_factors(integrator, a, &axis[a]);
    position_factors(integrator, box, a, &axis[a]);
    box->length[a] *= axis[a].stretch;
  }
  qn_verlet_first(&integrator->verlet, atoms, axis);
}

void qn_integrator_second(qn_integrator *integrator, qn_atoms *atoms, const qn_box *box, const double virial[3]) {
  qn_integrator_state *state = &integrator->state;
  const qn_integrator_settings *settings = &integrator->settings;
  double half = 0.5 * settings->timestep;
  qn_verlet_axis axis[3];
  qn_verlet_sums sums;
  for (int a = 0; a < 3; a++) velocity_factors(integrator, a, &axis[a]);
  qn_verlet_second(&integrator->verlet, atoms, axis, &sums);
  take_sums(integrator, &sums);

  if (settings->ensemble == QN_ENSEMBLE_NPT) {
    qn_barostat_bath bath = box_bath(integrator);
    qn_barostat_kick(&state->barostat, &bath, state->twice_kinetic, virial, qn_box_volume(box), half);
    state->pending = thermostat(integrator);
    qn_barostat_thermostat(&state->barostat, &bath, half);
  } else if (settings->ensemble == QN_ENSEMBLE_NVT) {
    state->pending = thermostat(integrator);
  }
}

void qn_integrator_settle(qn_integrator *integrator, qn_atoms *atoms) {
  qn_integrator_state *state = &integrator->state;
  qn_verlet_axis axis[3];
  for (int a = 0; a < 3; a++) axis[a] = (qn_verlet_axis){.drift = state->drift[a], .pending = state->pending};
  qn_verlet_settle(&integrator->verlet, atoms, axis);
  for (int a = 0; a < 3; a++) state->drift[a] = 0.0;
  state->pending = 1.0;
}

double qn_integrator_kinetic(const qn_integrator *integrator) { return 0.5 * twice_kinetic(&integrator->state); }

double qn_integrator_temperature(const qn_integrator *integrator) {
  return twice_kinetic(&integrator->state) / (integrator->freedom * QN_BOLTZMANN);
}

double qn_integrator_conserved(const qn_integrator *integrator, double potential_energy, double volume) {
  double energy = potential_energy + qn_integrator_kinetic(integrator);
  if (integrator->settings.ensemble == QN_ENSEMBLE_NVE) return energy;
  qn_chain_bath atoms = atom_bath(integrator);
  energy += qn_chain_energy(&integrator->state.chain, &atoms);
  if (integrator->settings.ensemble == QN_ENSEMBLE_NVT) return energy;
  qn_barostat_bath box = box_bath(integrator);
  return energy + qn_barostat_energy(&integrator->state.barostat, &box, volume);
}

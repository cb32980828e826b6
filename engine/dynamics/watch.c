#include <math.h>

#include "engine/base/units.h"
#include "engine/dynamics/run_state.h"

/* A stage may be hotter than its hottest target, or than it began, by this factor and this much: room for the melting of a crystal of
 * random species and for small systems, but far below what overlapping atoms or a wrong timestep give. */
static const double HEAT_FACTOR = 5.0;
static const double HEAT_MARGIN = 5000.0; /* K */

/* An atom that goes further along an axis in one step has passed through its neighbours, A. */
static const double LONGEST_MOVE = 0.5;

/* A box that grows by this factor along an axis within a stage has evaporated. */
static const double LARGEST_GROWTH = 2.0;

/* How far the conserved quantity may drift within a stage, or a step of a quench, in units of the thermal energy 3/2 kT of an atom: so much
 * at any time, and where a thermostat takes the heat away, so much more for each ps. Measured on the Cu-Zr liquid at 2000 K (3000 K): at 3 fs
 * it stays within 0.1 % (0.2 %), at 5 fs within 0.3 % (0.6 %); at 7 fs and 3000 K it grows by 0.2 % a ps, at 10 fs by 2 % (13 %) a ps. A lattice
 * that melts or is pressed to 100 GPa at the start of a stage at 2 fs stays within 0.8 %. */
static const double DRIFT_SHARE = 0.02, DRIFT_SHARE_PER_PS = 0.001;

static double heat_limit(const qn_run *run) {
  double base = run->state.base, final = qn_stage_final_target(qn_run_present(run), base);
  return HEAT_FACTOR * fmax(fmax(base, final), run->state.start_temperature) + HEAT_MARGIN;
}

/* The atom with the largest velocity component, or the first whose velocity is not finite. */
static int64_t fastest(const qn_atoms *atoms) {
  int64_t found = 0;
  double top = 0.0;
  for (int64_t i = 0; i < atoms->count; i++)
    for (int a = 0; a < 3; a++) {
      double speed = fabs(atoms->v[a][i]);
      if (!isfinite(speed)) return i;
      if (speed > top) top = speed, found = i;
    }
  return found;
}

qn_status qn_run_watch(const qn_run *run, qn_error *error) {
  double temperature = qn_integrator_temperature(&run->integrator);
  if (!isfinite(temperature) || !isfinite(run->state.force.energy))
    return qn_error_set(error, QN_BLOWUP, "energy is not a number any more, first seen at atom %lld", (long long)fastest(run->atoms));
  double move = run->integrator.state.top_speed * run->protocol.timestep;
  if (move > LONGEST_MOVE)
    return qn_error_set(error, QN_BLOWUP, "atom %lld is lost: it moves %.3g A in one step, more than %g A", (long long)fastest(run->atoms),
                        move, LONGEST_MOVE);
  double limit = heat_limit(run);
  if (temperature > limit)
    return qn_error_set(error, QN_BLOWUP, "temperature %.4g K is above the limit of %.4g K (%g times the hottest target or start, plus %g K)",
                        temperature, limit, HEAT_FACTOR, HEAT_MARGIN);
  return QN_OK;
}

qn_status qn_run_watch_box(const qn_run *run, qn_error *error) {
  for (int a = 0; a < 3; a++) {
    double length = run->box->length[a], start = run->state.start_length[a];
    if (length >= run->smallest_length && length <= LARGEST_GROWTH * start) continue;
    return qn_error_set(error, QN_BLOWUP, "the box along %c went from %.4g A to %.4g A in this stage; %.4g A to %.4g A are possible",
                        "xyz"[a], start, length, run->smallest_length, LARGEST_GROWTH * start);
  }
  return QN_OK;
}

qn_status qn_run_watch_drift(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  const qn_integrator *integrator = &run->integrator;
  if (qn_run_ramps(run)) return QN_OK;
  double conserved = qn_integrator_conserved(integrator, state->force.energy, qn_box_volume(run->box));
  if (!state->drift_known) {
    state->drift_known = true;
    state->drift_energy = conserved;
    state->drift_step = state->step;
  }
  bool isolated = integrator->settings.ensemble == QN_ENSEMBLE_NVE;
  double temperature = fmax(integrator->settings.temperature, qn_integrator_temperature(integrator));
  double thermal = 1.5 * QN_BOLTZMANN * temperature, time = (double)(state->step - state->drift_step) * run->protocol.timestep;
  double drift = fabs(conserved - state->drift_energy) / (double)run->atoms->count;
  double limit = (DRIFT_SHARE + (isolated ? 0.0 : DRIFT_SHARE_PER_PS * time)) * thermal;
  if (!(drift > limit)) return QN_OK;
  return qn_error_set(error, QN_BLOWUP,
                      "the conserved quantity drifted by %.3g eV an atom within %.4g ps; at most %.3g eV is accepted (%g %% of the thermal energy "
                      "3/2 kT%s): a timestep shorter than %.3g fs is needed",
                      drift, time, limit, 100 * DRIFT_SHARE, isolated ? "" : ", and 0.1 % of it more for each ps", run->protocol.timestep / QN_FS_PS);
}

#include <math.h>

#include "engine/dynamics/run_state.h"

/* A stage may be hotter than its hottest target, or than it began, by this factor and this much: room for the melting of a crystal of
 * random species and for small systems, but far below what overlapping atoms or a wrong timestep give. */
static const double HEAT_FACTOR = 5.0;
static const double HEAT_MARGIN = 5000.0; /* K */

/* An atom that goes further along an axis in one step has passed through its neighbours, A. */
static const double LONGEST_MOVE = 0.5;

/* A box that grows by this factor along an axis within a stage has evaporated. */
static const double LARGEST_GROWTH = 2.0;

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

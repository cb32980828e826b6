#include "engine/dynamics/protocol.h"

#include <math.h>

/* Beyond this a count of steps is a slip of units; below it, doubles hold every step exactly. */
static const double MOST_STEPS = 1e15;
static const double PS_PER_NS = 1e3;

/* A share of a quench step below this is rounding of the division, not another step. */
static const double LEVEL_TOLERANCE = 1e-9;

int64_t qn_interval_steps(double interval, double timestep) {
  if (!(interval > 0.0)) return 0;
  int64_t steps = llround(interval / timestep);
  return steps > 0 ? steps : 1;
}

int qn_stage_levels(const qn_stage *stage, double temperature) {
  if (stage->kind == QN_STAGE_SURFACE) return 0;
  if (stage->kind == QN_STAGE_HOLD) return 1;
  double span = fabs(stage->to - temperature);
  if (span == 0.0) return 0;
  return stage->step > 0.0 ? (int)ceil(span / stage->step - LEVEL_TOLERANCE) : 1;
}

double qn_stage_level_target(const qn_stage *stage, double temperature, int level) {
  if (stage->kind != QN_STAGE_QUENCH || level + 1 >= qn_stage_levels(stage, temperature))
    return qn_stage_final_target(stage, temperature);
  return temperature + copysign(stage->step * (level + 1), stage->to - temperature);
}

int64_t qn_stage_level_end(const qn_stage *stage, double temperature, double timestep, int level) {
  if (stage->kind == QN_STAGE_SURFACE) return 0;
  if (stage->kind == QN_STAGE_HOLD) return llround(stage->duration / timestep);
  double span = fabs(qn_stage_level_target(stage, temperature, level) - temperature);
  return llround(span / stage->rate * PS_PER_NS / timestep);
}

double qn_stage_final_target(const qn_stage *stage, double temperature) {
  switch (stage->kind) {
    case QN_STAGE_HOLD: return stage->temperature > 0.0 ? stage->temperature : temperature;
    case QN_STAGE_QUENCH: return stage->to;
    case QN_STAGE_SURFACE: break;
  }
  return temperature;
}

int64_t qn_stage_steps(const qn_stage *stage, double temperature, double timestep) {
  int levels = qn_stage_levels(stage, temperature);
  return levels == 0 ? 0 : qn_stage_level_end(stage, temperature, timestep, levels - 1);
}

bool qn_sampling_due(const qn_sampling *sampling, int64_t offset, double timestep) {
  if (offset % qn_interval_steps(sampling->every, timestep) != 0) return false;
  return sampling->duration == 0.0 || offset <= llround(sampling->duration / timestep);
}

int64_t qn_sampling_frames(const qn_sampling *sampling, int64_t stage_steps, double timestep) {
  int64_t last = sampling->duration > 0.0 ? llround(sampling->duration / timestep) : stage_steps;
  return (last < stage_steps ? last : stage_steps) / qn_interval_steps(sampling->every, timestep) + 1;
}

int64_t qn_protocol_steps(const qn_protocol *protocol, double temperature) {
  int64_t steps = 0;
  for (int s = 0; s < protocol->stage_count; s++) {
    steps += qn_stage_steps(&protocol->stages[s], temperature, protocol->timestep);
    temperature = qn_stage_final_target(&protocol->stages[s], temperature);
  }
  return steps;
}

static bool positive(double value) { return isfinite(value) && value > 0.0; }
static bool not_negative(double value) { return isfinite(value) && value >= 0.0; }

/* The stage's duration in ps, for a stage whose own fields were checked. */
static double stage_duration(const qn_stage *stage, double temperature) {
  if (stage->kind == QN_STAGE_HOLD) return stage->duration;
  return stage->kind == QN_STAGE_QUENCH ? fabs(stage->to - temperature) / stage->rate * PS_PER_NS : 0.0;
}

static qn_status check_coupling(const qn_stage *stage, int index, qn_error *error) {
  if (stage->ensemble != QN_ENSEMBLE_NVE && !positive(stage->thermostat_time))
    return qn_error_set(error, QN_INVALID, "stages[%d].thermostat_time: %g ps; a time above 0 is needed", index, stage->thermostat_time);
  if (stage->ensemble == QN_ENSEMBLE_NPT && !positive(stage->barostat_time))
    return qn_error_set(error, QN_INVALID, "stages[%d].barostat_time: %g ps; a time above 0 is needed", index, stage->barostat_time);
  if (stage->ensemble == QN_ENSEMBLE_NPT && !isfinite(stage->pressure))
    return qn_error_set(error, QN_INVALID, "stages[%d].pressure: not a finite number", index);
  if (stage->ensemble == QN_ENSEMBLE_NPT && stage->mean_volume)
    return qn_error_set(error, QN_INVALID, "stages[%d].mean_volume: only an nve or nvt stage keeps a mean volume", index);
  if (!not_negative(stage->thermo_every))
    return qn_error_set(error, QN_INVALID, "stages[%d].thermo_every: %g ps; 0 or more is needed", index, stage->thermo_every);
  if (stage->sampling_count < 0 || stage->sampling_count > QN_MAX_SAMPLINGS)
    return qn_error_set(error, QN_INVALID, "stages[%d].samplings: %d; 0 to %d are possible", index, stage->sampling_count, QN_MAX_SAMPLINGS);
  for (int k = 0; k < stage->sampling_count; k++)
    if (!positive(stage->samplings[k].every) || !not_negative(stage->samplings[k].duration))
      return qn_error_set(error, QN_INVALID, "stages[%d].samplings[%d]: every %g ps for %g ps; a time above 0, and 0 (to the end) or more are needed",
                          index, k, stage->samplings[k].every, stage->samplings[k].duration);
  return QN_OK;
}

static qn_status check_hold(const qn_stage *stage, int index, qn_error *error) {
  if (!not_negative(stage->duration))
    return qn_error_set(error, QN_INVALID, "stages[%d].duration: %g ps; 0 or more is needed", index, stage->duration);
  if (stage->ensemble != QN_ENSEMBLE_NVE && !positive(stage->temperature))
    return qn_error_set(error, QN_INVALID, "stages[%d].temperature: %g K; a temperature above 0 is needed", index, stage->temperature);
  return check_coupling(stage, index, error);
}

static qn_status check_quench(const qn_stage *stage, int index, double temperature, qn_error *error) {
  if (stage->ensemble == QN_ENSEMBLE_NVE)
    return qn_error_set(error, QN_INVALID, "stages[%d].ensemble: a quench needs a thermostat, nvt or npt", index);
  if (!positive(stage->to))
    return qn_error_set(error, QN_INVALID, "stages[%d].to: %g K; a temperature above 0 is needed", index, stage->to);
  if (!positive(stage->rate))
    return qn_error_set(error, QN_INVALID, "stages[%d].rate: %g K/ns; a rate above 0 is needed", index, stage->rate);
  if (!not_negative(stage->step))
    return qn_error_set(error, QN_INVALID, "stages[%d].step: %g K; 0 (a linear ramp) or more is needed", index, stage->step);
  if (!positive(temperature))
    return qn_error_set(error, QN_INVALID, "stages[%d]: a quench needs a temperature to begin at; none comes before it", index);
  if (stage->step > 0.0 && fabs(stage->to - temperature) / stage->step > 1e6)
    return qn_error_set(error, QN_INVALID, "stages[%d].step: %g K makes more than a million steps", index, stage->step);
  return check_coupling(stage, index, error);
}

static qn_status check_surface(const qn_stage *stage, int index, qn_error *error) {
  if (stage->axis < 0 || stage->axis > 2)
    return qn_error_set(error, QN_INVALID, "stages[%d].axis: %d; 0, 1 or 2 is needed", index, stage->axis);
  if (!positive(stage->vacuum))
    return qn_error_set(error, QN_INVALID, "stages[%d].vacuum: %g A; a length above 0 is needed", index, stage->vacuum);
  return QN_OK;
}

qn_status qn_protocol_check(const qn_protocol *protocol, double temperature, bool mean_length, qn_error *error) {
  if (!positive(protocol->timestep))
    return qn_error_set(error, QN_INVALID, "timestep: %g ps; a time above 0 is needed", protocol->timestep);
  if (protocol->stage_count < 1 || protocol->stage_count > QN_MAX_STAGES)
    return qn_error_set(error, QN_INVALID, "%d stages; 1 to %d are possible", protocol->stage_count, QN_MAX_STAGES);

  double steps = 0.0;
  for (int s = 0; s < protocol->stage_count; s++) {
    const qn_stage *stage = &protocol->stages[s];
    qn_status status = QN_INTERNAL;
    switch (stage->kind) {
      case QN_STAGE_HOLD: status = check_hold(stage, s, error); break;
      case QN_STAGE_QUENCH: status = check_quench(stage, s, temperature, error); break;
      case QN_STAGE_SURFACE: status = check_surface(stage, s, error); break;
      default: return qn_error_set(error, QN_INVALID, "stages[%d]: unknown kind %d", s, (int)stage->kind);
    }
    if (status != QN_OK) return status;

    if (stage->kind == QN_STAGE_SURFACE) {
      mean_length = false;
    } else {
      if (stage->mean_volume && !mean_length)
        return qn_error_set(error, QN_INVALID,
                            "stages[%d].mean_volume: needs an npt stage or a snapshot with mean lengths before it, and no surface between", s);
      mean_length = mean_length || stage->ensemble == QN_ENSEMBLE_NPT;
    }
    steps += stage_duration(stage, temperature) / protocol->timestep;
    if (steps > MOST_STEPS) return qn_error_set(error, QN_INVALID, "stages[%d]: more than %g steps in all", s, MOST_STEPS);
    temperature = qn_stage_final_target(stage, temperature);
  }
  return QN_OK;
}

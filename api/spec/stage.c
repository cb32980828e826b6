#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/spec/parts.h"

static const char *const KINDS[] = {"hold", "quench", "surface", NULL}; /* in the order of qn_stage_kind */
static const char *const ENSEMBLES[] = {"nve", "nvt", "npt", NULL};     /* in the order of qn_ensemble */
static const char *const QUENCH_ENSEMBLES[] = {"nvt", "npt", NULL};
static const char *const BAROSTATS[] = {"isotropic", "anisotropic", NULL};
static const char *const VOLUMES[] = {"current", "mean", NULL};
static const char *const RAMPS[] = {"linear", NULL};
static const char *const AXES[] = {"x", "y", "z", NULL};

const qn_bounds qn_temperature_bounds = {1.0, 20000.0, "K"};
static const qn_bounds PRESSURE = {-20.0, 200.0, "GPa"};
static const qn_bounds DURATION = {1e-3, 1e7, "ps"};
static const qn_bounds STEP = {0.1, 5000.0, "K"};
static const qn_bounds RATE = {1e-3, 1e9, "K/ns"};
static const qn_bounds THERMOSTAT = {0.01, 1000.0, "ps"};
static const qn_bounds BAROSTAT = {0.05, 10000.0, "ps"};
static const qn_bounds VACUUM = {1.0, 500.0, "A"};
static const qn_bounds INTERVAL = {0.0, 1e6, "ps"};
static const qn_bounds EVERY = {1e-6, 1e7, "ps"};

static const double PS_PER_NS = 1e3;
/* A coupling time of fewer steps than this cannot be integrated. */
static const double LEAST_COUPLING_STEPS = 10.0;
/* Unless asked otherwise a thermo row every 0.1 ps, but not more than this many in a stage. */
static const double USUAL_THERMO_ROWS = 10000.0, USUAL_THERMO_PS = 0.1;

static void read_coupling(qn_stage *stage, const qn_stage_walk *walk, qn_reader *reader) {
  const bool npt = stage->ensemble == QN_ENSEMBLE_NPT;
  if (stage->ensemble == QN_ENSEMBLE_NVE) return;
  stage->thermostat_time = qn_reader_number(reader, "thermostat_ps", THERMOSTAT, 0.1);
  if (stage->thermostat_time < LEAST_COUPLING_STEPS * walk->timestep)
    qn_reader_fault(reader, "thermostat_ps", "is %g ps; at least %g timesteps are needed: %g ps",
                    stage->thermostat_time, LEAST_COUPLING_STEPS, LEAST_COUPLING_STEPS * walk->timestep);
  if (!npt) return;
  stage->pressure = qn_reader_number(reader, "pressure_gpa", PRESSURE, 0.0);
  stage->barostat_time = qn_reader_number(reader, "barostat_ps", BAROSTAT, 1.0);
  if (stage->barostat_time < LEAST_COUPLING_STEPS * walk->timestep)
    qn_reader_fault(reader, "barostat_ps", "is %g ps; at least %g timesteps are needed: %g ps", stage->barostat_time,
                    LEAST_COUPLING_STEPS, LEAST_COUPLING_STEPS * walk->timestep);
  stage->anisotropic = qn_reader_word(reader, "barostat", BAROSTATS, 0) == 1;
  if (walk->open)
    qn_reader_fault(reader, "ensemble",
                    "npt would close the vacuum of the surface that was cut before; accepted here: nve, nvt");
}

/* True when the interval can be kept in a stage of `duration` ps; also where timestep or duration are not known after a fault. */
static bool good_interval(double every, double timestep, double duration) {
  return !(every < timestep * (1.0 - 1e-9) || every > duration * (1.0 + 1e-9));
}

/* One stream of "sampling". */
static void read_stream(qn_sampling *stream, const json_t *value, const char *pointer, double timestep, double duration, qn_faults *faults) {
  qn_reader reader;
  qn_reader_begin(&reader, value, pointer, faults);
  if (reader.object == NULL) return;
  stream->every = qn_reader_number(&reader, "every_ps", EVERY, QN_REQUIRED);
  stream->duration = qn_reader_number(&reader, "duration_ps", EVERY, 0.0);
  qn_reader_end(&reader, "a stream of frames");
  if (isfinite(stream->every) && isfinite(duration) && !good_interval(stream->every, timestep, duration))
    qn_reader_fault(&reader, "every_ps", "is %.9g ps; a time from the timestep (%.9g ps) to the duration of the stage (%.9g ps) is accepted",
                    stream->every, timestep, duration);
  if (stream->duration > 0.0 && isfinite(duration) && (stream->duration < stream->every || stream->duration > duration * (1.0 + 1e-9)))
    qn_reader_fault(&reader, "duration_ps",
                    "is %.9g ps; a time from the interval (%.9g ps) to the duration of the stage (%.9g ps) is accepted; without it the "
                    "stream goes on to the end",
                    stream->duration, stream->every, duration);
}

/* "sampling": several streams; or "sample_every_ps", which is short for one that goes on to the end. */
static void read_sampling(qn_stage *stage, const qn_stage_walk *walk, double duration, qn_reader *reader) {
  bool several = qn_reader_has(reader, "sampling");
  double every = qn_reader_number(reader, "sample_every_ps", INTERVAL, 0.0);
  if (every > 0.0 && isfinite(duration) && !good_interval(every, walk->timestep, duration))
    qn_reader_fault(reader, "sample_every_ps",
                    "is %.9g ps; 0 (none) or a time from the timestep (%.9g ps) to the duration of the stage (%.9g ps) is accepted", every,
                    walk->timestep, duration);
  if (every > 0.0) stage->samplings[stage->sampling_count++] = (qn_sampling){.every = every};
  const json_t *list = qn_reader_take(reader, "sampling");
  if (!several) return;
  if (qn_reader_has(reader, "sample_every_ps")) {
    qn_reader_fault(reader, "sampling", "stands beside sample_every_ps, which is short for one stream; only one of them is accepted");
    return;
  }
  if (!json_is_array(list) || json_array_size(list) > QN_MAX_SAMPLINGS) {
    qn_reader_fault(reader, "sampling", "must be an array of at most %d streams, such as [{\"every_ps\": 0.05, \"duration_ps\": 100}, {\"every_ps\": 5}]",
                    QN_MAX_SAMPLINGS);
    return;
  }
  for (size_t k = 0; k < json_array_size(list); k++) {
    char pointer[QN_POINTER_SIZE], at[QN_POINTER_SIZE];
    qn_reader_pointer(reader, "sampling", at);
    snprintf(pointer, sizeof pointer, "%.130s/%zu", at, k);
    qn_sampling *stream = &stage->samplings[stage->sampling_count++];
    read_stream(stream, json_array_get(list, k), pointer, walk->timestep, duration, reader->faults);
    for (size_t other = 0; other < k; other++)
      if (stage->samplings[other].every == stream->every && stage->samplings[other].duration == stream->duration)
        qn_faults_add(reader->faults, pointer, "is the same stream as number %zu", other);
  }
}

/* Intervals of a stage that lasts `duration` ps (NAN when that is not known for a fault elsewhere). */
static void read_intervals(qn_stage *stage, qn_stage_walk *walk, double duration, qn_reader *reader) {
  double usual = fmax(USUAL_THERMO_PS, duration / USUAL_THERMO_ROWS);
  usual = qn_spec_round(fmin(fmax(walk->timestep * round(usual / walk->timestep), walk->timestep), duration));
  read_sampling(stage, walk, duration, reader);
  stage->thermo_every =
      qn_reader_number(reader, "thermo_every_ps", INTERVAL, isfinite(usual) ? usual : USUAL_THERMO_PS);
  if (stage->thermo_every > 0.0 && isfinite(duration) && !good_interval(stage->thermo_every, walk->timestep, duration))
    qn_reader_fault(reader, "thermo_every_ps",
                    "is %.9g ps; 0 (none) or a time from the timestep (%.9g ps) to the duration of the stage (%.9g "
                    "ps) is accepted",
                    stage->thermo_every, walk->timestep, duration);
  stage->snapshot = qn_reader_flag(reader, "snapshot", false);

  walk->steps += duration / walk->timestep;
  for (int k = 0; k < stage->sampling_count; k++) {
    const qn_sampling *stream = &stage->samplings[k];
    walk->frames += (stream->duration > 0.0 ? stream->duration : duration) / stream->every + 1.0;
  }
  if (stage->thermo_every > 0.0) walk->rows += duration / stage->thermo_every + 1.0;
}

static void parse_hold(qn_stage *stage, qn_stage_walk *walk, qn_reader *reader) {
  int ensemble = qn_reader_word(reader, "ensemble", ENSEMBLES, -1);
  if (ensemble >= 0) stage->ensemble = (qn_ensemble)ensemble;
  /* Without an ensemble every key of a hold may be meant: npt, which has most of them, is assumed. */
  else
    stage->ensemble = QN_ENSEMBLE_NPT;

  /* A run at constant energy needs a temperature only to give its atoms velocities. */
  bool needed = stage->ensemble != QN_ENSEMBLE_NVE || (walk->bare && walk->temperature == 0.0);
  stage->temperature = qn_reader_number(reader, "temperature_k", qn_temperature_bounds, needed ? QN_REQUIRED : 0.0);
  stage->duration = qn_reader_number(reader, "duration_ps", DURATION, QN_REQUIRED);
  if (stage->duration < walk->timestep)
    qn_reader_fault(reader, "duration_ps", "is shorter than the timestep of %g ps", walk->timestep);
  read_coupling(stage, walk, reader);
  if (stage->ensemble != QN_ENSEMBLE_NPT || ensemble < 0) {
    stage->mean_volume = qn_reader_word(reader, "volume", VOLUMES, 0) == 1;
    if (stage->mean_volume && !walk->mean_length)
      qn_reader_fault(reader, "volume",
                      "\"mean\" needs an npt stage or a snapshot as start before it, and no surface between; accepted "
                      "here: current");
  }
  read_intervals(stage, walk, stage->duration < walk->timestep ? NAN : stage->duration, reader);
  if (stage->snapshot) walk->snapshots += 1.0;
  static const char *const meaning[] = {"a hold in nve", "a hold in nvt", "a hold in npt"};
  qn_reader_end(reader, ensemble >= 0 ? meaning[ensemble] : "a hold");
  if (stage->temperature != 0.0) walk->temperature = stage->temperature;
  walk->mean_length = walk->mean_length || stage->ensemble == QN_ENSEMBLE_NPT;
}

static void parse_quench(qn_stage *stage, qn_stage_walk *walk, qn_reader *reader) {
  if (walk->temperature == 0.0) {
    if (walk->bare)
      qn_reader_fault(reader, NULL, "a quench needs a temperature to begin at; put a hold before it");
    else
      qn_reader_fault(reader, NULL,
                      "a quench needs a temperature to begin at; state initial.temperature_k or put a hold before it");
  }
  int ensemble = qn_reader_word(reader, "ensemble", QUENCH_ENSEMBLES, 1);
  stage->ensemble = ensemble == 0 ? QN_ENSEMBLE_NVT : QN_ENSEMBLE_NPT;
  stage->to = qn_reader_number(reader, "to_k", qn_temperature_bounds, QN_REQUIRED);
  stage->rate = qn_reader_number(reader, "rate_k_per_ns", RATE, QN_REQUIRED);
  bool stepped = qn_reader_has(reader, "step_k"), ramped = qn_reader_has(reader, "ramp");
  stage->step = qn_reader_number(reader, "step_k", STEP, 0.0);
  qn_reader_word(reader, "ramp", RAMPS, 0);
  if (stepped == ramped)
    qn_reader_fault(reader, NULL, "%s; exactly one is needed: step_k (K a step) or \"ramp\": \"linear\"",
                    stepped ? "has both step_k and ramp" : "has neither step_k nor ramp");

  double before = walk->temperature == 0.0 ? NAN : walk->temperature;
  double duration = fabs(stage->to - before) / stage->rate * PS_PER_NS;
  if (stage->to == before)
    qn_reader_fault(reader, "to_k", "is the temperature before the quench already: %.9g K", before);
  else if (duration < walk->timestep)
    qn_reader_fault(reader, "rate_k_per_ns", "so high that the quench takes %.3g ps, less than a timestep", duration);
  else if (stage->step / stage->rate * PS_PER_NS < walk->timestep && stage->step > 0.0)
    qn_reader_fault(reader, "rate_k_per_ns", "so high that a step of %.9g K takes %.3g ps, less than a timestep",
                    stage->step, stage->step / stage->rate * PS_PER_NS);
  if (duration > DURATION.maximum)
    qn_reader_fault(reader, "rate_k_per_ns", "so low that the quench takes %.3g ps; at most %.9g ps are accepted",
                    duration, DURATION.maximum);
  read_coupling(stage, walk, reader);
  read_intervals(stage, walk, duration < walk->timestep ? NAN : duration, reader);
  if (stage->snapshot) walk->snapshots += stage->step > 0.0 ? ceil(fabs(stage->to - before) / stage->step) : 1.0;
  qn_reader_end(reader, stage->ensemble == QN_ENSEMBLE_NVT ? "a quench in nvt" : "a quench in npt");
  walk->temperature = stage->to;
  walk->mean_length = walk->mean_length || stage->ensemble == QN_ENSEMBLE_NPT;
}

static void parse_surface(qn_stage *stage, qn_stage_walk *walk, qn_reader *reader) {
  int axis = qn_reader_word(reader, "axis", AXES, 2);
  stage->vacuum = qn_reader_number(reader, "vacuum_a", VACUUM, 10.0);
  stage->snapshot = qn_reader_flag(reader, "snapshot", false);
  qn_reader_end(reader, "a surface");
  if (stage->snapshot) walk->snapshots += 1.0;
  if (axis >= 0) {
    stage->axis = axis;
    if (walk->cut[axis]) qn_reader_fault(reader, "axis", "a surface across %s was cut before", AXES[axis]);
    walk->cut[axis] = true;
  }
  walk->open = true;
  walk->mean_length = false;
}

void qn_spec_parse_stage(qn_stage *stage, qn_stage_walk *walk, const json_t *value, const char *pointer,
                         qn_faults *faults) {
  *stage = (qn_stage){0};
  qn_reader reader;
  qn_reader_begin(&reader, value, pointer, faults);
  int kind = reader.object != NULL ? qn_reader_word(&reader, "type", KINDS, -1) : -1;
  switch (kind) {
  case QN_STAGE_HOLD:
    parse_hold(stage, walk, &reader);
    break;
  case QN_STAGE_QUENCH:
    parse_quench(stage, walk, &reader);
    break;
  case QN_STAGE_SURFACE:
    parse_surface(stage, walk, &reader);
    break;
  default: /* what it would have left behind is not known: checks that hang on it stay silent */
    walk->temperature = NAN;
    walk->mean_length = true;
    return;
  }
  stage->kind = (qn_stage_kind)kind;
}

static void set_number(json_t *object, const char *key, double value) {
  json_object_set_new(object, key, qn_json_number(value));
}
static void set_word(json_t *object, const char *key, const char *word) {
  json_object_set_new(object, key, json_string(word));
}

static json_t *render_streams(const qn_stage *stage) {
  json_t *list = json_array();
  for (int k = 0; k < stage->sampling_count; k++) {
    json_t *stream = json_object();
    set_number(stream, "every_ps", stage->samplings[k].every);
    if (stage->samplings[k].duration > 0.0) set_number(stream, "duration_ps", stage->samplings[k].duration);
    json_array_append_new(list, stream);
  }
  return list;
}

json_t *qn_spec_render_stage(const qn_stage *stage) {
  json_t *object = json_object();
  set_word(object, "type", KINDS[stage->kind]);
  json_object_set_new(object, "snapshot", json_boolean(stage->snapshot));
  if (stage->kind == QN_STAGE_SURFACE) {
    set_word(object, "axis", AXES[stage->axis]);
    set_number(object, "vacuum_a", stage->vacuum);
    return object;
  }
  set_word(object, "ensemble", ENSEMBLES[stage->ensemble]);
  /* One stream to the end, or none, in its short form: what says the same has the same hash, as it had before there were streams. */
  if (stage->sampling_count == 0)
    set_number(object, "sample_every_ps", 0.0);
  else if (stage->sampling_count == 1 && stage->samplings[0].duration == 0.0)
    set_number(object, "sample_every_ps", stage->samplings[0].every);
  else
    json_object_set_new(object, "sampling", render_streams(stage));
  set_number(object, "thermo_every_ps", stage->thermo_every);
  if (stage->ensemble != QN_ENSEMBLE_NVE) set_number(object, "thermostat_ps", stage->thermostat_time);
  if (stage->ensemble == QN_ENSEMBLE_NPT) {
    set_number(object, "pressure_gpa", stage->pressure);
    set_number(object, "barostat_ps", stage->barostat_time);
    set_word(object, "barostat", BAROSTATS[stage->anisotropic]);
  }
  if (stage->kind == QN_STAGE_HOLD) {
    if (stage->temperature > 0.0) set_number(object, "temperature_k", stage->temperature);
    set_number(object, "duration_ps", stage->duration);
    if (stage->ensemble != QN_ENSEMBLE_NPT) set_word(object, "volume", VOLUMES[stage->mean_volume]);
  } else {
    set_number(object, "to_k", stage->to);
    set_number(object, "rate_k_per_ns", stage->rate);
    if (stage->step > 0.0)
      set_number(object, "step_k", stage->step);
    else
      set_word(object, "ramp", RAMPS[0]);
  }
  return object;
}

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/spec/parts.h"
#include "engine/base/number.h"

enum { MOST_TYPES = 32 };

static const qn_analysis_type *read_type(qn_reader *reader) {
  const qn_analysis_type *const *types = qn_analysis_types();
  const char *names[MOST_TYPES + 1];
  int count = 0;
  while (types[count] != NULL && count < MOST_TYPES) names[count] = types[count]->name, count++;
  names[count] = NULL;
  int index = qn_reader_word(reader, "type", names, -1);
  return index >= 0 ? types[index] : NULL;
}

/* One of a list of words. Their places, from 1, were their spelling once: stored specs have them. */
static double read_word(qn_reader *reader, const qn_parameter *parameter) {
  const json_t *value = json_object_get(reader->object, parameter->name);
  if (json_is_integer(value) && (double)json_integer_value(value) >= parameter->minimum && (double)json_integer_value(value) <= parameter->maximum) {
    qn_reader_take(reader, parameter->name);
    return (double)json_integer_value(value);
  }
  int word = qn_reader_word(reader, parameter->name, parameter->words, (int)parameter->fallback - 1);
  return word >= 0 ? word + 1 : parameter->fallback;
}

/* An automatic parameter may be absent, null or 0: all say that the analysis chooses by its stated rule. */
static double read_parameter(qn_reader *reader, const qn_parameter *parameter) {
  const qn_bounds bounds = {parameter->minimum, parameter->maximum, ""};
  if (parameter->words != NULL) return read_word(reader, parameter);
  if (parameter->automatic) {
    const json_t *value = json_object_get(reader->object, parameter->name);
    if (value == NULL || json_is_null(value) || (json_is_number(value) && json_number_value(value) == 0.0)) {
      qn_reader_take(reader, parameter->name);
      return 0.0;
    }
  }
  return qn_reader_number(reader, parameter->name, bounds, parameter->fallback);
}

void qn_spec_read_analysis(qn_analysis_spec *analysis, qn_reader *reader) {
  static const int64_t any = -1;
  *analysis = (qn_analysis_spec){.stage = -1, .sampling = -1};
  if (reader->object == NULL) return;
  const int before = qn_faults_total(reader->faults);
  analysis->type = read_type(reader);
  analysis->stage = (int)qn_spec_read_integer(reader, "stage", 0, QN_MAX_STAGES - 1, &any, -2);
  if (analysis->type == NULL) return; /* which keys are meant is not known */
  if (analysis->type->summarise == NULL) analysis->sampling = (int)qn_spec_read_integer(reader, "sampling", 0, QN_MAX_SAMPLINGS - 1, &any, -2);
  for (int p = 0; p < analysis->type->parameter_count; p++) {
    const qn_parameter *parameter = &analysis->type->parameters[p];
    bool sourced = qn_spec_read_source(analysis, p, reader);
    analysis->parameters[p] = sourced ? parameter->fallback : read_parameter(reader, parameter);
  }
  char meaning[96];
  snprintf(meaning, sizeof meaning, "the analysis %s", analysis->type->name);
  qn_reader_end(reader, meaning);
  analysis->faulty = qn_faults_total(reader->faults) > before;
}

void qn_spec_write_analysis(json_t *object, const qn_analysis_spec *analysis) {
  json_object_set_new(object, "type", json_string(analysis->type->name));
  if (analysis->stage >= 0) json_object_set_new(object, "stage", json_integer(analysis->stage));
  if (analysis->sampling >= 0) json_object_set_new(object, "sampling", json_integer(analysis->sampling));
  for (int p = 0; p < analysis->type->parameter_count; p++) {
    const qn_parameter *parameter = &analysis->type->parameters[p];
    bool chosen_later = parameter->automatic && analysis->parameters[p] == 0.0;
    json_t *source = qn_spec_render_source(analysis, p);
    json_object_set_new(object, parameter->name,
                        source != NULL             ? source
                        : chosen_later             ? json_null()
                        : parameter->words != NULL ? json_string(parameter->words[(int)analysis->parameters[p] - 1])
                                                   : qn_json_number(analysis->parameters[p]));
  }
}

void qn_spec_parse_analysis_request(const char *text, size_t size, qn_analysis_request *request, qn_faults *faults) {
  *request = (qn_analysis_request){.analysis = {.stage = -1, .sampling = -1}};
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  bool simulation = qn_reader_has(&reader, "simulation"), trajectory = qn_reader_has(&reader, "trajectory");
  if (reader.object != NULL && simulation == trajectory)
    qn_reader_fault(&reader, NULL, "has %s; exactly one of them is needed: the number of what is to be analysed",
                    simulation ? "both simulation and trajectory" : "neither simulation nor trajectory");
  static const int64_t none = 0;
  request->trajectory = qn_spec_read_integer(&reader, "trajectory", 1, QN_MOST_ID, trajectory ? NULL : &none, 0);
  request->simulation = qn_spec_read_integer(&reader, "simulation", 1, QN_MOST_ID, simulation ? NULL : &none, 0);
  request->priority = qn_spec_read_priority(&reader);
  qn_spec_read_analysis(&request->analysis, &reader);
  json_decref(root);
}

void qn_spec_parse_analysis(const char *text, size_t size, qn_analysis_spec *analysis, qn_faults *faults) {
  *analysis = (qn_analysis_spec){.stage = -1, .sampling = -1};
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  qn_spec_read_analysis(analysis, &reader);
  json_decref(root);
}

char *qn_spec_render_analysis(const qn_analysis_spec *analysis, char hash[QN_HASH_SIZE]) {
  json_t *object = json_object();
  qn_spec_write_analysis(object, analysis);
  char *text = qn_json_write(object, true);
  json_decref(object);
  if (text != NULL) qn_hash_hex(text, strlen(text), hash);
  return text;
}

/* ---- which frames, and whether they will do ---- */

/* "1, 3": the stages with frames. */
static void list_sampled(const qn_protocol *protocol, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int s = 0; s < protocol->stage_count && used < size; s++)
    if (protocol->stages[s].sampling_count > 0)
      used += (size_t)snprintf(text + used, size - used, "%s%d", used > 0 ? ", " : "", s);
}

int qn_spec_finest_stream(const qn_stage *stage) {
  int finest = 0;
  for (int k = 1; k < stage->sampling_count; k++)
    if (stage->samplings[k].every < stage->samplings[finest].every) finest = k;
  return finest;
}

/* The stream that covers most time, of two alike the finer. */
static int longest_stream(const qn_stage *stage) {
  int longest = 0;
  for (int k = 1; k < stage->sampling_count; k++) {
    const qn_sampling *best = &stage->samplings[longest], *here = &stage->samplings[k];
    double best_time = best->duration > 0.0 ? best->duration : INFINITY, time = here->duration > 0.0 ? here->duration : INFINITY;
    if (time > best_time || (time == best_time && here->every < best->every)) longest = k;
  }
  return longest;
}

int qn_spec_stream(const qn_stage *stage, const qn_analysis_spec *analysis) {
  if (analysis->sampling >= 0) return analysis->sampling;
  return analysis->type->sampling == QN_SAMPLING_FINEST ? qn_spec_finest_stream(stage) : longest_stream(stage);
}

/* The analysis itself says what it can do with the frames that will come. */
void qn_spec_check_frames(const qn_analysis_spec *analysis, const qn_analysis_prospect *prospect, const char *pointer, qn_faults *faults) {
  qn_error error;
  bool known = true;
  for (int p = 0; p < analysis->type->parameter_count; p++) known = known && !isnan(analysis->parameters[p]);
  if (analysis->type->summarise != NULL)
    qn_faults_add(faults, pointer, "%s needs the thermo series of a simulation; a trajectory has none", analysis->type->name);
  else if (known && qn_analysis_check(analysis->type, analysis->parameters, prospect, &error) != QN_OK)
    qn_faults_add(faults, pointer, "%s", error.message);
}

/* The stage is a hold. */
static void check_parameters(const qn_simulation_spec *spec, const qn_analysis_spec *analysis, const char *pointer,
                             qn_faults *faults) {
  const qn_protocol *protocol = &spec->protocol;
  if (isnan(protocol->timestep)) return;
  bool opened = false;
  for (int s = 0; s < analysis->stage; s++) opened = opened || protocol->stages[s].kind == QN_STAGE_SURFACE;
  const qn_stage *stage = &protocol->stages[analysis->stage];
  const qn_sampling *stream = &stage->samplings[qn_spec_stream(stage, analysis)];
  int64_t steps = qn_stage_steps(stage, stage->temperature, protocol->timestep);
  bool lattice = spec->initial == QN_INITIAL_LATTICE;
  const qn_analysis_prospect prospect = {
      .frames = qn_sampling_frames(stream, steps, protocol->timestep),
      .interval = qn_number_round((double)qn_interval_steps(stream->every, protocol->timestep) * protocol->timestep),
      .atoms = lattice && !isnan(spec->sites) ? (int64_t)spec->sites : 0,
      .surfaces = opened ? QN_YES : lattice ? QN_NO : QN_UNKNOWN,
      .potential = QN_YES};
  qn_spec_check_frames(analysis, &prospect, pointer, faults);
}

static void check_stage(const qn_simulation_spec *spec, const qn_analysis_spec *analysis, const char *pointer,
                        qn_faults *faults) {
  const qn_stage *stage = &spec->protocol.stages[analysis->stage];
  char at[QN_POINTER_SIZE];
  snprintf(at, sizeof at, "%.150s/stage", pointer);
  if (stage->kind != QN_STAGE_HOLD) {
    qn_faults_add(
        faults, at,
        "stage %d is a quench: its frames are of no one temperature, and an average over them would stand for "
        "none; analyse a hold at each temperature that is wanted",
        analysis->stage);
    return;
  }
  if (stage->ensemble == QN_ENSEMBLE_NPT && analysis->type->displacements)
    qn_faults_add(faults, at,
                  "stage %d is a hold in npt, whose box changes from frame to frame; %s needs one of constant volume: "
                  "let a hold in nvt with \"volume\": \"mean\" follow, and sample that",
                  analysis->stage, analysis->type->name);
  check_parameters(spec, analysis, pointer, faults);
}

/* The last hold with frames: those of a hold are of one temperature. -1 without one; -2 when a faulty stage may be the one. */
static int last_sampled_hold(const qn_simulation_spec *spec) {
  const qn_protocol *protocol = &spec->protocol;
  for (int s = protocol->stage_count - 1; s >= 0; s--) {
    if (spec->stage_faulty[s]) return -2;
    if (protocol->stages[s].sampling_count > 0 && protocol->stages[s].kind == QN_STAGE_HOLD) return s;
  }
  return -1;
}

/* The stage of an analysis of frames; false with a fault, here or in the stage. */
static bool choose_stage(const qn_simulation_spec *spec, qn_analysis_spec *analysis, const char *pointer, qn_faults *faults) {
  const qn_protocol *protocol = &spec->protocol;
  char at[QN_POINTER_SIZE], sampled[256];
  bool all_known = true;
  for (int s = 0; s < protocol->stage_count; s++) all_known = all_known && !spec->stage_faulty[s];
  snprintf(at, sizeof at, "%.150s/stage", pointer);
  list_sampled(protocol, sampled, sizeof sampled);
  if (sampled[0] == '\0' && all_known) {
    qn_faults_add(faults, pointer,
                  "no stage of the simulation keeps frames; set sample_every_ps in the stage to be analysed");
    return false;
  }
  if (analysis->stage < 0) {
    int chosen = last_sampled_hold(spec);
    if (chosen == -1)
      qn_faults_add(faults, pointer,
                    "no hold of the simulation keeps frames; set sample_every_ps in the hold to be analysed; with "
                    "frames: %s",
                    sampled);
    if (chosen < 0) return false;
    analysis->stage = chosen;
  } else if (analysis->stage >= protocol->stage_count ||
             (!spec->stage_faulty[analysis->stage] && protocol->stages[analysis->stage].sampling_count == 0)) {
    qn_faults_add(faults, at, "stage %d keeps no frames; with frames: %s", analysis->stage,
                  sampled[0] != '\0' ? sampled : "none");
    return false;
  }
  return !spec->stage_faulty[analysis->stage];
}

/* The stream of frames; where a stage has only one it goes without saying. False with a fault. */
static bool choose_stream(const qn_stage *stage, qn_analysis_spec *analysis, const char *pointer, qn_faults *faults) {
  char at[QN_POINTER_SIZE];
  snprintf(at, sizeof at, "%.150s/sampling", pointer);
  if (analysis->sampling == -2) return false;
  if (analysis->sampling >= stage->sampling_count) {
    qn_faults_add(faults, at, "stage %d has %d stream%s of frames; 0 to %d is accepted", analysis->stage, stage->sampling_count,
                  stage->sampling_count == 1 ? "" : "s", stage->sampling_count - 1);
    return false;
  }
  analysis->sampling = stage->sampling_count > 1 ? qn_spec_stream(stage, analysis) : -1;
  return true;
}

static void resolve_thermo(const qn_simulation_spec *spec, const qn_analysis_spec *analysis, const char *pointer, qn_faults *faults) {
  const qn_protocol *protocol = &spec->protocol;
  char at[QN_POINTER_SIZE];
  snprintf(at, sizeof at, "%.150s/stage", pointer);
  bool any = false;
  for (int s = 0; s < protocol->stage_count; s++)
    any = any || spec->stage_faulty[s] || (protocol->stages[s].kind != QN_STAGE_SURFACE && protocol->stages[s].thermo_every > 0.0);
  if (!any) qn_faults_add(faults, pointer, "no stage of the simulation has thermo rows; set thermo_every_ps");
  else if (analysis->stage >= protocol->stage_count)
    qn_faults_add(faults, at, "there is no stage %d; 0 to %d are accepted", analysis->stage, protocol->stage_count - 1);
  else if (analysis->stage >= 0 && !spec->stage_faulty[analysis->stage] && !(protocol->stages[analysis->stage].thermo_every > 0.0))
    qn_faults_add(faults, at, "stage %d has no thermo rows", analysis->stage);
}

void qn_spec_resolve_stage(const qn_simulation_spec *spec, qn_analysis_spec *analysis, const char *pointer,
                           qn_faults *faults) {
  if (spec->protocol.stage_count == 0 || analysis->stage == -2) return; /* a fault already */
  if (analysis->type->summarise != NULL)
    resolve_thermo(spec, analysis, pointer, faults);
  else if (choose_stage(spec, analysis, pointer, faults) &&
           choose_stream(&spec->protocol.stages[analysis->stage], analysis, pointer, faults))
    check_stage(spec, analysis, pointer, faults);
}

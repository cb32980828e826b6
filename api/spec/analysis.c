#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/spec/parts.h"

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

/* An automatic parameter may be absent, null or 0: all say that the analysis chooses by its stated rule. */
static double read_parameter(qn_reader *reader, const qn_parameter *parameter) {
  const qn_bounds bounds = {parameter->minimum, parameter->maximum, ""};
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
  static const int64_t any_stage = -1;
  *analysis = (qn_analysis_spec){.stage = -1};
  if (reader->object == NULL) return;
  analysis->type = read_type(reader);
  analysis->stage = (int)qn_spec_read_integer(reader, "stage", 0, QN_MAX_STAGES - 1, &any_stage, -2);
  if (analysis->type == NULL) return; /* which keys are meant is not known */
  for (int p = 0; p < analysis->type->parameter_count; p++)
    analysis->parameters[p] = read_parameter(reader, &analysis->type->parameters[p]);
  char meaning[96];
  snprintf(meaning, sizeof meaning, "the analysis %s", analysis->type->name);
  qn_reader_end(reader, meaning);
}

void qn_spec_write_analysis(json_t *object, const qn_analysis_spec *analysis) {
  json_object_set_new(object, "type", json_string(analysis->type->name));
  if (analysis->stage >= 0) json_object_set_new(object, "stage", json_integer(analysis->stage));
  for (int p = 0; p < analysis->type->parameter_count; p++) {
    const qn_parameter *parameter = &analysis->type->parameters[p];
    bool chosen_later = parameter->automatic && analysis->parameters[p] == 0.0;
    json_object_set_new(object, parameter->name, chosen_later ? json_null() : qn_json_number(analysis->parameters[p]));
  }
}

void qn_spec_parse_analysis_request(const char *text, size_t size, qn_analysis_request *request, qn_faults *faults) {
  *request = (qn_analysis_request){.analysis.stage = -1};
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  request->simulation = qn_spec_read_integer(&reader, "simulation", 1, QN_MOST_ID, NULL, 0);
  qn_spec_read_analysis(&request->analysis, &reader);
  json_decref(root);
}

void qn_spec_parse_analysis(const char *text, size_t size, qn_analysis_spec *analysis, qn_faults *faults) {
  *analysis = (qn_analysis_spec){.stage = -1};
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

/* "1, 3": the stages with frames. */
static void list_sampled(const qn_protocol *protocol, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int s = 0; s < protocol->stage_count && used < size; s++)
    if (protocol->stages[s].sample_every > 0.0)
      used += (size_t)snprintf(text + used, size - used, "%s%d", used > 0 ? ", " : "", s);
}

/* The analysis itself says what it can do with the frames that will come: its own checks, made before the work starts. */
static void check_parameters(const qn_protocol *protocol, const qn_analysis_spec *analysis, const char *pointer,
                             qn_faults *faults) {
  const qn_stage *stage = &protocol->stages[analysis->stage];
  for (int p = 0; p < analysis->type->parameter_count; p++)
    if (isnan(analysis->parameters[p])) return;
  if (isnan(protocol->timestep)) return;
  int64_t every = qn_interval_steps(stage->sample_every, protocol->timestep);
  int64_t frames = qn_stage_steps(stage, stage->temperature, protocol->timestep) / every + 1;
  qn_analysis *trial = NULL;
  qn_error error;
  if (analysis->type->alloc(&trial, analysis->parameters, frames, (double)every * protocol->timestep, 1, &error) ==
      QN_OK)
    analysis->type->free(trial);
  else if (error.status == QN_INVALID)
    qn_faults_add(faults, pointer, "%s", error.message);
}

/* The last hold with frames: those of a hold are of one temperature. -1 without one; -2 when a faulty stage may be the one. */
static int last_sampled_hold(const qn_simulation_spec *spec) {
  const qn_protocol *protocol = &spec->protocol;
  for (int s = protocol->stage_count - 1; s >= 0; s--) {
    if (spec->stage_faulty[s]) return -2;
    if (protocol->stages[s].sample_every > 0.0 && protocol->stages[s].kind == QN_STAGE_HOLD) return s;
  }
  return -1;
}

static void check_stage(const qn_simulation_spec *spec, const qn_analysis_spec *analysis, const char *pointer,
                        qn_faults *faults) {
  const qn_stage *stage = &spec->protocol.stages[analysis->stage];
  char at[QN_POINTER_SIZE];
  snprintf(at, sizeof at, "%.150s/stage", pointer);
  if (stage->kind != QN_STAGE_HOLD)
    qn_faults_add(
        faults, at,
        "stage %d is a quench: its frames are of no one temperature, and an average over them would stand for "
        "none; analyse a hold at each temperature that is wanted",
        analysis->stage);
  else if (stage->ensemble == QN_ENSEMBLE_NPT && analysis->type->fixed_box)
    qn_faults_add(faults, at,
                  "stage %d is a hold in npt, whose box changes from frame to frame; %s needs one of constant volume: "
                  "let a hold in nvt with \"volume\": \"mean\" follow, and sample that",
                  analysis->stage, analysis->type->name);
  else
    check_parameters(&spec->protocol, analysis, pointer, faults);
}

void qn_spec_resolve_stage(const qn_simulation_spec *spec, qn_analysis_spec *analysis, const char *pointer,
                           qn_faults *faults) {
  const qn_protocol *protocol = &spec->protocol;
  char at[QN_POINTER_SIZE], sampled[256];
  bool all_known = protocol->stage_count > 0;
  for (int s = 0; s < protocol->stage_count; s++) all_known = all_known && !spec->stage_faulty[s];
  snprintf(at, sizeof at, "%.150s/stage", pointer);
  list_sampled(protocol, sampled, sizeof sampled);
  if (protocol->stage_count == 0 || analysis->stage == -2) return;
  if (sampled[0] == '\0' && all_known) {
    qn_faults_add(faults, pointer,
                  "no stage of the simulation keeps frames; set sample_every_ps in the stage to be analysed");
    return;
  }
  if (analysis->stage < 0) {
    int chosen = last_sampled_hold(spec);
    if (chosen == -1)
      qn_faults_add(faults, pointer,
                    "no hold of the simulation keeps frames; set sample_every_ps in the hold to be analysed; with "
                    "frames: %s",
                    sampled);
    if (chosen < 0) return;
    analysis->stage = chosen;
  } else if (analysis->stage >= protocol->stage_count ||
             (!spec->stage_faulty[analysis->stage] && !(protocol->stages[analysis->stage].sample_every > 0.0))) {
    qn_faults_add(faults, at, "stage %d keeps no frames; with frames: %s", analysis->stage,
                  sampled[0] != '\0' ? sampled : "none");
    return;
  }
  if (!spec->stage_faulty[analysis->stage]) check_stage(spec, analysis, pointer, faults);
}

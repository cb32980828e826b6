#include "api/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/spec/parts.h"
#include "api/store.h"

static const char *const PRECISIONS[] = {"double", "fast",
                                         NULL}; /* in the order of qn_precision: those that have a kernel */
static const qn_precision USUAL_PRECISION = QN_PRECISION_DOUBLE;
static const qn_bounds TIMESTEP = {0.1, 10.0, "fs"};
static const double PS_PER_FS = 1e-3;

double qn_spec_round(double value) {
  char text[40];
  snprintf(text, sizeof text, "%.12g", value);
  return strtod(text, NULL);
}

int64_t qn_spec_read_integer(qn_reader *reader, const char *key, int64_t minimum, int64_t maximum,
                             const int64_t *fallback, int64_t faulty) {
  const int before = qn_faults_total(reader->faults);
  int64_t value = qn_reader_integer(reader, key, minimum, maximum, fallback);
  return reader->object == NULL || qn_faults_total(reader->faults) > before ? faulty : value;
}

static void check_most(qn_faults *faults, double count, double most, const char *what) {
  if (count > most) qn_faults_add(faults, "/stages", "%.4g %s in all; at most %.12g are accepted", count, what, most);
}

/* Do the atoms get velocities at the temperature of the first hold? A structure that may have none counts as one without. */
static bool draws_velocities(const qn_simulation_spec *spec) {
  if (spec->initial == QN_INITIAL_STRUCTURE)
    return spec->velocities != QN_START_VELOCITIES_KEEP && spec->snapshot_temperature == 0.0;
  return spec->initial == QN_INITIAL_LATTICE;
}

static void parse_stages(qn_simulation_spec *spec, qn_reader *reader, bool start_known) {
  qn_protocol *protocol = &spec->protocol;
  const json_t *list = qn_reader_take(reader, "stages");
  const size_t count = json_array_size(list);
  if (!json_is_array(list) || count < 1 || count > QN_MAX_STAGES) {
    qn_reader_fault(reader, "stages", "%s: 1 to %d stages are needed (hold, quench, surface)",
                    list == NULL           ? "is missing"
                    : !json_is_array(list) ? "must be an array"
                    : count == 0           ? "is empty"
                                           : "is too long",
                    QN_MAX_STAGES);
    return;
  }
  bool lattice = spec->initial == QN_INITIAL_LATTICE;
  qn_stage_walk walk = {.timestep = protocol->timestep,
                        .temperature = !start_known ? NAN
                                       : lattice    ? 0.0
                                                    : spec->snapshot_temperature,
                        .bare = draws_velocities(spec),
                        .mean_length = !lattice};
  for (size_t s = 0; s < count; s++) {
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/stages/%zu", s);
    const int before = qn_faults_total(reader->faults);
    qn_spec_parse_stage(&protocol->stages[s], &walk, json_array_get(list, s), pointer, reader->faults);
    spec->stage_faulty[s] = qn_faults_total(reader->faults) > before;
  }
  protocol->stage_count = (int)count;
  check_most(reader->faults, walk.steps, QN_MOST_STEPS, "timesteps");
  check_most(reader->faults, walk.frames, QN_MOST_FRAMES, "frames");
  check_most(reader->faults, walk.rows, QN_MOST_THERMO_ROWS, "thermo rows");
  check_most(reader->faults, walk.snapshots, QN_MOST_SNAPSHOTS, "snapshots");
  if (lattice) check_most(reader->faults, walk.frames * spec->sites, QN_MOST_ATOM_FRAMES, "atoms x frames");
  if (walk.bare && walk.temperature == 0.0)
    qn_reader_fault(
        reader, "stages",
        "no stage has a temperature; a hold is needed, at whose temperature_k the atoms get their velocities");
}

/* Two that are written alike are the same work. */
static void check_twice(const qn_simulation_spec *spec, qn_faults *faults) {
  char hash[QN_MAX_ANALYSES][QN_HASH_SIZE] = {{0}};
  for (int i = 0; i < spec->analysis_count; i++) {
    bool twice = false;
    if (spec->analyses[i].faulty) continue;
    free(qn_spec_render_analysis(&spec->analyses[i], hash[i]));
    for (int k = 0; k < i; k++) twice = twice || strcmp(hash[k], hash[i]) == 0;
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/analyses/%d", i);
    if (twice) qn_faults_add(faults, pointer, "the same analysis of the same stage was asked for before");
  }
}

static void parse_analyses(qn_simulation_spec *spec, qn_reader *reader, bool stored) {
  const json_t *list = qn_reader_take(reader, "analyses");
  if (list == NULL) return;
  if (!json_is_array(list) || json_array_size(list) > QN_MAX_ANALYSES) {
    qn_reader_fault(reader, "analyses", "must be an array of at most %d analyses", QN_MAX_ANALYSES);
    return;
  }
  bool whole = true; /* which analyses there are is known */
  for (size_t i = 0; i < json_array_size(list); i++) {
    qn_analysis_spec *analysis = &spec->analyses[spec->analysis_count];
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/analyses/%zu", i);
    qn_reader inner;
    qn_reader_begin(&inner, json_array_get(list, i), pointer, reader->faults);
    qn_spec_read_analysis(analysis, &inner);
    whole = whole && analysis->type != NULL;
    if (analysis->type == NULL) continue;
    const int before = qn_faults_total(reader->faults);
    if (!stored) qn_spec_resolve_stage(spec, analysis, pointer, reader->faults);
    analysis->faulty = analysis->faulty || qn_faults_total(reader->faults) > before;
    spec->analysis_count++;
  }
  if (!whole || stored) return;
  qn_spec_resolve_sources(spec->analyses, spec->analysis_count, "/analyses", reader->faults);
  check_twice(spec, reader->faults);
}

/* "" when none was given, or none that can be one. */
static void read_hash(qn_reader *reader, char hash[QN_HASH_SIZE]) {
  char text[QN_HASH_SIZE + 1]; /* room to see one that is too long */
  qn_reader_text(reader, "potential_sha256", text, sizeof text, "");
  size_t hexes = strspn(text, "0123456789abcdef");
  bool good = hexes == QN_HASH_SIZE - 1 && text[hexes] == '\0';
  if (text[0] != '\0' && !good)
    qn_reader_fault(reader, "potential_sha256",
                    "must be 64 lower-case hex digits, the SHA-256 of the potential's text");
  snprintf(hash, QN_HASH_SIZE, "%.64s", good ? text : "");
}

static void parse_root(qn_simulation_spec *spec, const json_t *root, bool stored, qn_faults *faults) {
  static const int64_t usual_seed = 1;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  if (reader.object == NULL) return;
  qn_reader_text(&reader, "name", spec->name, sizeof spec->name, "");
  spec->priority = qn_spec_read_priority(&reader);
  qn_reader_text(&reader, "potential", spec->potential, sizeof spec->potential, NULL);
  read_hash(&reader, spec->potential_sha256);
  spec->protocol.seed = (uint64_t)qn_reader_integer(&reader, "seed", 0, QN_MOST_SEED, &usual_seed);
  spec->protocol.timestep = qn_spec_round(qn_reader_number(&reader, "timestep_fs", TIMESTEP, 1.0)) * PS_PER_FS;
  int precision = qn_reader_word(&reader, "precision", PRECISIONS, (int)USUAL_PRECISION);
  spec->protocol.precision = precision >= 0 ? (qn_precision)precision : USUAL_PRECISION;

  const json_t *initial = qn_reader_take(&reader, "initial");
  if (initial == NULL)
    qn_reader_fault(&reader, "initial",
                    "is missing: an object is needed, such as {\"type\": \"lattice\", \"structure\": \"fcc\", "
                    "\"cells\": [8, 8, 8], \"composition\": {\"Cu\": 0.5, \"Zr\": 0.5}}");
  bool start_known = initial != NULL && qn_spec_parse_initial(spec, initial, "/initial", faults);

  parse_stages(spec, &reader, start_known);
  parse_analyses(spec, &reader, stored);
  qn_reader_end(&reader, "a simulation");
}

int qn_spec_read_priority(qn_reader *reader) {
  static const int64_t usual = QN_USUAL_PRIORITY;
  return (int)qn_reader_integer(reader, "priority", -QN_MOST_ADMIN_PRIORITY, QN_MOST_ADMIN_PRIORITY, &usual);
}

static void parse(const char *text, size_t size, bool stored, qn_simulation_spec *spec, qn_faults *faults) {
  memset(spec, 0, sizeof *spec);
  spec->sites = NAN;
  spec->snapshot_stage = -1;
  const int before = qn_faults_total(faults);
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  parse_root(spec, root, stored, faults);
  json_decref(root);
  if (qn_faults_total(faults) > before) return;

  /* The engine's own check has the last word. A quench as first stage from a snapshot was refused above when its start is not known. */
  qn_error error;
  if (qn_protocol_check(&spec->protocol, qn_spec_start_temperature(spec), spec->initial != QN_INITIAL_LATTICE, &error) !=
      QN_OK)
    qn_faults_add(faults, "/stages", "%s", error.message);
}

void qn_spec_parse_simulation(const char *text, size_t size, qn_simulation_spec *spec, qn_faults *faults) {
  parse(text, size, false, spec, faults);
}

void qn_spec_parse_stored(const char *text, size_t size, qn_simulation_spec *spec, qn_faults *faults) {
  parse(text, size, true, spec, faults);
}

double qn_spec_start_temperature(const qn_simulation_spec *spec) {
  if (spec->initial == QN_INITIAL_SNAPSHOT || spec->snapshot_temperature > 0.0) return spec->snapshot_temperature;
  for (int s = 0; s < spec->protocol.stage_count; s++)
    if (spec->protocol.stages[s].kind == QN_STAGE_HOLD && spec->protocol.stages[s].temperature > 0.0)
      return spec->protocol.stages[s].temperature;
  return 0.0;
}

/* What decides the work: everything but name and analyses. */
static json_t *render_work(const qn_simulation_spec *spec) {
  const qn_protocol *protocol = &spec->protocol;
  json_t *root = json_object(), *stages = json_array();
  json_object_set_new(root, "potential", qn_json_text(spec->potential));
  if (spec->potential_sha256[0] != '\0')
    json_object_set_new(root, "potential_sha256", json_string(spec->potential_sha256));
  json_object_set_new(root, "initial", qn_spec_render_initial(spec));
  json_object_set_new(root, "seed", json_integer((json_int_t)protocol->seed));
  json_object_set_new(root, "timestep_fs", qn_json_number(qn_spec_round(protocol->timestep / PS_PER_FS)));
  json_object_set_new(root, "precision", json_string(PRECISIONS[protocol->precision]));
  for (int s = 0; s < protocol->stage_count; s++)
    json_array_append_new(stages, qn_spec_render_stage(&protocol->stages[s]));
  json_object_set_new(root, "stages", stages);
  return root;
}

char *qn_spec_render_simulation(const qn_simulation_spec *spec, char hash[QN_HASH_SIZE]) {
  json_t *root = render_work(spec), *analyses = json_array();
  char *work = qn_json_write(root, true);
  if (work != NULL) qn_hash_hex(work, strlen(work), hash);
  json_object_set_new(root, "name", qn_json_text(spec->name));
  for (int i = 0; i < spec->analysis_count; i++) {
    json_t *object = json_object();
    qn_spec_write_analysis(object, &spec->analyses[i]);
    json_array_append_new(analyses, object);
  }
  json_object_set_new(root, "analyses", analyses);
  char *text = work != NULL ? qn_json_write(root, true) : NULL;
  free(work);
  json_decref(root);
  return text;
}

#include "api/upload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hash.h"
#include "api/json.h"
#include "api/query.h"
#include "engine/trajectory/elements.h"

static const double PS_PER_FS = 1e-3, MOST_TEMPERATURE = 20000.0, MOST_TIMESTEP = 1e6, MOST_INTERVAL = 1e9;

/* One species, "Cu" or "Cu:1000". */
static bool parse_one(qn_species_list *list, char *word, char *detail) {
  char *colon = strchr(word, ':'), *end = NULL;
  if (colon != NULL) *colon = '\0';
  double mass = strlen(word) < QN_SYMBOL_SIZE ? qn_element_mass(word) : 0.0;
  if (!(mass > 0.0)) {
    snprintf(detail, QN_DETAIL_SIZE, "\"%.20s\" is no chemical element; symbols such as Cu,Zr are accepted, or Cu:1000,Zr:1000", word);
    return false;
  }
  int64_t atoms = 0;
  bool counted = colon != NULL;
  if (counted) {
    atoms = strtoll(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || atoms < 1 || atoms > INT64_C(1000000000) || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
      snprintf(detail, QN_DETAIL_SIZE, "\"%.20s\" is no number of atoms; Cu:1000,Zr:1000 is accepted", colon + 1);
      return false;
    }
  }
  if (list->count == QN_MAX_SPECIES || (list->count > 0 && counted != list->counted)) {
    snprintf(detail, QN_DETAIL_SIZE, "%s", list->count == QN_MAX_SPECIES ? "more than 16 species" : "all species have numbers of atoms, or none");
    return false;
  }
  list->counted = counted;
  snprintf(list->species[list->count].symbol, QN_SYMBOL_SIZE, "%s", word);
  list->species[list->count].mass = mass;
  list->atoms[list->count++] = atoms;
  return true;
}

bool qn_species_list_parse(qn_species_list *list, const char *text, char *detail) {
  *list = (qn_species_list){0};
  char copy[256];
  if (text[0] == '\0') return true;
  if (strlen(text) >= sizeof copy) {
    snprintf(detail, QN_DETAIL_SIZE, "is longer than %zu bytes", sizeof copy - 1);
    return false;
  }
  strcpy(copy, text);
  char *rest = copy;
  for (char *word; (word = strsep(&rest, ",")) != NULL;)
    if (!parse_one(list, word, detail)) return false;
  return true;
}

static void fault(qn_faults *faults, const char *name, const char *detail) {
  char pointer[QN_POINTER_SIZE];
  snprintf(pointer, sizeof pointer, "?%s", name);
  if (faults != NULL) qn_faults_add(faults, pointer, "%s", detail);
}

static double positive(const qn_request *request, const char *name, double most, double fallback, qn_faults *faults) {
  double number = qn_query_number(request, name, NAN, NULL);
  if (qn_request_query(request, name) == NULL) return fallback;
  if (number > 0.0 && number <= most) return number;
  char detail[QN_DETAIL_SIZE];
  snprintf(detail, sizeof detail, "must be a number above 0, at most %.9g", most);
  fault(faults, name, detail);
  return fallback;
}

void qn_upload_of_request(qn_upload_spec *spec, const qn_request *request, bool timed, qn_faults *faults) {
  *spec = (qn_upload_spec){0};
  const char *name = qn_request_query(request, "name"), *species = qn_request_query(request, "species");
  char detail[QN_DETAIL_SIZE];
  snprintf(detail, sizeof detail, "has more than %zu bytes", sizeof spec->name - 1);
  if (name != NULL && strlen(name) >= sizeof spec->name)
    fault(faults, "name", detail);
  else
    snprintf(spec->name, sizeof spec->name, "%s", name != NULL ? name : "");
  if (species != NULL && !qn_species_list_parse(&spec->species, species, detail))
    fault(faults, "species", detail);
  else
    snprintf(spec->species_text, sizeof spec->species_text, "%s", species != NULL ? species : "");
  spec->temperature_k = positive(request, "temperature_k", MOST_TEMPERATURE, NAN, faults);
  if (timed) {
    spec->timestep_fs = positive(request, "timestep_fs", MOST_TIMESTEP, 0.0, faults);
    spec->interval_ps = positive(request, "interval_ps", MOST_INTERVAL, 0.0, faults);
  }
  snprintf(spec->content_sha256, sizeof spec->content_sha256, "%s", request->body_sha256 != NULL ? request->body_sha256 : "");
}

char *qn_upload_render(const qn_upload_spec *spec, const char *kind, char hash[QN_HASH_SIZE]) {
  json_t *root = json_object();
  json_object_set_new(root, "kind", json_string(kind));
  json_object_set_new(root, "content_sha256", json_string(spec->content_sha256));
  json_object_set_new(root, "species", qn_json_text(spec->species_text));
  json_object_set_new(root, "temperature_k", qn_json_number(spec->temperature_k));
  json_object_set_new(root, "timestep_fs", spec->timestep_fs > 0.0 ? qn_json_number(spec->timestep_fs) : json_null());
  json_object_set_new(root, "interval_ps", spec->interval_ps > 0.0 ? qn_json_number(spec->interval_ps) : json_null());
  char *work = qn_json_write(root, true);
  if (work != NULL) qn_hash_hex(work, strlen(work), hash);
  json_object_set_new(root, "name", qn_json_text(spec->name));
  char *text = work != NULL ? qn_json_write(root, true) : NULL;
  free(work);
  json_decref(root);
  return text;
}

static double number_or(const json_t *root, const char *key, double fallback) {
  const json_t *value = json_object_get(root, key);
  return json_is_number(value) ? json_number_value(value) : fallback;
}

void qn_upload_parse(const char *text, qn_upload_spec *spec, qn_faults *faults) {
  *spec = (qn_upload_spec){0};
  json_t *root = qn_json_parse(text, strlen(text), faults);
  const char *species = json_string_value(json_object_get(root, "species")), *name = json_string_value(json_object_get(root, "name")),
             *content = json_string_value(json_object_get(root, "content_sha256"));
  char detail[QN_DETAIL_SIZE] = "is missing";
  if (species == NULL || !qn_species_list_parse(&spec->species, species, detail)) qn_faults_add(faults, "/species", "%s", detail);
  snprintf(spec->species_text, sizeof spec->species_text, "%s", species != NULL ? species : "");
  snprintf(spec->name, sizeof spec->name, "%s", name != NULL ? name : "");
  snprintf(spec->content_sha256, sizeof spec->content_sha256, "%s", content != NULL ? content : "");
  spec->temperature_k = number_or(root, "temperature_k", NAN);
  spec->timestep_fs = number_or(root, "timestep_fs", 0.0);
  spec->interval_ps = number_or(root, "interval_ps", 0.0);
  json_decref(root);
}

qn_trajectory_options qn_upload_options(const qn_upload_spec *spec) {
  return (qn_trajectory_options){.timestep = spec->timestep_fs * PS_PER_FS,
                                 .interval = spec->interval_ps,
                                 .species = spec->species.count > 0 ? spec->species.species : NULL,
                                 .species_count = spec->species.count,
                                 .species_atoms = spec->species.counted ? spec->species.atoms : NULL};
}

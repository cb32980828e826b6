#include "api/structure.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "engine/trajectory/structure.h"

static void learn(const qn_extxyz *structure, qn_structure_facts *facts) {
  const qn_atoms *atoms = &structure->atoms;
  double mean[3];
  *facts = (qn_structure_facts){.atoms = atoms->count,
                                .species_count = atoms->species_count,
                                .has_velocities = structure->has_velocities,
                                .has_mean_lengths = qn_extxyz_numbers(structure, "Mean_lengths", 3, mean)};
  memcpy(facts->species, atoms->species, sizeof facts->species);
  memcpy(facts->length_a, structure->box.length, sizeof facts->length_a);
  for (int64_t i = 0; i < atoms->count; i++) facts->species_atoms[atoms->type[i]]++;
}

qn_status qn_structure_facts_read(const char *path, qn_structure_facts *facts, qn_error *error) {
  qn_extxyz structure = {0};
  qn_status status = qn_extxyz_read(&structure, path, NULL, 0, error);
  if (status == QN_OK) learn(&structure, facts);
  qn_extxyz_fini(&structure);
  return status;
}

enum { MOST_KEYS = 8 };

/* The keys that a simulation reads, the time for people, and what made the structure. */
static int keep_keys(const qn_extxyz *structure, qn_extxyz_key keys[MOST_KEYS]) {
  static const char *const names[MOST_KEYS] = {"Time_ps",     "step",      "Temperature_k",    "Mean_lengths",
                                               "spec_sha256", "potential", "potential_sha256", "engine_version"};
  int count = 0;
  for (int k = 0; k < structure->key_count; k++)
    for (int n = 0; n < MOST_KEYS && count < MOST_KEYS; n++)
      if (strcmp(structure->keys[k].name, names[n]) == 0) keys[count++] = structure->keys[k];
  return count;
}

static qn_status write_xyz(const qn_extxyz *structure, const char *to, qn_error *error) {
  qn_extxyz_key keys[MOST_KEYS];
  const qn_extxyz_layout layout = {
      .digits = 17, .image = true, .velocities = structure->has_velocities, .key_count = keep_keys(structure, keys), .keys = keys};
  FILE *file = fopen(to, "we");
  if (file == NULL) return qn_error_set(error, QN_IO, "cannot make %s: %s", to, strerror(errno));
  qn_status status = qn_extxyz_write(file, &structure->atoms, &structure->box, &layout, error);
  if (status == QN_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0))
    status = qn_error_set(error, QN_IO, "cannot write %s: %s", to, strerror(errno));
  if (fclose(file) != 0 && status == QN_OK) status = qn_error_set(error, QN_IO, "cannot write %s: %s", to, strerror(errno));
  if (status != QN_OK) unlink(to);
  return status;
}

qn_status qn_structure_convert(const char *from, const qn_upload_spec *spec, const char *to, qn_structure_facts *facts, const char **format,
                               qn_error *error) {
  const qn_reading_watch watch = {.most_bytes = QN_MOST_STRUCTURE_BYTES};
  const qn_species *species = spec->species.count > 0 ? spec->species.species : NULL;
  qn_extxyz structure = {0};
  qn_status status = qn_structure_read(&structure, from, species, spec->species.count, &watch, format, error);
  if (status == QN_OK && structure.atoms.count < 2) status = qn_error_set(error, QN_UNSUPPORTED, "one atom is no structure to simulate; 2 are needed");
  if (status == QN_OK) learn(&structure, facts);
  if (status == QN_OK) status = write_xyz(&structure, to, error);
  qn_extxyz_fini(&structure);
  return status;
}

json_t *qn_structure_details(const qn_structure_facts *facts, const char *format) {
  json_t *object = json_object(), *species = json_array(), *lengths = json_array();
  for (int s = 0; s < facts->species_count; s++)
    json_array_append_new(species, json_pack("{s:o, s:o, s:I}", "symbol", qn_json_text(facts->species[s].symbol), "mass_amu",
                                             qn_json_number(facts->species[s].mass), "atoms", (json_int_t)facts->species_atoms[s]));
  for (int a = 0; a < 3; a++) json_array_append_new(lengths, qn_json_number(facts->length_a[a]));
  json_object_set_new(object, "format", json_string(format));
  json_object_set_new(object, "species", species);
  json_object_set_new(object, "length_a", lengths);
  json_object_set_new(object, "velocities", json_boolean(facts->has_velocities));
  json_object_set_new(object, "mean_lengths", json_boolean(facts->has_mean_lengths));
  return object;
}

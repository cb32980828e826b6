#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/spec/parts.h"

static const char *const TYPES[] = {"lattice", "snapshot", "structure", NULL};
static const char *const VELOCITIES[] = {"keep", "draw", NULL}; /* in the order of qn_start_velocities, from 1 */
static const char *const CRYSTALS[] = {"fcc", "bcc", "b2", NULL}; /* in the order of qn_crystal */
static const int SITES[] = {4, 2, 2};
static const qn_bounds CONSTANT = {1.0, 20.0, "A"};

/* Adds a species; a fault names what is wrong with it. */
static bool add_species(qn_lattice *lattice, const char *symbol, double fraction, const char *pointer,
                        qn_faults *faults) {
  if (!qn_potential_is_symbol(symbol)) {
    qn_faults_add(faults, pointer, "\"%.20s\" is no chemical symbol; one like \"Cu\" is needed", symbol);
    return false;
  }
  if (lattice->species_count == QN_MAX_SPECIES) {
    qn_faults_add(faults, pointer, "more than %d species", QN_MAX_SPECIES);
    return false;
  }
  snprintf(lattice->species[lattice->species_count].symbol, QN_SYMBOL_SIZE, "%s", symbol);
  lattice->fraction[lattice->species_count++] = fraction;
  return true;
}

static int by_symbol(const void *a, const void *b) {
  return strcmp(((const qn_species *)a)->symbol, ((const qn_species *)b)->symbol);
}

/* False when the fractions of the species are not known after a fault. */
static bool parse_composition(qn_lattice *lattice, const json_t *value, const char *pointer, qn_faults *faults) {
  qn_reader reader;
  qn_reader_begin(&reader, value, pointer, faults);
  if (reader.object == NULL) return false;
  if (json_object_size(reader.object) == 0)
    qn_reader_fault(&reader, NULL,
                    "is empty; fractions that add up to 1 are needed, such as {\"Cu\": 0.5, \"Zr\": 0.5}");
  const char *key;
  json_t *number;
  double sum = 0.0;
  bool good = json_object_size(reader.object) > 0;
  json_object_foreach((json_t *)reader.object, key, number) {
    char at[QN_POINTER_SIZE];
    qn_reader_pointer(&reader, key, at);
    double fraction = json_is_number(number) ? json_number_value(number) : NAN;
    if (!(fraction > 0.0 && fraction <= 1.0)) {
      qn_faults_add(faults, at, "must be a fraction above 0 and at most 1");
      fraction = NAN;
      good = false;
    }
    good = add_species(lattice, key, fraction, at, faults) && good;
    sum += fraction;
  }
  if (good && fabs(sum - 1.0) > 1e-6) {
    qn_reader_fault(&reader, NULL, "the fractions add up to %.9g; they must add up to 1 within 1e-6", sum);
    good = false;
  }

  /* The order of the species decides which sites they get, so it must not hang on the order of the keys. */
  qn_species sorted[QN_MAX_SPECIES];
  double fraction[QN_MAX_SPECIES] = {0};
  size_t count = (size_t)lattice->species_count;
  memcpy(sorted, lattice->species, sizeof sorted);
  qsort(sorted, count, sizeof sorted[0], by_symbol);
  for (size_t s = 0; s < count; s++)
    for (size_t t = 0; t < count; t++)
      if (strcmp(sorted[s].symbol, lattice->species[t].symbol) == 0) fraction[s] = lattice->fraction[t];
  memcpy(lattice->species, sorted, sizeof sorted);
  memcpy(lattice->fraction, fraction, sizeof fraction);
  return good;
}

/* The same for species by site. */
static bool parse_order(qn_lattice *lattice, int crystal, const json_t *value, const char *pointer, qn_faults *faults) {
  lattice->ordered = true;
  int sites = crystal >= 0 ? SITES[crystal] : 4, least = crystal == QN_CRYSTAL_B2 ? 2 : 1;
  int count = json_is_array(value) ? (int)json_array_size(value) : 0;
  if (!json_is_array(value) || count < least || count > sites) {
    if (crystal == QN_CRYSTAL_B2)
      qn_faults_add(faults, pointer, "must be an array of 2 symbols: the species at the corners, then at the centres");
    else
      qn_faults_add(faults, pointer, "must be an array of %d to %d symbols, which fill the sites of each cell in turn",
                    least, sites);
    return false;
  }
  bool good = crystal >= 0;
  for (int i = 0; i < count; i++) {
    char at[QN_POINTER_SIZE];
    snprintf(at, sizeof at, "%.140s/%d", pointer, i);
    const char *symbol = json_string_value(json_array_get(value, (size_t)i));
    if (symbol == NULL) {
      qn_faults_add(faults, at, "must be a chemical symbol such as \"Cu\"");
      good = false;
      continue;
    }
    bool twice = false;
    for (int s = 0; s < lattice->species_count; s++) twice = twice || strcmp(lattice->species[s].symbol, symbol) == 0;
    double fraction = crystal >= 0 ? (double)(sites / count + (i < sites % count)) / sites : NAN;
    if (twice) qn_faults_add(faults, at, "%s is named twice", symbol);
    good = !twice && add_species(lattice, symbol, fraction, at, faults) && good;
  }
  return good;
}

/* Number of sites; NAN when a fault hides it. Cells that are not known are 0. */
static double parse_cells(qn_lattice *lattice, int crystal, qn_reader *reader) {
  const json_t *value = qn_reader_take(reader, "cells");
  char pointer[QN_POINTER_SIZE];
  qn_reader_pointer(reader, "cells", pointer);
  if (!json_is_array(value) || json_array_size(value) != 3) {
    qn_faults_add(reader->faults, pointer, "%s: the number of cells along x, y and z is needed, such as [8, 8, 8]",
                  value == NULL ? "is missing" : "must be an array of 3 integers");
    return NAN;
  }
  bool good = crystal >= 0;
  for (int axis = 0; axis < 3; axis++) {
    const json_t *number = json_array_get(value, (size_t)axis);
    double cells = json_is_number(number) ? json_number_value(number) : NAN;
    if (!(cells >= 1.0 && cells <= 1000.0 && cells == floor(cells))) {
      char at[QN_POINTER_SIZE];
      snprintf(at, sizeof at, "%.140s/%d", pointer, axis);
      qn_faults_add(reader->faults, at, "must be an integer from 1 to 1000");
      good = false;
      cells = 0.0;
    }
    lattice->cells[axis] = (int)cells;
  }
  if (!good) return NAN;
  int64_t sites = qn_lattice_sites(lattice);
  if (sites < 2 || sites > QN_MOST_ATOMS)
    qn_faults_add(reader->faults, pointer, "%lld atoms; 2 to %lld are accepted", (long long)sites,
                  (long long)QN_MOST_ATOMS);
  return (double)sites;
}

static void parse_lattice(qn_simulation_spec *spec, qn_reader *reader) {
  qn_lattice *lattice = &spec->lattice;
  bool known = false; /* species and their fractions */
  int crystal = qn_reader_word(reader, "structure", CRYSTALS, -1);
  if (crystal >= 0) lattice->crystal = (qn_crystal)crystal;
  spec->sites = parse_cells(lattice, crystal, reader);

  const json_t *composition = qn_reader_take(reader, "composition"), *ordered = qn_reader_take(reader, "ordered");
  char pointer[QN_POINTER_SIZE];
  if (composition != NULL && ordered != NULL)
    qn_reader_fault(
        reader, NULL,
        "has both composition (random species) and ordered (species by site); exactly one of them is accepted");
  else if (composition == NULL && ordered == NULL)
    qn_reader_fault(reader, NULL,
                    "needs composition (random species), such as {\"Cu\": 0.5, \"Zr\": 0.5}, or ordered (species by "
                    "site), such as [\"Cu\", \"Zr\"]");
  else if (composition != NULL && crystal == QN_CRYSTAL_B2)
    qn_reader_fault(reader, "composition",
                    "b2 takes ordered: the species at the corners and at the centres; for random species take bcc");
  else if (composition != NULL) {
    qn_reader_pointer(reader, "composition", pointer);
    known = parse_composition(lattice, composition, pointer, reader->faults) && crystal >= 0;
  } else {
    qn_reader_pointer(reader, "ordered", pointer);
    known = parse_order(lattice, crystal, ordered, pointer, reader->faults);
  }
  lattice->constant = qn_reader_number(reader, "lattice_constant_a", CONSTANT, 0.0);
  if (lattice->constant == 0.0 && !known) lattice->constant = NAN; /* it cannot be derived */
  qn_reader_end(reader, "a lattice");
}

static void parse_structure(qn_simulation_spec *spec, qn_reader *reader) {
  char hash[QN_HASH_SIZE + 1];
  spec->structure = qn_spec_read_integer(reader, "structure", 1, QN_MOST_ID, NULL, 0);
  qn_reader_text(reader, "structure_sha256", hash, sizeof hash, "");
  if (hash[0] != '\0' && (strlen(hash) != QN_HASH_SIZE - 1 || strspn(hash, "0123456789abcdef") != QN_HASH_SIZE - 1))
    qn_reader_fault(reader, "structure_sha256", "must be 64 lower-case hex digits, the sha256 of the structure");
  else
    memcpy(spec->structure_sha256, hash, QN_HASH_SIZE);
  if (qn_reader_has(reader, "velocities"))
    spec->velocities = (qn_start_velocities)(qn_reader_word(reader, "velocities", VELOCITIES, -1) + 1);
  else
    qn_reader_take(reader, "velocities");
  spec->snapshot_temperature = qn_reader_number(reader, "temperature_k", qn_temperature_bounds, 0.0);
  qn_reader_end(reader, "a structure");
}

bool qn_spec_parse_initial(qn_simulation_spec *spec, const json_t *value, const char *pointer, qn_faults *faults) {
  qn_reader reader;
  qn_reader_begin(&reader, value, pointer, faults);
  if (reader.object == NULL) return false;
  static const int64_t any_stage = -1;
  switch (qn_reader_word(&reader, "type", TYPES, -1)) {
  case QN_INITIAL_LATTICE:
    spec->initial = QN_INITIAL_LATTICE;
    parse_lattice(spec, &reader);
    return true;
  case QN_INITIAL_SNAPSHOT:
    spec->initial = QN_INITIAL_SNAPSHOT;
    spec->snapshot_simulation = qn_spec_read_integer(&reader, "simulation", 1, QN_MOST_ID, NULL, 0);
    spec->snapshot_stage = (int)qn_spec_read_integer(&reader, "stage", 0, QN_MAX_STAGES - 1, &any_stage, -2);
    spec->snapshot_temperature = qn_reader_number(&reader, "temperature_k", qn_temperature_bounds, 0.0);
    qn_reader_end(&reader, "a snapshot");
    return true;
  case QN_INITIAL_STRUCTURE:
    spec->initial = QN_INITIAL_STRUCTURE;
    parse_structure(spec, &reader);
    return true;
  default:
    return false;
  }
}

static json_t *render_species(const qn_lattice *lattice) {
  json_t *list = lattice->ordered ? json_array() : json_object();
  for (int s = 0; s < lattice->species_count; s++) {
    if (lattice->ordered)
      json_array_append_new(list, json_string(lattice->species[s].symbol));
    else
      json_object_set_new(list, lattice->species[s].symbol, qn_json_number(lattice->fraction[s]));
  }
  return list;
}

json_t *qn_spec_render_initial(const qn_simulation_spec *spec) {
  json_t *object = json_object();
  json_object_set_new(object, "type", json_string(TYPES[spec->initial]));
  if (spec->initial == QN_INITIAL_SNAPSHOT) {
    json_object_set_new(object, "simulation", json_integer(spec->snapshot_simulation));
    if (spec->snapshot_stage >= 0) json_object_set_new(object, "stage", json_integer(spec->snapshot_stage));
    if (spec->snapshot_temperature > 0.0)
      json_object_set_new(object, "temperature_k", qn_json_number(spec->snapshot_temperature));
    return object;
  }
  if (spec->initial == QN_INITIAL_STRUCTURE) {
    json_object_set_new(object, "structure", json_integer(spec->structure));
    if (spec->structure_sha256[0] != '\0')
      json_object_set_new(object, "structure_sha256", json_string(spec->structure_sha256));
    if (spec->velocities != QN_START_VELOCITIES_OPEN)
      json_object_set_new(object, "velocities", json_string(VELOCITIES[spec->velocities - 1]));
    if (spec->snapshot_temperature > 0.0)
      json_object_set_new(object, "temperature_k", qn_json_number(spec->snapshot_temperature));
    return object;
  }
  const qn_lattice *lattice = &spec->lattice;
  json_object_set_new(object, "structure", json_string(CRYSTALS[lattice->crystal]));
  json_object_set_new(object, "cells", json_pack("[i,i,i]", lattice->cells[0], lattice->cells[1], lattice->cells[2]));
  json_object_set_new(object, lattice->ordered ? "ordered" : "composition", render_species(lattice));
  if (lattice->constant > 0.0) json_object_set_new(object, "lattice_constant_a", qn_json_number(lattice->constant));
  return object;
}

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/memory.h"
#include "engine/trajectory/elements.h"
#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/extxyz_keys.h"
#include "engine/trajectory/lines.h"

enum { MAX_KEYS = 256, MAX_COLUMNS = 256 };

struct qn_extxyz_reader {
  qn_lines *lines;
  const qn_species *species;
  int species_count;
  bool allow_open;
};

/* What a column of the atom lines means; the three of a vector follow one another. */
typedef enum meaning {
  SKIP,
  SPECIES,
  POSITION,
  VELOCITY = POSITION + 3,
  FORCE = VELOCITY + 3,
  IMAGE = FORCE + 3,
  LOCAL_ENERGY = IMAGE + 3,
  MASS,
  MEANINGS
} meaning;

static const struct {
  const char *name;
  meaning first;
  char type;
  int width;
} known[] = {
    {"species", SPECIES, 'S', 1}, {"pos", POSITION, 'R', 3},  {"velocities", VELOCITY, 'R', 3},       {"velo", VELOCITY, 'R', 3},
    {"forces", FORCE, 'R', 3},    {"force", FORCE, 'R', 3},   {"local_energy", LOCAL_ENERGY, 'R', 1}, {"image", IMAGE, 'I', 3},
    {"masses", MASS, 'R', 1},     {"mass", MASS, 'R', 1},
};

typedef struct columns {
  int count;
  uint8_t meaning[MAX_COLUMNS];
  bool present[MEANINGS];
} columns;

void qn_extxyz_fini(qn_extxyz *structure) {
  qn_atoms_fini(&structure->atoms);
  free(structure->local_energy);
  for (int k = 0; k < structure->key_count; k++) {
    free(structure->keys[k].name);
    free(structure->keys[k].value);
  }
  free(structure->keys);
  memset(structure, 0, sizeof *structure);
}

const char *qn_extxyz_value(const qn_extxyz *structure, const char *name) {
  for (int k = 0; k < structure->key_count; k++)
    if (strcmp(structure->keys[k].name, name) == 0) return structure->keys[k].value;
  return NULL;
}

bool qn_extxyz_numbers(const qn_extxyz *structure, const char *name, int count, double *numbers) {
  const char *value = qn_extxyz_value(structure, name);
  return value != NULL && qn_extxyz_parse_numbers(value, count, numbers);
}

qn_status qn_extxyz_open(qn_extxyz_reader **reader, const char *path, const qn_species *species, int species_count, qn_error *error) {
  *reader = qn_memory_alloc(1, sizeof **reader);
  if (*reader == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  (*reader)->species = species;
  (*reader)->species_count = species_count;
  qn_status status = qn_lines_open(&(*reader)->lines, path, error);
  if (status != QN_OK) {
    free(*reader);
    *reader = NULL;
  }
  return status;
}

qn_status qn_extxyz_open_text(qn_extxyz_reader **reader, const char *text, size_t size, const qn_species *species, int species_count,
                              qn_error *error) {
  *reader = qn_memory_alloc(1, sizeof **reader);
  if (*reader == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  (*reader)->species = species;
  (*reader)->species_count = species_count;
  qn_status status = qn_lines_from_text(&(*reader)->lines, text, size, error);
  if (status != QN_OK) {
    free(*reader);
    *reader = NULL;
  }
  return status;
}

void qn_extxyz_allow_open(qn_extxyz_reader *reader) { reader->allow_open = true; }
void qn_extxyz_set_watch(qn_extxyz_reader *reader, const qn_reading_watch *watch) { qn_lines_set_watch(reader->lines, watch); }

void qn_extxyz_close(qn_extxyz_reader *reader) {
  if (reader == NULL) return;
  qn_lines_free(reader->lines);
  free(reader);
}

static qn_status keep_key(const qn_lines *lines, qn_extxyz *structure, const char *name, const char *value, qn_error *error) {
  if (structure->key_count == MAX_KEYS) return qn_lines_fault(lines, error, "more than %d keys", MAX_KEYS);
  if (structure->keys == NULL) structure->keys = qn_memory_alloc(MAX_KEYS, sizeof *structure->keys);
  char *name_copy = strdup(name), *value_copy = strdup(value);
  if (structure->keys == NULL || name_copy == NULL || value_copy == NULL) {
    free(name_copy);
    free(value_copy);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  structure->keys[structure->key_count++] = (qn_extxyz_key){name_copy, value_copy};
  return QN_OK;
}

static qn_status parse_properties(const qn_lines *lines, char *text, columns *layout, qn_error *error) {
  memset(layout, 0, sizeof *layout);
  for (char *field = text; field != NULL;) {
    char *name = strsep(&field, ":"), *type = strsep(&field, ":"), *width_text = strsep(&field, ":");
    int64_t width;
    if (type == NULL || width_text == NULL || strlen(type) != 1 || strchr("SRIL", type[0]) == NULL ||
        !qn_lines_integer_token(width_text, &width) || width < 1 || width > MAX_COLUMNS - layout->count)
      return qn_lines_fault(lines, error, "Properties: at \"%.40s\", name:type:columns is expected, with type S, R, I or L and no more than %d columns in all",
                            name, MAX_COLUMNS);
    size_t k = 0;
    while (k < sizeof known / sizeof known[0] && strcmp(known[k].name, name) != 0) k++;
    if (k == sizeof known / sizeof known[0]) {
      layout->count += (int)width;
      continue;
    }
    if (type[0] != known[k].type || width != known[k].width)
      return qn_lines_fault(lines, error, "Properties: %s is %s:%c:%d, not %s:%c:%d", name, name, known[k].type, known[k].width, name, type[0],
                            (int)width);
    if (layout->present[known[k].first]) return qn_lines_fault(lines, error, "Properties: %s is given twice", name);
    for (int w = 0; w < (int)width; w++) {
      layout->present[(int)known[k].first + w] = true;
      layout->meaning[layout->count++] = (uint8_t)((int)known[k].first + w);
    }
  }
  if (!layout->present[SPECIES] || !layout->present[POSITION])
    return qn_lines_fault(lines, error, "Properties must hold species:S:1 and pos:R:3");
  return QN_OK;
}

static qn_status parse_lattice(const qn_lines *lines, const char *text, qn_box *box, qn_error *error) {
  double h[9];
  if (!qn_extxyz_parse_numbers(text, 9, h)) return qn_lines_fault(lines, error, "Lattice is nine finite numbers");
  for (int a = 0; a < 3; a++) {
    box->length[a] = h[4 * a];
    if (!(h[4 * a] > 0)) return qn_lines_fault(lines, error, "Lattice: the length along %c must be positive", "xyz"[a]);
  }
  for (int i = 0; i < 9; i++)
    if (i % 4 != 0 && fabs(h[i]) > 1e-9 * h[4 * (i / 3)]) {
      qn_lines_fault(lines, error, "Lattice: the box is tilted; only boxes with right angles along x, y, z can be used");
      if (error != NULL) error->status = QN_UNSUPPORTED;
      return QN_UNSUPPORTED;
    }
  return QN_OK;
}

/* 1 for true, 0 for false, -1 for neither. */
static int boolean_of(const char *text, size_t length) {
  static const char *const words[2][3] = {{"F", "False", "0"}, {"T", "True", "1"}};
  for (int value = 0; value < 2; value++)
    for (int w = 0; w < 3; w++)
      if (strlen(words[value][w]) == length && strncasecmp(text, words[value][w], length) == 0) return value;
  return -1;
}

/* pbc="T T F", or [T, T, F]. */
static qn_status parse_periodicity(const qn_extxyz_reader *reader, const char *text, qn_extxyz *structure, qn_error *error) {
  static const char apart[] = " \t,[]";
  int axes = 0, open = 0;
  bool good = true;
  for (const char *at = text + strspn(text, apart); *at != '\0' && good; at += strspn(at, apart)) {
    size_t length = strcspn(at, apart);
    int periodic = boolean_of(at, length);
    good = periodic >= 0 && axes < 3;
    if (good) structure->open[axes++] = periodic == 0;
    open += periodic == 0;
    at += length;
  }
  if (!good || axes != 3) return qn_lines_fault(reader->lines, error, "pbc=\"%.40s\": three of T and F are needed, one for each axis", text);
  if (open == 0 || reader->allow_open) return QN_OK;
  qn_lines_fault(reader->lines, error, "pbc=\"%.40s\": only boxes periodic along x, y and z (pbc=\"T T T\") can be used; a free surface is vacuum in such a box",
                 text);
  if (error != NULL) error->status = QN_UNSUPPORTED;
  return QN_UNSUPPORTED;
}

static qn_status parse_comment(const qn_extxyz_reader *reader, char *line, qn_extxyz *structure, columns *layout, qn_error *error) {
  const qn_lines *lines = reader->lines;
  bool lattice = false, origin = false, properties = false;
  char fallback[] = "species:S:1:pos:R:3";
  structure->time = NAN;
  for (char *name, *value;;) {
    qn_status status = qn_extxyz_cut_key(lines, &line, &name, &value, error);
    if (status != QN_OK) return status;
    if (name == NULL) break;
    bool *seen = strcmp(name, "Lattice") == 0      ? &lattice
                 : strcmp(name, "Origin") == 0     ? &origin
                 : strcmp(name, "Properties") == 0 ? &properties
                                                   : NULL;
    if (seen != NULL && *seen) return qn_lines_fault(lines, error, "%s is given twice", name);
    if (seen != NULL) *seen = true;
    if (seen == &lattice) {
      status = parse_lattice(lines, value, &structure->box, error);
    } else if (seen == &origin) {
      if (!qn_extxyz_parse_numbers(value, 3, structure->box.origin)) status = qn_lines_fault(lines, error, "Origin is three finite numbers");
    } else if (seen == &properties) {
      status = parse_properties(lines, value, layout, error);
    } else if (strcmp(name, "pbc") == 0) {
      status = parse_periodicity(reader, value, structure, error);
    } else {
      if (strcmp(name, "Time_ps") == 0 || strcmp(name, "Time") == 0 || strcmp(name, "time") == 0) {
        if (!qn_extxyz_parse_numbers(value, 1, &structure->time)) status = qn_lines_fault(lines, error, "%s is one finite number, in ps", name);
      }
      if (status == QN_OK) status = keep_key(lines, structure, name, value, error);
    }
    if (status != QN_OK) return status;
  }
  if (!lattice) return qn_lines_fault(lines, error, "no Lattice=\"...\" in the comment line");
  return properties ? QN_OK : parse_properties(lines, fallback, layout, error);
}

/* The index of a symbol in the table that was given. */
static qn_status find_in_table(const qn_extxyz_reader *reader, const char *symbol, uint8_t *type, qn_error *error) {
  char known_symbols[600] = "";
  size_t used = 0;
  for (int s = 0; s < reader->species_count; s++)
    if (strcmp(reader->species[s].symbol, symbol) == 0) {
      *type = (uint8_t)s;
      return QN_OK;
    }
  for (int s = 0; s < reader->species_count && used < sizeof known_symbols; s++)
    used += (size_t)snprintf(known_symbols + used, sizeof known_symbols - used, " %s", reader->species[s].symbol);
  return qn_lines_fault(reader->lines, error, "species %.20s is not among the potential's:%s", symbol, known_symbols);
}

/* Once all atoms have their types in the table: keep those species of it that they have, in its order. */
static qn_status keep_used(const qn_extxyz_reader *reader, qn_atoms *atoms, qn_error *error) {
  bool used[UINT8_MAX + 1] = {false};
  uint8_t place[UINT8_MAX + 1];
  for (int64_t i = 0; i < atoms->count; i++) used[atoms->type[i]] = true;
  for (int s = 0; s < reader->species_count; s++) {
    if (!used[s]) continue;
    if (atoms->species_count == QN_MAX_SPECIES) {
      qn_lines_fault(reader->lines, error, "the frame before has more than %d species", QN_MAX_SPECIES);
      if (error != NULL) error->status = QN_UNSUPPORTED;
      return QN_UNSUPPORTED;
    }
    place[s] = (uint8_t)atoms->species_count;
    atoms->species[atoms->species_count++] = reader->species[s];
  }
  for (int64_t i = 0; i < atoms->count; i++) atoms->type[i] = place[atoms->type[i]];
  return QN_OK;
}

/* The index of a symbol in the frame's species, which grow. */
static qn_status find_type(const qn_extxyz_reader *reader, qn_extxyz *structure, const char *symbol, double mass, uint8_t *type,
                           qn_error *error) {
  qn_atoms *atoms = &structure->atoms;
  if (reader->species != NULL) return find_in_table(reader, symbol, type, error);
  for (int s = 0; s < atoms->species_count; s++)
    if (strcmp(atoms->species[s].symbol, symbol) == 0) {
      double kept = atoms->species[s].mass;
      if (mass > 0 && fabs(mass - kept) > 1e-6 * kept)
        return qn_lines_fault(reader->lines, error, "mass %g of %s differs from the %g of an atom before it", mass, symbol, kept);
      *type = (uint8_t)s;
      return QN_OK;
    }
  if (atoms->species_count == QN_MAX_SPECIES) {
    qn_lines_fault(reader->lines, error, "more than %d species", QN_MAX_SPECIES);
    if (error != NULL) error->status = QN_UNSUPPORTED;
    return QN_UNSUPPORTED;
  }
  if (!qn_symbol_is_valid(symbol))
    return qn_lines_fault(reader->lines, error, "species %.20s: must be letters, digits and '_', %d characters at most", symbol, QN_SYMBOL_SIZE - 1);
  if (!(mass > 0)) mass = qn_element_mass(symbol);
  if (!(mass > 0))
    return qn_lines_fault(reader->lines, error, "species %.20s is no chemical element; its mass must come from a masses:R:1 column", symbol);
  qn_species *added = &atoms->species[atoms->species_count];
  strcpy(added->symbol, symbol);
  added->mass = mass;
  *type = (uint8_t)atoms->species_count++;
  return QN_OK;
}

static qn_status parse_atom(const qn_extxyz_reader *reader, char *line, const columns *layout, int64_t i, qn_extxyz *structure,
                            qn_error *error) {
  qn_atoms *atoms = &structure->atoms;
  const char *symbol = NULL;
  double mass = 0;
  for (int c = 0; c < layout->count; c++) {
    char *word = qn_lines_word(&line);
    if (word == NULL) return qn_lines_fault(reader->lines, error, "%d columns; Properties says %d", c, layout->count);
    meaning m = layout->meaning[c];
    if (m == SKIP) continue;
    if (m == SPECIES) {
      symbol = word;
      continue;
    }
    if (m >= IMAGE && m < IMAGE + 3) {
      int64_t image;
      if (!qn_lines_integer_token(word, &image) || image < -1000000000 || image > 1000000000)
        return qn_lines_fault(reader->lines, error, "column %d: \"%.40s\" is no image count", c + 1, word);
      atoms->image[m - IMAGE][i] = (int32_t)image;
      continue;
    }
    double number;
    if (!qn_lines_number_token(word, &number)) return qn_lines_fault(reader->lines, error, "column %d: \"%.40s\" is no finite number", c + 1, word);
    if (m < VELOCITY) {
      /* An image count must fit its integer, and keep its fraction of a box. */
      if (fabs(number) > 1e9 * structure->box.length[m - POSITION])
        return qn_lines_fault(reader->lines, error, "column %d: position %g is more than 1e9 boxes away", c + 1, number);
      atoms->r[m - POSITION][i] = number;
    } else if (m < FORCE) {
      atoms->v[m - VELOCITY][i] = number;
    } else if (m < IMAGE) {
      atoms->f[m - FORCE][i] = number;
    } else if (m == LOCAL_ENERGY) {
      structure->local_energy[i] = number;
    } else {
      if (!(number > 0)) return qn_lines_fault(reader->lines, error, "column %d: mass %g is not positive", c + 1, number);
      mass = number;
    }
  }
  if (qn_lines_word(&line) != NULL) return qn_lines_fault(reader->lines, error, "more than the %d columns that Properties says", layout->count);
  return find_type(reader, structure, symbol, mass, &atoms->type[i], error);
}

static qn_status read_frame(qn_extxyz_reader *reader, qn_extxyz *structure, bool *found, qn_error *error) {
  qn_lines *lines = reader->lines;
  char *line;
  do {
    qn_status status = qn_lines_next(lines, &line, error);
    if (status != QN_OK || line == NULL) return status;
  } while (line[strspn(line, " \t")] == '\0');

  int64_t count;
  char *cursor = line, *word = qn_lines_word(&cursor);
  if (!qn_lines_integer_token(word, &count) || count < 1 || qn_lines_word(&cursor) != NULL)
    return qn_lines_fault(lines, error, "a frame begins with its number of atoms, not \"%.40s\"", word);

  qn_status status = qn_lines_next(lines, &line, error);
  if (status != QN_OK) return status;
  if (line == NULL) return qn_lines_fault(lines, error, "the file ends before the comment line");
  columns layout;
  status = parse_comment(reader, line, structure, &layout, error);
  if (status != QN_OK) return status;

  /* Every column takes at least one character and one separator. */
  if (count > qn_lines_remaining(lines) / (2 * layout.count) + 1)
    return qn_lines_fault(lines, error, "the file is too short for %lld atoms", (long long)count);
  status = qn_atoms_init(&structure->atoms, count, error);
  if (status != QN_OK) return status;
  structure->has_velocities = layout.present[VELOCITY];
  structure->has_forces = layout.present[FORCE];
  structure->has_image = layout.present[IMAGE];
  if (layout.present[LOCAL_ENERGY]) {
    structure->local_energy = qn_memory_alloc((size_t)count, sizeof *structure->local_energy);
    if (structure->local_energy == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  for (int64_t i = 0; i < count; i++) {
    status = qn_lines_next(lines, &line, error);
    if (status != QN_OK) return status;
    if (line == NULL) return qn_lines_fault(lines, error, "the file ends after %lld of %lld atoms", (long long)i, (long long)count);
    status = parse_atom(reader, line, &layout, i, structure, error);
    if (status != QN_OK) return status;
  }
  if (reader->species != NULL) status = keep_used(reader, &structure->atoms, error);
  if (status != QN_OK) return status;
  *found = true;
  return QN_OK;
}

qn_status qn_extxyz_next(qn_extxyz_reader *reader, qn_extxyz *structure, bool *found, qn_error *error) {
  memset(structure, 0, sizeof *structure);
  *found = false;
  qn_status status = read_frame(reader, structure, found, error);
  if (status != QN_OK) qn_extxyz_fini(structure);
  return status;
}

static qn_status read_one(qn_extxyz_reader *reader, qn_extxyz *structure, qn_error *error) {
  bool found;
  qn_status status = qn_extxyz_next(reader, structure, &found, error);
  if (status == QN_OK && !found) status = qn_error_set(error, QN_PARSE, "line 1: the file is empty");
  if (status == QN_OK && !structure->has_image) {
    status = qn_atoms_wrap(&structure->atoms, &structure->box, error);
    if (status != QN_OK) qn_extxyz_fini(structure);
  }
  qn_extxyz_close(reader);
  return status;
}

qn_status qn_extxyz_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, qn_error *error) {
  memset(structure, 0, sizeof *structure);
  qn_extxyz_reader *reader;
  qn_status status = qn_extxyz_open(&reader, path, species, species_count, error);
  if (status != QN_OK) return status;
  status = read_one(reader, structure, error);
  if (status != QN_OK) qn_error_prefix(error, "%s", path);
  return status;
}

qn_status qn_extxyz_parse(qn_extxyz *structure, const char *text, size_t size, const qn_species *species, int species_count,
                          qn_error *error) {
  memset(structure, 0, sizeof *structure);
  qn_extxyz_reader *reader;
  qn_status status = qn_extxyz_open_text(&reader, text, size, species, species_count, error);
  return status != QN_OK ? status : read_one(reader, structure, error);
}

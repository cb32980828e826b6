#include "engine/trajectory/lammps_data.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/elements.h"
#include "engine/trajectory/lines.h"

enum { MAX_COLUMNS = 16, LABEL_SIZE = 32 };

typedef struct reader {
  qn_lines *lines;
  int64_t atoms;
  int types;
  double low[3], high[3];
  bool bounds[3], atoms_read;
  double mass[QN_MAX_SPECIES];               /* amu; 0: the file does not say */
  char comment[QN_MAX_SPECIES][LABEL_SIZE];  /* behind the mass */
  char label[QN_MAX_SPECIES][LABEL_SIZE];
  int64_t *id;     /* [atoms], as the Atoms section has them */
  int64_t *sorted; /* [atoms], ascending */
  qn_atoms read;   /* in the order of the file */
  bool has_velocities;
} reader;

static qn_status unsupported(const reader *in, qn_error *error, const char *text) {
  qn_lines_fault(in->lines, error, "%s", text);
  if (error != NULL) error->status = QN_UNSUPPORTED;
  return QN_UNSUPPORTED;
}

/* The next line that is not blank, its comment cut off behind *comment (may be NULL); NULL at the end. */
static qn_status next_line(const reader *in, char **line, char **comment, qn_error *error) {
  for (;;) {
    qn_status status = qn_lines_next(in->lines, line, error);
    if (status != QN_OK || *line == NULL) return status;
    char *hash = strchr(*line, '#');
    if (comment != NULL) *comment = hash != NULL ? hash + 1 + strspn(hash + 1, " \t") : NULL;
    if (hash != NULL) *hash = '\0';
    if ((*line)[strspn(*line, " \t")] != '\0') return QN_OK;
  }
}

/* Words of a line; more than fit are counted only. */
static int split(char *line, char *words[MAX_COLUMNS]) {
  int count = 0;
  for (char *word; (word = qn_lines_word(&line)) != NULL; count++)
    if (count < MAX_COLUMNS) words[count] = word;
  return count;
}

static qn_status need_words(const reader *in, int least, char *words[MAX_COLUMNS], int *count, char **comment, const char *section, qn_error *error) {
  char *line;
  qn_status status = next_line(in, &line, comment, error);
  if (status != QN_OK) return status;
  if (line == NULL) return qn_lines_fault(in->lines, error, "the file ends inside %s", section);
  *count = split(line, words);
  if (*count < least || *count > MAX_COLUMNS) return qn_lines_fault(in->lines, error, "%d columns in %s", *count, section);
  return QN_OK;
}

/* "1000 atoms", "2 atom types", "0.0 25.3 xlo xhi"; what else stands in the header says nothing here. */
static qn_status read_header_line(reader *in, char *const words[MAX_COLUMNS], int count, qn_error *error) {
  int64_t number;
  double tilt;
  if (count == 2 && strcmp(words[1], "atoms") == 0) {
    if (!qn_lines_integer_token(words[0], &number) || number < 1) return qn_lines_fault(in->lines, error, "the number of atoms is no positive integer");
    in->atoms = number;
  } else if (count == 3 && strcmp(words[1], "atom") == 0 && strcmp(words[2], "types") == 0) {
    if (!qn_lines_integer_token(words[0], &number) || number < 1) return qn_lines_fault(in->lines, error, "the number of atom types is no positive integer");
    if (number > QN_MAX_SPECIES) return unsupported(in, error, "more than 16 atom types");
    in->types = (int)number;
  } else if (count == 4 && strlen(words[2]) == 3 && strcmp(words[2] + 1, "lo") == 0 && strchr("xyz", words[2][0]) != NULL) {
    int axis = words[2][0] - 'x';
    if (!qn_lines_number_token(words[0], &in->low[axis]) || !qn_lines_number_token(words[1], &in->high[axis]) || !(in->high[axis] > in->low[axis]))
      return qn_lines_fault(in->lines, error, "the bounds along %c are not two ascending numbers", words[2][0]);
    in->bounds[axis] = true;
  } else if (count == 6 && strcmp(words[3], "xy") == 0) {
    for (int k = 0; k < 3; k++)
      if (!qn_lines_number_token(words[k], &tilt) || tilt != 0) return unsupported(in, error, "the box is tilted; only boxes with right angles can be used");
  } else if (count >= 2 && (strcmp(words[count - 1], "avec") == 0 || strcmp(words[count - 1], "bvec") == 0 || strcmp(words[count - 1], "cvec") == 0)) {
    return unsupported(in, error, "a general triclinic box; only boxes with right angles along x, y, z can be used");
  }
  return QN_OK;
}

static int find_type(const reader *in, const char *word) {
  int64_t type;
  if (qn_lines_integer_token(word, &type)) return type >= 1 && type <= in->types ? (int)type - 1 : -1;
  for (int t = 0; t < in->types; t++)
    if (in->label[t][0] != '\0' && strcmp(in->label[t], word) == 0) return t;
  return -1;
}

static qn_status read_masses(reader *in, qn_error *error) {
  for (int k = 0; k < in->types; k++) {
    char *words[MAX_COLUMNS], *comment;
    int count;
    qn_status status = need_words(in, 2, words, &count, &comment, "Masses", error);
    if (status != QN_OK) return status;
    int type = find_type(in, words[0]);
    if (type < 0) return qn_lines_fault(in->lines, error, "Masses: \"%.20s\" is no atom type", words[0]);
    if (!qn_lines_number_token(words[1], &in->mass[type]) || !(in->mass[type] > 0))
      return qn_lines_fault(in->lines, error, "the mass of type %d is no positive number", type + 1);
    if (comment != NULL) snprintf(in->comment[type], LABEL_SIZE, "%.*s", (int)strcspn(comment, " \t,;("), comment);
  }
  return QN_OK;
}

static qn_status read_labels(reader *in, qn_error *error) {
  for (int k = 0; k < in->types; k++) {
    char *words[MAX_COLUMNS];
    int count;
    int64_t type;
    qn_status status = need_words(in, 2, words, &count, NULL, "Atom Type Labels", error);
    if (status != QN_OK) return status;
    if (!qn_lines_integer_token(words[0], &type) || type < 1 || type > in->types || strlen(words[1]) >= LABEL_SIZE)
      return qn_lines_fault(in->lines, error, "Atom Type Labels: a type and its label are expected");
    strcpy(in->label[type - 1], words[1]);
  }
  return QN_OK;
}

static int by_id(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

static int64_t place_of(const reader *in, int64_t id) {
  if (id >= 1 && id <= in->atoms && in->sorted[id - 1] == id) return id - 1;
  const int64_t *found = bsearch(&id, in->sorted, (size_t)in->atoms, sizeof id, by_id);
  return found != NULL ? found - in->sorted : -1;
}

/* Column of x: behind the type, and in style charge behind the charge. Without a style's name six columns may be those of other styles too. */
static qn_status first_position(const reader *in, const char *style, int count, int *first, qn_error *error) {
  bool charge = strcmp(style, "charge") == 0, hinted = style[0] != '\0';
  if (hinted && !charge && strcmp(style, "atomic") != 0) return unsupported(in, error, "only the atom styles atomic and charge can be used");
  *first = charge ? 3 : 2;
  if (count == *first + 3 || count == *first + 6) return QN_OK;
  return qn_lines_fault(in->lines, error, "%d columns in Atoms; %s is expected, each with or without image flags", count,
                        charge   ? "id type q x y z"
                        : hinted ? "id type x y z"
                                 : "id type x y z, or below \"Atoms # charge\" id type q x y z");
}

static qn_status read_atom(reader *in, int64_t i, const char *style, qn_error *error) {
  char *words[MAX_COLUMNS];
  int count, first = 0;
  qn_status status = need_words(in, 5, words, &count, NULL, "Atoms", error);
  if (status == QN_OK) status = first_position(in, style, count, &first, error);
  if (status != QN_OK) return status;
  int type = find_type(in, words[1]);
  if (!qn_lines_integer_token(words[0], &in->id[i])) return qn_lines_fault(in->lines, error, "the id \"%.20s\" is no integer", words[0]);
  if (type < 0) return qn_lines_fault(in->lines, error, "\"%.20s\" is no atom type from 1 to %d", words[1], in->types);
  in->read.type[i] = (uint8_t)type;
  for (int a = 0; a < 3; a++) {
    int64_t image = 0;
    if (!qn_lines_number_token(words[first + a], &in->read.r[a][i]) || fabs(in->read.r[a][i] - in->low[a]) > 1e9 * (in->high[a] - in->low[a]))
      return qn_lines_fault(in->lines, error, "the position of atom %lld is no finite numbers near the box", (long long)in->id[i]);
    if (count == first + 6 && (!qn_lines_integer_token(words[first + 3 + a], &image) || image < -1000000000 || image > 1000000000))
      return qn_lines_fault(in->lines, error, "the image flags of atom %lld are no integers", (long long)in->id[i]);
    in->read.image[a][i] = (int32_t)image;
  }
  return QN_OK;
}

static qn_status read_atoms(reader *in, const char *style, qn_error *error) {
  if (in->atoms_read) return qn_lines_fault(in->lines, error, "a second section Atoms");
  if (in->atoms > qn_lines_remaining(in->lines) / 10 + 1) return qn_lines_fault(in->lines, error, "the file is too short for %lld atoms", (long long)in->atoms);
  qn_status status = qn_atoms_init(&in->read, in->atoms, error);
  in->id = qn_memory_alloc((size_t)in->atoms, sizeof *in->id);
  in->sorted = qn_memory_alloc((size_t)in->atoms, sizeof *in->sorted);
  if (status == QN_OK && (in->id == NULL || in->sorted == NULL)) status = qn_error_set(error, QN_NO_MEMORY, "out of memory");
  for (int64_t i = 0; status == QN_OK && i < in->atoms; i++) status = read_atom(in, i, style, error);
  if (status != QN_OK) return status;
  memcpy(in->sorted, in->id, (size_t)in->atoms * sizeof *in->id);
  qsort(in->sorted, (size_t)in->atoms, sizeof *in->sorted, by_id);
  for (int64_t i = 1; i < in->atoms; i++)
    if (in->sorted[i] == in->sorted[i - 1]) return qn_lines_fault(in->lines, error, "atom %lld comes twice", (long long)in->sorted[i]);
  in->atoms_read = true;
  return QN_OK;
}

static qn_status read_velocities(reader *in, qn_error *error) {
  if (!in->atoms_read) return qn_lines_fault(in->lines, error, "Velocities come before Atoms");
  int64_t *place = qn_memory_alloc((size_t)in->atoms, sizeof *place); /* in the file, by rank of the id; 0-based */
  if (place == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  for (int64_t i = 0; i < in->atoms; i++) place[place_of(in, in->id[i])] = i;
  qn_status status = QN_OK;
  for (int64_t k = 0; status == QN_OK && k < in->atoms; k++) {
    char *words[MAX_COLUMNS];
    int count;
    int64_t id, rank = -1;
    status = need_words(in, 4, words, &count, NULL, "Velocities", error);
    if (status == QN_OK && qn_lines_integer_token(words[0], &id)) rank = place_of(in, id);
    if (status == QN_OK && rank < 0) status = qn_lines_fault(in->lines, error, "Velocities: there is no atom \"%.20s\"", words[0]);
    for (int a = 0; status == QN_OK && a < 3; a++)
      if (!qn_lines_number_token(words[1 + a], &in->read.v[a][place[rank]]))
        status = qn_lines_fault(in->lines, error, "the velocity of atom %s is no finite numbers", words[0]);
  }
  free(place);
  in->has_velocities = status == QN_OK;
  return status;
}

/* A section begins with its name, in letters, at the start of a line. */
static qn_status read_section(reader *in, const char *name, const char *style, qn_error *error) {
  bool atoms = strcmp(name, "Atoms") == 0;
  if (atoms && (in->atoms < 1 || in->types < 1 || !in->bounds[0] || !in->bounds[1] || !in->bounds[2]))
    return qn_lines_fault(in->lines, error, "Atoms come before the numbers of atoms and atom types and the bounds of the box");
  if (atoms) return read_atoms(in, style, error);
  if (strcmp(name, "Masses") == 0) return read_masses(in, error);
  if (strcmp(name, "Atom Type Labels") == 0) return read_labels(in, error);
  if (strcmp(name, "Velocities") == 0) return read_velocities(in, error);
  return QN_OK; /* its lines are passed over like an unknown header */
}

static qn_status read_file(reader *in, qn_error *error) {
  char *line, *comment;
  qn_status status = qn_lines_next(in->lines, &line, error); /* the first line is for people */
  for (bool inside = false; status == QN_OK;) {
    status = next_line(in, &line, &comment, error);
    if (status != QN_OK || line == NULL) break;
    if (isupper((unsigned char)line[0])) {
      char name[64], style[16] = "";
      snprintf(name, sizeof name, "%s", line);
      for (size_t end = strlen(name); end > 0 && isspace((unsigned char)name[end - 1]); end--) name[end - 1] = '\0';
      if (comment != NULL) snprintf(style, sizeof style, "%.*s", (int)strcspn(comment, " \t"), comment);
      status = read_section(in, name, style, error);
      inside = true;
    } else if (!inside) {
      char *words[MAX_COLUMNS];
      int count = split(line, words);
      if (count <= MAX_COLUMNS) status = read_header_line(in, words, count, error);
    }
  }
  if (status == QN_OK && !in->atoms_read) status = qn_lines_fault(in->lines, error, "there is no section Atoms, as a LAMMPS data file has, and it is no extended XYZ");
  return status;
}

/* A symbol for a type: the caller's, the label, the comment behind the mass, or that of the element with this mass. */
static const char *symbol_of(const reader *in, int type, const qn_species *species, int species_count) {
  if (species != NULL) return type < species_count ? species[type].symbol : NULL;
  if (qn_element_mass(in->label[type]) > 0) return in->label[type];
  if (qn_element_mass(in->comment[type]) > 0) return in->comment[type];
  return in->mass[type] > 0 ? qn_element_of_mass(in->mass[type]) : NULL;
}

static qn_status finish(reader *in, qn_extxyz *structure, const qn_species *species, int species_count, qn_error *error) {
  qn_status status = qn_atoms_init(&structure->atoms, in->atoms, error);
  if (status != QN_OK) return status;
  qn_atoms *out = &structure->atoms;
  for (int a = 0; a < 3; a++) {
    structure->box.origin[a] = in->low[a];
    structure->box.length[a] = in->high[a] - in->low[a];
  }
  int index[QN_MAX_SPECIES]; /* two types may be of one element */
  for (int t = 0; t < in->types; t++) {
    const char *symbol = symbol_of(in, t, species, species_count);
    if (symbol == NULL)
      return qn_error_set(error, QN_UNSUPPORTED, "nothing tells which element atom type %d is; species are needed for types 1 to %d", t + 1, in->types);
    index[t] = qn_atoms_find_species(out, symbol);
    if (index[t] >= 0) continue;
    index[t] = out->species_count++;
    snprintf(out->species[index[t]].symbol, QN_SYMBOL_SIZE, "%.7s", symbol);
    double known = species != NULL ? species[t].mass : qn_element_mass(symbol);
    out->species[index[t]].mass = in->mass[t] > 0 ? in->mass[t] : known;
  }
  for (int64_t i = 0; i < in->atoms; i++) {
    int64_t to = place_of(in, in->id[i]);
    out->type[to] = (uint8_t)index[in->read.type[i]];
    for (int a = 0; a < 3; a++) {
      out->r[a][to] = in->read.r[a][i];
      out->v[a][to] = in->read.v[a][i];
      out->image[a][to] = in->read.image[a][i];
    }
  }
  structure->has_velocities = in->has_velocities;
  structure->has_image = true;
  structure->time = NAN;
  return qn_atoms_wrap(out, &structure->box, error);
}

qn_status qn_lammps_data_read(qn_extxyz *structure, const char *path, const qn_species *species, int species_count, const qn_reading_watch *watch,
                              qn_error *error) {
  memset(structure, 0, sizeof *structure);
  reader in = {0};
  qn_status status = qn_lines_open(&in.lines, path, error);
  if (status != QN_OK) return status;
  qn_lines_set_watch(in.lines, watch);
  status = read_file(&in, error);
  if (status == QN_OK) status = finish(&in, structure, species, species_count, error);
  if (status != QN_OK) {
    qn_extxyz_fini(structure);
    qn_error_prefix(error, "%s", path);
  }
  qn_lines_free(in.lines);
  qn_atoms_fini(&in.read);
  free(in.id);
  free(in.sorted);
  return status;
}

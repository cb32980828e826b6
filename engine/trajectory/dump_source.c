/* LAMMPS dump text ("dump custom"), as its manual describes it: sections ITEM: TIMESTEP, optional UNITS and TIME, NUMBER OF ATOMS, BOX BOUNDS, ATOMS.
 *
 * Atoms come in any order and are sorted by id. Positions are, by preference, xu yu zu; xsu ysu zsu; x y z or xs ys zs with ix iy iz; x y z or xs ys
 * zs alone, which are wrapped along every axis that is periodic (pp in BOX BOUNDS; f, s and m are not). Species are the element column, or else
 * types named by the caller or A, B, ... with mass 1. Units metal (ps) or real (fs), metal where the file does not say. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/elements.h"
#include "engine/trajectory/lines.h"
#include "engine/trajectory/source.h"

enum { MAX_COLUMNS = 256 };

typedef enum column { ID, TYPE, ELEMENT, MASS, UNWRAPPED, SCALED_UNWRAPPED = UNWRAPPED + 3, PLAIN = SCALED_UNWRAPPED + 3, SCALED = PLAIN + 3,
                      IMAGE = SCALED + 3, COLUMNS = IMAGE + 3 } column;
static const char *const names[COLUMNS] = {"id",  "type", "element", "mass", "xu", "yu", "zu", "xsu", "ysu", "zsu", "x",
                                           "y",   "z",    "xs",      "ys",   "zs", "ix", "iy", "iz"};

typedef struct header {
  int64_t step, atoms;
  double time; /* ps, NAN when not given */
  qn_box box;
  bool open[3];        /* not periodic along these axes */
  int count;           /* columns of the ATOMS section */
  int place[COLUMNS];  /* of each column, or -1 */
} header;

typedef struct dump_source {
  qn_source base;
  qn_lines *lines;
  char *path;
  int64_t next, atoms;
  int64_t *id;  /* [atoms], ascending */
  double to_ps; /* of the file's time unit */
  const qn_species *named;
  int named_count, species_count;
  bool made_up; /* a species has a letter for its name */
  const qn_reading_watch *watch;
  qn_species species[QN_MAX_SPECIES];
  double *r[3]; /* [atoms], the frame being read */
  uint8_t *type;
  bool *seen;   /* [atoms] */
} dump_source;

static void close_dump(qn_source *base) {
  dump_source *source = (dump_source *)base;
  qn_lines_free(source->lines);
  free(source->path);
  free(source->id);
  free(source->seen);
  free(source);
}

static qn_status need_line(dump_source *source, char **line, qn_error *error) {
  qn_status status = qn_lines_next(source->lines, line, error);
  if (status == QN_OK && *line == NULL) status = qn_lines_fault(source->lines, error, "the file ends inside a frame");
  return status;
}

static qn_status unsupported(dump_source *source, qn_error *error, const char *text) {
  qn_lines_fault(source->lines, error, "%s", text);
  if (error != NULL) error->status = QN_UNSUPPORTED;
  return QN_UNSUPPORTED;
}

/* lo hi of each axis; the item's own line tells periodicity, and tilts. */
static qn_status read_bounds(dump_source *source, char *rest, header *head, qn_error *error) {
  qn_box *box = &head->box;
  int flags = 0;
  for (char *word; (word = qn_lines_word(&rest)) != NULL;) {
    if (strcmp(word, "xy") == 0 || strcmp(word, "xz") == 0 || strcmp(word, "yz") == 0 || strcmp(word, "abc") == 0)
      return unsupported(source, error, "the box is tilted; only boxes with right angles can be used");
    if (strlen(word) != 2 || strspn(word, "pfsm") != 2 || (word[0] == 'p') != (word[1] == 'p'))
      return qn_lines_fault(source->lines, error, "\"%.20s\" is no boundary flag; pp, or two of f, s, m, are", word);
    if (flags < 3) head->open[flags] = word[0] != 'p';
    flags++;
  }
  if (flags != 0 && flags != 3) return qn_lines_fault(source->lines, error, "BOX BOUNDS has %d boundary flags, not three", flags);
  for (int a = 0; a < 3; a++) {
    char *line, *low_text, *high_text;
    double low, high;
    qn_status status = need_line(source, &line, error);
    if (status != QN_OK) return status;
    low_text = qn_lines_word(&line);
    high_text = qn_lines_word(&line);
    if (low_text == NULL || high_text == NULL || !qn_lines_number_token(low_text, &low) || !qn_lines_number_token(high_text, &high) || !(high > low))
      return qn_lines_fault(source->lines, error, "the bounds along %c are not two ascending numbers", "xyz"[a]);
    box->origin[a] = low;
    box->length[a] = high - low;
  }
  return QN_OK;
}

static qn_status read_columns(dump_source *source, char *rest, header *head, qn_error *error) {
  for (int c = 0; c < COLUMNS; c++) head->place[c] = -1;
  head->count = 0;
  for (char *word; (word = qn_lines_word(&rest)) != NULL; head->count++) {
    if (head->count == MAX_COLUMNS) return qn_lines_fault(source->lines, error, "more than %d columns", MAX_COLUMNS);
    for (int c = 0; c < COLUMNS; c++)
      if (strcmp(names[c], word) == 0) head->place[c] = head->count;
  }
  bool positions = false;
  for (int first = UNWRAPPED; first < IMAGE; first += 3)
    positions = positions || (head->place[first] >= 0 && head->place[first + 1] >= 0 && head->place[first + 2] >= 0);
  if (!positions || head->place[ID] < 0 || (head->place[TYPE] < 0 && head->place[ELEMENT] < 0))
    return qn_lines_fault(source->lines, error, "the ATOMS section needs columns id, type or element, and xu yu zu (or x y z, xs ys zs, xsu ysu zsu)");
  return QN_OK;
}

/* Everything of a frame up to its ATOMS section. */
static qn_status read_header(dump_source *source, header *head, bool *found, qn_error *error) {
  *head = (header){.time = NAN};
  *found = false;
  bool step = false, bounds = false;
  for (;;) {
    char *line;
    qn_status status = qn_lines_next(source->lines, &line, error);
    if (status != QN_OK) return status;
    if (line == NULL && !step) return QN_OK;
    if (line == NULL) return qn_lines_fault(source->lines, error, "the file ends inside a frame");
    if (line[strspn(line, " \t")] == '\0' && !step) continue;
    if (strncmp(line, "ITEM: ", 6) != 0) return qn_lines_fault(source->lines, error, "\"ITEM: ...\" is expected, not \"%.40s\"", line);
    char *item = line + 6, *value, *word;
    if (strncmp(item, "BOX BOUNDS", 10) == 0) {
      status = read_bounds(source, item + 10, head, error);
      bounds = true;
      if (status != QN_OK) return status;
      continue;
    }
    if (strncmp(item, "ATOMS", 5) == 0) {
      if (!step || !bounds || head->atoms < 1)
        return qn_lines_fault(source->lines, error, "the ATOMS section comes before TIMESTEP, NUMBER OF ATOMS or BOX BOUNDS");
      *found = true;
      return read_columns(source, item + 5, head, error);
    }
    char kind[32];
    snprintf(kind, sizeof kind, "%.31s", item);
    status = need_line(source, &value, error);
    if (status != QN_OK) return status;
    word = qn_lines_word(&value);
    if (strcmp(kind, "TIMESTEP") == 0) {
      step = true;
      if (word == NULL || !qn_lines_integer_token(word, &head->step)) return qn_lines_fault(source->lines, error, "the time step is no integer");
    } else if (strcmp(kind, "NUMBER OF ATOMS") == 0) {
      if (word == NULL || !qn_lines_integer_token(word, &head->atoms) || head->atoms < 1)
        return qn_lines_fault(source->lines, error, "the number of atoms is no positive integer");
    } else if (strcmp(kind, "TIME") == 0) {
      if (word == NULL || !qn_lines_number_token(word, &head->time)) return qn_lines_fault(source->lines, error, "the time is no number");
      head->time *= source->to_ps;
    } else if (strcmp(kind, "UNITS") == 0) {
      if (word == NULL || (strcmp(word, "metal") != 0 && strcmp(word, "real") != 0))
        return unsupported(source, error, "only the units metal and real can be used");
      source->to_ps = strcmp(word, "metal") == 0 ? 1 : 1e-3;
    } else {
      return qn_lines_fault(source->lines, error, "ITEM: %s is not known", kind);
    }
  }
}

static int compare_ids(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

static int64_t find_id(const dump_source *source, int64_t id) {
  /* Ids are nearly always 1 .. N. */
  if (id >= 1 && id <= source->atoms && source->id[id - 1] == id) return id - 1;
  const int64_t *found = bsearch(&id, source->id, (size_t)source->atoms, sizeof id, compare_ids);
  return found != NULL ? found - source->id : -1;
}

static qn_status find_type(dump_source *source, const char *element, int64_t type, double mass, uint8_t *index, qn_error *error) {
  if (element == NULL) {
    if (type < 1 || type > QN_MAX_SPECIES) return unsupported(source, error, "types go from 1 to 16");
    if (source->named != NULL && type > source->named_count) return qn_lines_fault(source->lines, error, "type %d has no species", (int)type);
    while (source->species_count < type) {
      qn_species *added = &source->species[source->species_count];
      if (source->named != NULL) *added = source->named[source->species_count];
      else {
        *added = (qn_species){{(char)('A' + source->species_count)}, mass > 0 ? mass : 1};
        source->made_up = true;
      }
      source->species_count++;
    }
    *index = (uint8_t)(type - 1);
    return QN_OK;
  }
  for (int s = 0; s < source->species_count; s++)
    if (strcmp(source->species[s].symbol, element) == 0) {
      *index = (uint8_t)s;
      return QN_OK;
    }
  if (source->species_count == QN_MAX_SPECIES) return unsupported(source, error, "more than 16 species");
  if (!(mass > 0)) mass = qn_element_mass(element);
  if (!qn_symbol_is_valid(element) || !(mass > 0)) return qn_lines_fault(source->lines, error, "\"%.20s\" is no chemical element", element);
  qn_species *added = &source->species[source->species_count];
  strcpy(added->symbol, element);
  added->mass = mass;
  *index = (uint8_t)source->species_count++;
  return QN_OK;
}

/* First of the three columns that positions are taken from; the header has been found to have some. */
static int position_columns(const header *head) {
  int first = UNWRAPPED;
  while (first < SCALED && (head->place[first] < 0 || head->place[first + 1] < 0 || head->place[first + 2] < 0)) first += 3;
  return first;
}

static qn_wrapping wrapping_of(const header *head) {
  int first = position_columns(head);
  if (first == UNWRAPPED || first == SCALED_UNWRAPPED) return QN_WRAPPING_UNWRAPPED;
  for (int a = 0; a < 3; a++)
    if (!head->open[a] && head->place[IMAGE + a] < 0) return QN_WRAPPING_WRAPPED;
  return QN_WRAPPING_UNWRAPPED;
}

/* Positions of one atom from the words of its line, unwrapped as far as the columns allow. */
static bool read_position(const header *head, char *const *word, double position[3]) {
  int first = position_columns(head);
  bool scaled = first == SCALED || first == SCALED_UNWRAPPED, wrapped = first == PLAIN || first == SCALED;
  for (int a = 0; a < 3; a++) {
    int64_t image = 0;
    if (!qn_lines_number_token(word[head->place[first + a]], &position[a])) return false;
    if (wrapped && head->place[IMAGE + a] >= 0 && !qn_lines_integer_token(word[head->place[IMAGE + a]], &image)) return false;
    if (scaled) position[a] = head->box.origin[a] + position[a] * head->box.length[a];
    position[a] += (double)image * head->box.length[a];
    if (!(fabs(position[a] - head->box.origin[a]) < 1e9 * head->box.length[a])) return false;
  }
  return true;
}

/* The ATOMS section into ids (when `ids` is given) or, sorted by the known ids, into source->r and source->type. */
static qn_status read_atoms(dump_source *source, const header *head, int64_t *ids, qn_error *error) {
  char *word[MAX_COLUMNS];
  if (ids == NULL) memset(source->seen, 0, (size_t)source->atoms * sizeof *source->seen);
  for (int64_t i = 0; i < head->atoms; i++) {
    char *line;
    qn_status status = need_line(source, &line, error);
    if (status != QN_OK) return status;
    int count = 0;
    while (count < head->count && (word[count] = qn_lines_word(&line)) != NULL) count++;
    if (count < head->count || qn_lines_word(&line) != NULL)
      return qn_lines_fault(source->lines, error, "%s %d columns that the ATOMS item names", count < head->count ? "fewer than the" : "more than the",
                            head->count);
    int64_t id, type = 0;
    if (!qn_lines_integer_token(word[head->place[ID]], &id)) return qn_lines_fault(source->lines, error, "the id is no integer");
    if (ids != NULL) {
      ids[i] = id;
      continue;
    }
    int64_t at = find_id(source, id);
    if (at < 0) return unsupported(source, error, "an atom that was not in the first frame; atoms must stay the same");
    if (source->seen[at]) return qn_lines_fault(source->lines, error, "atom %lld comes twice", (long long)id);
    source->seen[at] = true;
    double position[3], mass = 0;
    if (!read_position(head, word, position)) return qn_lines_fault(source->lines, error, "the position of atom %lld is no finite numbers", (long long)id);
    for (int a = 0; a < 3; a++) source->r[a][at] = position[a];
    if (head->place[TYPE] >= 0 && !qn_lines_integer_token(word[head->place[TYPE]], &type))
      return qn_lines_fault(source->lines, error, "the type is no integer");
    if (head->place[MASS] >= 0) qn_lines_number_token(word[head->place[MASS]], &mass);
    status = find_type(source, head->place[ELEMENT] >= 0 ? word[head->place[ELEMENT]] : NULL, type, mass, &source->type[at], error);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

static qn_status restart(dump_source *source, qn_error *error) {
  qn_lines_free(source->lines);
  source->lines = NULL;
  source->next = 0;
  source->to_ps = 1;
  qn_status status = qn_lines_open(&source->lines, source->path, error);
  if (status == QN_OK) qn_lines_set_watch(source->lines, source->watch);
  return status;
}

static qn_status skip_atoms(dump_source *source, int64_t atoms, qn_error *error) {
  qn_status status = QN_OK;
  for (char *line; atoms > 0 && status == QN_OK; atoms--) status = need_line(source, &line, error);
  return status;
}

static qn_status check_count(const dump_source *source, const header *head, qn_error *error) {
  if (head->atoms == source->atoms) return QN_OK;
  return qn_error_set(error, QN_UNSUPPORTED, "a frame has %lld atoms, the first has %lld", (long long)head->atoms, (long long)source->atoms);
}

static qn_status read_next(dump_source *source, int64_t index, header *head, qn_error *error) {
  bool found = true;
  qn_status status = source->lines == NULL || index < source->next ? restart(source, error) : QN_OK;
  while (status == QN_OK) {
    status = read_header(source, head, &found, error);
    if (status == QN_OK && !found) status = qn_error_set(error, QN_CORRUPT, "ends before frame %lld", (long long)index);
    if (status == QN_OK) status = check_count(source, head, error);
    if (status != QN_OK) break;
    if (source->next++ == index) return read_atoms(source, head, NULL, error);
    status = skip_atoms(source, head->atoms, error);
  }
  return status;
}

static qn_status read_frame(qn_source *base, int64_t index, qn_frame *frame, uint8_t *type, qn_error *error) {
  dump_source *source = (dump_source *)base;
  header head;
  for (int a = 0; a < 3; a++) source->r[a] = frame->r[a];
  source->type = type;
  qn_status status = read_next(source, index, &head, error);
  if (status != QN_OK) return qn_error_prefix(error, "%s", source->path);
  frame->box = head.box;
  frame->step = head.step;
  frame->wrapping = wrapping_of(&head);
  memcpy(frame->open, head.open, sizeof frame->open);
  return QN_OK;
}

/* Sorted ids of the first frame. */
static qn_status learn_ids(dump_source *source, const header *head, qn_error *error) {
  if (head->atoms > qn_lines_remaining(source->lines) / (2 * head->count) + 1)
    return qn_lines_fault(source->lines, error, "the file is too short for %lld atoms", (long long)head->atoms);
  source->atoms = head->atoms;
  source->id = qn_memory_alloc((size_t)head->atoms, sizeof *source->id);
  source->seen = qn_memory_alloc((size_t)head->atoms, sizeof *source->seen);
  if (source->id == NULL || source->seen == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = read_atoms(source, head, source->id, error);
  if (status != QN_OK) return status;
  qsort(source->id, (size_t)source->atoms, sizeof *source->id, compare_ids);
  for (int64_t i = 1; i < source->atoms; i++)
    if (source->id[i] == source->id[i - 1]) return qn_lines_fault(source->lines, error, "atom %lld comes twice", (long long)source->id[i]);
  return QN_OK;
}

static qn_status scan(dump_source *source, double timestep, qn_trajectory_info *info, double **time, qn_error *error) {
  qn_status status = restart(source, error);
  int64_t room = 0;
  source->next = INT64_MAX; /* the scan leaves the file at its end: the first read starts over */
  while (status == QN_OK) {
    header head;
    bool found;
    status = read_header(source, &head, &found, error);
    if (status != QN_OK || !found) break;
    status = info->frames == 0 ? learn_ids(source, &head, error) : check_count(source, &head, error);
    if (status == QN_OK && info->frames > 0) status = skip_atoms(source, head.atoms, error);
    if (status != QN_OK) break;
    if (info->frames == room) {
      room = room > 0 ? 2 * room : 1024;
      double *larger = realloc(*time, (size_t)room * sizeof **time);
      if (larger == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
      *time = larger;
    }
    (*time)[info->frames++] = isnan(head.time) && timestep > 0 ? (double)head.step * timestep : head.time;
  }
  if (status == QN_OK && info->frames == 0) status = qn_error_set(error, QN_PARSE, "line 1: the file has no frame");
  return status;
}

/* Species are known after a frame was read; that needs somewhere to put it. */
static qn_status learn_species(dump_source *source, qn_trajectory_info *info, qn_error *error) {
  header head;
  size_t atoms = (size_t)source->atoms;
  for (int a = 0; a < 3; a++) source->r[a] = qn_memory_alloc(atoms, sizeof(double));
  source->type = qn_memory_alloc(atoms, 1);
  bool room = source->r[0] != NULL && source->r[1] != NULL && source->r[2] != NULL && source->type != NULL;
  qn_status status = room ? read_next(source, 0, &head, error) : qn_error_set(error, QN_NO_MEMORY, "out of memory");
  for (int a = 0; a < 3; a++) free(source->r[a]);
  free(source->type);
  info->species_count = source->species_count;
  memcpy(info->species, source->species, sizeof info->species);
  info->named = !source->made_up;
  if (status != QN_OK) return status;
  info->wrapping = wrapping_of(&head);
  memcpy(info->open, head.open, sizeof info->open);
  return QN_OK;
}

qn_status qn_source_open_dump(qn_source **opened, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                              qn_error *error) {
  dump_source *source = qn_memory_alloc(1, sizeof *source);
  if (source == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  source->base = (qn_source){read_frame, close_dump};
  source->path = strdup(path);
  source->named = options->species;
  source->named_count = options->species_count;
  source->watch = options->watch;
  info->format = "lammps-dump";
  qn_status status = source->path == NULL              ? qn_error_set(error, QN_NO_MEMORY, "out of memory")
                     : options->species_atoms != NULL ? qn_error_set(error, QN_INVALID, "a dump tells the type of each atom; species without numbers of atoms are accepted")
                                                      : scan(source, options->timestep, info, time, error);
  if (status == QN_OK) {
    info->atoms = source->atoms;
    status = learn_species(source, info, error);
  }
  if (status != QN_OK) {
    close_dump(&source->base);
    return qn_error_prefix(error, "%s", path);
  }
  *opened = &source->base;
  return QN_OK;
}

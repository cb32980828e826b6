#include "engine/potential/eam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/potential/setfl.h"

/* Five points carry the slopes; the upper bounds keep a hostile header from asking for more than any real file. */
enum { FEWEST_POINTS = 5, MOST_POINTS = 1000000, MOST_BYTES = 1 << 29 };

/* Atoms are never nearer than some tenths of an Angstrom, and no metal's functions reach far: outside of this a cutoff is in other units, A. */
static const double LEAST_CUTOFF = 0.5, LARGEST_CUTOFF = 100.0;
static const double LARGEST_VALUE = 1e100; /* of a function: products and differences of what is smaller are finite */

#define TRY(call)                          \
  do {                                     \
    qn_status status_ = (call);            \
    if (status_ != QN_OK) return status_;  \
  } while (0)

static qn_status fail(const qn_setfl *setfl, qn_error *error, const char *reason) {
  return qn_error_set(error, QN_PARSE, "line %lld: %s", (long long)setfl->line, reason);
}

static qn_status parse_elements(qn_eam *eam, qn_setfl *setfl, qn_error *error) {
  qn_setfl_token token;
  int64_t count;
  if (!qn_setfl_next_in_line(setfl, &token)) return qn_error_set(error, QN_PARSE, "line 4: the number of elements is missing");
  TRY(qn_setfl_int(setfl, token, &count, error));
  if (count < 1 || count > QN_MAX_ELEMENTS)
    return qn_error_set(error, QN_PARSE, "line 4: %lld elements, must lie between 1 and %d", (long long)count, QN_MAX_ELEMENTS);
  for (int s = 0; s < count; s++) {
    if (!qn_setfl_next_in_line(setfl, &token))
      return qn_error_set(error, QN_PARSE, "line 4: names %d of %lld elements", s, (long long)count);
    if (token.size >= QN_SYMBOL_SIZE)
      return qn_error_set(error, QN_PARSE, "line 4: the name of element %d is longer than %d characters", s + 1, QN_SYMBOL_SIZE - 1);
    memcpy(eam->species[s].symbol, token.text, token.size);
    if (!qn_symbol_is_valid(eam->species[s].symbol))
      return qn_error_set(error, QN_PARSE, "line 4: the name of element %d must be letters, digits and '_'", s + 1);
    if (qn_eam_find_species(eam, eam->species[s].symbol) >= 0)
      return qn_error_set(error, QN_PARSE, "line 4: element %s is named twice", eam->species[s].symbol);
    eam->species_count = s + 1;
  }
  if (qn_setfl_next_in_line(setfl, &token)) return qn_error_set(error, QN_PARSE, "line 4: more names than %lld elements", (long long)count);
  return QN_OK;
}

static qn_status parse_sizes(qn_eam *eam, qn_setfl *setfl, qn_error *error) {
  static const char *const NAME[5] = {"nrho", "drho", "nr", "dr", "cutoff"};
  double number[5] = {0};
  for (int k = 0; k < 5; k++) {
    qn_setfl_token token;
    int64_t whole = 0;
    if (!qn_setfl_next_in_line(setfl, &token)) return qn_error_set(error, QN_PARSE, "line 5: %s is missing", NAME[k]);
    if (k == 0 || k == 2) {
      TRY(qn_setfl_int(setfl, token, &whole, error));
      if (whole < FEWEST_POINTS || whole > MOST_POINTS)
        return qn_error_set(error, QN_PARSE, "line 5: %s is %lld, must lie between %d and %d", NAME[k], (long long)whole, FEWEST_POINTS,
                            MOST_POINTS);
      number[k] = (double)whole;
    } else {
      TRY(qn_setfl_double(setfl, token, &number[k], error));
      if (!(number[k] > 1e-12 && number[k] < 1e12))
        return qn_error_set(error, QN_PARSE, "line 5: %s is %g, must lie above 0 and below 1e12", NAME[k], number[k]);
    }
  }
  qn_setfl_token token;
  if (qn_setfl_next_in_line(setfl, &token)) return qn_error_set(error, QN_PARSE, "line 5: more than 5 numbers");
  eam->rho_points = (int)number[0];
  eam->rho_step = number[1];
  eam->r_points = (int)number[2];
  eam->r_step = number[3];
  eam->cutoff = number[4];
  if (!(eam->cutoff >= LEAST_CUTOFF && eam->cutoff <= LARGEST_CUTOFF))
    return qn_error_set(error, QN_PARSE, "line 5: the cutoff is %g A, must lie between %g and %g", eam->cutoff, LEAST_CUTOFF, LARGEST_CUTOFF);
  /* Past its last point a table has nothing to say; files give a cutoff of nr * dr or (nr - 1) * dr. */
  if (eam->cutoff > eam->r_step * (eam->r_points + 1))
    return qn_error_set(error, QN_PARSE, "line 5: the cutoff %g A lies beyond the tables, which end at %g A", eam->cutoff,
                        eam->r_step * (eam->r_points - 1));
  return QN_OK;
}

/* "29 63.546 3.639 fcc": atomic number, mass, lattice constant, lattice; the last may be left out. */
static qn_status parse_element_header(qn_eam *eam, int s, qn_setfl *setfl, qn_error *error) {
  qn_setfl_token token;
  const char *symbol = eam->species[s].symbol;
  int64_t atomic_number;
  if (!qn_setfl_next(setfl, &token))
    return qn_error_set(error, QN_PARSE, "line %lld: the file ends before the header of %s", (long long)setfl->last, symbol);
  TRY(qn_setfl_int(setfl, token, &atomic_number, error));
  double number[2];
  for (int k = 0; k < 2; k++) {
    int64_t line = setfl->line;
    if (!qn_setfl_next_in_line(setfl, &token))
      return qn_error_set(error, QN_PARSE, "line %lld: the header of %s ends before its %s", (long long)line, symbol,
                          k == 0 ? "mass" : "lattice constant");
    TRY(qn_setfl_double(setfl, token, &number[k], error));
  }
  if (!(number[0] > 0.0 && number[0] < 1e6)) return fail(setfl, error, "the mass must lie above 0 and below 1e6 amu");
  if (!(number[1] >= 0.0 && number[1] < 1e6)) return fail(setfl, error, "the lattice constant must lie between 0 and 1e6 A");
  eam->species[s].mass = number[0];
  eam->lattice_constant[s] = number[1];
  if (!qn_setfl_next_in_line(setfl, &token)) return QN_OK;
  size_t size = token.size < sizeof eam->lattice[s] - 1 ? token.size : sizeof eam->lattice[s] - 1;
  for (size_t i = 0; i < size; i++) eam->lattice[s][i] = token.text[i] > ' ' && token.text[i] <= '~' ? token.text[i] : '?';
  if (qn_setfl_next_in_line(setfl, &token)) return fail(setfl, error, "an element's header has more than 4 entries");
  return QN_OK;
}

/* One function: `points` values over any number of lines, the last one at the end of its line. */
static qn_status parse_block(qn_setfl *setfl, int points, double *values, const char *what, const char *a, const char *b, qn_error *error) {
  qn_setfl_token token;
  for (int i = 0; i < points; i++) {
    if (!qn_setfl_next(setfl, &token))
      return qn_error_set(error, QN_PARSE, "line %lld: the file ends after %d of the %d values of %s %s%s%s", (long long)setfl->last, i, points,
                          what, a, *b ? "-" : "", b);
    qn_status status = qn_setfl_double(setfl, token, &values[i], error);
    if (status == QN_OK && fabs(values[i]) > LARGEST_VALUE)
      status = qn_error_set(error, QN_PARSE, "line %lld: the magnitude of %g is more than %g, the most that a function may have", (long long)setfl->line,
                            values[i], LARGEST_VALUE);
    if (status != QN_OK) {
      char reason[200];
      if (error != NULL) {
        snprintf(reason, sizeof reason, " (value %d of %d of %s %s%s%s)", i + 1, points, what, a, *b ? "-" : "", b);
        strncat(error->message, reason, sizeof error->message - strlen(error->message) - 1);
      }
      return QN_PARSE;
    }
  }
  int64_t line = setfl->line;
  if (qn_setfl_next_in_line(setfl, &token))
    return qn_error_set(error, QN_PARSE, "line %lld: the %d values of %s %s%s%s end in mid-line; nrho, nr or the number of values is wrong",
                        (long long)line, points, what, a, *b ? "-" : "", b);
  return QN_OK;
}

static qn_status parse_tables(qn_eam *eam, qn_setfl *setfl, qn_error *error) {
  int n = eam->species_count, points = eam->r_points;
  size_t table = (size_t)points;
  for (int s = 0; s < n; s++) {
    const char *symbol = eam->species[s].symbol;
    TRY(parse_element_header(eam, s, setfl, error));
    TRY(parse_block(setfl, eam->rho_points, eam->embedding + (size_t)s * (size_t)eam->rho_points, "F of", symbol, "", error));
    /* The block of `s` holds the density that an atom of s gives to its neighbours: to all alike, or to each species in turn. */
    for (int centre = 0; centre < (eam->finnis_sinclair ? n : 1); centre++)
      TRY(parse_block(setfl, points, eam->density + (size_t)(centre * n + s) * table, "rho of", symbol,
                      eam->finnis_sinclair ? eam->species[centre].symbol : "", error));
    for (int centre = 1; !eam->finnis_sinclair && centre < n; centre++)
      memcpy(eam->density + (size_t)(centre * n + s) * table, eam->density + (size_t)s * table, table * sizeof(double));
  }
  for (int a = 0; a < n; a++)
    for (int b = 0; b <= a; b++) {
      double *values = eam->pair + (size_t)(a * n + b) * table;
      TRY(parse_block(setfl, points, values, "r*phi of", eam->species[a].symbol, eam->species[b].symbol, error));
      if (a != b) memcpy(eam->pair + (size_t)(b * n + a) * table, values, table * sizeof(double));
    }
  qn_setfl_token token;
  if (qn_setfl_next(setfl, &token)) return fail(setfl, error, "there is more text after the last table");
  return QN_OK;
}

static qn_status make_tables(qn_eam *eam, qn_error *error) {
  size_t n = (size_t)eam->species_count, points = (size_t)eam->r_points;
  eam->embedding = qn_memory_alloc(n * (size_t)eam->rho_points, sizeof(double));
  eam->density = qn_memory_alloc(n * n * points, sizeof(double));
  eam->pair = qn_memory_alloc(n * n * points, sizeof(double));
  if (eam->embedding == NULL || eam->density == NULL || eam->pair == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of a potential");
  return QN_OK;
}

/* The file fits neither kind: read it as both, and tell both faults, first that of the one that got further. */
static qn_status find_fault(qn_eam *eam, const qn_setfl *setfl, qn_error *error) {
  static const char *const names[2] = {"eam/alloy", "eam/fs"};
  qn_error fault[2];
  int64_t reached[2] = {0, -1};
  for (int kind = 0; kind < (eam->species_count > 1 ? 2 : 1); kind++) {
    qn_setfl attempt = *setfl;
    eam->finnis_sinclair = kind == 1;
    qn_status status = parse_tables(eam, &attempt, &fault[kind]);
    if (status == QN_OK) return QN_OK;
    reached[kind] = attempt.line;
  }
  int first = reached[1] > reached[0];
  if (reached[1] < 0) return qn_error_set(error, fault[0].status, "%s", fault[0].message);
  return qn_error_set(error, fault[first].status, "%.400s (read as %s; as %s: %.400s)", fault[first].message, names[first], names[1 - first],
                      fault[1 - first].message);
}

/* Element headers have 3 or 4 entries, so each kind of file has a narrow range of lengths, and the ranges lie apart. */
static qn_status parse_body(qn_eam *eam, qn_setfl *setfl, qn_error *error) {
  int64_t n = eam->species_count, nr = eam->r_points, found = qn_setfl_count(setfl);
  int64_t common = n * (3 + eam->rho_points) + n * (n + 1) / 2 * nr;
  int64_t alloy = common + n * nr, finnis_sinclair = common + n * n * nr;
  bool is_alloy = found >= alloy && found <= alloy + n, is_finnis_sinclair = found >= finnis_sinclair && found <= finnis_sinclair + n;
  /* Nothing is allocated for a header that promises far more than there is. */
  if (found < alloy - alloy / 4)
    return qn_error_set(error, QN_PARSE, "line %lld: the file ends after %lld of the %lld values or more that line 5 announces",
                        (long long)qn_setfl_last_line(setfl), (long long)found, (long long)alloy);
  qn_status status = make_tables(eam, error);
  if (status != QN_OK) return status;
  if (!is_alloy && !is_finnis_sinclair) return find_fault(eam, setfl, error);
  eam->finnis_sinclair = !is_alloy;
  return parse_tables(eam, setfl, error);
}

static qn_status parse(qn_eam *eam, qn_setfl *setfl, qn_error *error) {
  for (int i = 0; i < 3; i++)
    if (!qn_setfl_line(setfl, eam->comment[i], sizeof eam->comment[i]))
      return qn_error_set(error, QN_PARSE, "line %d: the file ends within its three comment lines", i + 1);
  TRY(parse_elements(eam, setfl, error));
  TRY(parse_sizes(eam, setfl, error));
  return parse_body(eam, setfl, error);
}

qn_status qn_eam_parse(qn_eam *eam, const char *text, size_t size, qn_error *error) {
  *eam = (qn_eam){0};
  qn_setfl setfl = {.at = text, .end = text + size, .line = 1};
  qn_status status = parse(eam, &setfl, error);
  if (status != QN_OK) qn_eam_fini(eam);
  return status;
}

static qn_status slurp(FILE *file, char **text, size_t *size, qn_error *error) {
  size_t capacity = 1 << 16, used = 0;
  char *buffer = malloc(capacity);
  while (buffer != NULL) {
    used += fread(buffer + used, 1, capacity - used, file);
    if (used < capacity) break;
    capacity *= 2;
    char *larger = capacity <= MOST_BYTES ? realloc(buffer, capacity) : NULL;
    if (larger == NULL) {
      free(buffer);
      return qn_error_set(error, capacity > MOST_BYTES ? QN_PARSE : QN_NO_MEMORY, "the file is too large for a potential");
    }
    buffer = larger;
  }
  if (buffer == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory to read a potential");
  if (ferror(file)) {
    free(buffer);
    return qn_error_set(error, QN_IO, "reading failed");
  }
  *text = buffer;
  *size = used;
  return QN_OK;
}

qn_status qn_eam_read(qn_eam *eam, const char *path, qn_error *error) {
  *eam = (qn_eam){0};
  FILE *file = fopen(path, "rb");
  if (file == NULL) return qn_error_set(error, QN_IO, "%s: cannot be opened", path);
  char *text = NULL;
  size_t size = 0;
  qn_status status = slurp(file, &text, &size, error);
  fclose(file);
  if (status == QN_OK) {
    status = qn_eam_parse(eam, text, size, error);
    free(text);
  }
  if (status != QN_OK && error != NULL) qn_error_prefix(error, "%s", path);
  return status;
}

void qn_eam_fini(qn_eam *eam) {
  free(eam->embedding);
  free(eam->density);
  free(eam->pair);
  *eam = (qn_eam){0};
}

int qn_eam_find_species(const qn_eam *eam, const char *symbol) {
  for (int s = 0; s < eam->species_count; s++)
    if (strcmp(eam->species[s].symbol, symbol) == 0) return s;
  return -1;
}

qn_status qn_eam_select(const qn_eam *eam, const qn_species *species, int species_count, qn_eam *selected, qn_error *error) {
  int index[QN_MAX_ELEMENTS];
  *selected = *eam;
  selected->embedding = selected->density = selected->pair = NULL;
  selected->species_count = species_count;
  for (int s = 0; s < species_count; s++) {
    index[s] = qn_eam_find_species(eam, species[s].symbol);
    if (index[s] < 0) return qn_error_set(error, QN_INVALID, "the potential has no entry for %s", species[s].symbol);
    selected->species[s] = eam->species[index[s]];
    selected->lattice_constant[s] = eam->lattice_constant[index[s]];
    memcpy(selected->lattice[s], eam->lattice[index[s]], sizeof selected->lattice[s]);
  }
  qn_status status = make_tables(selected, error);
  if (status != QN_OK) {
    qn_eam_fini(selected);
    return status;
  }
  const size_t rho = (size_t)eam->rho_points, r = (size_t)eam->r_points;
  for (int a = 0; a < species_count; a++) {
    memcpy(selected->embedding + (size_t)a * rho, eam->embedding + (size_t)index[a] * rho, rho * sizeof(double));
    for (int b = 0; b < species_count; b++) {
      size_t to = (size_t)(a * species_count + b) * r, from = (size_t)(index[a] * eam->species_count + index[b]) * r;
      memcpy(selected->density + to, eam->density + from, r * sizeof(double));
      memcpy(selected->pair + to, eam->pair + from, r * sizeof(double));
    }
  }
  return QN_OK;
}

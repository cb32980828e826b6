#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fit/parts.h"
#include "api/hash.h"
#include "api/json.h"

static const char *const TRANSFORMS[] = {"none", "ln", NULL};
static const char *const AGAINST[] = {"temperature", "inverse_temperature", NULL};
static const qn_bounds TEMPERATURE = {1.0, 20000.0, "K"};
static const qn_bounds VALUE = {-1e100, 1e100, ""};
static const qn_bounds ERROR = {0.0, 1e100, ""};
static const int64_t USUAL_RESAMPLES = 200, USUAL_SEED = 1, MOST_SEED = INT64_C(9007199254740991);

void qn_fit_spec_fini(qn_fit_spec *spec) {
  free(spec->entries);
  json_decref(spec->parameters);
  json_decref(spec->query);
  qn_filters_fini(&spec->filters);
  memset(spec, 0, sizeof *spec);
}

qn_fit_entry *qn_fit_spec_add(qn_fit_spec *spec) {
  if (spec->count == spec->capacity) {
    int capacity = spec->capacity > 0 ? 2 * spec->capacity : 64;
    qn_fit_entry *grown = realloc(spec->entries, (size_t)capacity * sizeof *grown);
    if (grown == NULL) return NULL;
    spec->entries = grown;
    spec->capacity = capacity;
  }
  qn_fit_entry *entry = &spec->entries[spec->count++];
  memset(entry, 0, sizeof *entry);
  return entry;
}

/* ---- parsing ---- */

static const qn_fit_type *read_law(qn_reader *reader) {
  const char *names[16];
  int count = 0;
  for (const qn_fit_type *const *law = qn_fit_types(); *law != NULL && count < 15; law++) names[count++] = (*law)->name;
  names[count] = NULL;
  int index = qn_reader_word(reader, "law", names, -1);
  return index >= 0 ? qn_fit_types()[index] : NULL;
}

/* A number; NAN when it is absent or null. */
static double or_null(qn_reader *reader, const char *key, qn_bounds bounds) {
  const json_t *value = json_object_get(reader->object, key);
  if (value != NULL && !json_is_null(value)) return qn_reader_number(reader, key, bounds, QN_REQUIRED);
  qn_reader_take(reader, key);
  return NAN;
}

/* One point; a stored one says also which result it is, and a dropped one why. */
static void read_point(qn_fit_spec *spec, const json_t *value, const char *pointer, bool stored, bool dropped,
                       qn_faults *faults) {
  qn_reader reader;
  qn_reader_begin(&reader, value, pointer, faults);
  qn_fit_entry *entry = reader.object != NULL ? qn_fit_spec_add(spec) : NULL;
  if (entry == NULL) return;
  static const int64_t none = 0;
  if (stored && dropped) {
    entry->point.temperature = or_null(&reader, "temperature_k", TEMPERATURE);
    entry->point.value = or_null(&reader, "value", VALUE);
  } else {
    entry->point.temperature = qn_reader_number(&reader, "temperature_k", TEMPERATURE, QN_REQUIRED);
    entry->point.value = qn_reader_number(&reader, "value", VALUE, QN_REQUIRED);
  }
  entry->point.standard_error = or_null(&reader, "standard_error", ERROR);
  if (!(entry->point.standard_error > 0.0)) entry->point.standard_error = NAN;
  if (stored) entry->result = qn_reader_integer(&reader, "result", 1, INT64_MAX, &none);
  if (dropped) qn_reader_text(&reader, "reason", entry->reason, sizeof entry->reason, NULL);
  qn_reader_end(&reader, "a point");
}

static void read_points(qn_fit_spec *spec, qn_reader *reader, const char *key, bool stored, bool dropped) {
  const json_t *list = qn_reader_take(reader, key);
  size_t count = json_array_size(list);
  if (stored && list == NULL) return;
  if (!json_is_array(list) || (count < 1 && !stored) || count > QN_MOST_FIT_POINTS) {
    qn_reader_fault(reader, key, "must be an array of 1 to %d points {\"temperature_k\", \"value\", \"standard_error\"}",
                    QN_MOST_FIT_POINTS);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/%s/%zu", key, i);
    read_point(spec, json_array_get(list, i), pointer, stored, dropped, reader->faults);
  }
}

static void read_query(qn_fit_spec *spec, qn_reader *reader) {
  qn_reader inner;
  const int before = qn_faults_total(reader->faults);
  spec->query = json_deep_copy(qn_reader_take(reader, "query"));
  qn_reader_begin(&inner, spec->query, "/query", reader->faults);
  spec->query_faulty = inner.object == NULL;
  if (inner.object == NULL) return;
  qn_filters_of_json(&spec->filters, &inner);
  if (spec->filters.query.quantity == NULL && json_object_get(inner.object, "quantity") == NULL)
    qn_reader_fault(&inner, "quantity", "is missing: what is to be fitted, such as \"diffusion_coefficient\"");
  qn_reader_end(&inner, "a query");
  spec->query_faulty = qn_faults_total(reader->faults) > before;
}

static void read_mixed(qn_fit_spec *spec, qn_reader *reader) {
  const json_t *list = qn_reader_take(reader, "allow_mixed");
  if (list == NULL) return;
  bool good = json_is_array(list) && json_array_size(list) <= QN_MOST_MIXED;
  for (size_t i = 0; good && i < json_array_size(list); i++) {
    const char *word = json_string_value(json_array_get(list, i));
    good = word != NULL && word[0] != '\0' && strlen(word) < QN_LABEL_SIZE;
    if (good) snprintf(spec->mixed[spec->mixed_count++], QN_LABEL_SIZE, "%s", word);
  }
  if (!good)
    qn_reader_fault(reader, "allow_mixed", "must be an array of at most %d names, such as \"composition\" or \"q_inv_a\"",
                    QN_MOST_MIXED);
}

static void read_labels(qn_fit_spec *spec, qn_reader *reader) {
  qn_reader_text(reader, "unit", spec->options.unit, sizeof spec->options.unit, "1");
  qn_reader_text(reader, "quantity", spec->quantity, sizeof spec->quantity, "");
  qn_reader_text(reader, "species", spec->species, sizeof spec->species, "");
  qn_reader_text(reader, "region", spec->region, sizeof spec->region, "");
  char composition[QN_LABEL_SIZE];
  qn_reader_text(reader, "composition", composition, sizeof composition, "");
  if (composition[0] != '\0' && !qn_composition_parse(composition, spec->composition))
    qn_reader_fault(reader, "composition", "must be symbols with atomic per cent that add up to 100, in any order, such as Cu50Zr50");
}

static void read_options(qn_fit_spec *spec, qn_reader *reader) {
  qn_fit_options *options = &spec->options;
  double low = or_null(reader, "temperature_min_k", TEMPERATURE), high = or_null(reader, "temperature_max_k", TEMPERATURE);
  if (low > high) qn_reader_fault(reader, "temperature_max_k", "lies below temperature_min_k");
  options->lowest_k = low > 0.0 ? low : 0.0;
  options->highest_k = high > 0.0 ? high : 0.0;
  options->resamples = (int)qn_reader_integer(reader, "resamples", 0, QN_MOST_RESAMPLES, &USUAL_RESAMPLES);
  options->seed = (uint64_t)qn_reader_integer(reader, "seed", 0, MOST_SEED, &USUAL_SEED);
  spec->rising = spec->transform = spec->against = -1;
  if (spec->law == NULL) return;
  if (spec->law->logarithmic) {
    if (qn_reader_has(reader, "rising")) spec->rising = qn_reader_flag(reader, "rising", false);
    qn_reader_take(reader, "rising");
  } else {
    if (qn_reader_has(reader, "transform")) spec->transform = qn_reader_word(reader, "transform", TRANSFORMS, -1);
    if (qn_reader_has(reader, "against")) spec->against = qn_reader_word(reader, "against", AGAINST, -1);
    qn_reader_take(reader, "transform");
    qn_reader_take(reader, "against");
  }
}

void qn_fit_parse(const char *text, size_t size, qn_fit_spec *spec, qn_faults *faults) {
  memset(spec, 0, sizeof *spec);
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  if (reader.object != NULL) {
    qn_reader_text(&reader, "name", spec->name, sizeof spec->name, "");
    spec->law = read_law(&reader);
    bool points = qn_reader_has(&reader, "points"), query = qn_reader_has(&reader, "query");
    if (points == query)
      qn_reader_fault(&reader, NULL, "has %s; exactly one is needed: points, or a query of results",
                      points ? "both points and query" : "neither points nor query");
    if (points) {
      read_points(spec, &reader, "points", false, false);
      read_labels(spec, &reader);
    } else {
      qn_reader_take(&reader, "points");
    }
    if (query) {
      read_query(spec, &reader);
      read_mixed(spec, &reader);
    } else {
      qn_reader_take(&reader, "query");
    }
    read_options(spec, &reader);
    char meaning[96];
    snprintf(meaning, sizeof meaning, "a fit of %s %s", spec->law != NULL ? spec->law->name : "a law",
             query ? "to results" : "to points");
    if (spec->law != NULL && points != query) qn_reader_end(&reader, meaning);
  }
  json_decref(root);
}

void qn_fit_parse_stored(const char *text, size_t size, qn_fit_spec *spec, qn_faults *faults) {
  memset(spec, 0, sizeof *spec);
  json_t *root = qn_json_parse(text, size, faults);
  if (root == NULL) return;
  qn_reader reader;
  qn_reader_begin(&reader, root, "", faults);
  if (reader.object != NULL) {
    qn_reader_text(&reader, "name", spec->name, sizeof spec->name, "");
    spec->law = read_law(&reader);
    read_points(spec, &reader, "points", true, false);
    read_points(spec, &reader, "dropped", true, true);
    read_labels(spec, &reader);
    qn_reader_text(&reader, "type", spec->type, sizeof spec->type, "");
    spec->parameters = json_deep_copy(qn_reader_take(&reader, "parameters"));
    spec->query = json_deep_copy(qn_reader_take(&reader, "query"));
    read_mixed(spec, &reader);
    read_options(spec, &reader);
    qn_reader_end(&reader, "a stored fit");
  }
  json_decref(root);
  if (qn_faults_total(faults) == 0) qn_fit_settle(spec, faults);
}

/* ---- settling ---- */

/* Units of quantities that change by orders of magnitude with temperature; of times, which grow as it falls. */
static bool is_one_of(const char *unit, const char *const *units) {
  for (; *units != NULL; units++)
    if (strcmp(unit, *units) == 0) return true;
  return false;
}
static bool is_time(const char *unit) { return is_one_of(unit, (const char *const[]){"ps", "ns", "fs", "s", NULL}); }
static bool is_activated(const char *unit) {
  return is_time(unit) || is_one_of(unit, (const char *const[]){"m2/s", "A2/ps", "1/ns", "1/ps", "1/s", NULL});
}

static int by_temperature(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int count_temperatures(const qn_fit_spec *spec) {
  double seen[2 * QN_MOST_FIT_POINTS];
  int used = 0, different = 0;
  for (int i = 0; i < spec->count && used < 2 * QN_MOST_FIT_POINTS; i++)
    if (qn_fit_is_used(&spec->entries[i])) seen[used++] = spec->entries[i].point.temperature;
  qsort(seen, (size_t)used, sizeof seen[0], by_temperature);
  for (int i = 0; i < used; i++) different += i == 0 || seen[i] > seen[i - 1];
  return different;
}

void qn_fit_drop_outside(const qn_fit_spec *spec, qn_fit_entry *entry) {
  const qn_fit_options *options = &spec->options;
  double temperature = entry->point.temperature;
  if (qn_fit_is_used(entry) && ((options->lowest_k > 0.0 && temperature < options->lowest_k) ||
                                (options->highest_k > 0.0 && temperature > options->highest_k)))
    snprintf(entry->reason, sizeof entry->reason, "outside the range of temperatures");
}

void qn_fit_settle(qn_fit_spec *spec, qn_faults *faults) {
  qn_fit_options *options = &spec->options;
  bool activated = is_activated(options->unit);
  options->rising = spec->law->logarithmic && (spec->rising >= 0 ? spec->rising == 1 : is_time(options->unit));
  options->logarithmic = !spec->law->logarithmic && (spec->transform >= 0 ? spec->transform == 1 : activated);
  options->inverse = !spec->law->logarithmic && (spec->against >= 0 ? spec->against == 1 : activated);
  bool logarithm = spec->law->logarithmic || options->logarithmic;
  int used = 0, dropped = 0;
  const char *first = NULL; /* reason of the first that is dropped */
  for (int i = 0; i < spec->count; i++) {
    qn_fit_entry *entry = &spec->entries[i];
    qn_fit_drop_outside(spec, entry);
    if (qn_fit_is_used(entry) && logarithm && !(entry->point.value > 0.0)) {
      char pointer[QN_POINTER_SIZE];
      snprintf(pointer, sizeof pointer, "/points/%d/value", i);
      if (spec->query == NULL)
        qn_faults_add(faults, pointer, "is %.9g; the fit is one of logarithms, and takes values above 0", entry->point.value);
      snprintf(entry->reason, sizeof entry->reason, "it has no logarithm");
    }
    if (qn_fit_is_used(entry))
      used++;
    else
      first = dropped++ == 0 ? entry->reason : first;
  }
  int temperatures = count_temperatures(spec);
  if (qn_faults_total(faults) == 0 && temperatures < spec->law->parameters)
    qn_faults_add(faults, spec->query != NULL ? "/query" : "/points",
                  "%d point%s at %d different temperature%s %s left (%d dropped%s%s); %s needs %d", used, used == 1 ? "" : "s",
                  temperatures, temperatures == 1 ? "" : "s", used == 1 ? "is" : "are", dropped, first != NULL ? ", the first: " : "",
                  first != NULL ? first : "", spec->law->name, spec->law->parameters);
}

/* ---- rendering ---- */

static json_t *entry_json(const qn_fit_entry *entry) {
  json_t *object = json_object();
  json_object_set_new(object, "temperature_k", qn_json_number(entry->point.temperature));
  json_object_set_new(object, "value", qn_json_number(entry->point.value));
  json_object_set_new(object, "standard_error", qn_json_number(entry->point.standard_error));
  if (entry->result != 0) json_object_set_new(object, "result", json_integer(entry->result));
  if (!qn_fit_is_used(entry)) json_object_set_new(object, "reason", qn_json_text(entry->reason));
  return object;
}

char *qn_fit_render(const qn_fit_spec *spec, char hash[QN_HASH_SIZE]) {
  const qn_fit_options *options = &spec->options;
  json_t *root = json_object(), *points = json_array(), *dropped = json_array();
  for (int i = 0; i < spec->count; i++)
    json_array_append_new(qn_fit_is_used(&spec->entries[i]) ? points : dropped, entry_json(&spec->entries[i]));
  json_object_set_new(root, "law", json_string(spec->law->name));
  json_object_set_new(root, "points", points);
  json_object_set_new(root, "dropped", dropped);
  json_object_set_new(root, "unit", qn_json_text(options->unit));
  json_object_set_new(root, "quantity", qn_json_text(spec->quantity));
  json_object_set_new(root, "type", qn_json_text(spec->type));
  json_object_set_new(root, "species", qn_json_text(spec->species));
  json_object_set_new(root, "region", qn_json_text(spec->region));
  json_object_set_new(root, "composition", qn_json_text(spec->composition));
  if (spec->parameters != NULL) json_object_set(root, "parameters", spec->parameters);
  json_object_set_new(root, "temperature_min_k", options->lowest_k > 0.0 ? qn_json_number(options->lowest_k) : json_null());
  json_object_set_new(root, "temperature_max_k", options->highest_k > 0.0 ? qn_json_number(options->highest_k) : json_null());
  if (spec->law->logarithmic) {
    json_object_set_new(root, "rising", json_boolean(options->rising));
  } else {
    json_object_set_new(root, "transform", json_string(TRANSFORMS[options->logarithmic]));
    json_object_set_new(root, "against", json_string(AGAINST[options->inverse]));
  }
  json_object_set_new(root, "resamples", json_integer(options->resamples));
  json_object_set_new(root, "seed", json_integer((json_int_t)options->seed));
  char *work = qn_json_write(root, true);
  if (work != NULL) qn_hash_hex(work, strlen(work), hash);
  json_object_set_new(root, "name", qn_json_text(spec->name));
  if (spec->query != NULL) json_object_set(root, "query", spec->query);
  json_t *mixed = json_array();
  for (int i = 0; i < spec->mixed_count; i++) json_array_append_new(mixed, qn_json_text(spec->mixed[i]));
  if (spec->mixed_count > 0) json_object_set(root, "allow_mixed", mixed);
  json_decref(mixed);
  char *text = work != NULL ? qn_json_write(root, true) : NULL;
  free(work);
  json_decref(root);
  return text;
}

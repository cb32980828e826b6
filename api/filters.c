#include "api/filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/query.h"
#include "engine/analysis/sources.h"
#include "engine/fit/fit.h"

void qn_filters_list(qn_filter_list *list) {
  list->count = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (int p = 0; p < (*type)->parameter_count; p++) {
      bool known = list->count == QN_MOST_FILTERS;
      for (int k = 0; k < list->count && !known; k++)
        known = strcmp(list->parameter[k]->name, (*type)->parameters[p].name) == 0;
      if (!known) list->parameter[list->count++] = &(*type)->parameters[p];
    }
}

static void add_word(qn_word_list *list, const char *word) {
  for (int i = 0; i < list->count; i++)
    if (strcmp(list->word[i], word) == 0) return;
  if (list->count < QN_MOST_WORDS) list->word[list->count++] = word;
  list->word[list->count] = NULL;
}

void qn_filters_quantities(qn_word_list *list) {
  list->count = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (const char *const *name = (*type)->quantities; *name != NULL; name++) add_word(list, *name);
  for (const qn_fit_type *const *law = qn_fit_types(); *law != NULL; law++)
    for (const char *const *name = (*law)->quantities; *name != NULL; name++) add_word(list, *name);
}

void qn_filters_types(qn_word_list *list) {
  list->count = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++) add_word(list, (*type)->name);
  for (const qn_fit_type *const *law = qn_fit_types(); *law != NULL; law++) add_word(list, (*law)->name);
}

static void list_statuses(qn_word_list *list) {
  list->count = 0;
  for (int s = 0; strcmp(qn_value_status_name((qn_value_status)s), "unknown") != 0; s++)
    add_word(list, qn_value_status_name((qn_value_status)s));
}

static const char NO_COMPOSITION[] = "must be symbols with atomic per cent that add up to 100, in any order, such as Cu50Zr50";

void qn_filters_fini(qn_filters *filters) {
  free(filters->parameters);
  free(filters->inputs);
  *filters = (qn_filters){0};
}

/* What a result must contain: collected, then written into the query. */
typedef struct wanted {
  json_t *parameters, *inputs;
} wanted;

/* Of the frames that were measured; kept beside the parameters. */
static const char *const INDICES[] = {"stage", "sampling"};

static bool is_word_of(const qn_parameter *parameter, const char *word) {
  for (const char *const *known = parameter->words; known != NULL && *known != NULL; known++)
    if (word != NULL && strcmp(*known, word) == 0) return true;
  return false;
}

/* One filter: a number, or one of its words; "auto" for a value that the analysis chose by its rule; the analysis that gave it. False: none of these. */
static bool want(wanted *all, const qn_parameter *parameter, const json_t *value) {
  const qn_parameter_source *source = qn_parameter_source_find(parameter->name);
  const char *word = json_string_value(value);
  if (parameter->words != NULL) {
    if (!is_word_of(parameter, word)) return false;
    json_object_set_new(all->parameters, parameter->name, json_string(word));
  } else if (json_is_number(value)) {
    json_object_set_new(all->parameters, parameter->name, json_real(json_number_value(value)));
  } else if (word != NULL && source != NULL && strcmp(word, source->type) == 0) {
    json_object_set_new(all->inputs, parameter->name, json_pack("{s:s}", "type", source->type));
  } else if (word != NULL && parameter->automatic && strcmp(word, "auto") == 0) {
    json_object_set_new(all->parameters, parameter->name, json_null());
  } else {
    return false;
  }
  return true;
}

static void describe(const qn_parameter *parameter, char text[QN_DETAIL_SIZE]) {
  const qn_parameter_source *source = qn_parameter_source_find(parameter->name);
  if (parameter->words != NULL) {
    size_t used = (size_t)snprintf(text, QN_DETAIL_SIZE, "must be one of");
    for (const char *const *word = parameter->words; *word != NULL && used < QN_DETAIL_SIZE; word++)
      used += (size_t)snprintf(text + used, QN_DETAIL_SIZE - used, "%s %s", word > parameter->words ? "," : "", *word);
    return;
  }
  snprintf(text, QN_DETAIL_SIZE, "must be a number%s%s%s%s", parameter->automatic ? ", or auto for what the analysis chose" : "",
           source != NULL ? ", or " : "", source != NULL ? source->type : "",
           source != NULL ? " for what such an analysis gave" : "");
}

static void finish(qn_filters *filters, const wanted *all) {
  if (json_object_size(all->parameters) > 0) filters->parameters = qn_json_write(all->parameters, true);
  if (json_object_size(all->inputs) > 0) filters->inputs = qn_json_write(all->inputs, true);
  filters->query.parameters = filters->parameters;
  filters->query.inputs = filters->inputs;
  json_decref(all->parameters);
  json_decref(all->inputs);
}

static const char *read_word(const qn_request *request, const char *name, const qn_word_list *list, qn_faults *faults) {
  int index = qn_query_word(request, name, list->word, faults);
  return index >= 0 ? list->word[index] : NULL;
}

const char *qn_filters_composition(const qn_request *request, char name[QN_COMPOSITION_SIZE], qn_faults *faults) {
  const char *text = qn_query_text(request, "composition", faults);
  if (text == NULL) return NULL;
  if (qn_composition_parse(text, name)) return name;
  if (faults != NULL) qn_faults_add(faults, "?composition", "%s", NO_COMPOSITION);
  return NULL;
}

void qn_filters_of_request(qn_filters *filters, const qn_request *request, qn_faults *faults) {
  qn_word_list quantities, types, statuses;
  qn_filters_quantities(&quantities);
  qn_filters_types(&types);
  list_statuses(&statuses);
  *filters = (qn_filters){.query = {
                              .quantity = read_word(request, "quantity", &quantities, faults),
                              .type = read_word(request, "type", &types, faults),
                              .species = qn_query_text(request, "species", faults),
                              .region = qn_query_text(request, "region", faults),
                              .status = read_word(request, "status", &statuses, faults),
                              .potential = qn_query_text(request, "potential", faults),
                              .temperature_min_k = qn_query_number(request, "temperature_min_k", NAN, faults),
                              .temperature_max_k = qn_query_number(request, "temperature_max_k", NAN, faults),
                              .simulation = qn_query_integer(request, "simulation", 1, INT64_MAX, 0, faults),
                              .trajectory = qn_query_integer(request, "trajectory", 1, INT64_MAX, 0, faults),
                              .analysis = qn_query_integer(request, "analysis", 1, INT64_MAX, 0, faults),
                              .fit = qn_query_integer(request, "fit", 1, INT64_MAX, 0, faults),
                              .page = qn_query_page(request, faults),
                          }};
  filters->query.composition = qn_filters_composition(request, filters->composition, faults);
  if (faults != NULL && filters->query.temperature_min_k > filters->query.temperature_max_k)
    qn_faults_add(faults, "?temperature_min_k", "%.9g K lies above temperature_max_k, %.9g K", filters->query.temperature_min_k,
                  filters->query.temperature_max_k);
  wanted all = {json_object(), json_object()};
  const char *of = qn_query_text(request, "of", faults);
  if (of != NULL) json_object_set_new(all.parameters, "quantity", qn_json_text(of));
  for (size_t i = 0; i < sizeof INDICES / sizeof INDICES[0]; i++) {
    int64_t index = qn_query_integer(request, INDICES[i], 0, INT32_MAX, -1, faults);
    if (index >= 0) json_object_set_new(all.parameters, INDICES[i], json_integer(index));
  }
  qn_filter_list list;
  qn_filters_list(&list);
  for (int i = 0; i < list.count; i++) {
    const char *name = list.parameter[i]->name, *text = qn_request_query(request, name);
    if (text == NULL) continue;
    qn_faults tried = {0};
    double number = qn_query_number(request, name, NAN, &tried);
    json_t *value = qn_faults_total(&tried) == 0 ? json_real(number) : qn_json_text(text);
    char detail[QN_DETAIL_SIZE], pointer[QN_POINTER_SIZE];
    if (!want(&all, list.parameter[i], value) && faults != NULL) {
      snprintf(pointer, sizeof pointer, "?%s", name);
      describe(list.parameter[i], detail);
      qn_faults_add(faults, pointer, "%s", detail);
    }
    json_decref(value);
    qn_faults_fini(&tried);
  }
  finish(filters, &all);
}

/* A text that lives in the object; NULL when absent. */
static const char *take_text(qn_reader *reader, const char *key) {
  const json_t *value = qn_reader_take(reader, key);
  if (value == NULL) return NULL;
  size_t length = json_string_length(value);
  if (json_is_string(value) && length >= 1 && length < QN_QUERY_TEXT_SIZE) return json_string_value(value);
  qn_reader_fault(reader, key, "must be a text of 1 to %d bytes", QN_QUERY_TEXT_SIZE - 1);
  return NULL;
}

/* One of the list; NULL when absent. */
static const char *take_word(qn_reader *reader, const char *key, const qn_word_list *list) {
  if (!qn_reader_has(reader, key)) {
    qn_reader_take(reader, key);
    return NULL;
  }
  int index = qn_reader_word(reader, key, list->word, -1);
  return index >= 0 ? list->word[index] : NULL;
}

static int64_t take_id(qn_reader *reader, const char *key) {
  static const int64_t none = 0;
  return qn_reader_has(reader, key) ? qn_reader_integer(reader, key, 1, INT64_C(9007199254740991), NULL)
                                    : qn_reader_integer(reader, key, 1, INT64_C(9007199254740991), &none);
}

static double take_temperature(qn_reader *reader, const char *key) {
  static const qn_bounds bounds = {0.0, 1e6, "K"};
  double number = qn_reader_number(reader, key, bounds, -1.0);
  return number >= 0.0 ? number : NAN;
}

void qn_filters_of_json(qn_filters *filters, qn_reader *reader) {
  qn_word_list quantities, types;
  qn_filters_quantities(&quantities);
  qn_filters_types(&types);
  *filters = (qn_filters){.query = {
                              .quantity = take_word(reader, "quantity", &quantities),
                              .type = take_word(reader, "type", &types),
                              .species = take_text(reader, "species"),
                              .region = take_text(reader, "region"),
                              .potential = take_text(reader, "potential"),
                              .temperature_min_k = take_temperature(reader, "temperature_min_k"),
                              .temperature_max_k = take_temperature(reader, "temperature_max_k"),
                              .simulation = take_id(reader, "simulation"),
                              .trajectory = take_id(reader, "trajectory"),
                              .analysis = take_id(reader, "analysis"),
                              .fit = take_id(reader, "fit"),
                          }};
  const char *composition = take_text(reader, "composition");
  if (composition != NULL && qn_composition_parse(composition, filters->composition))
    filters->query.composition = filters->composition;
  else if (composition != NULL)
    qn_reader_fault(reader, "composition", "%s", NO_COMPOSITION);
  if (filters->query.temperature_min_k > filters->query.temperature_max_k)
    qn_reader_fault(reader, "temperature_min_k", "%.9g K lies above temperature_max_k, %.9g K", filters->query.temperature_min_k,
                    filters->query.temperature_max_k);
  wanted all = {json_object(), json_object()};
  const char *of = take_text(reader, "of");
  if (of != NULL) json_object_set_new(all.parameters, "quantity", qn_json_text(of));
  for (size_t i = 0; i < sizeof INDICES / sizeof INDICES[0]; i++) {
    bool asked = qn_reader_has(reader, INDICES[i]);
    if (asked) json_object_set_new(all.parameters, INDICES[i], json_integer(qn_reader_integer(reader, INDICES[i], 0, INT32_MAX, NULL)));
    if (!asked) qn_reader_take(reader, INDICES[i]);
  }
  qn_filter_list list;
  qn_filters_list(&list);
  for (int i = 0; i < list.count; i++) {
    const json_t *value = qn_reader_take(reader, list.parameter[i]->name);
    char detail[QN_DETAIL_SIZE];
    if (value == NULL || want(&all, list.parameter[i], value)) continue;
    describe(list.parameter[i], detail);
    qn_reader_fault(reader, list.parameter[i]->name, "%s, is %s", detail, qn_reader_type_name(value));
  }
  finish(filters, &all);
}

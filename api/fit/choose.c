/* From results to the points of a fit: which are used, and whether they are alike enough to be fitted together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fit/parts.h"
#include "api/json.h"

bool qn_fit_take(qn_fit_spec *spec, const qn_result_row *row) {
  qn_fit_entry *entry = spec->count < QN_MOST_FIT_POINTS ? qn_fit_spec_add(spec) : NULL;
  if (entry == NULL) return false;
  entry->point = (qn_fit_point){row->temperature_k, row->value, row->standard_error};
  if (!(entry->point.standard_error > 0.0)) entry->point.standard_error = NAN;
  entry->result = row->id;
  if (strcmp(row->status, "ok") != 0)
    snprintf(entry->reason, sizeof entry->reason, "its status is %.60s", row->status);
  else if (!isfinite(row->value))
    snprintf(entry->reason, sizeof entry->reason, "it has no value");
  else if (!(row->temperature_k > 0.0))
    snprintf(entry->reason, sizeof entry->reason, "it has no temperature");
  qn_fit_drop_outside(spec, entry);
  return true;
}

/* ---- unlike results ---- */

/* What a row is in one respect, as text. */
typedef struct respect {
  const char *name;
  char text[QN_LABEL_SIZE];
} respect;

static bool may_differ(const qn_fit_spec *spec, const char *name) {
  for (int i = 0; i < spec->mixed_count; i++)
    if (strcmp(spec->mixed[i], name) == 0) return true;
  return false;
}

/* Notes one fault for a respect in which used rows differ, with up to two values. The common text is kept in `common` ("" when they differ). */
static void compare(const qn_fit_spec *spec, const respect *rows, const int *index, int count, qn_faults *faults,
                    char common[QN_LABEL_SIZE]) {
  const char *name = rows[0].name, *first = NULL;
  common[0] = '\0';
  for (int i = 0; i < count; i++) {
    if (!qn_fit_is_used(&spec->entries[index[i]])) continue;
    if (first == NULL) {
      first = rows[i].text;
      snprintf(common, QN_LABEL_SIZE, "%s", first);
      continue;
    }
    if (strcmp(first, rows[i].text) == 0) continue;
    common[0] = '\0';
    if (!may_differ(spec, name))
      qn_faults_add(faults, "/query",
                    "finds results that differ in %s (%.60s and %.60s): numbers that mean different things; add %s to the "
                    "query, or \"%s\" to allow_mixed",
                    name, first[0] != '\0' ? first : "none", rows[i].text[0] != '\0' ? rows[i].text : "none", name, name);
    return;
  }
}

static void text_of_row(const qn_result_row *row, int which, char text[QN_LABEL_SIZE]) {
  const char *const texts[] = {row->type, row->species, row->region, row->composition, row->potential};
  if (which < 5)
    snprintf(text, QN_LABEL_SIZE, "%s", texts[which]);
  else if (row->atoms != 0)
    snprintf(text, QN_LABEL_SIZE, "%lld", (long long)row->atoms);
  else
    text[0] = '\0';
}

static void text_of_json(const json_t *value, char text[QN_LABEL_SIZE]) {
  char *written = value != NULL ? qn_json_write(value, true) : NULL;
  snprintf(text, QN_LABEL_SIZE, "%s", written != NULL ? written : "");
  free(written);
}

/* A parameter says what a number means unless it was left to the analysis, or comes from another one, and then from the same kind in all rows. */
static void compare_parameters(qn_fit_spec *spec, const qn_result_row *rows, const int *index, int count, respect *texts,
                               qn_faults *faults) {
  qn_filter_list list;
  qn_filters_list(&list);
  for (int p = 0; p < list.count; p++) {
    if (list.parameter[p]->automatic) continue;
    const char *name = list.parameter[p]->name;
    json_t *common = NULL;
    for (int i = 0; i < count; i++) {
      json_t *parameters = json_loads(rows[i].parameters, JSON_DECODE_ANY, NULL),
             *inputs = json_loads(rows[i].inputs, JSON_DECODE_ANY, NULL);
      const json_t *source = json_object_get(json_object_get(inputs, name), "type"), *value = json_object_get(parameters, name);
      texts[i].name = name;
      text_of_json(source != NULL ? source : value, texts[i].text);
      if (common == NULL && source == NULL && value != NULL) common = json_deep_copy(value);
      json_decref(parameters);
      json_decref(inputs);
    }
    char alike[QN_LABEL_SIZE];
    compare(spec, texts, index, count, faults, alike);
    if (alike[0] != '\0' && common != NULL) {
      if (spec->parameters == NULL) spec->parameters = json_object();
      json_object_set(spec->parameters, name, common);
    }
    json_decref(common);
  }
}

/* The same frames measured twice give one point, not two that agree for no good reason: the newest stays. */
static void drop_repeated(qn_fit_spec *spec, const qn_result_row *rows, const int *index, int count) {
  for (int i = 0; i < count; i++) {
    json_t *parameters = json_loads(rows[i].parameters, JSON_DECODE_ANY, NULL);
    const json_t *stage = json_object_get(parameters, "stage");
    for (int k = 0; k < i && qn_fit_is_used(&spec->entries[index[i]]); k++) {
      if (!qn_fit_is_used(&spec->entries[index[k]]) || rows[k].fit != 0 || rows[k].simulation != rows[i].simulation ||
          rows[k].trajectory != rows[i].trajectory || rows[k].temperature_k != rows[i].temperature_k ||
          strcmp(rows[k].species, rows[i].species) != 0 || strcmp(rows[k].region, rows[i].region) != 0)
        continue;
      json_t *others = json_loads(rows[k].parameters, JSON_DECODE_ANY, NULL);
      const json_t *other = json_object_get(others, "stage");
      if ((stage == NULL && other == NULL) || json_equal(stage, other))
        snprintf(spec->entries[index[i]].reason, sizeof spec->entries[0].reason,
                 "the same frames were measured again by analysis %lld", (long long)rows[k].analysis);
      json_decref(others);
    }
    json_decref(parameters);
  }
}

void qn_fit_judge(qn_fit_spec *spec, const qn_result_row *rows, int count, qn_faults *faults) {
  static const char *const names[] = {"type", "species", "region", "composition", "potential", "atoms"};
  int first = spec->count - count;
  int *index = malloc(((size_t)count + 1) * sizeof *index);
  respect *texts = malloc(((size_t)count + 1) * sizeof *texts);
  if (index == NULL || texts == NULL) {
    free(index);
    free(texts);
    qn_faults_add(faults, "/query", "there is no memory for %d results", count);
    return;
  }
  for (int i = 0; i < count; i++) index[i] = first + i;
  if (count == 0) qn_faults_add(faults, "/query", "finds no result");
  for (int i = 1; i < count; i++)
    if (strcmp(rows[i].unit, rows[0].unit) != 0 || strcmp(rows[i].quantity, rows[0].quantity) != 0) {
      qn_faults_add(faults, "/query", "finds values in %s and in %s", rows[0].unit, rows[i].unit);
      break;
    }
  for (int which = 0; which < 6 && count > 0; which++) {
    char common[QN_LABEL_SIZE];
    for (int i = 0; i < count; i++) {
      texts[i].name = names[which];
      text_of_row(&rows[i], which, texts[i].text);
    }
    compare(spec, texts, index, count, faults, common);
    char *const kept[] = {spec->type, spec->species, spec->region, spec->composition};
    if (which < 4) memcpy(kept[which], common, QN_LABEL_SIZE);
  }
  if (count > 0) {
    compare_parameters(spec, rows, index, count, texts, faults);
    drop_repeated(spec, rows, index, count);
    snprintf(spec->quantity, sizeof spec->quantity, "%s", rows[0].quantity);
    snprintf(spec->options.unit, sizeof spec->options.unit, "%.15s", rows[0].unit);
  }
  free(index);
  free(texts);
}

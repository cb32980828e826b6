/* Parameters that another analysis measures: how a spec names the source, and which analysis that is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/spec/parts.h"

static void fault_kind(const qn_reader *reader, const qn_parameter *parameter, const qn_parameter_source *source) {
  qn_reader_fault(reader, parameter->name,
                  "must be a number from %.9g to %.9g, \"%s\" for the %s of such an analysis beside it, or {\"analysis\": ID} "
                  "for that of one",
                  parameter->minimum, parameter->maximum, source->type, source->quantity);
}

/* {"analysis": 7}, or the canonical {"from": "structure_factor", "spec_sha256": "..."}. */
static void read_object(qn_source_spec *fed, const json_t *value, const qn_parameter *parameter, qn_reader *reader) {
  qn_reader inner;
  char pointer[QN_POINTER_SIZE], hash[QN_HASH_SIZE + 1];
  const char *const from[] = {fed->source->type, NULL};
  qn_reader_pointer(reader, parameter->name, pointer);
  qn_reader_begin(&inner, value, pointer, reader->faults);
  if (qn_reader_has(&inner, "from")) {
    qn_reader_word(&inner, "from", from, -1);
    qn_reader_text(&inner, "spec_sha256", hash, sizeof hash, NULL);
    if (strlen(hash) != QN_HASH_SIZE - 1 || strspn(hash, "0123456789abcdef") != QN_HASH_SIZE - 1)
      qn_reader_fault(&inner, "spec_sha256", "must be 64 lower-case hex digits, the spec_sha256 of the analysis");
    else
      memcpy(fed->sha256, hash, QN_HASH_SIZE);
  } else {
    fed->analysis = qn_reader_integer(&inner, "analysis", 1, QN_MOST_ID, NULL);
  }
  qn_reader_end(&inner, "a parameter that is measured");
}

bool qn_spec_read_source(qn_analysis_spec *analysis, int index, qn_reader *reader) {
  const qn_parameter *parameter = &analysis->type->parameters[index];
  const qn_parameter_source *source = qn_parameter_source_find(parameter->name);
  const json_t *value = json_object_get(reader->object, parameter->name);
  if (source == NULL || (!json_is_string(value) && !json_is_object(value))) return false;
  qn_reader_take(reader, parameter->name);
  const int before = qn_faults_total(reader->faults);
  qn_source_spec *fed = &analysis->sources[analysis->source_count++];
  *fed = (qn_source_spec){.parameter = index, .source = source};
  if (json_is_object(value))
    read_object(fed, value, parameter, reader);
  else if (strcmp(json_string_value(value), source->type) != 0)
    fault_kind(reader, parameter, source);
  fed->faulty = qn_faults_total(reader->faults) > before;
  return true;
}

json_t *qn_spec_render_source(const qn_analysis_spec *analysis, int parameter) {
  for (int i = 0; i < analysis->source_count; i++) {
    const qn_source_spec *fed = &analysis->sources[i];
    if (fed->parameter != parameter) continue;
    if (fed->sha256[0] == '\0') return json_string(fed->source->type);
    return json_pack("{s:s, s:s}", "from", fed->source->type, "spec_sha256", fed->sha256);
  }
  return NULL;
}

int qn_spec_choose_source(const qn_parameter_source *source, int stage, const qn_analysis_spec *analyses, int count) {
  int found = 0, last = -1, near = 0, nearest = -1;
  for (int i = 0; i < count; i++) {
    if (strcmp(analyses[i].type->name, source->type) != 0 || !qn_parameter_source_suits(source, analyses[i].parameters))
      continue;
    found++;
    last = i;
    if (analyses[i].stage == stage) near++, nearest = i;
  }
  if (near > 0) return near == 1 ? nearest : -2;
  return found > 1 ? -2 : last;
}

static void resolve_source(qn_source_spec *fed, const qn_analysis_spec *of, const qn_analysis_spec *analyses, int count,
                         const char *pointer, qn_faults *faults) {
  if (fed->faulty || of->stage == -2) return;
  for (int i = 0; i < count; i++) /* one with a fault may be the one */
    if (analyses[i].faulty && strcmp(analyses[i].type->name, fed->source->type) == 0) return;
  if (fed->sha256[0] != '\0') { /* the canonical form: the analysis stands beside it */
    char hash[QN_HASH_SIZE] = "";
    for (int i = 0; i < count; i++) {
      free(qn_spec_render_analysis(&analyses[i], hash));
      if (strcmp(hash, fed->sha256) == 0) return;
    }
    qn_faults_add(faults, pointer, "no analysis in the list has this spec_sha256");
    return;
  }
  if (fed->analysis != 0) {
    qn_faults_add(faults, pointer, "an analysis can be named by its id when one more is posted; in a list it must stand beside");
    return;
  }
  int chosen = qn_spec_choose_source(fed->source, of->stage, analyses, count);
  if (chosen == -1)
    qn_faults_add(faults, pointer, "there is no %s of all atoms in the list; add {\"type\": \"%s\"}, or give a number",
                  fed->source->type, fed->source->type);
  else if (chosen == -2)
    qn_faults_add(faults, pointer, "more than one %s in the list would do; leave one for this stage, or give a number",
                  fed->source->type);
  else
    free(qn_spec_render_analysis(&analyses[chosen], fed->sha256));
}

void qn_spec_resolve_sources(qn_analysis_spec *analyses, int count, const char *list, qn_faults *faults) {
  for (int i = 0; i < count; i++)
    for (int k = 0; k < analyses[i].source_count; k++) {
      char pointer[QN_POINTER_SIZE];
      snprintf(pointer, sizeof pointer, "%.60s/%d/%.60s", list, i,
               analyses[i].type->parameters[analyses[i].sources[k].parameter].name);
      resolve_source(&analyses[i].sources[k], &analyses[i], analyses, count, pointer, faults);
    }
}

/* Where the fed parameters of one more analysis come from: an analysis that its simulation or trajectory has already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "api/routes/handlers.h"

void qn_handler_needs(const qn_analysis_spec *analysis, qn_needs *needs) {
  _Static_assert(sizeof needs->sha256 / sizeof needs->sha256[0] == QN_MAX_SOURCES, "as many needs as sources");
  needs->count = analysis->source_count;
  for (int i = 0; i < analysis->source_count; i++)
    snprintf(needs->sha256[i], sizeof needs->sha256[i], "%s", analysis->sources[i].sha256);
}

typedef struct known {
  int count, capacity;
  qn_analysis_spec *specs;
  char (*sha256)[QN_HASH_SIZE];
  int64_t *id;
} known;

static void known_fini(known *all) {
  free(all->specs);
  free(all->sha256);
  free(all->id);
}

static bool grow(known *all) {
  if (all->count < all->capacity) return true;
  int capacity = all->capacity > 0 ? 2 * all->capacity : 16;
  qn_analysis_spec *specs = realloc(all->specs, (size_t)capacity * sizeof *specs);
  if (specs != NULL) all->specs = specs;
  char(*hashes)[QN_HASH_SIZE] = realloc(all->sha256, (size_t)capacity * sizeof *hashes);
  if (hashes != NULL) all->sha256 = hashes;
  int64_t *ids = realloc(all->id, (size_t)capacity * sizeof *ids);
  if (ids != NULL) all->id = ids;
  if (specs == NULL || hashes == NULL || ids == NULL) return false;
  all->capacity = capacity;
  return true;
}

/* Analyses of one type. A stored spec that this program does not take cannot be a source. */
static qn_status collect(qn_store *store, const qn_analysis_request *wanted, const char *type, known *all, qn_error *error) {
  qn_page_query query = {0, QN_MOST_PAGE};
  for (bool more = true; more;) {
    qn_analysis_page page = {0};
    qn_status status = qn_store_list_analyses(store, wanted->simulation, wanted->trajectory, query, &page, error);
    if (status != QN_OK) return status;
    for (int i = 0; i < page.count; i++) {
      const qn_analysis_row *row = &page.rows[i];
      query.before = row->id;
      if (strcmp(row->type, type) != 0) continue;
      qn_faults faults = {0};
      if (!grow(all)) {
        qn_analysis_page_fini(&page);
        return qn_error_set(error, QN_NO_MEMORY, "no memory for analyses");
      }
      qn_spec_parse_analysis(row->spec, strlen(row->spec), &all->specs[all->count], &faults);
      if (qn_faults_total(&faults) == 0) {
        snprintf(all->sha256[all->count], QN_HASH_SIZE, "%s", row->sha256);
        all->id[all->count++] = row->id;
      }
      qn_faults_fini(&faults);
    }
    more = page.more;
    qn_analysis_page_fini(&page);
  }
  return QN_OK;
}

/* "17, 12": those that would do. */
static void list_ids(const known *all, const qn_parameter_source *source, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < all->count && used < size; i++)
    if (qn_parameter_source_suits(source, all->specs[i].parameters))
      used += (size_t)snprintf(text + used, size - used, "%s%lld", used > 0 ? ", " : "", (long long)all->id[i]);
}

static void choose(const known *all, const qn_analysis_request *wanted, qn_source_spec *fed, const char *pointer,
                   qn_faults *faults) {
  const qn_parameter_source *source = fed->source;
  const char *whose = wanted->simulation != 0 ? "simulation" : "trajectory";
  int chosen = -1;
  if (fed->analysis != 0 || fed->sha256[0] != '\0') {
    for (int i = 0; i < all->count && chosen < 0; i++)
      if ((fed->analysis != 0 && all->id[i] == fed->analysis) || strcmp(all->sha256[i], fed->sha256) == 0) chosen = i;
    if (chosen >= 0 && !qn_parameter_source_suits(source, all->specs[chosen].parameters))
      qn_faults_add(faults, pointer, "analysis %lld is of a layer; the %s of all atoms is needed", (long long)all->id[chosen],
                    source->quantity);
    else if (chosen < 0)
      qn_faults_add(faults, pointer, "that is no %s of the same %s", source->type, whose);
  } else {
    chosen = qn_spec_choose_source(source, wanted->analysis.stage, all->specs, all->count);
    char ids[200];
    list_ids(all, source, ids, sizeof ids);
    if (chosen == -1)
      qn_faults_add(faults, pointer, "the %s has no %s of all atoms yet: post one first, or give a number", whose, source->type);
    else if (chosen == -2)
      qn_faults_add(faults, pointer, "the %s has more than one %s: name one as {\"analysis\": ID}; there are %s", whose, source->type,
                    ids);
  }
  if (chosen >= 0) memcpy(fed->sha256, all->sha256[chosen], QN_HASH_SIZE);
}

qn_status qn_handler_sources(qn_store *store, qn_analysis_request *wanted, qn_faults *faults, qn_error *error) {
  qn_analysis_spec *analysis = &wanted->analysis;
  if (wanted->simulation == 0 && wanted->trajectory == 0) return QN_OK; /* a fault already */
  for (int i = 0; i < analysis->source_count; i++) {
    qn_source_spec *fed = &analysis->sources[i];
    known all = {0};
    char pointer[QN_POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/%.60s", analysis->type->parameters[fed->parameter].name);
    qn_status status = fed->faulty ? QN_OK : collect(store, wanted, fed->source->type, &all, error);
    if (status == QN_OK && !fed->faulty) choose(&all, wanted, fed, pointer, faults);
    known_fini(&all);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

#include <stdlib.h>
#include <string.h>

#include "api/fit.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *fit_json(const qn_fit_row *row, bool whole) {
  const long long id = row->id;
  json_t *links = json_object(), *object = json_object(), *spec = qn_stored_json(row->spec),
         *result = row->result[0] != '\0' ? qn_stored_json(row->result) : json_null();
  json_object_set_new(links, "self", qn_link("fits/%lld", id));
  json_object_set_new(links, "job", qn_link("jobs/%lld", (long long)row->job));
  json_object_set_new(links, "results", qn_link("results?fit=%lld", id));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "law", qn_json_text(row->law));
  json_object_set_new(object, "state", json_string(qn_job_state_name(row->state)));
  json_object_set_new(object, "job", json_integer(row->job));
  static const char *const labels[] = {"quantity", "unit", "species", "region", "composition"};
  for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
    const char *text = json_string_value(json_object_get(spec, labels[i]));
    json_object_set_new(object, labels[i], qn_text_or_null(text));
  }
  json_object_set(object, "result", result);
  json_object_set_new(object, "engine_version", qn_text_or_null(row->engine_version));
  json_object_set_new(object, "spec_sha256", qn_json_text(row->sha256));
  if (whole) json_object_set(object, "spec", spec);
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  json_decref(spec);
  json_decref(result);
  return object;
}

enum { MOST_LAWS = 16 };

/* `composition` backs that of the query. */
static qn_fit_query read_query(const qn_request *request, char composition[QN_COMPOSITION_SIZE], qn_faults *faults) {
  const char *laws[MOST_LAWS + 1], *outcomes[QN_FIT_NOT_CONVERGED + 2];
  int law_count = 0;
  while (qn_fit_types()[law_count] != NULL && law_count < MOST_LAWS) laws[law_count] = qn_fit_types()[law_count]->name, law_count++;
  laws[law_count] = NULL;
  for (int o = QN_FIT_OK; o <= QN_FIT_NOT_CONVERGED; o++) outcomes[o] = qn_fit_outcome_name((qn_fit_outcome)o);
  outcomes[QN_FIT_NOT_CONVERGED + 1] = NULL;
  int law = qn_query_word(request, "law", laws, faults), outcome = qn_query_word(request, "status", outcomes, faults);
  return (qn_fit_query){.law = law >= 0 ? laws[law] : NULL,
                        .outcome = outcome >= 0 ? outcomes[outcome] : NULL,
                        .quantity = qn_query_text(request, "quantity", faults),
                        .species = qn_query_text(request, "species", faults),
                        .region = qn_query_text(request, "region", faults),
                        .composition = qn_filters_composition(request, composition, faults),
                        .page = qn_query_page(request, faults)};
}

void qn_check_fits(const qn_request *request, qn_faults *faults) {
  char composition[QN_COMPOSITION_SIZE];
  read_query(request, composition, faults);
}

void qn_list_fits(qn_store *store, const qn_request *request, qn_response *response) {
  char composition[QN_COMPOSITION_SIZE];
  const qn_fit_query query = read_query(request, composition, NULL);
  qn_fit_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_fits(store, &query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, fit_json(&page.rows[i], false));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_fit_page_fini(&page);
}

void qn_get_fit(qn_store *store, const qn_request *request, qn_response *response) {
  qn_fit_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_get_fit(store, id, &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_resource(response, request, fit_json(&row, true));
  qn_fit_row_fini(&row);
}

/* ---- POST ---- */

/* Pages put together. */
typedef struct found {
  qn_result_page *pages;
  int pages_count, count;
  qn_result_row *rows; /* of all pages, which own what they point to */
} found;

static void found_fini(found *all) {
  for (int i = 0; i < all->pages_count; i++) qn_result_page_fini(&all->pages[i]);
  free(all->pages);
  free(all->rows);
}

static bool append(found *all, qn_result_page *page) {
  qn_result_page *pages = realloc(all->pages, ((size_t)all->pages_count + 1) * sizeof *pages);
  if (pages != NULL) {
    all->pages = pages;
    all->pages[all->pages_count++] = *page;
  } else {
    qn_result_page_fini(page);
  }
  qn_result_row *rows = realloc(all->rows, (size_t)(all->count + page->count + 1) * sizeof *rows);
  if (rows != NULL) all->rows = rows;
  if (pages == NULL || rows == NULL) return false;
  if (page->count > 0) memcpy(all->rows + all->count, page->rows, (size_t)page->count * sizeof *rows);
  all->count += page->count;
  return true;
}

/* Fails when storage does; what is wrong with the request becomes a fault. */
static qn_status resolve_query(qn_store *store, qn_fit_spec *spec, qn_faults *faults, qn_error *error) {
  found all = {0};
  qn_result_query query = spec->filters.query;
  qn_status status = QN_OK;
  bool few = true;
  query.page = (qn_page_query){0, QN_MOST_PAGE};
  for (bool more = true; more && few && status == QN_OK;) {
    qn_result_page page = {0};
    int first = all.count;
    status = qn_store_query_results(store, &query, &page, error);
    if (status != QN_OK) break;
    more = page.more;
    if (!append(&all, &page)) status = qn_error_set(error, QN_NO_MEMORY, "no memory for results");
    for (int i = first; i < all.count && few; i++) few = qn_fit_take(spec, &all.rows[i]);
    if (all.count > 0) query.page.before = all.rows[all.count - 1].id;
  }
  if (status == QN_OK && few)
    qn_fit_judge(spec, all.rows, all.count, faults);
  else if (status == QN_OK)
    qn_faults_add(faults, "/query", "finds more than %d results; a narrower query is needed", QN_MOST_FIT_POINTS);
  found_fini(&all);
  return status;
}

static void submit(qn_store *store, const qn_request *request, const qn_fit_spec *spec, qn_response *response) {
  char hash[QN_HASH_SIZE];
  char *canonical = qn_fit_render(spec, hash);
  const qn_submission submission = {
      .kind = "fit", .name = spec->name, .spec = canonical, .sha256 = hash, .type = spec->law->name};
  const qn_error error = {QN_NO_MEMORY, "no memory for the spec"};
  if (canonical != NULL)
    qn_handler_submit(store, request, &submission, "fits", response);
  else
    qn_problem_from_error(response, request, &error);
  free(canonical);
}

void qn_submit_fit(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  qn_fit_spec spec;
  qn_error error;
  qn_fit_parse(request->body, request->body_size, &spec, &faults);
  qn_status status = spec.query != NULL && !spec.query_faulty ? resolve_query(store, &spec, &faults, &error) : QN_OK;
  if (status == QN_OK && qn_faults_total(&faults) == 0) qn_fit_settle(&spec, &faults);
  if (qn_faults_total(&faults) > 0)
    qn_problem_from_faults(response, request, &faults);
  else if (status != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    submit(store, request, &spec, response);
  qn_fit_spec_fini(&spec);
  qn_faults_fini(&faults);
}

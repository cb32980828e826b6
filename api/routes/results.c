#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/composition.h"
#include "api/csv.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

json_t *qn_result_json(const qn_result_row *row) {
  const long long simulation = row->simulation, analysis = row->analysis;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "simulation", qn_link("simulations/%lld", simulation));
  json_object_set_new(links, "analysis", qn_link("analyses/%lld", analysis));
  json_object_set_new(links, "potential", qn_link("potentials/%s", row->potential));
  json_object_set_new(object, "id", json_integer(row->id));
  json_object_set_new(object, "quantity", qn_json_text(row->quantity));
  json_object_set_new(object, "value", qn_json_number(row->value));
  json_object_set_new(object, "standard_error", qn_json_number(row->standard_error));
  json_object_set_new(object, "unit", qn_json_text(row->unit));
  json_object_set_new(object, "status", qn_json_text(row->status));
  json_object_set_new(object, "temperature_k", qn_json_number(row->temperature_k));
  json_object_set_new(object, "species", qn_json_text(row->species));
  json_object_set_new(object, "region", qn_json_text(row->region));
  json_object_set_new(object, "window_start_ps", qn_json_number(row->window_start_ps));
  json_object_set_new(object, "window_end_ps", qn_json_number(row->window_end_ps));
  json_object_set_new(object, "samples", json_integer(row->samples));
  json_object_set_new(object, "atoms", json_integer(row->atoms));
  json_object_set_new(object, "composition", qn_json_text(row->composition));
  json_object_set_new(object, "simulation", json_integer(simulation));
  json_object_set_new(object, "simulation_name", qn_json_text(row->simulation_name));
  json_object_set_new(object, "analysis", json_integer(analysis));
  json_object_set_new(object, "potential", qn_json_text(row->potential));
  json_object_set_new(object, "potential_sha256", qn_json_text(row->potential_sha256));
  json_object_set_new(object, "engine_version", qn_json_text(row->engine_version));
  json_object_set_new(object, "spec_sha256", qn_json_text(row->spec_sha256));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  return object;
}

static const char *const COLUMNS[] = {"id",
                                      "quantity",
                                      "value",
                                      "standard_error",
                                      "unit",
                                      "status",
                                      "temperature_k",
                                      "species",
                                      "region",
                                      "window_start_ps",
                                      "window_end_ps",
                                      "samples",
                                      "atoms",
                                      "composition",
                                      "simulation",
                                      "simulation_name",
                                      "analysis",
                                      "potential",
                                      "potential_sha256",
                                      "engine_version",
                                      "spec_sha256",
                                      "created_at",
                                      "simulation_url",
                                      "analysis_url",
                                      NULL};

static void write_row(qn_csv *csv, const qn_result_row *row) {
  char url[64];
  qn_csv_integer(csv, row->id);
  qn_csv_text(csv, row->quantity);
  qn_csv_number(csv, row->value);
  qn_csv_number(csv, row->standard_error);
  qn_csv_text(csv, row->unit);
  qn_csv_text(csv, row->status);
  qn_csv_number(csv, row->temperature_k);
  qn_csv_text(csv, row->species);
  qn_csv_text(csv, row->region);
  qn_csv_number(csv, row->window_start_ps);
  qn_csv_number(csv, row->window_end_ps);
  qn_csv_integer(csv, row->samples);
  qn_csv_integer(csv, row->atoms);
  qn_csv_text(csv, row->composition);
  qn_csv_integer(csv, row->simulation);
  qn_csv_text(csv, row->simulation_name);
  qn_csv_integer(csv, row->analysis);
  qn_csv_text(csv, row->potential);
  qn_csv_text(csv, row->potential_sha256);
  qn_csv_text(csv, row->engine_version);
  qn_csv_text(csv, row->spec_sha256);
  qn_csv_text(csv, row->created_at);
  snprintf(url, sizeof url, "/v1/simulations/%lld", (long long)row->simulation);
  qn_csv_text(csv, url);
  snprintf(url, sizeof url, "/v1/analyses/%lld", (long long)row->analysis);
  qn_csv_text(csv, url);
  qn_csv_end(csv);
}

static void reply_csv(qn_response *response, const qn_request *request, const qn_result_page *page, int64_t last) {
  qn_csv csv = {0};
  for (int i = 0; COLUMNS[i] != NULL; i++) qn_csv_text(&csv, COLUMNS[i]);
  qn_csv_end(&csv);
  for (int i = 0; i < page->count; i++) write_row(&csv, &page->rows[i]);
  if (csv.text.failed) {
    const qn_error error = {QN_NO_MEMORY, "no memory for the answer"};
    free(csv.text.bytes);
    qn_problem_from_error(response, request, &error);
    return;
  }
  qn_reply_link_next(response, request, page->more, last);
  response->status = 200;
  response->content_type = "text/csv; charset=utf-8";
  response->bytes = csv.text.bytes;
  response->size = csv.text.size;
}

/* ---- what may be asked ---- */

enum { MOST_WORDS = 128 };

/* What the analyses can report, each name once, NULL-terminated. */
static void list_quantities(const char *words[MOST_WORDS + 1]) {
  int count = 0;
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (const char *const *name = (*type)->quantities; *name != NULL; name++) {
      bool twice = false;
      for (int i = 0; i < count; i++) twice = twice || strcmp(words[i], *name) == 0;
      if (!twice && count < MOST_WORDS) words[count++] = *name;
    }
  words[count] = NULL;
}

static void list_statuses(const char *words[MOST_WORDS + 1]) {
  int count = 0;
  while (count < MOST_WORDS && strcmp(qn_value_status_name((qn_value_status)count), "unknown") != 0) {
    words[count] = qn_value_status_name((qn_value_status)count);
    count++;
  }
  words[count] = NULL;
}

static const char *const FORMATS[] = {"json", "csv", NULL};

static void read_composition(const qn_request *request, char name[QN_COMPOSITION_SIZE], qn_faults *faults) {
  const char *text = qn_query_text(request, "composition", faults);
  name[0] = '\0';
  if (text != NULL && !qn_composition_parse(text, name) && faults != NULL)
    qn_faults_add(faults, "?composition",
                  "must be symbols with atomic per cent that add up to 100, in any order, such as Cu50Zr50");
}

/* `composition` backs that of the query. */
static qn_result_query read_query(const qn_request *request, char composition[QN_COMPOSITION_SIZE], qn_faults *faults) {
  const char *quantities[MOST_WORDS + 1], *statuses[MOST_WORDS + 1];
  list_quantities(quantities);
  list_statuses(statuses);
  read_composition(request, composition, faults);
  int quantity = qn_query_word(request, "quantity", quantities, faults),
      status = qn_query_word(request, "status", statuses, faults);
  return (qn_result_query){
      .quantity = quantity >= 0 ? quantities[quantity] : NULL,
      .species = qn_query_text(request, "species", faults),
      .region = qn_query_text(request, "region", faults),
      .status = status >= 0 ? statuses[status] : NULL,
      .potential = qn_query_text(request, "potential", faults),
      .composition = composition[0] != '\0' ? composition : NULL,
      .temperature_min_k = qn_query_number(request, "temperature_min_k", NAN, faults),
      .temperature_max_k = qn_query_number(request, "temperature_max_k", NAN, faults),
      .simulation = qn_query_integer(request, "simulation", 1, INT64_MAX, 0, faults),
      .analysis = qn_query_integer(request, "analysis", 1, INT64_MAX, 0, faults),
      .page = qn_query_page(request, faults),
  };
}

void qn_check_results(const qn_request *request, qn_faults *faults) {
  char composition[QN_COMPOSITION_SIZE];
  qn_result_query query = read_query(request, composition, faults);
  qn_query_word(request, "format", FORMATS, faults);
  if (query.temperature_min_k > query.temperature_max_k)
    qn_faults_add(faults, "?temperature_min_k", "%.9g K lies above temperature_max_k, %.9g K", query.temperature_min_k,
                  query.temperature_max_k);
}

void qn_query_results(qn_store *store, const qn_request *request, qn_response *response) {
  char composition[QN_COMPOSITION_SIZE];
  qn_result_query query = read_query(request, composition, NULL);
  int format = qn_query_word(request, "format", FORMATS, NULL);
  bool csv = format == 1 || (format < 0 && qn_reply_prefers(request, "text/csv"));
  qn_response_header(response, "Vary", "Accept");
  qn_result_page page = {0};
  qn_error error;
  if (qn_store_query_results(store, &query, &page, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
  } else {
    int64_t last = page.count > 0 ? page.rows[page.count - 1].id : 0;
    if (csv) {
      reply_csv(response, request, &page, last);
    } else {
      json_t *items = json_array();
      for (int i = 0; i < page.count; i++) json_array_append_new(items, qn_result_json(&page.rows[i]));
      qn_reply_page(response, request, items, page.more, last);
    }
  }
  qn_result_page_fini(&page);
}

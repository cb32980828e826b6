#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/filters.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *id_or_null(int64_t id) { return id != 0 ? json_integer(id) : json_null(); }

static json_t *links_json(const qn_result_row *row) {
  json_t *links = json_object();
  if (row->simulation != 0)
    json_object_set_new(links, "simulation", qn_link("simulations/%lld", (long long)row->simulation));
  if (row->trajectory != 0)
    json_object_set_new(links, "trajectory", qn_link("trajectories/%lld", (long long)row->trajectory));
  if (row->analysis != 0)
    json_object_set_new(links, "analysis", qn_link("analyses/%lld", (long long)row->analysis));
  if (row->fit != 0) json_object_set_new(links, "fit", qn_link("fits/%lld", (long long)row->fit));
  if (row->potential[0] != '\0') json_object_set_new(links, "potential", qn_link("potentials/%s", row->potential));
  return links;
}

json_t *qn_result_json(const qn_result_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "id", json_integer(row->id));
  json_object_set_new(object, "quantity", qn_json_text(row->quantity));
  json_object_set_new(object, "value", qn_json_number(row->value));
  json_object_set_new(object, "standard_error", qn_json_number(row->standard_error));
  json_object_set_new(object, "unit", qn_json_text(row->unit));
  json_object_set_new(object, "status", qn_json_text(row->status));
  json_object_set_new(object, "temperature_k", qn_json_number(row->temperature_k));
  json_object_set_new(object, "species", qn_json_text(row->species));
  json_object_set_new(object, "region", qn_json_text(row->region));
  json_object_set_new(object, "type", qn_json_text(row->type));
  json_object_set_new(object, "parameters", qn_stored_json(row->parameters));
  json_object_set_new(object, "inputs", qn_stored_json(row->inputs));
  json_object_set_new(object, "window_start_ps", qn_json_number(row->window_start_ps));
  json_object_set_new(object, "window_end_ps", qn_json_number(row->window_end_ps));
  json_object_set_new(object, "samples", json_integer(row->samples));
  json_object_set_new(object, "atoms", id_or_null(row->atoms));
  json_object_set_new(object, "composition", qn_json_text(row->composition));
  json_object_set_new(object, "simulation", id_or_null(row->simulation));
  json_object_set_new(object, "simulation_name",
                      row->simulation != 0 ? qn_json_text(row->simulation_name) : json_null());
  json_object_set_new(object, "trajectory", id_or_null(row->trajectory));
  json_object_set_new(object, "trajectory_name",
                      row->trajectory != 0 ? qn_json_text(row->trajectory_name) : json_null());
  json_object_set_new(object, "analysis", id_or_null(row->analysis));
  json_object_set_new(object, "fit", id_or_null(row->fit));
  json_object_set_new(object, "potential", qn_text_or_null(row->potential));
  json_object_set_new(object, "potential_sha256", qn_text_or_null(row->potential_sha256));
  json_object_set_new(object, "engine_version", qn_json_text(row->engine_version));
  json_object_set_new(object, "spec_sha256", qn_json_text(row->spec_sha256));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links_json(row));
  return object;
}

/* ---- CSV ---- */

/* Behind these: the parameters of the analyses, each a column. */
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
                                      "type",
                                      "trajectory",
                                      "trajectory_name",
                                      "fit",
                                      "of",
                                      "stage",
                                      "sampling",
                                      NULL};

static void write_id(qn_csv *csv, int64_t id) {
  if (id != 0)
    qn_csv_integer(csv, id);
  else
    qn_csv_text(csv, "");
}

static void write_url(qn_csv *csv, const char *collection, int64_t id) {
  char url[64] = "";
  if (id != 0) snprintf(url, sizeof url, "/v1/%s/%lld", collection, (long long)id);
  qn_csv_text(csv, url);
}

static void write_json(qn_csv *csv, const json_t *value) {
  if (json_is_integer(value))
    qn_csv_integer(csv, json_integer_value(value));
  else if (json_is_real(value))
    qn_csv_number(csv, json_real_value(value));
  else
    qn_csv_text(csv, json_is_string(value) ? json_string_value(value) : "");
}

static void write_parameters(qn_csv *csv, const qn_result_row *row, const qn_filter_list *list) {
  json_t *parameters = qn_stored_json(row->parameters);
  write_json(csv, json_object_get(parameters, "quantity")); /* what a law was fitted to */
  write_json(csv, json_object_get(parameters, "stage"));
  write_json(csv, json_object_get(parameters, "sampling"));
  for (int i = 0; i < list->count; i++) write_json(csv, json_object_get(parameters, list->parameter[i]->name));
  json_decref(parameters);
}

static void write_row(qn_csv *csv, const qn_result_row *row, const qn_filter_list *list) {
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
  write_id(csv, row->atoms);
  qn_csv_text(csv, row->composition);
  write_id(csv, row->simulation);
  qn_csv_text(csv, row->simulation_name);
  write_id(csv, row->analysis);
  qn_csv_text(csv, row->potential);
  qn_csv_text(csv, row->potential_sha256);
  qn_csv_text(csv, row->engine_version);
  qn_csv_text(csv, row->spec_sha256);
  qn_csv_text(csv, row->created_at);
  write_url(csv, "simulations", row->simulation);
  write_url(csv, "analyses", row->analysis);
  qn_csv_text(csv, row->type);
  write_id(csv, row->trajectory);
  qn_csv_text(csv, row->trajectory_name);
  write_id(csv, row->fit);
  write_parameters(csv, row, list);
  qn_csv_end(csv);
}

static void reply_csv(qn_response *response, const qn_request *request, const qn_result_page *page, int64_t last) {
  qn_csv csv = {0};
  qn_filter_list list;
  qn_filters_list(&list);
  for (int i = 0; COLUMNS[i] != NULL; i++) qn_csv_text(&csv, COLUMNS[i]);
  for (int i = 0; i < list.count; i++) qn_csv_text(&csv, list.parameter[i]->name);
  qn_csv_end(&csv);
  for (int i = 0; i < page->count; i++) write_row(&csv, &page->rows[i], &list);
  if (csv.text.failed) {
    const qn_error error = {QN_NO_MEMORY, "no memory for the answer"};
    free(csv.text.bytes);
    qn_problem_from_error(response, request, &error);
    return;
  }
  response->status = 200;
  response->content_type = "text/csv; charset=utf-8";
  response->bytes = csv.text.bytes;
  response->size = csv.text.size;
  qn_reply_link_next(response, request, page->more, last);
}

static const char *const FORMATS[] = {"json", "csv", NULL};

void qn_check_results(const qn_request *request, qn_faults *faults) {
  qn_filters filters;
  qn_filters_of_request(&filters, request, faults);
  qn_query_word(request, "format", FORMATS, faults);
  qn_filters_fini(&filters);
}

void qn_query_results(qn_store *store, const qn_request *request, qn_response *response) {
  qn_filters filters;
  qn_filters_of_request(&filters, request, NULL);
  int format = qn_query_word(request, "format", FORMATS, NULL);
  bool csv = format == 1 || (format < 0 && qn_reply_prefers(request, "text/csv"));
  qn_response_header(response, "Vary", "Accept");
  qn_result_page page = {0};
  qn_error error;
  if (qn_store_query_results(store, &filters.query, &page, &error) != QN_OK) {
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
  qn_filters_fini(&filters);
}

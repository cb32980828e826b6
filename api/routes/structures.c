/* Snapshots of simulations as structures. */
#include <stdio.h>

#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *structure_json(const qn_artifact_row *row) {
  const long long id = row->id, simulation = row->simulation;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("structures/%lld", id));
  json_object_set_new(links, "data", qn_link("structures/%lld/data", id));
  json_object_set_new(links, "simulation", qn_link("simulations/%lld", simulation));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "simulation", json_integer(simulation));
  json_object_set_new(object, "stage", json_integer(row->stage));
  json_object_set_new(object, "temperature_k", qn_json_number(row->temperature_k));
  json_object_set_new(object, "size_bytes", json_integer(row->size));
  json_object_set_new(object, "sha256", qn_text_or_null(row->sha256));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  return object;
}

void qn_list_structures(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  qn_page_query query = qn_query_page(request, &faults);
  int64_t simulation = qn_query_integer(request, "simulation", 1, INT64_MAX, 0, &faults);
  qn_artifact_page page = {0};
  qn_error error;
  if (qn_faults_total(&faults) > 0) {
    qn_problem_from_faults(response, request, &faults);
  } else if (qn_store_list_artifacts(store, simulation, "snapshot", query, &page, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
  } else {
    json_t *items = json_array();
    for (int i = 0; i < page.count; i++) json_array_append_new(items, structure_json(&page.rows[i]));
    qn_reply_page(response, request, items, page.more, page.count > 0 ? page.rows[page.count - 1].id : 0);
  }
  qn_artifact_page_fini(&page);
  qn_faults_fini(&faults);
}

void qn_get_structure(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifact_row row = {0};
  if (!qn_handler_artifact(store, request, "snapshot", &row, response)) return;
  qn_reply_resource(response, request, structure_json(&row));
  qn_artifact_row_fini(&row);
}

void qn_get_structure_data(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifact_row row = {0};
  char name[96];
  if (!qn_handler_artifact(store, request, "snapshot", &row, response)) return;
  snprintf(name, sizeof name, "simulation-%lld-stage-%d-%.6gK.xyz", (long long)row.simulation, row.stage, row.temperature_k);
  qn_handler_send_artifact(store, request, &row, "chemical/x-xyz", name, response);
  qn_artifact_row_fini(&row);
}

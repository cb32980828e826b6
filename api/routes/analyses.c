#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"
#include "api/spec.h"

static json_t *parameter_json(const qn_parameter *parameter) {
  json_t *object = json_object();
  json_object_set_new(object, "name", json_string(parameter->name));
  json_object_set_new(object, "meaning", json_string(parameter->meaning));
  json_object_set_new(object, "automatic", json_boolean(parameter->automatic));
  if (parameter->words != NULL) {
    json_t *words = json_array();
    for (int w = 0; parameter->words[w] != NULL; w++) json_array_append_new(words, json_string(parameter->words[w]));
    json_object_set_new(object, "default", json_string(parameter->words[(int)parameter->fallback - 1]));
    json_object_set_new(object, "words", words);
    return object;
  }
  json_object_set_new(object, "default", parameter->automatic ? json_null() : qn_json_number(parameter->fallback));
  json_object_set_new(object, "minimum", qn_json_number(parameter->minimum));
  json_object_set_new(object, "maximum", qn_json_number(parameter->maximum));
  return object;
}

void qn_list_analysis_types(qn_store *store, const qn_request *request, qn_response *response) {
  (void)store;
  json_t *items = json_array(), *list = json_object();
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++) {
    json_t *parameters = json_array(), *quantities = json_array(), *object = json_object();
    for (const char *const *name = (*type)->quantities; *name != NULL; name++)
      json_array_append_new(quantities, json_string(*name));
    for (int p = 0; p < (*type)->parameter_count; p++)
      json_array_append_new(parameters, parameter_json(&(*type)->parameters[p]));
    json_object_set_new(object, "type", json_string((*type)->name));
    json_object_set_new(object, "meaning", json_string((*type)->meaning));
    json_object_set_new(object, "quantities", quantities);
    json_object_set_new(object, "parameters", parameters);
    json_array_append_new(items, object);
  }
  json_object_set_new(list, "items", items);
  qn_reply_resource(response, request, list);
}

static json_t *analysis_json(const qn_analysis_row *row) {
  const long long id = row->id, simulation = row->simulation, trajectory = row->trajectory;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("analyses/%lld", id));
  json_object_set_new(links, "job", qn_link("jobs/%lld", (long long)row->job));
  if (simulation != 0) json_object_set_new(links, "simulation", qn_link("simulations/%lld", simulation));
  if (trajectory != 0) json_object_set_new(links, "trajectory", qn_link("trajectories/%lld", trajectory));
  json_object_set_new(links, "results", qn_link("results?analysis=%lld", id));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "simulation", simulation != 0 ? json_integer(simulation) : json_null());
  json_object_set_new(object, "trajectory", trajectory != 0 ? json_integer(trajectory) : json_null());
  json_object_set_new(object, "type", qn_json_text(row->type));
  json_object_set_new(object, "state", json_string(qn_job_state_name(row->state)));
  json_object_set_new(object, "job", json_integer(row->job));
  json_object_set_new(object, "spec", qn_stored_json(row->spec));
  json_object_set_new(object, "spec_sha256", qn_json_text(row->sha256));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  return object;
}

void qn_check_analyses(const qn_request *request, qn_faults *faults) {
  qn_query_check_page_of(request, faults);
  int64_t trajectory = qn_query_integer(request, "trajectory", 1, INT64_MAX, 0, faults);
  if (trajectory != 0 && qn_request_query(request, "simulation") != NULL)
    qn_faults_add(faults, "?trajectory", "is given beside simulation; one of them is accepted");
}

void qn_list_analyses(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  int64_t simulation = qn_query_integer(request, "simulation", 1, INT64_MAX, 0, NULL);
  int64_t trajectory = qn_query_integer(request, "trajectory", 1, INT64_MAX, 0, NULL);
  qn_analysis_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_analyses(store, simulation, trajectory, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, analysis_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_analysis_page_fini(&page);
}

static json_t *curve_json(const qn_curve_row *row) {
  json_t *object = json_object();
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "species", qn_json_text(row->species));
  json_object_set_new(object, "region", qn_json_text(row->region));
  json_object_set_new(object, "columns", qn_stored_json(row->columns));
  json_object_set_new(object, "rows", qn_stored_json(row->data));
  return object;
}

static qn_status add_values(qn_store *store, int64_t id, json_t *object, qn_error *error) {
  qn_result_page page = {0};
  const qn_result_query query = {.temperature_min_k = __builtin_nan(""),
                                 .temperature_max_k = __builtin_nan(""),
                                 .analysis = id,
                                 .page = {0, QN_MOST_PAGE}};
  qn_status status = qn_store_query_results(store, &query, &page, error);
  json_t *values = json_array();
  for (int i = 0; i < page.count; i++)
    json_array_append_new(values, qn_result_json(&page.rows[page.count - 1 - i])); /* as the analysis gave them */
  json_object_set_new(object, "values", values);
  qn_result_page_fini(&page);
  return status;
}

static qn_status add_curves(qn_store *store, int64_t id, json_t *object, qn_error *error) {
  qn_curve_page page = {0};
  qn_status status = qn_store_get_curves(store, id, &page, error);
  json_t *curves = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(curves, curve_json(&page.rows[i]));
  json_object_set_new(object, "curves", curves);
  qn_curve_page_fini(&page);
  return status;
}

void qn_get_analysis(qn_store *store, const qn_request *request, qn_response *response) {
  qn_analysis_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_get_analysis(store, id, &row, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  json_t *object = analysis_json(&row);
  if (add_values(store, id, object, &error) == QN_OK && add_curves(store, id, object, &error) == QN_OK) {
    qn_reply_resource(response, request, object);
  } else {
    json_decref(object);
    qn_problem_from_error(response, request, &error);
  }
  qn_analysis_row_fini(&row);
}

/* ---- POST ---- */

/* Each fails when storage does; what is wrong with the request becomes a fault. */
static qn_status resolve_simulation(qn_store *store, qn_analysis_request *wanted, const char *pointer, qn_faults *faults,
                                    qn_error *error) {
  qn_simulation_spec *spec;
  if (wanted->simulation == 0) return QN_OK; /* a fault already */
  qn_status status = qn_handler_simulation_spec(store, wanted->simulation, &spec, error);
  if (status == QN_OK && wanted->analysis.type != NULL) qn_spec_resolve_stage(spec, &wanted->analysis, "", faults);
  free(spec);
  if (status != QN_NOT_FOUND) return status;
  qn_faults_add(faults, pointer, "there is no simulation %lld", (long long)wanted->simulation);
  return QN_OK;
}

/* What is known of the frames of a trajectory made elsewhere. */
static qn_analysis_prospect prospect_of(const qn_artifact_row *row) {
  qn_analysis_prospect prospect = {.frames = row->frames,
                                   .interval = row->interval_ps,
                                   .atoms = row->atoms,
                                   .wrapping = QN_WRAPPING_UNKNOWN,
                                   .potential = QN_NO};
  json_t *details = qn_stored_json(row->details);
  const char *wrapping = json_string_value(json_object_get(details, "wrapping"));
  for (int w = 0; wrapping != NULL && w < (int)QN_WRAPPING_UNKNOWN; w++)
    if (strcmp(wrapping, qn_wrapping_name((qn_wrapping)w)) == 0) prospect.wrapping = (qn_wrapping)w;
  prospect.box_changes = json_is_true(json_object_get(details, "box_changes"));
  json_decref(details);
  return prospect;
}

/* A trajectory that a simulation left is that stage of the simulation; one made elsewhere is what it says of itself, once it was imported. */
static qn_status resolve_trajectory(qn_store *store, qn_analysis_request *wanted, qn_faults *faults, qn_error *error) {
  qn_artifact_row row = {0};
  const long long id = wanted->trajectory;
  bool staged = wanted->analysis.stage != -1 || wanted->analysis.sampling != -1;
  qn_status status = qn_store_get_artifact(store, wanted->trajectory, &row, error);
  if (staged)
    qn_faults_add(faults, wanted->analysis.stage != -1 ? "/stage" : "/sampling", "a trajectory has no stages; leave it out");
  if (status == QN_NOT_FOUND || (status == QN_OK && strcmp(row.kind, "trajectory") != 0)) {
    qn_faults_add(faults, "/trajectory", "there is no trajectory %lld", id);
    wanted->trajectory = 0;
    status = QN_OK;
  } else if (status == QN_OK && row.simulation != 0 && !staged) {
    wanted->simulation = row.simulation;
    wanted->trajectory = 0;
    wanted->analysis.stage = row.stage;
    wanted->analysis.sampling = row.sampling;
    status = resolve_simulation(store, wanted, "/trajectory", faults, error);
  } else if (status == QN_OK && row.simulation == 0 && row.state == QN_JOB_SUCCEEDED && wanted->analysis.type != NULL) {
    const qn_analysis_prospect prospect = prospect_of(&row);
    qn_spec_check_frames(&wanted->analysis, &prospect, "", faults);
  }
  qn_artifact_row_fini(&row);
  return status;
}

static void submit(qn_store *store, const qn_request *request, const qn_analysis_request *wanted,
                   qn_response *response) {
  char hash[QN_HASH_SIZE];
  char *canonical = qn_spec_render_analysis(&wanted->analysis, hash);
  qn_submission submission = {.kind = "analysis",
                              .name = "",
                              .spec = canonical,
                              .sha256 = hash,
                              .type = wanted->analysis.type->name,
                              .prioritised = wanted->priority != QN_USUAL_PRIORITY,
                              .priority = wanted->priority,
                              .parent = wanted->simulation,
                              .trajectory = wanted->trajectory};
  qn_handler_needs(&wanted->analysis, &submission.needs);
  const qn_error error = {QN_NO_MEMORY, "no memory for the spec"};
  if (canonical != NULL)
    qn_handler_submit(store, request, &submission, "analyses", response);
  else
    qn_problem_from_error(response, request, &error);
  free(canonical);
}

void qn_submit_analysis(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  qn_analysis_request wanted;
  qn_error error;
  qn_spec_parse_analysis_request(request->body, request->body_size, &wanted, &faults);
  qn_status status = wanted.trajectory != 0 ? resolve_trajectory(store, &wanted, &faults, &error)
                                            : resolve_simulation(store, &wanted, "/simulation", &faults, &error);
  if (status == QN_OK && wanted.analysis.type != NULL) status = qn_handler_sources(store, &wanted, &faults, &error);
  if (qn_faults_total(&faults) > 0)
    qn_problem_from_faults(response, request, &faults);
  else if (status != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    submit(store, request, &wanted, response);
  qn_faults_fini(&faults);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/artifacts.h"
#include "api/spec.h"
#include "api/structure.h"

static json_t *simulation_json(const qn_simulation_row *row, bool whole) {
  const long long id = row->id;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("simulations/%lld", id));
  json_object_set_new(links, "job", qn_link("jobs/%lld", (long long)row->job));
  json_object_set_new(links, "thermo", qn_link("simulations/%lld/thermo", id));
  json_object_set_new(links, "trajectories", qn_link("trajectories?simulation=%lld", id));
  json_object_set_new(links, "structures", qn_link("structures?simulation=%lld", id));
  json_object_set_new(links, "analyses", qn_link("analyses?simulation=%lld", id));
  json_object_set_new(links, "results", qn_link("results?simulation=%lld", id));
  json_object_set_new(links, "potential", qn_link("potentials/%s", row->potential));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "state", json_string(qn_job_state_name(row->state)));
  json_object_set_new(object, "job", json_integer(row->job));
  json_object_set_new(object, "potential", qn_json_text(row->potential));
  json_object_set_new(object, "potential_sha256", qn_json_text(row->potential_sha256));
  json_object_set_new(object, "engine_version", qn_text_or_null(row->engine_version));
  json_object_set_new(object, "spec_sha256", qn_json_text(row->sha256));
  if (whole) json_object_set_new(object, "spec", qn_stored_json(row->spec));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  return object;
}

void qn_list_simulations(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  qn_simulation_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_simulations(store, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, simulation_json(&page.rows[i], false));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_simulation_page_fini(&page);
}

void qn_get_simulation(qn_store *store, const qn_request *request, qn_response *response) {
  qn_simulation_row row = {0};
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_get_simulation(store, id, &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_resource(response, request, simulation_json(&row, true));
  qn_simulation_row_fini(&row);
}

/* What there is of a run that goes on, or that failed: after a blow-up it is what one wants to see. */
static void send_rows_so_far(qn_store *store, const qn_request *request, const qn_simulation_row *row,
                             qn_response *response) {
  int descriptor;
  int64_t size;
  qn_error error;
  qn_status status = qn_store_open_series(store, row->id, &descriptor, &size, &error);
  if (status == QN_NOT_FOUND) {
    qn_problem_render(response, request, 404, "not_found", NULL, "Simulation %lld has no thermo series%s.",
                      (long long)row->id, qn_job_state_final(row->state) ? "" : " yet");
  } else if (status != QN_OK) {
    qn_problem_from_error(response, request, &error);
  } else {
    qn_response_header(response, "Cache-Control", "no-store");
    qn_reply_file(response, "text/csv; charset=utf-8", descriptor, (size_t)size, "simulation-%lld-thermo-so-far.csv",
                  (long long)row->id);
  }
}

void qn_get_simulation_thermo(qn_store *store, const qn_request *request, qn_response *response) {
  qn_simulation_row row = {0};
  qn_artifact_page page = {0};
  qn_error error;
  char name[64];
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return;
  if (qn_store_get_simulation(store, id, &row, &error) != QN_OK ||
      qn_store_list_artifacts(store, id, "thermo", (qn_page_query){0, 1}, &page, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
  } else if (page.count == 0) {
    send_rows_so_far(store, request, &row, response);
  } else {
    snprintf(name, sizeof name, "simulation-%lld-thermo.csv", (long long)id);
    qn_artifacts_send(store, request, &page.rows[0], "text/csv; charset=utf-8", name, response);
  }
  qn_artifact_page_fini(&page);
  qn_simulation_row_fini(&row);
}

/* ---- POST: parse, resolve the snapshot and the potential, submit ---- */

/* Each fails when storage does; what is wrong with the spec becomes a fault. */
static qn_status resolve_snapshot(qn_store *store, qn_simulation_spec *spec, qn_faults *faults, qn_error *error) {
  qn_simulation_spec *parent;
  if (spec->initial != QN_INITIAL_SNAPSHOT || spec->snapshot_simulation == 0) return QN_OK;
  qn_status status = qn_handler_simulation_spec(store, spec->snapshot_simulation, &parent, error);
  if (status == QN_OK) qn_spec_resolve_snapshot(spec, parent, faults);
  free(parent);
  if (status != QN_NOT_FOUND) return status;
  qn_faults_add(faults, "/initial/simulation", "there is no simulation %lld", (long long)spec->snapshot_simulation);
  return QN_OK;
}

/* The structure's file itself is read: it says more than its row. */
static qn_status resolve_structure(qn_store *store, qn_simulation_spec *spec, qn_structure_facts *facts, qn_faults *faults,
                                   qn_error *error) {
  qn_artifact_row row = {0};
  char path[4096];
  int descriptor = -1;
  if (spec->initial != QN_INITIAL_STRUCTURE || spec->structure == 0) return QN_OK;
  qn_status status = qn_store_get_artifact(store, spec->structure, &row, error);
  bool known = status == QN_OK && strcmp(row.kind, "snapshot") == 0;
  if (known) status = qn_store_open_artifact(store, &row, &descriptor, path, error);
  if (descriptor >= 0) close(descriptor); /* only its path was wanted */
  if (known && status == QN_OK) status = qn_structure_facts_read(path, facts, error);
  if (known && status == QN_OK)
    qn_spec_resolve_structure(spec, facts, row.sha256, faults);
  else if (status == QN_OK || status == QN_NOT_FOUND)
    qn_faults_add(faults, "/initial/structure", known ? "the file of structure %lld is gone" : "there is no structure %lld",
                  (long long)spec->structure);
  qn_artifact_row_fini(&row);
  return status == QN_NOT_FOUND ? QN_OK : status;
}

static void fault_unknown_potential(qn_store *store, const char *name, qn_faults *faults) {
  qn_potential_page page = {0};
  qn_error error;
  char known[300] = "none";
  size_t used = 0;
  if (qn_store_list_potentials(store, (qn_page_query){0, 10}, &page, &error) == QN_OK)
    for (int i = 0; i < page.count && used < sizeof known; i++)
      used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", page.rows[i].name);
  qn_faults_add(faults, "/potential", "\"%.60s\" is not registered; registered: %s", name, known);
  qn_potential_page_fini(&page);
}

/* Fails when storage does; what is wrong with the spec becomes a fault. `structure` is all zero when it is not known. */
static qn_status resolve_potential(qn_store *store, qn_simulation_spec *spec, const qn_structure_facts *structure,
                                   qn_faults *faults, qn_error *error) {
  qn_potential_row row = {0};
  qn_potential_facts facts;
  if (spec->potential[0] == '\0') return QN_OK; /* a fault already */
  qn_status status = qn_store_get_potential(store, spec->potential, &row, error);
  if (status == QN_NOT_FOUND) {
    fault_unknown_potential(store, spec->potential, faults);
    return QN_OK;
  }
  if (status == QN_OK) status = qn_potential_facts_of_row(&row, &facts, error);
  if (status == QN_OK) qn_spec_resolve_potential(spec, &facts, faults);
  if (status == QN_OK && structure->atoms > 0) qn_spec_resolve_structure_box(spec, structure, &facts, faults);
  qn_potential_row_fini(&row);
  return status;
}

/* What is needed by others comes first; it needs nothing itself. */
static void sort_by_need(struct qn_child *children, int count) {
  for (int i = 1; i < count; i++) {
    struct qn_child child = children[i];
    int to = i;
    for (; child.needs.count == 0 && to > 0 && children[to - 1].needs.count > 0; to--) children[to] = children[to - 1];
    children[to] = child;
  }
}

static void submit(qn_store *store, const qn_request *request, const qn_simulation_spec *spec, qn_response *response) {
  struct qn_child children[QN_MAX_ANALYSES] = {0};
  char hash[QN_HASH_SIZE];
  char *canonical = qn_spec_render_simulation(spec, hash);
  bool good = canonical != NULL;
  for (int i = 0; i < spec->analysis_count; i++) {
    children[i].type = spec->analyses[i].type->name;
    children[i].spec = qn_spec_render_analysis(&spec->analyses[i], children[i].sha256);
    qn_handler_needs(&spec->analyses[i], &children[i].needs);
    good = good && children[i].spec != NULL;
  }
  sort_by_need(children, spec->analysis_count);
  if (good) {
    const qn_submission submission = {.kind = "simulation",
                                      .name = spec->name,
                                      .spec = canonical,
                                      .sha256 = hash,
                                      .potential = spec->potential,
                                      .prioritised = spec->priority != QN_USUAL_PRIORITY,
                                      .priority = spec->priority,
                                      .parent = spec->initial == QN_INITIAL_SNAPSHOT ? spec->snapshot_simulation : 0,
                                      .structure = spec->initial == QN_INITIAL_STRUCTURE ? spec->structure : 0,
                                      .child_count = spec->analysis_count,
                                      .children = children};
    qn_handler_submit(store, request, &submission, "simulations", response);
  } else {
    const qn_error error = {QN_NO_MEMORY, "no memory for the spec"};
    qn_problem_from_error(response, request, &error);
  }
  for (int i = 0; i < spec->analysis_count; i++) free(children[i].spec);
  free(canonical);
}

void qn_submit_simulation(qn_store *store, const qn_request *request, qn_response *response) {
  qn_faults faults = {0};
  qn_error error;
  qn_simulation_spec *spec = malloc(sizeof *spec); /* tens of kB: not for a thread's stack */
  if (spec == NULL) {
    qn_error_set(&error, QN_NO_MEMORY, "no memory for a spec");
    qn_problem_from_error(response, request, &error);
    return;
  }
  qn_spec_parse_simulation(request->body, request->body_size, spec, &faults);
  qn_structure_facts structure = {0};
  qn_status status = resolve_snapshot(store, spec, &faults, &error);
  if (status == QN_OK) status = resolve_structure(store, spec, &structure, &faults, &error);
  if (status == QN_OK) status = resolve_potential(store, spec, &structure, &faults, &error);
  if (qn_faults_total(&faults) >
      0) /* they stay what they are, also when storage could not tell whether there are more */
    qn_problem_from_faults(response, request, &faults);
  else if (status != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    submit(store, request, spec, response);
  free(spec);
  qn_faults_fini(&faults);
}

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/idempotency.h"
#include "api/json.h"
#include "api/potential.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/reply.h"
#include "api/routes/handlers.h"

static json_t *split_species(const char *species) {
  json_t *list = json_array();
  for (const char *at = species; *at != '\0';) {
    size_t length = strcspn(at, ",");
    json_array_append_new(list, json_stringn(at, length));
    at += length + (at[length] == ',');
  }
  return list;
}

static json_t *potential_json(const qn_potential_row *row) {
  json_t *details = qn_stored_json(row->details), *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("potentials/%s", row->name));
  json_object_set_new(links, "text", qn_link("potentials/%s/text", row->name));
  json_object_set_new(links, "curves", qn_link("potentials/%s/curves", row->name));
  json_object_set_new(links, "results", qn_link("results?potential=%s", row->name));
  json_object_set_new(object, "name", qn_json_text(row->name));
  json_object_set_new(object, "sha256", qn_json_text(row->sha256));
  json_object_set_new(object, "format", qn_json_text(row->format));
  json_object_set_new(object, "species", split_species(row->species));
  json_object_set(object, "elements", json_object_get(details, "elements"));
  json_object_set_new(object, "cutoff_a", qn_json_number(row->cutoff_a));
  json_object_set(object, "smallest_length_a", json_object_get(details, "smallest_length_a"));
  json_object_set_new(object, "citation", qn_json_text(row->citation));
  json_object_set_new(object, "licence", qn_json_text(row->licence));
  json_object_set_new(object, "size_bytes", json_integer(row->size));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "links", links);
  json_decref(details);
  return object;
}

void qn_list_potentials(qn_store *store, const qn_request *request, qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  qn_potential_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_potentials(store, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, potential_json(&page.rows[i]));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_potential_page_fini(&page);
}

void qn_get_potential(qn_store *store, const qn_request *request, qn_response *response) {
  qn_potential_row row = {0};
  qn_error error;
  if (qn_store_get_potential(store, request->parameter[0], &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    qn_reply_resource(response, request, potential_json(&row));
  qn_potential_row_fini(&row);
}

/* Anything that may be a plain text: what curl says of --data-binary counts too. */
static bool is_text(const char *type) {
  static const char *const types[] = {"text/", "application/octet-stream", "application/x-www-form-urlencoded"};
  if (type == NULL) return true;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (strncasecmp(type, types[i], strlen(types[i])) == 0) return true;
  return false;
}

static void check_note(const qn_request *request, const char *name, qn_faults *faults) {
  const char *text = qn_request_query(request, name);
  char pointer[QN_POINTER_SIZE];
  snprintf(pointer, sizeof pointer, "?%s", name);
  if (text != NULL && strlen(text) > 1000) qn_faults_add(faults, pointer, "has more than 1000 bytes");
}

void qn_check_upload(const qn_request *request, qn_faults *faults) {
  const char *name = qn_request_query(request, "name");
  if (name == NULL)
    qn_faults_add(faults, "?name", "is missing: the name that specs will use is needed");
  else if (!qn_potential_is_name(name))
    qn_faults_add(faults, "?name",
                  "\"%.120s\" is no name for a potential: 1 to %d letters, digits, dots, dashes or underscores are "
                  "accepted, beginning with a letter or digit",
                  name, QN_POTENTIAL_NAME_MOST);
  check_note(request, "citation", faults);
  check_note(request, "licence", faults);
}

static bool render_added(const void *outcome, const void *context, qn_answer *answer) {
  (void)context;
  const qn_added_potential *added = outcome;
  snprintf(answer->location, sizeof answer->location, "/v1/potentials/%s", added->row.name);
  return qn_answer_json(answer, added->created ? 201 : 200, potential_json(&added->row));
}

static void store_upload(qn_store *store, const qn_request *request, const qn_potential_row *row,
                         qn_response *response) {
  qn_added_potential added = {0};
  qn_error error;
  qn_idempotency_prepare(request, render_added, NULL);
  qn_status status = qn_store_add_potential(store, row, request->body, request->body_size, request->idempotency,
                                            &request->principal, &added, &error);
  qn_idempotency_reply(request, response, status, &error, render_added, &added, NULL);
  qn_potential_row_fini(&added.row);
}

void qn_upload_potential(qn_store *store, const qn_request *request, qn_response *response) {
  const char *name = qn_request_query(request, "name"), *citation = qn_request_query(request, "citation"),
             *licence = qn_request_query(request, "licence");
  const char *type = qn_request_header(request, "Content-Type");
  qn_potential_facts facts;
  qn_potential_row row = {0};
  qn_error error;
  if (!is_text(type))
    qn_problem_render(response, request, 415, "unsupported_media_type", NULL,
                      "The body must be the setfl text itself (text/plain), not %.100s.", type);
  else if (request->body_size == 0)
    qn_problem_render(response, request, 422, "malformed", NULL,
                      "The body is empty; the text of a setfl file is needed.");
  else if (qn_potential_describe(request->body, request->body_size, &facts, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else if (qn_potential_row_make(name, citation != NULL ? citation : "", licence != NULL ? licence : "", &facts,
                                 request->body_size, &row, &error) != QN_OK)
    qn_problem_from_error(response, request, &error);
  else
    store_upload(store, request, &row, response);
  qn_potential_row_fini(&row);
}

void qn_get_potential_text(qn_store *store, const qn_request *request, qn_response *response) {
  const char *name = request->parameter[0];
  char *text = NULL;
  size_t size;
  qn_potential_row row = {0};
  qn_error error;
  if (qn_store_get_potential(store, name, &row, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  bool known = qn_reply_not_modified(response, request, row.sha256);
  qn_potential_row_fini(&row);
  if (known) return;
  if (qn_store_get_potential_text(store, name, &text, &size, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  qn_response_header(response, "Content-Disposition", "attachment; filename=\"%.100s.setfl\"", name);
  response->status = 200;
  response->content_type = "text/plain; charset=utf-8";
  response->bytes = text;
  response->size = size;
}

/* Distances below this are never reached, and r*phi / r means little there. */
static const double LEAST_R_A = 0.5;

/* `points` rows [x, y] spread evenly over a table, from x = `from` on. */
static json_t *sample(const double *table, int count, double step, double from, int points, bool divide) {
  json_t *rows = json_array();
  int first = (int)ceil(from / step);
  if (first >= count) first = count - 1;
  if (points > count - first) points = count - first;
  for (int p = 0; p < points; p++) {
    int i = points > 1 ? first + (int)((int64_t)p * (count - 1 - first) / (points - 1)) : first;
    double x = round(i * step * 1e9) / 1e9, y = divide ? (x > 0.0 ? table[i] / x : NAN) : table[i];
    json_t *row = json_array();
    json_array_append_new(row, qn_json_number(x));
    json_array_append_new(row, qn_json_number(y));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *curve(const char *name, const char *first, const char *second, const char *x, const char *y,
                     json_t *rows) {
  json_t *object = json_object(), *species = json_array(), *columns = json_array();
  json_array_append_new(species, qn_json_text(first));
  if (second != NULL) json_array_append_new(species, qn_json_text(second));
  json_array_append_new(columns, json_string(x));
  json_array_append_new(columns, json_string(y));
  json_object_set_new(object, "name", json_string(name));
  json_object_set_new(object, "species", species);
  json_object_set_new(object, "columns", columns);
  json_object_set_new(object, "rows", rows);
  return object;
}

static json_t *curves_json(const char *name, const qn_eam *eam, int points) {
  json_t *list = json_array(), *object = json_object();
  const size_t rho = (size_t)eam->rho_points, r = (size_t)eam->r_points, count = (size_t)eam->species_count;
  for (size_t a = 0; a < count; a++)
    json_array_append_new(list,
                          curve("embedding", eam->species[a].symbol, NULL, "density", "energy_ev",
                                sample(eam->embedding + a * rho, eam->rho_points, eam->rho_step, 0.0, points, false)));
  for (size_t a = 0; a < count; a++)
    for (size_t b = 0; b < count; b++)
      json_array_append_new(
          list,
          curve("density", eam->species[a].symbol, eam->species[b].symbol, "distance_a", "density",
                sample(eam->density + (a * count + b) * r, eam->r_points, eam->r_step, LEAST_R_A, points, false)));
  for (size_t a = 0; a < count; a++)
    for (size_t b = a; b < count; b++)
      json_array_append_new(
          list, curve("pair", eam->species[a].symbol, eam->species[b].symbol, "distance_a", "energy_ev",
                      sample(eam->pair + (a * count + b) * r, eam->r_points, eam->r_step, LEAST_R_A, points, true)));
  json_object_set_new(object, "potential", qn_json_text(name));
  json_object_set_new(object, "curves", list);
  return object;
}

static void send_curves(qn_store *store, const qn_request *request, int points, qn_response *response) {
  const char *name = request->parameter[0];
  char *text = NULL, tag[96];
  size_t size;
  qn_potential_row row = {0};
  qn_eam eam;
  qn_error error;
  if (qn_store_get_potential(store, name, &row, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  snprintf(tag, sizeof tag, "%.64s-%d", row.sha256, points);
  qn_potential_row_fini(&row);
  if (qn_reply_not_modified(response, request, tag)) return;
  if (qn_store_get_potential_text(store, name, &text, &size, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  if (qn_eam_parse(&eam, text, size, &error) != QN_OK) {
    qn_error_set(&error, QN_CORRUPT, "the stored text of %s cannot be read any more", name);
    qn_problem_from_error(response, request, &error);
  } else {
    qn_reply_json(response, request, 200, curves_json(name, &eam, points));
    qn_eam_fini(&eam);
  }
  free(text);
}

static int read_points(const qn_request *request, qn_faults *faults) {
  return (int)qn_query_integer(request, "points", 2, 10000, 400, faults);
}

void qn_check_curves(const qn_request *request, qn_faults *faults) { read_points(request, faults); }

void qn_get_potential_curves(qn_store *store, const qn_request *request, qn_response *response) {
  send_curves(store, request, read_points(request, NULL), response);
}

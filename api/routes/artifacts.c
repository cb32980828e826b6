#include "api/routes/artifacts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/json.h"
#include "api/query.h"
#include "api/reply.h"

json_t *qn_artifacts_json(const qn_artifact_row *row, const char *collection) {
  const long long id = row->id, simulation = row->simulation, job = row->job;
  json_t *links = json_object(), *object = json_object();
  json_object_set_new(links, "self", qn_link("%s/%lld", collection, id));
  json_object_set_new(links, "data", qn_link("%s/%lld/data", collection, id));
  if (simulation != 0) json_object_set_new(links, "simulation", qn_link("simulations/%lld", simulation));
  if (job != 0) json_object_set_new(links, "job", qn_link("jobs/%lld", job));
  json_object_set_new(object, "id", json_integer(id));
  json_object_set_new(object, "simulation", simulation != 0 ? json_integer(simulation) : json_null());
  json_object_set_new(object, "stage", row->stage >= 0 ? json_integer(row->stage) : json_null());
  json_object_set_new(object, "name", simulation == 0 ? qn_json_text(row->name) : json_null());
  json_object_set_new(object, "temperature_k", qn_json_number(row->temperature_k));
  json_object_set_new(object, "atoms", row->atoms != 0 ? json_integer(row->atoms) : json_null());
  json_object_set_new(object, "composition", qn_text_or_null(row->composition));
  if (strcmp(row->kind, "trajectory") == 0) {
    if (simulation == 0) {
      json_object_set_new(links, "analyses", qn_link("analyses?trajectory=%lld", id));
      json_object_set_new(links, "results", qn_link("results?trajectory=%lld", id));
    }
    json_object_set_new(object, "state", json_string(qn_job_state_name(row->state)));
    json_object_set_new(object, "job", job != 0 ? json_integer(job) : json_null());
    json_object_set_new(object, "error", qn_text_or_null(row->error));
    json_object_set_new(object, "sampling", row->sampling >= 0 ? json_integer(row->sampling) : json_null());
    json_object_set_new(object, "frames", row->path[0] != '\0' ? json_integer(row->frames) : json_null());
    json_object_set_new(object, "interval_ps", qn_json_number(row->interval_ps));
  }
  json_object_set_new(object, "details", qn_stored_json(row->details));
  json_object_set_new(object, "size_bytes", row->path[0] != '\0' ? json_integer(row->size) : json_null());
  json_object_set_new(object, "sha256", qn_text_or_null(row->sha256));
  json_object_set_new(object, "created_at", qn_json_text(row->created_at));
  json_object_set_new(object, "removed_at", qn_text_or_null(row->removed_at));
  json_object_set_new(object, "links", links);
  return object;
}

bool qn_artifacts_is_file(const qn_request *request, qn_response *response) {
  const char *type = qn_request_header(request, "Content-Type");
  bool file = type == NULL || (strncasecmp(type, "multipart/", 10) != 0 && strncasecmp(type, "application/json", 16) != 0);
  if (!file)
    qn_problem_render(response, request, 415, "unsupported_media_type", NULL,
                      "The body must be the file itself, as `curl -T FILE -X POST` sends it, not %.100s.", type);
  else if (request->body_size == 0)
    qn_problem_render(response, request, 422, "malformed", NULL, "The body is empty; a file is needed.");
  return file && request->body_size > 0;
}

bool qn_artifacts_find(qn_store *store, const qn_request *request, const char *kind, qn_artifact_row *row,
                       qn_response *response) {
  qn_error error;
  int64_t id = qn_handler_id(request, response);
  if (id == 0) return false;
  qn_status status = qn_store_get_artifact(store, id, row, &error);
  if (status == QN_OK && strcmp(row->kind, kind) == 0) return true;
  if (status != QN_OK && status != QN_NOT_FOUND) {
    qn_problem_from_error(response, request, &error);
    return false;
  }
  qn_problem_render(response, request, 404, "not_found", NULL, "There is no %s %lld.",
                    strcmp(kind, "snapshot") == 0 ? "structure" : kind, (long long)id);
  qn_artifact_row_fini(row);
  return false;
}

bool qn_artifacts_open(qn_store *store, const qn_request *request, const qn_artifact_row *row, int *descriptor,
                       int64_t *size, char *path, qn_response *response) {
  qn_error error;
  struct stat info;
  if (row->removed_at[0] != '\0') {
    qn_problem_render(response, request, 410, "gone", NULL, "The file of this %s was removed by retention at %s.", row->kind,
                      row->removed_at);
    return false;
  }
  if (row->path[0] == '\0') {
    qn_problem_render(response, request, 404, "not_found", NULL, "Trajectory %lld holds no frames%s: its import %s%s%s.",
                      (long long)row->id, qn_job_state_final(row->state) ? "" : " yet",
                      qn_job_state_final(row->state) ? "has " : "is ", qn_job_state_name(row->state),
                      row->error[0] != '\0' ? ", see its error" : "");
    return false;
  }
  if (qn_store_open_artifact(store, row, descriptor, path, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return false;
  }
  if (fstat(*descriptor, &info) == 0) {
    *size = info.st_size;
    return true;
  }
  qn_error_set(&error, QN_IO, "the file of this %s cannot be read: %s", row->kind, strerror(errno));
  qn_problem_from_error(response, request, &error);
  close(*descriptor);
  return false;
}

void qn_artifacts_send(qn_store *store, const qn_request *request, const qn_artifact_row *row, const char *type,
                       const char *name, qn_response *response) {
  int descriptor;
  int64_t size;
  char path[4096], tag[80];
  if (!qn_artifacts_open(store, request, row, &descriptor, &size, path, response)) return;
  if (row->sha256[0] != '\0')
    snprintf(tag, sizeof tag, "%.64s", row->sha256);
  else
    snprintf(tag, sizeof tag, "%lld-%lld", (long long)row->id, (long long)size);
  if (qn_reply_not_modified(response, request, tag))
    close(descriptor);
  else
    qn_reply_file(response, type, descriptor, (size_t)size, "%s", name);
}

void qn_artifacts_list(qn_store *store, const qn_request *request, const char *kind, const char *collection,
                       qn_response *response) {
  qn_page_query query = qn_query_page(request, NULL);
  int64_t simulation = qn_query_integer(request, "simulation", 1, INT64_MAX, 0, NULL);
  qn_artifact_page page = {0};
  qn_error error;
  qn_status status = qn_store_list_artifacts(store, simulation, kind, query, &page, &error);
  json_t *items = json_array();
  for (int i = 0; i < page.count; i++) json_array_append_new(items, qn_artifacts_json(&page.rows[i], collection));
  qn_handler_page(request, response, status, &error, items, page.more,
                  page.count > 0 ? page.rows[page.count - 1].id : 0);
  qn_artifact_page_fini(&page);
}

void qn_artifacts_get(qn_store *store, const qn_request *request, const char *kind, const char *collection,
                      qn_response *response) {
  qn_artifact_row row = {0};
  if (!qn_artifacts_find(store, request, kind, &row, response)) return;
  qn_reply_resource(response, request, qn_artifacts_json(&row, collection));
  qn_artifact_row_fini(&row);
}

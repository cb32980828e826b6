/* Structures: snapshots of simulations, and those that were uploaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/composition.h"
#include "api/hash.h"
#include "api/idempotency.h"
#include "api/json.h"
#include "api/routes/artifacts.h"
#include "api/structure.h"

void qn_list_structures(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifacts_list(store, request, "snapshot", "structures", response);
}

void qn_get_structure(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifacts_get(store, request, "snapshot", "structures", response);
}

void qn_get_structure_data(qn_store *store, const qn_request *request, qn_response *response) {
  qn_artifact_row row = {0};
  char name[96];
  if (!qn_artifacts_find(store, request, "snapshot", &row, response)) return;
  if (row.simulation == 0)
    snprintf(name, sizeof name, "structure-%lld.xyz", (long long)row.id);
  else
    snprintf(name, sizeof name, "simulation-%lld-stage-%d-%.6gK.xyz", (long long)row.simulation, row.stage,
             row.temperature_k);
  qn_artifacts_send(store, request, &row, "chemical/x-xyz", name, response);
  qn_artifact_row_fini(&row);
}

/* ---- POST ---- */

/* Row and texts of an upload; false with `response` filled. The converted file is beside the one that came, and goes when the request ends. */
typedef struct upload {
  qn_upload_spec spec;
  char path[4096], hash[QN_HASH_SIZE], content[QN_HASH_SIZE], composition[QN_COMPOSITION_SIZE];
  char *canonical, *details;
  qn_structure_facts facts;
} upload;

static qn_status convert(upload *made, const qn_request *request, qn_artifact_row *row, qn_error *error) {
  const char *format;
  struct stat info;
  if ((size_t)snprintf(made->path, sizeof made->path, "%s.xyz", request->body_path) >= sizeof made->path)
    return qn_error_set(error, QN_IO, "the path of the data directory is too long");
  qn_status status = qn_structure_convert(request->body_path, &made->spec, made->path, &made->facts, &format, error);
  if (status != QN_OK) {
    /* Where the file lies is nothing to a client. */
    size_t length = strlen(request->body_path);
    if (strncmp(error->message, request->body_path, length) == 0 && strncmp(error->message + length, ": ", 2) == 0)
      memmove(error->message, error->message + length + 2, strlen(error->message + length + 2) + 1);
    return status;
  }
  json_t *details = qn_structure_details(&made->facts, format);
  made->details = qn_json_write(details, true);
  json_decref(details);
  made->canonical = qn_upload_render(&made->spec, "structure", made->hash);
  if (made->details == NULL || made->canonical == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a structure");
  status = qn_hash_file(made->path, made->content, error);
  if (status == QN_OK && stat(made->path, &info) != 0) status = qn_error_set(error, QN_IO, "the converted file is gone");
  if (status != QN_OK) return status;
  qn_composition_name(made->facts.species_count, made->facts.species, made->facts.species_atoms, made->composition);
  *row = (qn_artifact_row){.temperature_k = made->spec.temperature_k,
                           .sha256 = made->content,
                           .size = info.st_size,
                           .name = made->spec.name,
                           .atoms = made->facts.atoms,
                           .composition = made->composition,
                           .details = made->details};
  return QN_OK;
}

static bool render_added(const void *outcome, const void *context, qn_answer *answer) {
  const qn_added_structure *added = outcome;
  (void)context;
  snprintf(answer->location, sizeof answer->location, "/v1/structures/%lld", (long long)added->row.id);
  return qn_answer_json(answer, added->created ? 201 : 200, qn_artifacts_json(&added->row, "structures"));
}

static void keep(qn_store *store, const qn_request *request, upload *made, qn_response *response) {
  qn_artifact_row row = {0};
  qn_added_structure added = {0};
  qn_error error;
  qn_status status = convert(made, request, &row, &error);
  qn_idempotency_prepare(request, render_added, NULL);
  if (status == QN_OK)
    status = qn_store_add_structure(store, &row, made->canonical, made->hash, made->path, request->idempotency, &request->principal, &added, &error);
  qn_idempotency_reply(request, response, status, &error, render_added, &added, NULL);
  unlink(made->path);
  free(made->canonical);
  free(made->details);
  qn_artifact_row_fini(&added.row);
}

void qn_check_upload_structure(const qn_request *request, qn_faults *faults) {
  qn_upload_spec spec;
  qn_upload_of_request(&spec, request, false, faults);
}

void qn_upload_structure(qn_store *store, const qn_request *request, qn_response *response) {
  upload *made = calloc(1, sizeof *made);
  const qn_error error = {QN_NO_MEMORY, "no memory for a structure"};
  if (made == NULL) {
    qn_problem_from_error(response, request, &error);
  } else if (qn_artifacts_is_file(request, response)) {
    qn_upload_of_request(&made->spec, request, false, NULL);
    keep(store, request, made, response);
  }
  free(made);
}

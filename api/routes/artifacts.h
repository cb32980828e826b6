/* What structures (snapshots), trajectories and the thermo series have in common: they are artifacts of a simulation, rows with a file. `kind` is
 * that of the row, `collection` the part of the URL: "structures" or "trajectories". */
#ifndef QN_API_ROUTES_ARTIFACTS_H
#define QN_API_ROUTES_ARTIFACTS_H

#include "api/routes/handlers.h"

json_t *qn_artifacts_json(const qn_artifact_row *row, const char *collection);

void qn_artifacts_list(qn_store *store, const qn_request *request, const char *kind, const char *collection,
                       qn_response *response);
void qn_artifacts_get(qn_store *store, const qn_request *request, const char *kind, const char *collection,
                      qn_response *response);

/* May a request's body be a file as it is? False with a 415: JSON and the parts of a form are none. An empty one is refused too. */
bool qn_artifacts_is_file(const qn_request *request, qn_response *response);

/* An artifact of one kind by the identifier in the path; false with `response` filled when there is none. The caller owns `row` then. */
bool qn_artifacts_find(qn_store *store, const qn_request *request, const char *kind, qn_artifact_row *row,
                       qn_response *response);

/* Open an artifact's file; false with `response` filled. `path` holds 4096 bytes. */
bool qn_artifacts_open(qn_store *store, const qn_request *request, const qn_artifact_row *row, int *descriptor,
                       int64_t *size, char *path, qn_response *response);

/* The whole file of an artifact with its hash as ETag, under a name for saving. */
void qn_artifacts_send(qn_store *store, const qn_request *request, const qn_artifact_row *row, const char *type,
                       const char *name, qn_response *response);

#endif

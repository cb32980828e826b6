/* Snapshots of simulations as structures. */
#include <stdio.h>

#include "api/routes/artifacts.h"

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
  snprintf(name, sizeof name, "simulation-%lld-stage-%d-%.6gK.xyz", (long long)row.simulation, row.stage,
           row.temperature_k);
  qn_artifacts_send(store, request, &row, "chemical/x-xyz", name, response);
  qn_artifact_row_fini(&row);
}

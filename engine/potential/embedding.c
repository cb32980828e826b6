#include "engine/potential/embedding.h"

#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/potential/spline.h"

qn_status qn_embedding_init(qn_embedding *embedding, const qn_system *system, qn_error *error) {
  const qn_eam *eam = system->eam;
  *embedding = (qn_embedding){.intervals = eam->rho_points - 1, .scale = 1.0 / eam->rho_step, .last = (eam->rho_points - 1) * eam->rho_step};
  for (int a = 0; a < eam->species_count; a++) {
    embedding->knots[a] = qn_memory_alloc(2 * (size_t)eam->rho_points, sizeof(double));
    if (embedding->knots[a] == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
    qn_spline_knots(eam->rho_points, eam->embedding + (size_t)a * (size_t)eam->rho_points, embedding->knots[a]);
  }
  return QN_OK;
}

void qn_embedding_fini(qn_embedding *embedding) {
  for (int a = 0; a < QN_MAX_SPECIES; a++) free(embedding->knots[a]);
  *embedding = (qn_embedding){0};
}

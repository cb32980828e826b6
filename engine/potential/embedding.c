#include "engine/potential/embedding.h"

#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/potential/spline.h"

qn_status qn_embedding_init(qn_embedding *embedding, const qn_system *system, qn_error *error) {
  const qn_eam *eam = system->eam;
  *embedding = (qn_embedding){.intervals = eam->rho_points - 1, .scale = 1.0 / eam->rho_step, .last = (eam->rho_points - 1) * eam->rho_step};
  const size_t points = (size_t)eam->rho_points, species = (size_t)eam->species_count;
  embedding->knots = qn_memory_alloc(2 * species * points, sizeof(double));
  if (embedding->knots == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the tables of the potential");
  for (size_t a = 0; a < species; a++) qn_spline_knots(eam->rho_points, eam->embedding + a * points, embedding->knots + 2 * a * points);
  return QN_OK;
}

void qn_embedding_fini(qn_embedding *embedding) {
  free(embedding->knots);
  *embedding = (qn_embedding){0};
}

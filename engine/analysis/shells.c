#include "engine/analysis/shells.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/radial.h"
#include "engine/base/memory.h"

enum { FRAMES = 8, NEIGHBOURS = 4096 };
static const double BIN = 0.05, LONGEST = 7; /* A */

qn_status qn_shells_find(qn_shells *shells, double given, const qn_frame *frames, int count, int threads, qn_error *error) {
  int species = frames[0].species_count, bins = (int)lround(LONGEST / BIN), kinds = species * (species + 1) / 2 + 1;
  *shells = (qn_shells){.species_count = species};
  qn_pairs pairs = {0};
  double *g = qn_memory_alloc((size_t)(kinds * bins), sizeof *g), *sum = qn_memory_alloc((size_t)(kinds * bins), sizeof *sum);
  qn_status status = g == NULL || sum == NULL ? qn_error_set(error, QN_NO_MEMORY, "out of memory") : QN_OK;
  for (int f = 0; f < count && f < FRAMES && status == QN_OK && given <= 0; f++) {
    status = qn_radial_measure(&pairs, &frames[f], BIN, bins, threads, g, error);
    for (int e = 0; e < kinds * bins && status == QN_OK; e++) sum[e] += g[e];
  }
  for (int s = 0; s < species && status == QN_OK; s++)
    for (int t = 0; t < species; t++) {
      double maximum, minimum = given;
      if (given <= 0) qn_radial_shell(sum + qn_radial_pair(s, t, species) * bins, BIN, bins, &maximum, &minimum);
      shells->cutoff[s][t] = isnan(minimum) ? 0 : minimum;
      shells->longest = fmax(shells->longest, shells->cutoff[s][t]);
    }
  qn_pairs_fini(&pairs);
  free(g);
  free(sum);
  return status;
}

qn_status qn_shells_count(const qn_shells *shells, qn_pairs *pairs, const qn_frame *frame, int threads, int16_t *number, qn_error *error) {
  int species = shells->species_count;
  memset(number, 0, (size_t)frame->count * (size_t)species * sizeof *number);
  if (!(shells->longest > 0)) return QN_OK;
  qn_status status = qn_pairs_build(pairs, frame, shells->longest, error);
  if (status != QN_OK) return status;
  bool crowded = false;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads) reduction(|| : crowded)
  for (int64_t i = 0; i < frame->count; i++) {
    qn_neighbour near[NEIGHBOURS];
    int64_t found = qn_pairs_of(pairs, i, near, NEIGHBOURS);
    crowded = crowded || found > NEIGHBOURS;
    int16_t *own = number + i * species;
    for (int64_t k = 0; k < found && k < NEIGHBOURS; k++) {
      double cutoff = shells->cutoff[frame->type[i]][near[k].type];
      own[near[k].type] = (int16_t)(own[near[k].type] + (near[k].square < cutoff * cutoff));
    }
  }
  if (!crowded) return QN_OK;
  return qn_error_set(error, QN_UNSUPPORTED, "an atom has more than %d neighbours within %g A", NEIGHBOURS, shells->longest);
}

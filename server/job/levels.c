#include "server/job/levels.h"

#include <math.h>
#include <stdlib.h>

/* The levels of one stage behind those that are there. */
static void add_levels(const qn_protocol *protocol, int index, double temperature, int64_t begin, qn_knowledge surfaces, qn_thermo_level *levels, int *count) {
  const qn_stage *stage = &protocol->stages[index];
  bool nve = stage->ensemble == QN_ENSEMBLE_NVE, ramp = stage->kind == QN_STAGE_QUENCH && stage->step == 0.0;
  int64_t before = 0;
  for (int l = 0; l < qn_stage_levels(stage, temperature); l++) {
    int64_t end = qn_stage_level_end(stage, temperature, protocol->timestep, l);
    double target = qn_stage_level_target(stage, temperature, l);
    levels[(*count)++] = (qn_thermo_level){.stage = index,
                                           .begin = begin + before,
                                           .end = begin + end,
                                           .from = nve ? (double)NAN : ramp ? temperature : target,
                                           .to = nve ? (double)NAN : target,
                                           .pressure = stage->ensemble == QN_ENSEMBLE_NPT ? stage->pressure : (double)NAN,
                                           .surfaces = surfaces};
    before = end;
  }
}

qn_status qn_levels_list(const qn_simulation_spec *spec, int stage, qn_knowledge surfaces, qn_thermo_level **levels, int *count, qn_error *error) {
  const qn_protocol *protocol = &spec->protocol;
  double temperature = qn_spec_start_temperature(spec);
  int room = 0;
  for (int s = 0; s < protocol->stage_count; s++) {
    room += qn_stage_levels(&protocol->stages[s], temperature);
    temperature = qn_stage_final_target(&protocol->stages[s], temperature);
  }
  *count = 0;
  *levels = calloc((size_t)room + 1, sizeof **levels);
  if (*levels == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the levels of a run");
  temperature = qn_spec_start_temperature(spec);
  int64_t begin = 0;
  for (int s = 0; s < protocol->stage_count; s++) {
    if (protocol->stages[s].kind == QN_STAGE_SURFACE) surfaces = QN_YES;
    if (stage < 0 || stage == s) add_levels(protocol, s, temperature, begin, surfaces, *levels, count);
    begin += qn_stage_steps(&protocol->stages[s], temperature, protocol->timestep);
    temperature = qn_stage_final_target(&protocol->stages[s], temperature);
  }
  return QN_OK;
}

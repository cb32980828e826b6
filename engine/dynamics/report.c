#include <string.h>

#include "engine/base/units.h"
#include "engine/dynamics/run_state.h"

/* Positions are unwrapped once, however many streams are due. */
static qn_status report_frames(qn_run *run, const qn_stage *stage, qn_error *error) {
  const qn_atoms *atoms = run->atoms;
  int64_t count = atoms->count;
  qn_frame frame = {.step = run->state.step,
                    .time = qn_run_time(run),
                    .temperature = qn_integrator_temperature(&run->integrator),
                    .box = *run->box,
                    .count = count,
                    .species_count = atoms->species_count,
                    .species = atoms->species,
                    .type = atoms->type};
  bool unwrapped = false;
  qn_status status = QN_OK;
  for (int k = 0; k < stage->sampling_count && status == QN_OK; k++) {
    if (!qn_sampling_due(&stage->samplings[k], run->state.offset, run->protocol.timestep)) continue;
    for (int a = 0; a < 3; a++) frame.r[a] = run->unwrapped + a * count;
    if (!unwrapped) {
#pragma omp parallel for schedule(static) num_threads(run->threads)
      for (int64_t i = 0; i < count; i++)
        for (int a = 0; a < 3; a++) frame.r[a][i] = atoms->r[a][i] + atoms->image[a][i] * frame.box.length[a];
    }
    unwrapped = true;
    status = run->callbacks.frame(run->callbacks.context, run->state.stage, k, &frame, error);
  }
  return status;
}

static qn_status report_thermo(qn_run *run, qn_error *error) {
  const qn_run_state *state = &run->state;
  const double *twice_kinetic = run->integrator.state.twice_kinetic, *virial = state->force.virial;
  double volume = qn_box_volume(run->box);
  double trace = twice_kinetic[0] + twice_kinetic[1] + twice_kinetic[2] + virial[0] + virial[1] + virial[2];
  qn_thermo row = {.stage = state->stage,
                   .step = state->step,
                   .time = qn_run_time(run),
                   .temperature = qn_integrator_temperature(&run->integrator),
                   .potential_energy = state->force.energy,
                   .kinetic_energy = qn_integrator_kinetic(&run->integrator),
                   .conserved = qn_integrator_conserved(&run->integrator, state->force.energy, volume),
                   .pressure = trace / (3.0 * volume) * QN_EV_A3_GPA,
                   .volume = volume};
  memcpy(row.length, run->box->length, sizeof row.length);
  return run->callbacks.thermo(run->callbacks.context, &row, error);
}

bool qn_run_due(int64_t offset, double interval, double timestep) {
  int64_t every = qn_interval_steps(interval, timestep);
  return every > 0 && offset % every == 0;
}

qn_status qn_run_report(qn_run *run, qn_error *error) {
  const qn_stage *stage = qn_run_present(run);
  qn_status status = QN_OK;
  if (run->callbacks.frame != NULL && stage->sampling_count > 0) status = report_frames(run, stage, error);
  if (status == QN_OK && run->callbacks.thermo != NULL && qn_run_due(run->state.offset, stage->thermo_every, run->protocol.timestep))
    status = report_thermo(run, error);
  return status;
}

qn_status qn_run_snapshot(qn_run *run, qn_error *error) {
  const qn_stage *stage = qn_run_present(run);
  if (!stage->snapshot || run->callbacks.snapshot == NULL) return QN_OK;
  qn_integrator_settle(&run->integrator, run->atoms);
  qn_snapshot snapshot = {.stage = run->state.stage,
                          .temperature = qn_run_target(run),
                          .time = qn_run_time(run),
                          .step = run->state.step,
                          .atoms = run->atoms,
                          .box = *run->box};
  bool means = stage->kind != QN_STAGE_SURFACE && stage->ensemble == QN_ENSEMBLE_NPT;
  memcpy(snapshot.mean_length, means ? run->state.mean_length : run->box->length, sizeof snapshot.mean_length);
  return run->callbacks.snapshot(run->callbacks.context, &snapshot, error);
}

#include "engine/dynamics/run.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/number.h"
#include "engine/base/units.h"
#include "engine/dynamics/run_state.h"
#include "engine/model/surface.h"

const qn_stage *qn_run_present(const qn_run *run) { return &run->protocol.stages[run->state.stage]; }

double qn_run_time(const qn_run *run) { return qn_number_round((double)run->state.step * run->protocol.timestep); }

bool qn_run_ramps(const qn_run *run) {
  const qn_stage *stage = qn_run_present(run);
  return stage->kind == QN_STAGE_QUENCH && stage->step == 0.0 && qn_stage_levels(stage, run->state.base) == 1;
}

/* A linear ramp's target at the present offset; a level's otherwise. */
double qn_run_target(const qn_run *run) {
  const qn_stage *stage = qn_run_present(run);
  const qn_run_state *state = &run->state;
  int levels = qn_stage_levels(stage, state->base);
  if (qn_run_ramps(run)) {
    int64_t end = qn_stage_level_end(stage, state->base, run->protocol.timestep, 0);
    return end == 0 ? stage->to : state->base + (stage->to - state->base) * ((double)state->offset / (double)end);
  }
  return state->level < levels ? qn_stage_level_target(stage, state->base, state->level) : qn_stage_final_target(stage, state->base);
}

static int64_t level_begin(const qn_run *run) {
  if (run->state.level == 0) return 0;
  return qn_stage_level_end(qn_run_present(run), run->state.base, run->protocol.timestep, run->state.level - 1);
}

static int64_t level_end(const qn_run *run) {
  return qn_stage_level_end(qn_run_present(run), run->state.base, run->protocol.timestep, run->state.level);
}

static bool level_left(const qn_run *run) { return run->state.level < qn_stage_levels(qn_run_present(run), run->state.base); }

static void drop_force(qn_run *run) {
  qn_force_free(run->force);
  run->force = NULL;
  run->state.force_known = false;
}

qn_status qn_run_new_force(qn_run *run, qn_error *error) {
  drop_force(run);
  qn_force_options options = {.precision = run->protocol.precision, .threads = run->threads};
  return qn_force_alloc(&run->force, run->potential, run->atoms, run->box, &options, error);
}

/* What a step needs besides forces. */
typedef enum need { FORCES, PRESSURE, EVERYTHING } need;

/* What is not needed is zero. */
static qn_status compute_force(qn_run *run, need what, qn_error *error) {
  qn_force_result *result = &run->state.force;
  *result = (qn_force_result){0};
  qn_status status = what == PRESSURE ? qn_force_compute_pressure(run->force, run->box, run->atoms, result->virial, error)
                                      : qn_force_compute(run->force, run->box, run->atoms, what == FORCES ? NULL : result, NULL, error);
  run->state.force_known = status == QN_OK;
  return status;
}

/* The box takes the mean lengths and the atoms go along. */
static void scale_to_means(qn_run *run) {
  qn_atoms *atoms = run->atoms;
  for (int a = 0; a < 3; a++) {
    double origin = run->box->origin[a], factor = run->state.mean_length[a] / run->box->length[a];
    double *r = atoms->r[a];
    int64_t count = atoms->count;
#pragma omp parallel for schedule(static) num_threads(run->threads)
    for (int64_t i = 0; i < count; i++) r[i] = origin + (r[i] - origin) * factor;
    run->box->length[a] = run->state.mean_length[a];
  }
}

static void begin_means(qn_run_state *state) {
  memset(state->mean_sum, 0, sizeof state->mean_sum);
  state->mean_count = 0;
}

qn_integrator_settings qn_run_settings(const qn_run *run) {
  const qn_stage *stage = qn_run_present(run);
  return (qn_integrator_settings){.ensemble = stage->ensemble,
                                  .anisotropic = stage->anisotropic,
                                  .timestep = run->protocol.timestep,
                                  .temperature = qn_run_target(run),
                                  .pressure = stage->pressure / QN_EV_A3_GPA,
                                  .thermostat_time = stage->thermostat_time,
                                  .barostat_time = stage->barostat_time};
}

static qn_status enter_surface(qn_run *run, qn_error *error) {
  const qn_stage *stage = qn_run_present(run);
  qn_integrator_settle(&run->integrator, run->atoms);
  drop_force(run);
  run->state.mean_known = false;
  return qn_surface_cut(run->atoms, run->box, stage->axis, stage->vacuum, error);
}

static qn_status enter_timed(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  if (qn_run_present(run)->mean_volume) {
    scale_to_means(run);
    drop_force(run);
  }
  qn_status status = run->force == NULL ? qn_run_new_force(run, error) : QN_OK;
  if (status == QN_OK && !state->force_known) status = compute_force(run, EVERYTHING, error);
  if (status != QN_OK) return status;

  qn_integrator_settings settings = qn_run_settings(run);
  qn_integrator_start(&run->integrator, &settings, run->atoms);
  memcpy(state->start_length, run->box->length, sizeof state->start_length);
  state->start_temperature = qn_integrator_temperature(&run->integrator);
  state->drift_known = false;
  status = qn_run_watch(run, error);
  return status == QN_OK ? qn_run_watch_drift(run, error) : status;
}

static qn_status enter_stage(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  state->offset = 0;
  state->level = 0;
  begin_means(state);
  bool surface = qn_run_present(run)->kind == QN_STAGE_SURFACE;
  qn_status status = surface ? enter_surface(run, error) : enter_timed(run, error);
  state->entered = status == QN_OK;
  return status;
}

static qn_status finish_level(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  if (qn_run_present(run)->ensemble == QN_ENSEMBLE_NPT) {
    for (int a = 0; a < 3; a++)
      state->mean_length[a] = state->mean_count > 0 ? state->mean_sum[a] / (double)state->mean_count : run->box->length[a];
    state->mean_known = true;
  }
  qn_status status = qn_run_snapshot(run, error);
  begin_means(state);
  state->drift_known = false; /* another target, another conserved quantity */
  state->level++;
  return status;
}

static qn_status finish_stage(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  const qn_stage *stage = qn_run_present(run);
  qn_status status = qn_stage_levels(stage, state->base) == 0 ? qn_run_snapshot(run, error) : QN_OK;
  state->base = qn_stage_final_target(stage, state->base);
  state->entered = false;
  state->offset = 0;
  state->level = 0;
  state->stage++;
  return status;
}

static void add_means(qn_run *run) {
  qn_run_state *state = &run->state;
  int64_t begin = level_begin(run), end = level_end(run);
  if (2 * (state->offset - begin) <= end - begin) return;
  for (int a = 0; a < 3; a++) state->mean_sum[a] += run->box->length[a];
  state->mean_count++;
}

/* Energy and virial for a thermo row, and where a stage or level ends, since the next may need them from its start; the pressure for the barostat.
 * Decided by the protocol and the step alone, so that a resumed run decides alike. */
static need need_of(const qn_run *run) {
  const qn_stage *stage = qn_run_present(run);
  if (run->state.offset >= level_end(run) || qn_run_due(run->state.offset, stage->thermo_every, run->protocol.timestep)) return EVERYTHING;
  return stage->ensemble == QN_ENSEMBLE_NPT ? PRESSURE : FORCES;
}

static qn_status one_step(qn_run *run, qn_error *error) {
  qn_run_state *state = &run->state;
  state->step++;
  state->offset++;
  run->integrator.settings.temperature = qn_run_target(run);
  qn_integrator_first(&run->integrator, run->atoms, run->box, state->force.virial);
  const need what = need_of(run);
  qn_status status = qn_run_watch_box(run, error);
  if (status == QN_OK) status = compute_force(run, what, error);
  if (status != QN_OK) return status;
  qn_integrator_second(&run->integrator, run->atoms, run->box, state->force.virial);
  add_means(run);
  status = qn_run_watch(run, error);
  return status == QN_OK && what == EVERYTHING ? qn_run_watch_drift(run, error) : status;
}

static const char *stage_name(const qn_stage *stage) {
  static const char *const ensembles[] = {"nve", "nvt", "npt"};
  return stage->kind == QN_STAGE_SURFACE ? "surface" : ensembles[stage->ensemble];
}

/* Say where the run was when something in it went wrong. */
static qn_status locate(const qn_run *run, qn_status status, qn_error *error) {
  if (status == QN_OK) return QN_OK;
  static const char *const kinds[] = {"hold ", "quench ", ""};
  const qn_stage *stage = qn_run_present(run);
  return qn_error_prefix(error, "stages[%d] (%s%s), step %lld, %.6g ps", run->state.stage, kinds[stage->kind], stage_name(stage),
                         (long long)run->state.step, qn_run_time(run));
}

/* Everything due that takes no time, up to the next step or the end. */
static qn_status settle_stages(qn_run *run, qn_error *error) {
  qn_status status = QN_OK;
  while (status == QN_OK && run->state.stage < run->protocol.stage_count) {
    if (!run->state.entered) {
      status = locate(run, enter_stage(run, error), error);
      if (status == QN_OK && qn_run_present(run)->kind != QN_STAGE_SURFACE) status = qn_run_report(run, error);
    } else if (!level_left(run)) {
      status = finish_stage(run, error);
    } else if (run->state.offset == level_end(run)) {
      status = finish_level(run, error);
    } else {
      break;
    }
  }
  return status;
}

qn_status qn_run_advance(qn_run *run, int64_t steps, qn_error *error) {
  qn_status status = run->failure.status;
  if (status == QN_OK) status = settle_stages(run, &run->failure);
  for (; status == QN_OK && steps > 0 && !qn_run_done(run); steps--) {
    status = locate(run, one_step(run, &run->failure), &run->failure);
    if (status == QN_OK) status = qn_run_report(run, &run->failure);
    if (status == QN_OK) status = settle_stages(run, &run->failure);
  }
  qn_integrator_settle(&run->integrator, run->atoms);
  if (status == QN_OK) return QN_OK;
  run->failure.status = status; /* a callback may have left the message alone */
  if (error != NULL) *error = run->failure;
  return status;
}

static bool samples(const qn_protocol *protocol) {
  for (int s = 0; s < protocol->stage_count; s++)
    if (protocol->stages[s].kind != QN_STAGE_SURFACE && protocol->stages[s].sampling_count > 0) return true;
  return false;
}

static qn_status prepare(qn_run *run, qn_error *error) {
  qn_status status = qn_integrator_init(&run->integrator, run->atoms, run->threads, error);
  if (status != QN_OK) return status;
  if (samples(&run->protocol)) {
    run->unwrapped = qn_memory_alloc((size_t)run->atoms->count, 3 * sizeof(double));
    if (run->unwrapped == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a frame");
  }
  /* A box too small for the potential is refused here, unless a surface comes first and opens it. */
  return qn_run_present(run)->kind == QN_STAGE_SURFACE ? QN_OK : qn_run_new_force(run, error);
}

qn_status qn_run_alloc(qn_run **run, const qn_protocol *protocol, const qn_eam *potential, qn_atoms *atoms, qn_box *box,
                       const double *mean_length, double temperature, int threads, const qn_run_callbacks *callbacks, qn_error *error) {
  *run = NULL;
  if (threads < 1) return qn_error_set(error, QN_INVALID, "%d threads; at least 1 is needed", threads);
  qn_status status = qn_protocol_check(protocol, temperature, mean_length != NULL, error);
  if (status != QN_OK) return status;
  for (int a = 0; a < 3 && mean_length != NULL; a++)
    if (!(mean_length[a] > 0.0 && mean_length[a] < 1e9))
      return qn_error_set(error, QN_INVALID, "mean length %g A along %c; a length above 0 is needed", mean_length[a], "xyz"[a]);

  qn_run *made = qn_memory_alloc(1, sizeof *made);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for a run");
  qn_force_options options = {.precision = protocol->precision, .threads = threads};
  made->protocol = *protocol;
  made->potential = potential;
  made->atoms = atoms;
  made->box = box;
  made->callbacks = callbacks != NULL ? *callbacks : (qn_run_callbacks){0};
  made->steps = qn_protocol_steps(protocol, temperature);
  made->threads = threads;
  made->smallest_length = qn_force_smallest_length(potential, &options);
  made->state.base = temperature;
  made->state.mean_known = mean_length != NULL;
  if (mean_length != NULL) memcpy(made->state.mean_length, mean_length, sizeof made->state.mean_length);

  status = prepare(made, error);
  if (status != QN_OK) {
    qn_run_free(made);
    return status;
  }
  *run = made;
  return QN_OK;
}

void qn_run_free(qn_run *run) {
  if (run == NULL) return;
  qn_force_free(run->force);
  qn_integrator_fini(&run->integrator);
  free(run->unwrapped);
  free(run);
}

const char *qn_run_arithmetic(void) {
#if defined __x86_64__
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "x86-64-fma" : "x86-64";
#else
  return "other";
#endif
}

bool qn_run_done(const qn_run *run) { return run->state.stage == run->protocol.stage_count; }
int64_t qn_run_step(const qn_run *run) { return run->state.step; }
int64_t qn_run_steps(const qn_run *run) { return run->steps; }
int qn_run_stage(const qn_run *run) { return run->state.stage; }

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/dynamics/run_state.h"

enum { VERSION = 3 };

/* One walk over the state serves counting, saving and loading, so that the three cannot differ. */
typedef struct archive {
  enum { COUNTING, SAVING, LOADING } mode;
  unsigned char *at; /* LOADING only reads there */
  size_t size;       /* counted, or left to read */
  bool torn;
} archive;

static void bytes(archive *ar, void *value, size_t size) {
  if (ar->mode == COUNTING) {
    ar->size += size;
    return;
  }
  if (ar->mode == LOADING) {
    if (ar->torn || size > ar->size) {
      ar->torn = true;
      return;
    }
    memcpy(value, ar->at, size);
    ar->size -= size;
  } else {
    memcpy(ar->at, value, size);
  }
  ar->at += size;
}

static void flag(archive *ar, bool *value) {
  unsigned char byte = *value;
  bytes(ar, &byte, 1);
  if (ar->mode == LOADING) *value = byte == 1;
  if (ar->mode == LOADING && byte > 1) ar->torn = true;
}

#define VALUE(ar, x) bytes(ar, &(x), sizeof(x))

static void walk_state(archive *ar, qn_run_state *state, qn_integrator_state *integrator) {
  int32_t stage = state->stage, level = state->level;
  VALUE(ar, state->step);
  VALUE(ar, state->offset);
  VALUE(ar, stage);
  VALUE(ar, level);
  flag(ar, &state->entered);
  flag(ar, &state->mean_known);
  flag(ar, &state->force_known);
  VALUE(ar, state->base);
  VALUE(ar, state->mean_sum);
  VALUE(ar, state->mean_count);
  VALUE(ar, state->mean_length);
  VALUE(ar, state->start_length);
  VALUE(ar, state->start_temperature);
  flag(ar, &state->drift_known);
  VALUE(ar, state->drift_energy);
  VALUE(ar, state->drift_step);
  VALUE(ar, state->force.energy);
  VALUE(ar, state->force.virial);
  VALUE(ar, integrator->twice_kinetic);
  VALUE(ar, integrator->drift);
  VALUE(ar, integrator->pending);
  VALUE(ar, integrator->top_speed);
  VALUE(ar, integrator->chain.position);
  VALUE(ar, integrator->chain.rate);
  VALUE(ar, integrator->barostat.rate);
  VALUE(ar, integrator->barostat.chain.position);
  VALUE(ar, integrator->barostat.chain.rate);
  state->stage = stage;
  state->level = level;
}

static void walk_atoms(archive *ar, qn_atoms *atoms, qn_box *box) {
  size_t count = (size_t)atoms->count;
  VALUE(ar, box->origin);
  VALUE(ar, box->length);
  for (int a = 0; a < 3; a++) {
    bytes(ar, atoms->r[a], count * sizeof(double));
    bytes(ar, atoms->v[a], count * sizeof(double));
    bytes(ar, atoms->f[a], count * sizeof(double));
    bytes(ar, atoms->image[a], count * sizeof(int32_t));
  }
}

static uLong add(uLong crc, const void *data, size_t size) { return crc32_z(crc, data, size); }

#define ADD(x) crc = add(crc, &(x), sizeof(x))

static uLong protocol_crc(const qn_protocol *protocol) {
  uLong crc = crc32(0, NULL, 0);
  ADD(protocol->timestep);
  ADD(protocol->seed);
  ADD(protocol->precision);
  ADD(protocol->stage_count);
  for (int s = 0; s < protocol->stage_count; s++) {
    const qn_stage *stage = &protocol->stages[s];
    ADD(stage->kind), ADD(stage->ensemble), ADD(stage->anisotropic), ADD(stage->mean_volume);
    ADD(stage->temperature), ADD(stage->pressure), ADD(stage->duration);
    ADD(stage->to), ADD(stage->step), ADD(stage->rate);
    ADD(stage->axis), ADD(stage->vacuum);
    ADD(stage->thermostat_time), ADD(stage->barostat_time);
    /* One stream to the end of the stage counts as it always did: states saved before there were several stay good. */
    double every = stage->sampling_count > 0 ? stage->samplings[0].every : 0.0;
    ADD(every), ADD(stage->thermo_every), ADD(stage->snapshot);
    for (int k = 0; k < stage->sampling_count && (stage->sampling_count > 1 || stage->samplings[0].duration > 0.0); k++)
      ADD(stage->samplings[k].every), ADD(stage->samplings[k].duration);
  }
  return crc;
}

static uLong system_crc(const qn_eam *eam, const qn_atoms *atoms) {
  uLong crc = crc32(0, NULL, 0);
  size_t species = (size_t)eam->species_count;
  ADD(eam->species_count), ADD(eam->rho_points), ADD(eam->r_points), ADD(eam->rho_step), ADD(eam->r_step), ADD(eam->cutoff);
  crc = add(crc, eam->embedding, species * (size_t)eam->rho_points * sizeof(double));
  crc = add(crc, eam->density, species * species * (size_t)eam->r_points * sizeof(double));
  crc = add(crc, eam->pair, species * species * (size_t)eam->r_points * sizeof(double));
  ADD(atoms->species_count);
  for (int s = 0; s < atoms->species_count; s++) {
    crc = add(crc, atoms->species[s].symbol, strnlen(atoms->species[s].symbol, QN_SYMBOL_SIZE));
    ADD(atoms->species[s].mass);
  }
  return add(crc, atoms->type, (size_t)atoms->count);
}

/* What a state belongs to. */
typedef struct identity {
  uint32_t version, protocol, system, unused;
  int64_t count;
} identity;

static identity identify(const qn_run *run) {
  return (identity){.version = VERSION,
                    .protocol = (uint32_t)protocol_crc(&run->protocol),
                    .system = (uint32_t)system_crc(run->potential, run->atoms),
                    .count = run->atoms->count};
}

static qn_status check_identity(const identity *theirs, const identity *ours, qn_error *error) {
  if (theirs->version != ours->version)
    return qn_error_set(error, QN_CONFLICT, "the saved state is of version %u, this is version %u", theirs->version, ours->version);
  if (theirs->count != ours->count)
    return qn_error_set(error, QN_CONFLICT, "the saved state is of %lld atoms, these are %lld", (long long)theirs->count,
                        (long long)ours->count);
  if (theirs->system != ours->system)
    return qn_error_set(error, QN_CONFLICT, "the saved state is of another potential or other species");
  if (theirs->protocol != ours->protocol) return qn_error_set(error, QN_CONFLICT, "the saved state is of another protocol");
  return QN_OK;
}

static void walk(archive *ar, qn_run_state *state, qn_integrator_state *integrator, qn_atoms *atoms, qn_box *box) {
  walk_state(ar, state, integrator);
  walk_atoms(ar, atoms, box);
}

qn_status qn_run_save(const qn_run *run, void **data, size_t *size, qn_error *error) {
  *data = NULL;
  *size = 0;
  if (run->failure.status != QN_OK) return qn_error_set(error, QN_INVALID, "a run that has failed cannot be saved: %s", run->failure.message);
  identity who = identify(run);
  /* The walk writes nothing into these but what it read from them. */
  qn_run_state state = run->state;
  qn_integrator_state integrator = run->integrator.state;
  archive ar = {.mode = COUNTING, .size = sizeof who};
  walk(&ar, &state, &integrator, run->atoms, run->box);
  *size = ar.size;
  unsigned char *made = malloc(ar.size);
  if (made == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory to save a run");
  memcpy(made, &who, sizeof who);
  ar = (archive){.mode = SAVING, .at = made + sizeof who};
  walk(&ar, &state, &integrator, run->atoms, run->box);
  *data = made;
  return QN_OK;
}

static bool all_finite(const double *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

static bool good_box(const qn_box *box) {
  for (int a = 0; a < 3; a++)
    if (!isfinite(box->origin[a]) || !isfinite(box->length[a]) || !(box->length[a] > 0.0)) return false;
  return true;
}

/* Whether stage, level, offset and step can have been reached. */
static bool good_place(const qn_run *run, const qn_run_state *state) {
  const qn_protocol *protocol = &run->protocol;
  if (state->stage < 0 || state->stage > protocol->stage_count || state->level < 0 || state->offset < 0) return false;
  double base = run->state.base;
  int64_t before = 0;
  for (int s = 0; s < state->stage; s++) {
    before += qn_stage_steps(&protocol->stages[s], base, protocol->timestep);
    base = qn_stage_final_target(&protocol->stages[s], base);
  }
  if (state->base != base || state->step != before + state->offset) return false;
  if (state->stage == protocol->stage_count || !state->entered) return state->offset == 0 && state->level == 0 && !state->entered;
  const qn_stage *stage = &protocol->stages[state->stage];
  if (state->level >= qn_stage_levels(stage, base)) return false;
  int64_t begin = state->level == 0 ? 0 : qn_stage_level_end(stage, base, protocol->timestep, state->level - 1);
  return state->offset >= begin && state->offset <= qn_stage_level_end(stage, base, protocol->timestep, state->level);
}

static bool good_numbers(const qn_run_state *state, const qn_integrator_state *integrator) {
  for (int a = 0; a < 3; a++)
    if (state->mean_known && !(state->mean_length[a] > 0.0 && isfinite(state->mean_length[a]))) return false;
  return state->mean_count >= 0 && all_finite(state->mean_sum, 3) && all_finite(state->start_length, 3) &&
         isfinite(state->start_temperature) && isfinite(state->drift_energy) && state->drift_step >= 0 &&
         state->drift_step <= state->step && isfinite(state->force.energy) && all_finite(state->force.virial, 6) &&
         all_finite(integrator->twice_kinetic, 3) && all_finite(integrator->drift, 3) && isfinite(integrator->pending) &&
         all_finite(integrator->chain.position, QN_CHAIN_LENGTH) && all_finite(integrator->chain.rate, QN_CHAIN_LENGTH) &&
         all_finite(integrator->barostat.rate, 3) && all_finite(integrator->barostat.chain.position, QN_CHAIN_LENGTH) &&
         all_finite(integrator->barostat.chain.rate, QN_CHAIN_LENGTH);
}

static bool good_atoms(const qn_atoms *atoms) {
  for (int a = 0; a < 3; a++)
    if (!all_finite(atoms->r[a], (size_t)atoms->count) || !all_finite(atoms->v[a], (size_t)atoms->count) ||
        !all_finite(atoms->f[a], (size_t)atoms->count))
      return false;
  return true;
}

/* Put the loaded state to work: settings of the stage, and lists for the atoms. The forces came with the atoms. */
static qn_status resume(qn_run *run, qn_error *error) {
  if (run->state.entered) run->integrator.settings = qn_run_settings(run);
  if (!run->state.force_known) return QN_OK;
  qn_status status = qn_run_new_force(run, error);
  run->state.force_known = status == QN_OK;
  return status;
}

qn_status qn_run_load(qn_run *run, const void *data, size_t size, qn_error *error) {
  identity theirs, ours = identify(run);
  if (size < sizeof theirs) return qn_error_set(error, QN_CORRUPT, "%zu bytes are too few for the state of a run", size);
  memcpy(&theirs, data, sizeof theirs);
  qn_status status = check_identity(&theirs, &ours, error);
  if (status != QN_OK) return status;

  qn_run_state state = {0};
  qn_integrator_state integrator = {0};
  archive ar = {.mode = LOADING, .at = (unsigned char *)(uintptr_t)data + sizeof theirs, .size = size - sizeof theirs};
  walk(&ar, &state, &integrator, run->atoms, run->box);
  if (ar.torn || ar.size != 0)
    status = qn_error_set(error, QN_CORRUPT, "the saved state of a run has the wrong length");
  else if (!good_place(run, &state) || (state.entered && !state.force_known))
    status = qn_error_set(error, QN_CORRUPT, "the saved state of a run is at an impossible place");
  else if (!good_box(run->box) || !good_numbers(&state, &integrator) || !good_atoms(run->atoms))
    status = qn_error_set(error, QN_CORRUPT, "the saved state of a run holds impossible numbers");
  if (status == QN_OK) {
    run->state = state;
    run->integrator.state = integrator;
    status = resume(run, error);
  }
  return status;
}

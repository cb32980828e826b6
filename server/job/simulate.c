#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/structure.h"
#include "engine/model/velocities.h"
#include "engine/trajectory/checkpoint.h"
#include "engine/trajectory/extxyz.h"
#include "server/job/durable.h"
#include "server/job/record.h"
#include "server/log.h"

/* Wall time between two looks at the control, s: how late a cancel or a drain is noticed. */
static const double look_every = 0.1;

typedef struct start {
  qn_atoms atoms;
  qn_box box;
  double mean_length[3];
  bool has_mean;
  double temperature;
} start;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void qn_job_output_fini(qn_job_output *output) {
  free(output->artifacts);
  memset(output, 0, sizeof *output);
}

static qn_status begin(const qn_job_simulation *job, start *s, qn_error *error) {
  const qn_simulation_spec *spec = job->spec;
  memset(s, 0, sizeof *s);
  s->temperature = qn_spec_start_temperature(spec);
  if (spec->initial == QN_INITIAL_LATTICE) {
    qn_lattice lattice = spec->lattice; /* a stored spec does not say masses: they are the potential's */
    for (int i = 0; i < lattice.species_count; i++) {
      int known = qn_eam_find_species(job->potential, lattice.species[i].symbol);
      if (known < 0) return qn_error_set(error, QN_INVALID, "the potential does not know %s", lattice.species[i].symbol);
      lattice.species[i].mass = job->potential->species[known].mass;
    }
    qn_status status = qn_lattice_build(&lattice, spec->protocol.seed, &s->atoms, &s->box, error);
    return status == QN_OK ? qn_velocities_maxwell(&s->atoms, s->temperature, spec->protocol.seed, error) : status;
  }
  if (job->snapshot_path == NULL) return qn_error_set(error, QN_INVALID, "the simulation starts from a structure, and none was given");
  qn_extxyz structure = {0};
  qn_status status =
      qn_extxyz_read(&structure, job->snapshot_path, job->potential->species, job->potential->species_count, error);
  bool draws = spec->initial == QN_INITIAL_STRUCTURE && spec->velocities == QN_START_VELOCITIES_DRAW;
  if (status == QN_OK && draws)
    status = qn_velocities_maxwell(&structure.atoms, s->temperature, spec->protocol.seed, error);
  else if (status == QN_OK && !structure.has_velocities)
    status = qn_error_set(error, QN_INVALID, "%s has no velocities", job->snapshot_path);
  if (status == QN_OK) {
    s->has_mean = qn_extxyz_numbers(&structure, "Mean_lengths", 3, s->mean_length);
    s->atoms = structure.atoms;
    s->box = structure.box;
    memset(&structure.atoms, 0, sizeof structure.atoms);
  }
  qn_extxyz_fini(&structure);
  return status;
}

typedef struct progress {
  const qn_job_simulation *job;
  const qn_job_control *control;
  qn_run *run;
  qn_record *record;
  char hash[QN_HASH_SIZE];       /* of the spec: a checkpoint of another one is not for us */
  char checkpoint[QN_PATH_SIZE];
} progress;

static qn_status save(const progress *p, qn_error *error) {
  char *files = NULL;
  void *state = NULL;
  size_t size = 0;
  qn_status status = qn_record_save(p->record, &files, error);
  if (status == QN_OK) status = qn_run_save(p->run, &state, &size, error);
  if (status == QN_OK) {
    const qn_checkpoint_part parts[] = {
        {"spec", p->hash, strlen(p->hash)}, {"files", files, strlen(files)}, {"run", state, size}};
    status = qn_checkpoint_write(p->checkpoint, parts, 3, error);
  }
  free(files);
  free(state);
  return status == QN_OK ? QN_OK : qn_error_prefix(error, "checkpoint");
}

/* Load the checkpoint in folder `from`: QN_NOT_FOUND when there is none. After any other failure the run has to be made anew. */
static qn_status load(progress *p, const char *from, qn_error *error) {
  char path[QN_PATH_SIZE];
  qn_checkpoint found = {0};
  qn_status status = qn_durable_join(path, from, "checkpoint", error);
  if (status == QN_OK) status = qn_checkpoint_read(&found, path, error);
  if (status != QN_OK) return status;
  const qn_checkpoint_part *spec = qn_checkpoint_find(&found, "spec"), *files = qn_checkpoint_find(&found, "files"),
                           *run = qn_checkpoint_find(&found, "run");
  if (spec == NULL || files == NULL || run == NULL) status = qn_error_set(error, QN_CORRUPT, "%s lacks a part", path);
  else if (spec->size != strlen(p->hash) || memcmp(spec->data, p->hash, spec->size) != 0)
    status = qn_error_set(error, QN_CONFLICT, "%s is of another simulation", path);
  if (status == QN_OK) status = qn_record_resume(p->record, files->data, files->size, from, error);
  if (status == QN_OK) status = qn_run_load(p->run, run->data, run->size, error);
  qn_checkpoint_fini(&found);
  return status;
}

static qn_status advance(const progress *p, qn_error *error) {
  const qn_job_control *control = p->control;
  double saved = now();
  int64_t steps = 1;
  while (!qn_run_done(p->run)) {
    int stage = qn_run_stage(p->run);
    double before = now();
    qn_status status = qn_run_advance(p->run, steps, error);
    if (status != QN_OK) return status;
    double took = now() - before;
    if (took < look_every / 2 && steps < 100000) steps *= 2;
    else if (took > look_every && steps > 1) steps /= 2;

    bool due = qn_run_stage(p->run) != stage || qn_run_done(p->run);
    if (control != NULL && control->checkpoint_s > 0 && now() - saved >= control->checkpoint_s) due = true;
    if (due) {
      status = save(p, error);
      if (status != QN_OK) return status;
      saved = now();
    }
    if (control == NULL || control->check == NULL || qn_run_done(p->run)) continue;
    int64_t all = qn_run_steps(p->run);
    status = control->check(control->context, all > 0 ? (double)qn_run_step(p->run) / (double)all : 1, error);
    if (status == QN_OK) continue;
    qn_error ignored;
    if (status == QN_UNAVAILABLE && !due && save(p, &ignored) != QN_OK)
      qn_log("warning", "the work since the last checkpoint is lost: %s", ignored.message);
    return status;
  }
  return QN_OK;
}

/* A fresh run and record. */
static qn_status prepare(progress *p, start *s, qn_job_output *output, qn_error *error) {
  qn_run_free(p->run);
  qn_record_free(p->record);
  p->run = NULL;
  p->record = NULL;
  qn_atoms_fini(&s->atoms);
  output->count = 0;
  qn_status status = begin(p->job, s, error);
  if (status != QN_OK) return status;
  output->atoms = s->atoms.count;
  qn_composition_of_atoms(&s->atoms, output->composition);
  const qn_frame template = {.count = s->atoms.count, .species_count = s->atoms.species_count, .species = s->atoms.species,
                             .type = s->atoms.type, .box = s->box};
  status = qn_record_alloc(&p->record, p->job->spec, p->hash, p->job->directory, &template, output, error);
  if (status != QN_OK) return status;
  const qn_run_callbacks callbacks = qn_record_callbacks(p->record);
  return qn_run_alloc(&p->run, &p->job->spec->protocol, p->job->potential, &s->atoms, &s->box, s->has_mean ? s->mean_length : NULL,
                      s->temperature, p->job->threads, &callbacks, error);
}

/* Own folder first, then the earlier ones; what cannot be used is passed over and said in the log. */
static qn_status resume(progress *p, start *s, qn_job_output *output, qn_error *error) {
  const char *from = p->job->directory;
  for (int next = 0; from != NULL; from = p->job->earlier != NULL ? p->job->earlier[next++] : NULL) {
    qn_error why;
    qn_status status = load(p, from, &why);
    if (status == QN_OK) {
      output->resumed_step = qn_run_step(p->run);
      qn_log("info", "%s goes on from step %lld of %lld", from, (long long)output->resumed_step, (long long)qn_run_steps(p->run));
      return QN_OK;
    }
    if (status == QN_NOT_FOUND) continue;
    qn_log("warning", "a checkpoint is passed over: %s", why.message);
    status = prepare(p, s, output, error);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

qn_status qn_job_simulate(const qn_job_simulation *job, const qn_job_control *control, qn_job_output *output, qn_error *error) {
  memset(output, 0, sizeof *output);
  progress p = {.job = job, .control = control};
  start s = {0};
  qn_status status = qn_durable_make(job->directory, error);
  if (status == QN_OK) status = qn_durable_join(p.checkpoint, job->directory, "checkpoint", error);
  char *canonical = status == QN_OK ? qn_spec_render_simulation(job->spec, p.hash) : NULL;
  if (status == QN_OK && canonical == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  free(canonical);
  if (status == QN_OK) status = prepare(&p, &s, output, error);
  if (status == QN_OK) status = resume(&p, &s, output, error);
  if (status == QN_OK) status = advance(&p, error);
  if (status == QN_OK) status = qn_record_finish(p.record, error);
  qn_run_free(p.run);
  qn_record_free(p.record);
  qn_atoms_fini(&s.atoms);
  return status;
}

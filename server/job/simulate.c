#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/structure.h"
#include "engine/base/version.h"
#include "engine/model/velocities.h"
#include "engine/trajectory/checkpoint.h"
#include "engine/trajectory/extxyz.h"
#include "server/clock.h"
#include "server/job/durable.h"
#include "server/job/record.h"
#include "server/log.h"

/* Wall time between two looks at the control, s: how late a cancel or a drain is noticed. */
static const double look_every = 0.1;
/* The first checkpoint of an attempt comes after this time, s, the next after twice that, and so on: however often a machine dies, some work
 * is kept each time. */
static const double first_checkpoint = 2;

typedef struct start {
  qn_atoms atoms;
  qn_box box;
  double mean_length[3];
  bool has_mean;
  double temperature;
} start;

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
  qn_durable_pause pause;
  char hash[QN_HASH_SIZE];       /* of the spec: a checkpoint of another one is not for us */
  char checkpoint[QN_PATH_SIZE];
  double fraction;               /* done; NAN while it is not known */
  qn_status stopped;             /* what the control said, once it was not QN_OK */
} progress;

static qn_status ask(void *context, qn_error *error) {
  progress *p = context;
  const qn_job_control *control = p->control;
  if (control == NULL || control->check == NULL) return QN_OK;
  p->stopped = control->check(control->context, p->fraction, error);
  return p->stopped;
}

static void tell(const progress *p, bool saved) {
  if (p->control != NULL && p->control->reached != NULL) p->control->reached(p->control->context, qn_run_step(p->run), saved);
}

/* Which engine wrote a checkpoint. */
static char *make_engine(void) {
  json_t *engine = json_pack("{s:s, s:i, s:s}", "version", qn_version(), "revision", QN_RUN_REVISION, "arithmetic", qn_run_arithmetic());
  char *text = json_dumps(engine, JSON_COMPACT);
  json_decref(engine);
  return text;
}

/* Another engine's state is taken when the bits that follow are the same. A processor of another kind gives other bits in rare last digits; the
 * promise of equal bits holds for one kind only, and days of work are not thrown away for it. */
static qn_status check_engine(const qn_checkpoint_part *part, const char *path, qn_error *error) {
  json_t *engine = part != NULL ? json_loadb(part->data, part->size, 0, NULL) : NULL;
  const char *version = "0.1.0", *arithmetic = qn_run_arithmetic(); /* of checkpoints that do not say */
  int revision = 1;
  json_unpack(engine, "{s?s, s?i, s?s}", "version", &version, "revision", &revision, "arithmetic", &arithmetic);
  qn_status status = QN_OK;
  if (revision != QN_RUN_REVISION)
    status = qn_error_set(error, QN_CONFLICT, "%s was made by quenchd %.40s, whose bits are others (revision %d of the dynamics, this is %d)", path,
                          version, revision, QN_RUN_REVISION);
  else if (strcmp(arithmetic, qn_run_arithmetic()) != 0)
    qn_log("warning", "%s was made on a processor of kind %.40s, this is %s: the bits may differ from those of either alone", path, arithmetic,
           qn_run_arithmetic());
  json_decref(engine);
  return status;
}

static qn_status save(const progress *p, qn_error *error) {
  char *files = NULL, *engine = make_engine();
  void *state = NULL;
  size_t size = 0;
  qn_status status = engine != NULL ? qn_record_save(p->record, &files, error) : qn_error_set(error, QN_NO_MEMORY, "no memory");
  if (status == QN_OK) status = qn_run_save(p->run, &state, &size, error);
  if (status == QN_OK) {
    const qn_checkpoint_part parts[] = {{"spec", p->hash, strlen(p->hash)},
                                        {"engine", engine, strlen(engine)},
                                        {"files", files, strlen(files)},
                                        {"run", state, size}};
    status = qn_checkpoint_write(p->checkpoint, parts, 4, error);
  }
  free(engine);
  free(files);
  free(state);
  if (status != QN_OK) return qn_error_prefix(error, "checkpoint");
  tell(p, true);
  return QN_OK;
}

/* Go on from what a checkpoint at `path`, in folder `from`, holds. After a failure the run has to be made anew. */
static qn_status use(progress *p, const qn_checkpoint *found, const char *from, const char *path, qn_error *error) {
  const qn_checkpoint_part *spec = qn_checkpoint_find(found, "spec"), *files = qn_checkpoint_find(found, "files"),
                           *run = qn_checkpoint_find(found, "run");
  if (spec == NULL || files == NULL || run == NULL) return qn_error_set(error, QN_CORRUPT, "%s lacks a part", path);
  if (spec->size != strlen(p->hash) || memcmp(spec->data, p->hash, spec->size) != 0)
    return qn_error_set(error, QN_CONFLICT, "%s is of another simulation", path);
  qn_status status = check_engine(qn_checkpoint_find(found, "engine"), path, error);
  if (status == QN_OK) status = qn_record_resume(p->record, files->data, files->size, from, error);
  return status == QN_OK ? qn_run_load(p->run, run->data, run->size, error) : status;
}

static qn_status advance(progress *p, qn_error *error) {
  const qn_job_control *control = p->control;
  double saved = qn_clock_now(), pause = control != NULL ? fmin(first_checkpoint, control->checkpoint_s) : 0;
  int64_t steps = 1, all = qn_run_steps(p->run);
  while (!qn_run_done(p->run)) {
    int stage = qn_run_stage(p->run);
    double before = qn_clock_now();
    qn_status status = qn_run_advance(p->run, steps, error);
    if (status != QN_OK) return status;
    double took = qn_clock_now() - before;
    if (took < look_every / 2 && steps < 100000) steps *= 2;
    else if (took > look_every && steps > 1) steps /= 2;

    bool due = qn_run_stage(p->run) != stage || qn_run_done(p->run);
    if (pause > 0 && qn_clock_now() - saved >= pause) {
      due = true;
      pause = fmin(2 * pause, control->checkpoint_s);
    }
    if (due) {
      status = save(p, error);
      if (status != QN_OK) return status;
      saved = qn_clock_now();
    }
    p->fraction = all > 0 ? (double)qn_run_step(p->run) / (double)all : 1;
    if (qn_run_done(p->run)) break;
    tell(p, false);
    status = ask(p, error);
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
  status = qn_record_alloc(&p->record, p->job->spec, p->hash, p->job->directory, &template, &p->pause, output, error);
  if (status != QN_OK) return status;
  const qn_run_callbacks callbacks = qn_record_callbacks(p->record);
  return qn_run_alloc(&p->run, &p->job->spec->protocol, p->job->potential, &s->atoms, &s->box, s->has_mean ? s->mean_length : NULL,
                      s->temperature, p->job->threads, &callbacks, error);
}

/* What no other checkpoint can help against: the job was told to stop, or the machine is at fault. */
static bool ends_search(const progress *p, qn_status status) {
  return p->stopped != QN_OK || status == QN_NO_STORAGE || status == QN_NO_MEMORY;
}

/* The newest checkpoint of a folder, or the one before it. QN_NOT_FOUND when there is none that can be used; then the run is as new. */
static qn_status resume_from(progress *p, start *s, const char *from, qn_job_output *output, qn_error *error) {
  char path[QN_PATH_SIZE];
  qn_checkpoint found = {0};
  qn_status status = qn_durable_join(path, from, "checkpoint", error);
  if (status == QN_OK) status = qn_checkpoint_read(&found, path, error);
  for (bool again = false; status != QN_NOT_FOUND; again = true) {
    bool last = again || found.previous || status != QN_OK;
    if (status == QN_OK) status = use(p, &found, from, path, error);
    qn_checkpoint_fini(&found);
    if (status == QN_OK && again && strcmp(from, p->job->directory) == 0) status = qn_checkpoint_discard(path, error);
    if (status == QN_OK || ends_search(p, status)) return status;
    qn_log("warning", "a checkpoint is passed over: %s", error->message);
    status = prepare(p, s, output, error);
    if (status != QN_OK) return status;
    status = last ? QN_NOT_FOUND : qn_checkpoint_read_previous(&found, path, error);
  }
  return status;
}

/* Own folder first, then the earlier ones; what cannot be used is passed over and said in the log. */
static qn_status resume(progress *p, start *s, qn_job_output *output, qn_error *error) {
  const char *from = p->job->directory;
  for (int next = 0; from != NULL; from = p->job->earlier != NULL ? p->job->earlier[next++] : NULL) {
    qn_error why = {0};
    qn_status status = resume_from(p, s, from, output, &why);
    if (status == QN_NOT_FOUND) continue;
    if (status != QN_OK) {
      if (error != NULL) *error = why;
      return status;
    }
    output->resumed_step = qn_run_step(p->run);
    qn_log("info", "%s goes on from step %lld of %lld", from, (long long)output->resumed_step, (long long)qn_run_steps(p->run));
    return QN_OK;
  }
  return QN_OK;
}

qn_status qn_job_simulate(const qn_job_simulation *job, const qn_job_control *control, qn_job_output *output, qn_error *error) {
  memset(output, 0, sizeof *output);
  progress p = {.job = job, .control = control, .fraction = (double)NAN};
  p.pause = (qn_durable_pause){&p, ask};
  start s = {0};
  qn_status status = qn_durable_make(job->directory, error);
  if (status == QN_OK) status = qn_durable_join(p.checkpoint, job->directory, "checkpoint", error);
  char *canonical = status == QN_OK ? qn_spec_render_simulation(job->spec, p.hash) : NULL;
  if (status == QN_OK && canonical == NULL) status = qn_error_set(error, QN_NO_MEMORY, "no memory for a spec");
  free(canonical);
  if (status == QN_OK) status = prepare(&p, &s, output, error);
  if (status == QN_OK) status = resume(&p, &s, output, error);
  if (status == QN_OK && control != NULL && control->began != NULL) control->began(control->context, qn_run_step(p.run));
  if (status == QN_OK) status = advance(&p, error);
  p.fraction = 1;
  if (status == QN_OK) status = qn_record_finish(p.record, error);
  qn_run_free(p.run);
  qn_record_free(p.record);
  qn_atoms_fini(&s.atoms);
  return status;
}

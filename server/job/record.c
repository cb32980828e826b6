#include "server/job/record.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/number.h"
#include "engine/base/version.h"
#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/series.h"

static const char *const thermo_columns[] = {"stage", "step", "time_ps", "temperature_k", "potential_energy_ev", "kinetic_energy_ev",
                                             "conserved_ev", "pressure_gpa", "volume_a3", "length_x_a", "length_y_a", "length_z_a"};
enum { THERMO_COLUMNS = sizeof thermo_columns / sizeof thermo_columns[0] };
const char qn_record_thermo_name[] = "thermo.csv";

struct qn_record {
  const qn_simulation_spec *spec;
  const char *directory;
  const qn_durable_pause *pause;
  qn_job_output *output;
  qn_provenance provenance;
  qn_frame template;
  qn_series_writer *thermo;
  qn_netcdf_writer *trajectory[QN_MAX_SAMPLINGS]; /* of the streams of a stage */
  int stage;                   /* of the open trajectories */
  int snapshots;               /* written so far */
  double heat[QN_MAX_STAGES];  /* sum of the temperatures of a stage's frames, K, but for the first, which shows what came before ... */
  int64_t rows[QN_MAX_STAGES]; /* ... and of how many */
  int64_t heat_step;           /* of the last frame */
};

void qn_record_trajectory_name(char name[64], const qn_stage *stages, int stage, int sampling) {
  if (stages[stage].sampling_count > 1) snprintf(name, 64, "trajectory-%d-%d.nc", stage, sampling);
  else snprintf(name, 64, "trajectory-%d.nc", stage);
}

static void name_stream(const qn_record *record, char name[64], int stage, int sampling) {
  qn_record_trajectory_name(name, record->spec->protocol.stages, stage, sampling);
}

static qn_status part_path(char path[QN_PATH_SIZE], const char *directory, const char *name, qn_error *error) {
  char part[128];
  snprintf(part, sizeof part, "%s.part", name);
  return qn_durable_join(path, directory, part, error);
}

qn_status qn_record_alloc(qn_record **record, const qn_simulation_spec *spec, const char *spec_sha256, const char *directory,
                          const qn_frame *template, const qn_durable_pause *pause, qn_job_output *output, qn_error *error) {
  *record = calloc(1, sizeof **record);
  if (*record == NULL) return qn_error_set(error, QN_NO_MEMORY, "no memory for the record of a run");
  **record = (qn_record){.spec = spec, .directory = directory, .pause = pause, .output = output, .template = *template, .stage = -1};
  qn_provenance *provenance = &(*record)->provenance;
  snprintf(provenance->title, sizeof provenance->title, "%s", spec->name);
  snprintf(provenance->spec_sha256, sizeof provenance->spec_sha256, "%s", spec_sha256);
  snprintf(provenance->potential, sizeof provenance->potential, "%s", spec->potential);
  snprintf(provenance->potential_sha256, sizeof provenance->potential_sha256, "%s", spec->potential_sha256);
  snprintf(provenance->engine_version, sizeof provenance->engine_version, "%s", qn_version());
  return QN_OK;
}

static void close_files(qn_record *record) {
  qn_error ignored;
  qn_series_close(record->thermo, &ignored);
  for (int k = 0; k < QN_MAX_SAMPLINGS; k++) qn_netcdf_close(record->trajectory[k], &ignored);
  record->thermo = NULL;
  memset(record->trajectory, 0, sizeof record->trajectory);
  record->stage = -1;
}

void qn_record_free(qn_record *record) {
  if (record != NULL) close_files(record);
  free(record);
}

static qn_job_artifact *add_artifact(qn_job_output *output, qn_error *error) {
  if (output->count == output->capacity) {
    int capacity = output->capacity > 0 ? 2 * output->capacity : 16;
    qn_job_artifact *grown = realloc(output->artifacts, (size_t)capacity * sizeof *grown);
    if (grown == NULL) {
      qn_error_set(error, QN_NO_MEMORY, "no memory for the list of files");
      return NULL;
    }
    output->artifacts = grown;
    output->capacity = capacity;
  }
  qn_job_artifact *added = &output->artifacts[output->count++];
  memset(added, 0, sizeof *added);
  return added;
}

static qn_status size_of(const char *path, int64_t *size, qn_error *error) {
  struct stat about;
  *size = 0;
  if (stat(path, &about) != 0) {
    if (errno == ENOENT) return qn_error_set(error, QN_NOT_FOUND, "%s is gone", path);
    return qn_error_system(error, errno, "cannot look at %s", path);
  }
  *size = about.st_size;
  return QN_OK;
}

/* Give the finished file its name and enter it into the list; its hash comes last of all, since it may take longer than a drain has. */
static qn_status complete(qn_record *record, const qn_job_artifact *what, qn_error *error) {
  char part[QN_PATH_SIZE], path[QN_PATH_SIZE];
  qn_status status = part_path(part, record->directory, what->path, error);
  if (status == QN_OK) status = qn_durable_join(path, record->directory, what->path, error);
  if (status == QN_OK && rename(part, path) != 0) status = qn_error_system(error, errno, "cannot rename %s", part);
  qn_job_artifact *added = status == QN_OK ? add_artifact(record->output, error) : NULL;
  if (status == QN_OK && added == NULL) return QN_NO_MEMORY;
  if (status != QN_OK) return status;
  *added = *what;
  return size_of(path, &added->size, error);
}

/* Target of a stage, K; of an NVE hold the mean that it had. */
static double stage_temperature(const qn_record *record, int index) {
  const qn_stage *stage = &record->spec->protocol.stages[index];
  if (stage->kind == QN_STAGE_HOLD && stage->ensemble == QN_ENSEMBLE_NVE && record->rows[index] > 0)
    return record->heat[index] / (double)record->rows[index];
  double temperature = qn_spec_start_temperature(record->spec);
  for (int i = 0; i <= index; i++) temperature = qn_stage_final_target(&record->spec->protocol.stages[i], temperature);
  return temperature;
}

static qn_status seal_stream(qn_record *record, int stage, int sampling, qn_error *error) {
  qn_netcdf_writer *writer = record->trajectory[sampling];
  if (writer == NULL) return QN_OK;
  const qn_protocol *protocol = &record->spec->protocol;
  const qn_stage *what_stage = &protocol->stages[stage];
  qn_job_artifact what = {.kind = "trajectory", .stage = stage, .sampling = what_stage->sampling_count > 1 ? sampling : -1};
  what.frames = qn_netcdf_written(writer);
  what.temperature_k = stage_temperature(record, stage);
  what.interval_ps = qn_number_round((double)qn_interval_steps(what_stage->samplings[sampling].every, protocol->timestep) * protocol->timestep);
  name_stream(record, what.path, stage, sampling);
  record->trajectory[sampling] = NULL;
  qn_status status = qn_netcdf_close(writer, error);
  return status == QN_OK ? complete(record, &what, error) : status;
}

static qn_status seal_trajectories(qn_record *record, qn_error *error) {
  qn_status status = QN_OK;
  for (int k = 0; k < QN_MAX_SAMPLINGS && status == QN_OK; k++) status = seal_stream(record, record->stage, k, error);
  if (status == QN_OK) record->stage = -1;
  return status;
}

/* A step counts once, though several streams have it. */
static void add_heat(qn_record *record, int stage, const qn_frame *frame) {
  if (record->stage == stage && frame->step > record->heat_step) {
    record->heat[stage] += frame->temperature;
    record->rows[stage]++;
  }
  record->heat_step = frame->step;
}

static qn_status on_frame(void *context, int stage, int sampling, const qn_frame *frame, qn_error *error) {
  qn_record *record = context;
  add_heat(record, stage, frame);
  qn_status status = record->stage != stage ? seal_trajectories(record, error) : QN_OK;
  if (status != QN_OK) return status;
  record->stage = stage;
  if (record->trajectory[sampling] == NULL) {
    char name[64], path[QN_PATH_SIZE];
    name_stream(record, name, stage, sampling);
    status = part_path(path, record->directory, name, error);
    if (status == QN_OK) status = qn_netcdf_create(&record->trajectory[sampling], path, &record->provenance, frame, error);
    if (status != QN_OK) return status;
  }
  return qn_netcdf_write(record->trajectory[sampling], frame, error);
}

static qn_status on_thermo(void *context, const qn_thermo *t, qn_error *error) {
  qn_record *record = context;
  if (record->thermo == NULL) {
    char path[QN_PATH_SIZE];
    qn_status status = part_path(path, record->directory, qn_record_thermo_name, error);
    if (status == QN_OK) status = qn_series_create(&record->thermo, path, thermo_columns, THERMO_COLUMNS, error);
    if (status != QN_OK) return status;
  }
  const double row[THERMO_COLUMNS] = {t->stage, (double)t->step, t->time, t->temperature, t->potential_energy, t->kinetic_energy,
                                      t->conserved, t->pressure, t->volume, t->length[0], t->length[1], t->length[2]};
  return qn_series_write(record->thermo, row, error);
}

static qn_status write_snapshot(const char *path, const qn_snapshot *s, const qn_provenance *provenance, qn_error *error) {
  char lengths[96], temperature[QN_NUMBER_SIZE], time[QN_NUMBER_SIZE], step[24];
  snprintf(lengths, sizeof lengths, "%.17g %.17g %.17g", s->mean_length[0], s->mean_length[1], s->mean_length[2]);
  qn_number_spell(s->temperature, temperature);
  qn_number_spell(s->time, time);
  snprintf(step, sizeof step, "%lld", (long long)s->step);
  qn_extxyz_key keys[4 + QN_EXTXYZ_PROVENANCE] = {{"Time_ps", time}, {"step", step}, {"Temperature_k", temperature}, {"Mean_lengths", lengths}};
  const int count = 4 + qn_extxyz_provenance(provenance, keys + 4);
  const qn_extxyz_layout layout = {.digits = 17, .image = true, .velocities = true, .key_count = count, .keys = keys};
  FILE *file = fopen(path, "we");
  if (file == NULL) return qn_error_system(error, errno, "cannot make %s", path);
  qn_status status = qn_extxyz_write(file, s->atoms, &s->box, &layout, error);
  if (status != QN_OK) qn_error_prefix(error, "%s", path);
  if (status == QN_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0)) status = qn_error_system(error, errno, "cannot write %s", path);
  if (fclose(file) != 0 && status == QN_OK) status = qn_error_system(error, errno, "cannot write %s", path);
  return status;
}

static qn_status on_snapshot(void *context, const qn_snapshot *snapshot, qn_error *error) {
  qn_record *record = context;
  qn_job_artifact what = {.kind = "snapshot", .stage = snapshot->stage, .sampling = -1, .temperature_k = snapshot->temperature, .frames = 1};
  what.interval_ps = (double)NAN;
  snprintf(what.path, sizeof what.path, "snapshot-%d.xyz", record->snapshots);
  char path[QN_PATH_SIZE];
  qn_status status = part_path(path, record->directory, what.path, error);
  if (status == QN_OK) status = write_snapshot(path, snapshot, &record->provenance, error);
  if (status == QN_OK) status = complete(record, &what, error);
  if (status == QN_OK) record->snapshots++;
  return status;
}

qn_run_callbacks qn_record_callbacks(qn_record *record) {
  return (qn_run_callbacks){.context = record, .frame = on_frame, .thermo = on_thermo, .snapshot = on_snapshot};
}

static json_t *real_or_null(double value) { return isnan(value) ? json_null() : json_real(value); }

/* Of each open stream the frames, -1: not begun; and the bytes that hold them. */
static qn_status list_streams(const qn_record *record, json_t *frames, json_t *bytes, qn_error *error) {
  for (int k = 0; k < QN_MAX_SAMPLINGS; k++) {
    int64_t size = 0;
    if (record->trajectory[k] != NULL) {
      char name[64], path[QN_PATH_SIZE];
      name_stream(record, name, record->stage, k);
      qn_status status = part_path(path, record->directory, name, error);
      if (status == QN_OK) status = size_of(path, &size, error);
      if (status != QN_OK) return status;
    }
    json_array_append_new(frames, json_integer(record->trajectory[k] != NULL ? qn_netcdf_written(record->trajectory[k]) : -1));
    json_array_append_new(bytes, json_integer(size));
  }
  return QN_OK;
}

qn_status qn_record_save(qn_record *record, char **text, qn_error *error) {
  *text = NULL;
  qn_status status = QN_OK;
  if (record->thermo != NULL) status = qn_series_sync(record->thermo, error);
  for (int k = 0; k < QN_MAX_SAMPLINGS && status == QN_OK; k++)
    if (record->trajectory[k] != NULL) status = qn_netcdf_sync(record->trajectory[k], error);
  if (status == QN_OK) status = qn_durable_sync(record->directory, error);
  if (status != QN_OK) return status;

  json_t *files = json_array(), *heat = json_array(), *frames = json_array(), *bytes = json_array();
  for (int i = 0; i < record->output->count; i++) {
    const qn_job_artifact *a = &record->output->artifacts[i];
    json_array_append_new(files, json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:I, s:I, s:o}", "kind", a->kind, "path", a->path, "sha256", a->sha256,
                                           "stage", a->stage, "sampling", a->sampling, "temperature_k", real_or_null(a->temperature_k), "size", (json_int_t)a->size,
                                           "frames", (json_int_t)a->frames, "interval_ps", real_or_null(a->interval_ps)));
  }
  for (int i = 0; i < record->spec->protocol.stage_count; i++)
    json_array_append_new(heat, json_pack("[f, I]", record->heat[i], (json_int_t)record->rows[i]));
  status = list_streams(record, frames, bytes, error);
  json_t *root = json_pack("{s:o, s:o, s:i, s:o, s:o, s:I, s:i}", "files", files, "heat", heat, "stage", record->stage, "frames", frames, "bytes", bytes,
                           "thermo_rows", (json_int_t)(record->thermo != NULL ? qn_series_written(record->thermo) : -1), "snapshots", record->snapshots);
  if (status == QN_OK && root != NULL) *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(root);
  if (status != QN_OK) return status;
  return *text != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for a checkpoint");
}

/* Bring a file into this directory under `to`: from `from` by either of its names, since it may have been completed after the checkpoint. */
static qn_status fetch(const qn_record *record, const char *from, const char *name, bool complete_there, qn_error *error) {
  char part[QN_PATH_SIZE], whole[QN_PATH_SIZE], own_part[QN_PATH_SIZE], own_whole[QN_PATH_SIZE];
  qn_status status = part_path(part, from, name, error);
  if (status == QN_OK) status = qn_durable_join(whole, from, name, error);
  if (status == QN_OK) status = part_path(own_part, record->directory, name, error);
  if (status == QN_OK) status = qn_durable_join(own_whole, record->directory, name, error);
  if (status != QN_OK) return status;
  bool here = strcmp(from, record->directory) == 0;
  if (complete_there) return here ? QN_OK : qn_durable_copy(whole, own_whole, QN_DURABLE_SHARED, record->pause, error);
  if (here) {
    if (access(own_part, F_OK) == 0 || rename(own_whole, own_part) == 0) return QN_OK;
    return qn_error_set(error, QN_NOT_FOUND, "%s is gone", own_part);
  }
  status = qn_durable_copy(part, own_part, QN_DURABLE_OWN, record->pause, error);
  return status == QN_NOT_FOUND ? qn_durable_copy(whole, own_part, QN_DURABLE_OWN, record->pause, error) : status;
}

static double real_of(const json_t *value) { return json_is_number(value) ? json_number_value(value) : (double)NAN; }

static qn_status read_files(qn_record *record, const json_t *files, const char *from, qn_error *error) {
  size_t index;
  json_t *item;
  json_array_foreach(files, index, item) {
    const char *kind, *path, *sha256;
    int stage, sampling = -1;
    json_t *temperature, *interval;
    json_int_t size, frames;
    if (json_unpack(item, "{s:s, s:s, s:s, s:i, s?i, s:o, s:I, s:I, s:o}", "kind", &kind, "path", &path, "sha256", &sha256, "stage", &stage,
                    "sampling", &sampling, "temperature_k", &temperature, "size", &size, "frames", &frames, "interval_ps", &interval) != 0 ||
        strlen(path) >= sizeof record->output->artifacts->path || strchr(path, '/') != NULL)
      return qn_error_set(error, QN_CORRUPT, "the checkpoint's list of files cannot be read");
    qn_status status = fetch(record, from, path, true, error);
    if (status != QN_OK) return status;
    qn_job_artifact *added = add_artifact(record->output, error);
    if (added == NULL) return QN_NO_MEMORY;
    snprintf(added->kind, sizeof added->kind, "%s", kind);
    snprintf(added->path, sizeof added->path, "%s", path);
    snprintf(added->sha256, sizeof added->sha256, "%s", sha256);
    added->stage = stage;
    added->sampling = sampling;
    added->temperature_k = real_of(temperature);
    added->interval_ps = real_of(interval);
    added->size = size;
    added->frames = frames;
    char whole[QN_PATH_SIZE];
    int64_t there;
    status = qn_durable_join(whole, record->directory, path, error);
    if (status == QN_OK) status = size_of(whole, &there, error);
    if (status != QN_OK) return status;
    if (there != size) return qn_error_set(error, QN_CORRUPT, "%s is not as it was at the checkpoint", whole);
  }
  return QN_OK;
}

/* As long as it was: the header of a trajectory may tell of frames that never reached the disk, and readers would take zeros for them. */
static qn_status cut(const char *path, int64_t size, qn_error *error) {
  int64_t there;
  qn_status status = size_of(path, &there, error);
  if (status != QN_OK) return status;
  if (there < size)
    return qn_error_set(error, QN_CORRUPT, "%s has %lld bytes, and had %lld at the checkpoint", path, (long long)there, (long long)size);
  return there == size || truncate(path, size) == 0 ? QN_OK : qn_error_system(error, errno, "cannot cut %s", path);
}

/* Go on with the streams of a stage after as many frames as each had. */
static qn_status resume_streams(qn_record *record, int stage, const json_t *frames, const json_t *bytes, const char *from, qn_error *error) {
  qn_status status = QN_OK;
  for (int k = 0; k < record->spec->protocol.stages[stage].sampling_count && status == QN_OK; k++) {
    /* A checkpoint from before there were streams holds one number. */
    const json_t *count = json_is_array(frames) ? json_array_get(frames, (size_t)k) : k == 0 ? frames : NULL;
    char name[64], path[QN_PATH_SIZE];
    if (!json_is_integer(count)) return qn_error_set(error, QN_CORRUPT, "the checkpoint's numbers of frames cannot be read");
    if (json_integer_value(count) < 0) continue;
    name_stream(record, name, stage, k);
    status = fetch(record, from, name, false, error);
    if (status == QN_OK) status = part_path(path, record->directory, name, error);
    const json_t *size = json_array_get(bytes, (size_t)k); /* there is none in an older checkpoint */
    if (status == QN_OK && json_is_integer(size)) status = cut(path, json_integer_value(size), error);
    if (status == QN_OK) status = qn_netcdf_append(&record->trajectory[k], path, json_integer_value(count), &record->template, error);
  }
  if (status == QN_OK) record->stage = stage;
  return status;
}

static qn_status resume(qn_record *record, const json_t *root, const char *from, qn_error *error) {
  json_t *files, *heat, *frames, *bytes = NULL;
  json_int_t rows;
  int stage, snapshots;
  if (json_unpack((json_t *)root, "{s:o, s:o, s:i, s:o, s?o, s:I, s:i}", "files", &files, "heat", &heat, "stage", &stage, "frames", &frames,
                  "bytes", &bytes, "thermo_rows", &rows, "snapshots", &snapshots) != 0 ||
      stage < -1 || stage >= record->spec->protocol.stage_count || json_array_size(heat) != (size_t)record->spec->protocol.stage_count)
    return qn_error_set(error, QN_CORRUPT, "the checkpoint's record of files cannot be read");
  for (int i = 0; i < record->spec->protocol.stage_count; i++) {
    const json_t *pair = json_array_get(heat, (size_t)i);
    record->heat[i] = real_of(json_array_get(pair, 0));
    record->rows[i] = json_integer_value(json_array_get(pair, 1));
  }
  record->snapshots = snapshots;
  qn_status status = read_files(record, files, from, error);

  char path[QN_PATH_SIZE];
  if (status == QN_OK && stage >= 0) status = resume_streams(record, stage, frames, bytes, from, error);
  if (status == QN_OK && rows >= 0) {
    status = fetch(record, from, qn_record_thermo_name, false, error);
    if (status == QN_OK) status = part_path(path, record->directory, qn_record_thermo_name, error);
    if (status == QN_OK) status = qn_series_append(&record->thermo, path, rows, thermo_columns, THERMO_COLUMNS, error);
  }
  return status;
}

qn_status qn_record_resume(qn_record *record, const char *text, size_t size, const char *from, qn_error *error) {
  json_error_t where;
  json_t *root = json_loadb(text, size, 0, &where);
  qn_status status = root != NULL ? resume(record, root, from, error)
                                  : qn_error_set(error, QN_CORRUPT, "the checkpoint's record of files is no JSON: %s", where.text);
  json_decref(root);
  if (status == QN_OK) return QN_OK;
  close_files(record);
  record->output->count = 0;
  record->snapshots = 0;
  memset(record->heat, 0, sizeof record->heat);
  memset(record->rows, 0, sizeof record->rows);
  return status;
}

qn_status qn_record_finish(qn_record *record, qn_error *error) {
  qn_status status = seal_trajectories(record, error);
  if (status == QN_OK && record->thermo != NULL) {
    qn_job_artifact what = {.kind = "thermo", .stage = -1, .sampling = -1, .temperature_k = (double)NAN, .interval_ps = (double)NAN};
    what.frames = qn_series_written(record->thermo);
    snprintf(what.path, sizeof what.path, "%s", qn_record_thermo_name);
    qn_series_writer *writer = record->thermo;
    record->thermo = NULL;
    status = qn_series_close(writer, error);
    if (status == QN_OK) status = complete(record, &what, error);
  }
  if (status == QN_OK) status = qn_durable_sync(record->directory, error);
  for (int i = 0; status == QN_OK && i < record->output->count; i++) {
    qn_job_artifact *a = &record->output->artifacts[i];
    char path[QN_PATH_SIZE];
    if (a->sha256[0] != '\0') continue;
    status = qn_durable_join(path, record->directory, a->path, error);
    if (status == QN_OK) status = qn_durable_hash(path, record->pause, a->sha256, &a->size, error);
  }
  return status;
}

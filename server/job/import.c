#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "api/structure.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/trajectory.h"
#include "server/job/durable.h"
#include "server/job/job.h"

static const char file_name[] = "trajectory.nc";
/* Looking through the file for its frames comes before they are read, and counts for so much of the work. */
static const double scan_part = 0.3;

typedef struct import {
  const qn_job_import *job;
  const qn_job_control *control;
  qn_job_imported *out;
  qn_trajectory *trajectory;
  qn_netcdf_writer *writer;
  bool box_changes;
  double length[3];             /* of the first frame */
  int64_t atoms[QN_MAX_SPECIES];
} import;

void qn_job_imported_fini(qn_job_imported *imported) {
  free(imported->details);
  memset(imported, 0, sizeof *imported);
}

static qn_status check(const import *at, double progress, qn_error *error) {
  const qn_job_control *control = at->control;
  return control != NULL && control->check != NULL ? control->check(control->context, progress, error) : QN_OK;
}

static qn_status on_reading(void *context, qn_error *error) { return check(context, (double)NAN, error); }

/* Messages name the file by its path in the data directory, which means nothing to whoever sent it. */
static qn_status without_path(const import *at, qn_error *error) {
  size_t length = strlen(at->job->path);
  char *found = strstr(error->message, at->job->path);
  if (found != NULL) {
    const char *rest = found + length;
    if (found == error->message && strncmp(rest, ": ", 2) == 0) rest += 2;
    memmove(found, rest, strlen(rest) + 1);
  }
  return error->status;
}

/* The first frame that does not come one interval after the one before it. */
static qn_status refuse_times(const qn_trajectory_info *info, qn_error *error) {
  if (isnan(info->time[0]))
    return qn_error_set(error, QN_UNSUPPORTED, "the frames have no times: timestep_fs (for a LAMMPS dump without ITEM: TIME) or interval_ps is needed");
  double interval = info->time[1] - info->time[0];
  for (int64_t i = 1; i < info->frames; i++)
    if (!(info->time[i] > info->time[i - 1]) || fabs(info->time[i] - info->time[i - 1] - interval) > 0.01 * fabs(interval))
      return qn_error_set(error, QN_UNSUPPORTED,
                          "the frames are not evenly spaced in time: frame %lld comes at %.9g ps, frame %lld at %.9g ps, and the first two are %.9g ps apart",
                          (long long)i - 1, info->time[i - 1], (long long)i, info->time[i], interval);
  return qn_error_set(error, QN_UNSUPPORTED, "the frames are not evenly spaced in time");
}

static qn_status judge(const qn_trajectory_info *info, qn_error *error) {
  if (info->frames < 2)
    return qn_error_set(error, QN_UNSUPPORTED, "%lld frame is no trajectory; two are needed, and one alone is a structure", (long long)info->frames);
  if (!info->named)
    return qn_error_set(error, QN_UNSUPPORTED, "nothing tells which elements the atoms are: species is needed, such as Cu,Zr for types 1 and 2, or Cu:%lld,Zr:%lld for atoms in "
                        "this order", (long long)info->atoms / 2, (long long)(info->atoms - info->atoms / 2));
  if ((double)info->frames * (double)info->atoms > QN_MOST_IMPORT_ATOM_FRAMES)
    return qn_error_set(error, QN_UNSUPPORTED, "%lld frames of %lld atoms are more than %.9g atoms x frames", (long long)info->frames, (long long)info->atoms,
                        QN_MOST_IMPORT_ATOM_FRAMES);
  return isnan(info->interval) ? refuse_times(info, error) : QN_OK;
}

static qn_status copy_frames(import *at, const char *part, qn_error *error) {
  const qn_trajectory_info *info = qn_trajectory_describe(at->trajectory);
  for (int64_t i = 0; i < info->frames; i++) {
    qn_frame frame;
    qn_status status = qn_trajectory_read(at->trajectory, i, &frame, error);
    if (status == QN_OK && i == 0) {
      memcpy(at->length, frame.box.length, sizeof at->length);
      for (int64_t k = 0; k < frame.count; k++) at->atoms[frame.type[k]]++;
      qn_provenance provenance = info->provenance; /* what the file says of it goes on */
      snprintf(provenance.title, sizeof provenance.title, "%s", at->job->spec->name);
      status = qn_netcdf_create(&at->writer, part, &provenance, &frame, error);
    }
    for (int a = 0; a < 3 && status == QN_OK; a++) /* as analyses see it; where an axis is open the edges mean nothing */
      at->box_changes = at->box_changes || (!frame.open[a] && fabs(frame.box.length[a] - at->length[a]) > 1e-6 * at->length[a]);
    if (status == QN_OK) status = qn_netcdf_write(at->writer, &frame, error);
    if (status == QN_OK) status = check(at, scan_part + (1 - scan_part) * (double)(i + 1) / (double)info->frames, error);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

static qn_status describe(import *at, qn_error *error) {
  const qn_trajectory_info *info = qn_trajectory_describe(at->trajectory);
  json_t *species = json_array(), *length = json_array(), *periodic = json_array();
  for (int s = 0; s < info->species_count; s++)
    if (at->atoms[s] > 0)
      json_array_append_new(species, json_pack("{s:o, s:o, s:I}", "symbol", qn_json_text(info->species[s].symbol), "mass_amu",
                                               qn_json_number(info->species[s].mass), "atoms", (json_int_t)at->atoms[s]));
  for (int a = 0; a < 3; a++) json_array_append_new(length, qn_json_number(at->length[a]));
  for (int a = 0; a < 3; a++) json_array_append_new(periodic, json_boolean(!info->open[a]));
  json_t *object = json_object();
  json_object_set_new(object, "format", json_string(info->format));
  json_object_set_new(object, "species", species);
  json_object_set_new(object, "length_a", length);
  json_object_set_new(object, "periodic", periodic);
  json_object_set_new(object, "wrapping", json_string(qn_wrapping_name(info->wrapping)));
  json_object_set_new(object, "box_changes", json_boolean(at->box_changes));
  json_object_set_new(object, "time_start_ps", qn_json_number(info->time[0]));
  json_object_set_new(object, "time_end_ps", qn_json_number(info->time[info->frames - 1]));
  at->out->details = qn_json_write(object, true);
  json_decref(object);
  at->out->frames = info->frames;
  at->out->atoms = info->atoms;
  at->out->interval_ps = info->interval;
  qn_composition_name(info->species_count, info->species, at->atoms, at->out->composition);
  return at->out->details != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "no memory for what the file holds");
}

qn_status qn_job_import_run(const qn_job_import *job, const qn_job_control *control, qn_job_imported *imported, qn_error *error) {
  memset(imported, 0, sizeof *imported);
  import at = {.job = job, .control = control, .out = imported};
  const qn_reading_watch watch = {.most_bytes = QN_MOST_IMPORT_BYTES, .check = on_reading, .context = &at};
  qn_trajectory_options options = qn_upload_options(job->spec);
  options.folder = job->directory;
  options.watch = &watch;
  const qn_durable_pause pause = {.context = &at, .ask = on_reading};
  char path[QN_PATH_SIZE], part[QN_PATH_SIZE];
  snprintf(imported->path, sizeof imported->path, "%s", file_name);
  qn_status status = qn_durable_make(job->directory, error);
  if (status == QN_OK) status = qn_durable_join(path, job->directory, file_name, error);
  if (status == QN_OK) status = qn_durable_join(part, job->directory, "trajectory.nc.part", error);
  if (status == QN_OK) status = qn_trajectory_open_with(&at.trajectory, job->path, &options, error);
  if (status == QN_OK) status = judge(qn_trajectory_describe(at.trajectory), error);
  if (status == QN_OK) status = copy_frames(&at, part, error);
  if (status == QN_OK) status = describe(&at, error);
  if (status != QN_OK) without_path(&at, error);
  qn_error ignored;
  qn_status closed = qn_netcdf_close(at.writer, status == QN_OK ? error : &ignored);
  if (status == QN_OK) status = closed;
  qn_trajectory_close(at.trajectory);
  if (status == QN_OK && rename(part, path) != 0) status = qn_error_set(error, QN_IO, "cannot rename %s: %s", part, strerror(errno));
  if (status == QN_OK) status = qn_durable_sync(job->directory, error);
  if (status == QN_OK) status = qn_durable_hash(path, &pause, imported->sha256, &imported->size, error);
  if (status == QN_OK) return QN_OK;
  unlink(part);
  qn_job_imported_fini(imported);
  return status;
}

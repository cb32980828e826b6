#include "engine/trajectory/trajectory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "engine/base/memory.h"
#include "engine/base/number.h"
#include "engine/trajectory/gunzip.h"
#include "engine/trajectory/source.h"

struct qn_trajectory {
  qn_source *source;
  qn_trajectory_info info;
  double *time;
  double *r[3];  /* [atoms] each, the frame last read */
  uint8_t *type; /* [atoms] */
  uint8_t *first_type;
  bool any_read;
};

void qn_trajectory_close(qn_trajectory *trajectory) {
  if (trajectory == NULL) return;
  if (trajectory->source != NULL) trajectory->source->close(trajectory->source);
  for (int a = 0; a < 3; a++) free(trajectory->r[a]);
  free(trajectory->type);
  free(trajectory->first_type);
  free(trajectory->time);
  free(trajectory);
}

typedef enum format { NETCDF, ZIPPED_NETCDF, LAMMPS_DUMP, EXTENDED_XYZ } format;

/* NetCDF classic begins with "CDF", NetCDF-4 with HDF5's signature, a dump with its first item; what else is text is taken for extended XYZ. */
static qn_status sniff(const char *path, format *found, qn_error *error) {
  char head[8] = {0};
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return qn_error_set(error, QN_IO, "%s: is not a regular file", path);
  gzFile file = gzopen(path, "rb");
  if (file == NULL) return qn_error_system(error, errno, "%s", path);
  int got = gzread(file, head, sizeof head - 1);
  bool zipped = !gzdirect(file);
  gzclose(file);
  bool netcdf = got >= 4 && (memcmp(head, "CDF", 3) == 0 || memcmp(head, "\x89HDF", 4) == 0);
  *found = netcdf && zipped ? ZIPPED_NETCDF : netcdf ? NETCDF : strncmp(head, "ITEM: ", 6) == 0 ? LAMMPS_DUMP : EXTENDED_XYZ;
  return QN_OK;
}

static double even_interval(const double *time, int64_t frames) {
  if (frames < 2) return NAN;
  double interval = (time[frames - 1] - time[0]) / (double)(frames - 1);
  if (!(interval > 0)) return NAN;
  for (int64_t i = 1; i < frames; i++)
    if (!(fabs(time[i] - time[i - 1] - interval) <= 0.01 * interval)) return NAN;
  return qn_number_round(interval);
}

qn_status qn_trajectory_open(qn_trajectory **opened, const char *path, qn_error *error) {
  return qn_trajectory_open_with(opened, path, &(qn_trajectory_options){0}, error);
}

qn_status qn_trajectory_open_with(qn_trajectory **opened, const char *path, const qn_trajectory_options *options, qn_error *error) {
  *opened = NULL;
  format found = EXTENDED_XYZ;
  qn_status status = sniff(path, &found, error);
  if (status != QN_OK) return status;
  qn_trajectory *trajectory = qn_memory_alloc(1, sizeof *trajectory);
  if (trajectory == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_trajectory_info *info = &trajectory->info;
  char plain[4096];
  bool unpacked = found == ZIPPED_NETCDF;
  if (unpacked) {
    status = qn_gunzip(path, options->folder, options->watch, plain, sizeof plain, error);
    path = plain;
    found = NETCDF;
  }
  if (status != QN_OK) {
    qn_trajectory_close(trajectory);
    return status;
  }
  status = found == NETCDF        ? qn_source_open_netcdf(&trajectory->source, path, options, info, &trajectory->time, error)
           : found == LAMMPS_DUMP ? qn_source_open_dump(&trajectory->source, path, options, info, &trajectory->time, error)
                                  : qn_source_open_extxyz(&trajectory->source, path, options, info, &trajectory->time, error);
  if (unpacked) unlink(plain); /* what is open stays readable, and is gone when closed */
  if (status == QN_OK) {
    size_t atoms = (size_t)info->atoms;
    for (int a = 0; a < 3; a++) trajectory->r[a] = qn_memory_alloc(atoms, sizeof(double));
    trajectory->type = qn_memory_alloc(atoms, 1);
    trajectory->first_type = qn_memory_alloc(atoms, 1);
    if (trajectory->r[0] == NULL || trajectory->r[1] == NULL || trajectory->r[2] == NULL || trajectory->type == NULL ||
        trajectory->first_type == NULL)
      status = qn_error_set(error, QN_NO_MEMORY, "%s: out of memory for a frame of %zu atoms", path, atoms);
  }
  if (status != QN_OK) {
    qn_trajectory_close(trajectory);
    return status;
  }
  bool timed = false;
  for (int64_t i = 0; i < info->frames; i++) timed = timed || !isnan(trajectory->time[i]);
  for (int64_t i = 0; i < info->frames && !timed && options->interval > 0; i++) trajectory->time[i] = (double)i * options->interval;
  info->time = trajectory->time;
  info->interval = even_interval(trajectory->time, info->frames);
  *opened = trajectory;
  return QN_OK;
}

const char *qn_wrapping_name(qn_wrapping wrapping) {
  static const char *const names[] = {"unwrapped", "wrapped", "unknown"};
  return names[wrapping];
}

const qn_trajectory_info *qn_trajectory_describe(const qn_trajectory *trajectory) { return &trajectory->info; }

qn_status qn_trajectory_read(qn_trajectory *trajectory, int64_t index, qn_frame *frame, qn_error *error) {
  const qn_trajectory_info *info = &trajectory->info;
  if (index < 0 || index >= info->frames)
    return qn_error_set(error, QN_INVALID, "frame %lld is asked for; the trajectory has %lld, from 0", (long long)index, (long long)info->frames);
  *frame = (qn_frame){.time = trajectory->time[index],
                      .temperature = (double)NAN,
                      .count = info->atoms,
                      .species_count = info->species_count,
                      .species = info->species,
                      .type = trajectory->type,
                      .r = {trajectory->r[0], trajectory->r[1], trajectory->r[2]}};
  qn_status status = trajectory->source->read(trajectory->source, index, frame, trajectory->type, error);
  if (status != QN_OK) return status;
  size_t atoms = (size_t)info->atoms;
  if (!trajectory->any_read) memcpy(trajectory->first_type, trajectory->type, atoms);
  trajectory->any_read = true;
  if (memcmp(trajectory->first_type, trajectory->type, atoms) != 0)
    return qn_error_set(error, QN_UNSUPPORTED, "frame %lld: the species are not in the order of the frames before; atoms must keep their order",
                        (long long)index);
  return QN_OK;
}

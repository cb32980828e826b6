#include <errno.h>
#include <fcntl.h>
#include <netcdf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/netcdf_lock.h"

struct qn_netcdf_writer {
  int file;
  int coordinates, time, lengths, angles, origin, step; /* variables */
  int64_t atoms, frames;
  float *packed; /* [atoms][3] */
  char *path;
};

static qn_status fail(int code, const char *path, qn_error *error) {
  return code > 0 ? qn_error_system(error, code, "%s", path) : qn_error_set(error, QN_CORRUPT, "%s: %s", path, nc_strerror(code));
}

/* The first code that is not NC_NOERR wins; calls after it are skipped. */
#define TRY(call)              \
  do {                         \
    if (code == NC_NOERR) code = (call); \
  } while (0)

static int text_attribute(int file, int variable, const char *name, const char *text) {
  return nc_put_att_text(file, variable, name, strlen(text), text);
}

static int define(qn_netcdf_writer *writer, const qn_provenance *provenance, const qn_frame *frame) {
  int file = writer->file, code = NC_NOERR;
  int frame_dim, atom, spatial, cell_spatial, cell_angular, label, species, symbol;
  TRY(nc_def_dim(file, "frame", NC_UNLIMITED, &frame_dim));
  TRY(nc_def_dim(file, "atom", (size_t)frame->count, &atom));
  TRY(nc_def_dim(file, "spatial", 3, &spatial));
  TRY(nc_def_dim(file, "cell_spatial", 3, &cell_spatial));
  TRY(nc_def_dim(file, "cell_angular", 3, &cell_angular));
  TRY(nc_def_dim(file, "label", 5, &label));
  TRY(nc_def_dim(file, "species", (size_t)frame->species_count, &species));
  TRY(nc_def_dim(file, "symbol", QN_SYMBOL_SIZE, &symbol));

  int spatial_names, cell_names, angle_names, types, symbols, masses;
  TRY(nc_def_var(file, "spatial", NC_CHAR, 1, &spatial, &spatial_names));
  TRY(nc_def_var(file, "cell_spatial", NC_CHAR, 1, &cell_spatial, &cell_names));
  TRY(nc_def_var(file, "cell_angular", NC_CHAR, 2, (int[]){cell_angular, label}, &angle_names));
  TRY(nc_def_var(file, "atom_types", NC_INT, 1, &atom, &types));
  TRY(nc_def_var(file, "species_symbol", NC_CHAR, 2, (int[]){species, symbol}, &symbols));
  TRY(nc_def_var(file, "species_mass", NC_DOUBLE, 1, &species, &masses));
  TRY(nc_def_var(file, "time", NC_DOUBLE, 1, &frame_dim, &writer->time));
  TRY(nc_def_var(file, "step", NC_DOUBLE, 1, &frame_dim, &writer->step));
  TRY(nc_def_var(file, "coordinates", NC_FLOAT, 3, (int[]){frame_dim, atom, spatial}, &writer->coordinates));
  TRY(nc_def_var(file, "cell_lengths", NC_DOUBLE, 2, (int[]){frame_dim, cell_spatial}, &writer->lengths));
  TRY(nc_def_var(file, "cell_angles", NC_DOUBLE, 2, (int[]){frame_dim, cell_angular}, &writer->angles));
  TRY(nc_def_var(file, "cell_origin", NC_DOUBLE, 2, (int[]){frame_dim, cell_spatial}, &writer->origin));
  int periodic = -1, flags[3] = {!frame->open[0], !frame->open[1], !frame->open[2]};
  bool open = !flags[0] || !flags[1] || !flags[2];
  if (open) TRY(nc_def_var(file, "periodic", NC_INT, 1, &cell_spatial, &periodic));

  TRY(text_attribute(file, NC_GLOBAL, "title", provenance->title));
  TRY(text_attribute(file, NC_GLOBAL, "application", "quenchd"));
  TRY(text_attribute(file, NC_GLOBAL, "program", "quenchd"));
  TRY(text_attribute(file, NC_GLOBAL, "programVersion", provenance->engine_version));
  TRY(text_attribute(file, NC_GLOBAL, "spec_sha256", provenance->spec_sha256));
  TRY(text_attribute(file, NC_GLOBAL, "potential", provenance->potential));
  TRY(text_attribute(file, NC_GLOBAL, "potential_sha256", provenance->potential_sha256));
  TRY(text_attribute(file, NC_GLOBAL, "Conventions", "AMBER"));
  TRY(text_attribute(file, NC_GLOBAL, "ConventionVersion", "1.0"));
  TRY(text_attribute(file, writer->time, "units", "picosecond"));
  TRY(text_attribute(file, writer->coordinates, "units", "angstrom"));
  TRY(text_attribute(file, writer->coordinates, "wrapping", qn_wrapping_name(frame->wrapping)));
  TRY(text_attribute(file, writer->lengths, "units", "angstrom"));
  TRY(text_attribute(file, writer->angles, "units", "degree"));
  TRY(text_attribute(file, writer->origin, "units", "angstrom"));
  TRY(text_attribute(file, masses, "units", "amu"));
  TRY(nc_set_fill(file, NC_NOFILL, NULL));
  TRY(nc_enddef(file));

  if (open) TRY(nc_put_var_int(file, periodic, flags));
  TRY(nc_put_var_text(file, spatial_names, "xyz"));
  TRY(nc_put_var_text(file, cell_names, "abc"));
  TRY(nc_put_var_text(file, angle_names, "alphabeta gamma"));
  for (int s = 0; s < frame->species_count; s++) {
    TRY(nc_put_vara_text(file, symbols, (size_t[]){(size_t)s, 0}, (size_t[]){1, QN_SYMBOL_SIZE}, frame->species[s].symbol));
    TRY(nc_put_var1_double(file, masses, (size_t[]){(size_t)s}, &frame->species[s].mass));
  }
  int *one_based = qn_memory_alloc((size_t)frame->count, sizeof *one_based);
  if (one_based == NULL) return NC_ENOMEM;
  for (int64_t i = 0; i < frame->count; i++) one_based[i] = frame->type[i] + 1;
  TRY(nc_put_var_int(file, types, one_based));
  free(one_based);
  TRY(nc_sync(file));
  return code;
}

static qn_status make(qn_netcdf_writer **writer, const char *path, const qn_frame *frame, qn_error *error) {
  *writer = NULL;
  if (frame->count < 1 || frame->species_count < 1)
    return qn_error_set(error, QN_INVALID, "%s: a trajectory needs at least one atom", path);
  qn_netcdf_writer *made = qn_memory_alloc(1, sizeof *made);
  if (made != NULL) {
    made->file = -1;
    made->atoms = frame->count;
    made->packed = qn_memory_alloc(3 * (size_t)frame->count, sizeof *made->packed);
    made->path = strdup(path);
    if (made->packed != NULL && made->path != NULL) {
      *writer = made;
      return QN_OK;
    }
    free(made->packed);
    free(made->path);
    free(made);
  }
  return qn_error_set(error, QN_NO_MEMORY, "out of memory for a frame of %lld atoms", (long long)frame->count);
}

/* Close whatever is open, drop the object; `code` is what went wrong. */
static qn_status abandon(qn_netcdf_writer **writer, int code, qn_error *error) {
  qn_status status = fail(code, (*writer)->path, error);
  if ((*writer)->file >= 0) {
    qn_netcdf_lock();
    nc_close((*writer)->file);
    qn_netcdf_unlock();
    (*writer)->file = -1;
  }
  free((*writer)->packed);
  free((*writer)->path);
  free(*writer);
  *writer = NULL;
  return status;
}

qn_status qn_netcdf_create(qn_netcdf_writer **writer, const char *path, const qn_provenance *provenance, const qn_frame *frame, qn_error *error) {
  qn_status status = make(writer, path, frame, error);
  if (status != QN_OK) return status;
  qn_netcdf_lock();
  int code = nc_create(path, NC_CLOBBER | NC_64BIT_OFFSET, &(*writer)->file);
  if (code != NC_NOERR) (*writer)->file = -1;
  if (code == NC_NOERR) code = define(*writer, provenance, frame);
  qn_netcdf_unlock();
  return code == NC_NOERR ? QN_OK : abandon(writer, code, error);
}

/* Lower the number of records in the header of a classic file: bytes 4 to 7, big-endian (NetCDF classic format specification). The bytes of
 * the frames after it stay until new frames cover them; no reader looks at them. */
static qn_status set_frame_count(const char *path, int64_t frames, qn_error *error) {
  unsigned char count[4] = {(unsigned char)(frames >> 24), (unsigned char)(frames >> 16), (unsigned char)(frames >> 8), (unsigned char)frames};
  int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  bool written = descriptor >= 0 && pwrite(descriptor, count, 4, 4) == 4 && fsync(descriptor) == 0;
  int reason = errno;
  if (descriptor >= 0) close(descriptor);
  return written ? QN_OK : qn_error_system(error, reason, "%s", path);
}

/* Open for appending, find the variables, count the frames; `*same` tells whether atoms and species are those of `frame`. */
static int reopen(qn_netcdf_writer *writer, const qn_frame *frame, bool *same) {
  int code = nc_open(writer->path, NC_WRITE, &writer->file);
  if (code != NC_NOERR) {
    writer->file = -1;
    return code;
  }
  int file = writer->file, dimension, types, symbols, format;
  size_t frames = 0, atoms = 0, species = 0;
  TRY(nc_inq_format(file, &format));
  if (code == NC_NOERR && format != NC_FORMAT_64BIT_OFFSET) code = NC_ENOTNC;
  TRY(nc_inq_dimid(file, "frame", &dimension));
  TRY(nc_inq_dimlen(file, dimension, &frames));
  TRY(nc_inq_dimid(file, "atom", &dimension));
  TRY(nc_inq_dimlen(file, dimension, &atoms));
  TRY(nc_inq_dimid(file, "species", &dimension));
  TRY(nc_inq_dimlen(file, dimension, &species));
  TRY(nc_inq_varid(file, "coordinates", &writer->coordinates));
  TRY(nc_inq_varid(file, "time", &writer->time));
  TRY(nc_inq_varid(file, "step", &writer->step));
  TRY(nc_inq_varid(file, "cell_lengths", &writer->lengths));
  TRY(nc_inq_varid(file, "cell_angles", &writer->angles));
  TRY(nc_inq_varid(file, "cell_origin", &writer->origin));
  TRY(nc_inq_varid(file, "atom_types", &types));
  TRY(nc_inq_varid(file, "species_symbol", &symbols));
  TRY(nc_set_fill(file, NC_NOFILL, NULL));
  if (code != NC_NOERR) return code;
  writer->frames = (int64_t)frames;
  *same = (int64_t)atoms == frame->count && (int)species == frame->species_count;
  for (int s = 0; *same && s < frame->species_count; s++) {
    char symbol[QN_SYMBOL_SIZE];
    TRY(nc_get_vara_text(file, symbols, (size_t[]){(size_t)s, 0}, (size_t[]){1, QN_SYMBOL_SIZE}, symbol));
    *same = code == NC_NOERR && strncmp(symbol, frame->species[s].symbol, QN_SYMBOL_SIZE) == 0;
  }
  if (!*same) return code;
  int *one_based = qn_memory_alloc(atoms, sizeof *one_based);
  if (one_based == NULL) return NC_ENOMEM;
  TRY(nc_get_var_int(file, types, one_based));
  for (int64_t i = 0; code == NC_NOERR && *same && i < frame->count; i++) *same = one_based[i] == frame->type[i] + 1;
  free(one_based);
  return code;
}

qn_status qn_netcdf_append(qn_netcdf_writer **writer, const char *path, int64_t keep, const qn_frame *frame, qn_error *error) {
  qn_status status = make(writer, path, frame, error);
  if (status != QN_OK) return status;
  qn_netcdf_writer *made = *writer;
  bool same = false;
  qn_netcdf_lock();
  int code = reopen(made, frame, &same);
  if (code == NC_NOERR && same && keep < made->frames && keep >= 0) {
    code = nc_close(made->file);
    made->file = -1;
    if (code == NC_NOERR) {
      status = set_frame_count(path, keep, error);
      if (status == QN_OK) code = reopen(made, frame, &same);
    }
  }
  qn_netcdf_unlock();
  if (code != NC_NOERR) return abandon(writer, code, error);
  if (status == QN_OK && !same) status = qn_error_set(error, QN_INVALID, "%s: holds other atoms or species", path);
  if (status == QN_OK && (keep < 0 || keep > made->frames))
    status = qn_error_set(error, QN_CORRUPT, "%s: %lld frames are to be kept, %lld are there", path, (long long)keep, (long long)made->frames);
  if (status != QN_OK) {
    qn_error ignored;
    abandon(writer, NC_NOERR, &ignored);
  }
  return status;
}

qn_status qn_netcdf_write(qn_netcdf_writer *writer, const qn_frame *frame, qn_error *error) {
  if (frame->count != writer->atoms)
    return qn_error_set(error, QN_INVALID, "%s: a frame of %lld atoms, not %lld", writer->path, (long long)frame->count, (long long)writer->atoms);
  for (int64_t i = 0; i < frame->count; i++)
    for (int a = 0; a < 3; a++) writer->packed[3 * i + a] = (float)frame->r[a][i];
  size_t at[3] = {(size_t)writer->frames, 0, 0};
  double step = (double)frame->step, right[3] = {90, 90, 90};
  int code = NC_NOERR, file = writer->file;
  qn_netcdf_lock();
  TRY(nc_put_vara_float(file, writer->coordinates, at, (size_t[]){1, (size_t)writer->atoms, 3}, writer->packed));
  TRY(nc_put_vara_double(file, writer->lengths, at, (size_t[]){1, 3}, frame->box.length));
  TRY(nc_put_vara_double(file, writer->angles, at, (size_t[]){1, 3}, right));
  TRY(nc_put_vara_double(file, writer->origin, at, (size_t[]){1, 3}, frame->box.origin));
  TRY(nc_put_var1_double(file, writer->time, at, &frame->time));
  TRY(nc_put_var1_double(file, writer->step, at, &step));
  qn_netcdf_unlock();
  if (code != NC_NOERR) return fail(code, writer->path, error);
  writer->frames++;
  return QN_OK;
}

qn_status qn_netcdf_sync(qn_netcdf_writer *writer, qn_error *error) {
  qn_netcdf_lock();
  int code = nc_sync(writer->file);
  qn_netcdf_unlock();
  if (code != NC_NOERR) return fail(code, writer->path, error);
  int descriptor = open(writer->path, O_RDONLY | O_CLOEXEC);
  bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  int reason = errno;
  if (descriptor >= 0) close(descriptor);
  return synced ? QN_OK : qn_error_system(error, reason, "%s", writer->path);
}

int64_t qn_netcdf_written(const qn_netcdf_writer *writer) { return writer->frames; }

qn_status qn_netcdf_close(qn_netcdf_writer *writer, qn_error *error) {
  if (writer == NULL) return QN_OK;
  qn_status status = qn_netcdf_sync(writer, error);
  qn_netcdf_lock();
  int code = nc_close(writer->file);
  qn_netcdf_unlock();
  if (status == QN_OK && code != NC_NOERR) status = fail(code, writer->path, error);
  free(writer->packed);
  free(writer->path);
  free(writer);
  return status;
}

#include <errno.h>
#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/netcdf_lock.h"
#include "engine/trajectory/source.h"

typedef struct netcdf_source {
  qn_source base;
  int file;
  int coordinates, lengths, angles, origin, step; /* variables; the last two -1 when absent */
  int64_t atoms;
  uint8_t *type; /* [atoms] */
  float *packed; /* [atoms][3] */
  char *path;
} netcdf_source;

#define TRY(call)              \
  do {                         \
    if (code == NC_NOERR) code = (call); \
  } while (0)

static void close_netcdf(qn_source *base) {
  netcdf_source *source = (netcdf_source *)base;
  if (source->file >= 0) {
    qn_netcdf_lock();
    nc_close(source->file);
    qn_netcdf_unlock();
  }
  free(source->type);
  free(source->packed);
  free(source->path);
  free(source);
}

/* Positive codes are errno's; libnetcdf answers EINVAL to headers that make no sense. */
static qn_status fail(const netcdf_source *source, int code, qn_error *error) {
  return qn_error_set(error, code > 0 && code != EINVAL ? QN_IO : QN_CORRUPT, "%s: %s", source->path, nc_strerror(code));
}

static qn_status read_frame(qn_source *base, int64_t index, qn_frame *frame, uint8_t *type, qn_error *error) {
  netcdf_source *source = (netcdf_source *)base;
  size_t at[3] = {(size_t)index, 0, 0}, cell[2] = {1, 3};
  double angles[3] = {90, 90, 90}, step = (double)index;
  int code = NC_NOERR, file = source->file;
  memset(frame->box.origin, 0, sizeof frame->box.origin);
  qn_netcdf_lock();
  TRY(nc_get_vara_float(file, source->coordinates, at, (size_t[]){1, (size_t)source->atoms, 3}, source->packed));
  TRY(nc_get_vara_double(file, source->lengths, at, cell, frame->box.length));
  if (source->angles >= 0) TRY(nc_get_vara_double(file, source->angles, at, cell, angles));
  if (source->origin >= 0) TRY(nc_get_vara_double(file, source->origin, at, cell, frame->box.origin));
  if (source->step >= 0) TRY(nc_get_var1_double(file, source->step, at, &step));
  qn_netcdf_unlock();
  if (code != NC_NOERR) return fail(source, code, error);
  for (int a = 0; a < 3; a++) {
    if (!(frame->box.length[a] > 0) || !isfinite(frame->box.length[a]) || !isfinite(frame->box.origin[a]))
      return qn_error_set(error, QN_CORRUPT, "%s: frame %lld has no finite box", source->path, (long long)index);
    if (fabs(angles[a] - 90) > 1e-4)
      return qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld has a tilted box; only boxes with right angles can be used", source->path,
                          (long long)index);
  }
  bool finite = true;
  for (int64_t i = 0; i < source->atoms; i++)
    for (int a = 0; a < 3; a++) {
      float x = source->packed[3 * i + a];
      finite = finite && fabsf(x) < 1e30f; /* not a fill value, not NAN */
      frame->r[a][i] = x;
    }
  if (!finite) return qn_error_set(error, QN_CORRUPT, "%s: frame %lld holds coordinates that are no finite numbers", source->path, (long long)index);
  memcpy(type, source->type, (size_t)source->atoms);
  frame->step = fabs(step) < 9e15 ? (int64_t)step : index;
  return QN_OK;
}

/* Types and species: ours; or atom_types alone, which name no element; or none. */
static qn_status read_species(netcdf_source *source, const qn_trajectory_options *options, qn_trajectory_info *info, qn_error *error) {
  int file = source->file, variable, dimension, code;
  int *one_based = qn_memory_alloc((size_t)source->atoms, sizeof *one_based);
  if (one_based == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  bool typed = nc_inq_varid(file, "atom_types", &variable) == NC_NOERR || nc_inq_varid(file, "type", &variable) == NC_NOERR;
  int rank = 0;
  code = typed ? nc_inq_varndims(file, variable, &rank) : NC_NOERR;
  if (typed && rank == 1) TRY(nc_get_var_int(file, variable, one_based));
  if (typed && rank == 2) TRY(nc_get_vara_int(file, variable, (size_t[]){0, 0}, (size_t[]){1, (size_t)source->atoms}, one_based));
  int largest = 1;
  for (int64_t i = 0; code == NC_NOERR && i < source->atoms; i++) {
    if (!typed || rank < 1 || rank > 2) one_based[i] = 1;
    if (one_based[i] < 1 || one_based[i] > QN_MAX_SPECIES) {
      int type = one_based[i];
      free(one_based);
      return qn_error_set(error, QN_UNSUPPORTED, "%s: atom %lld has type %d; types go from 1 to %d", source->path, (long long)i + 1, type,
                          QN_MAX_SPECIES);
    }
    if (one_based[i] > largest) largest = one_based[i];
    source->type[i] = (uint8_t)(one_based[i] - 1);
  }
  free(one_based);
  if (code != NC_NOERR) return fail(source, code, error);

  size_t species = 0, width = 0;
  int symbols, masses;
  bool named = nc_inq_dimid(file, "species", &dimension) == NC_NOERR && nc_inq_dimlen(file, dimension, &species) == NC_NOERR &&
               nc_inq_dimid(file, "symbol", &dimension) == NC_NOERR && nc_inq_dimlen(file, dimension, &width) == NC_NOERR &&
               nc_inq_varid(file, "species_symbol", &symbols) == NC_NOERR && nc_inq_varid(file, "species_mass", &masses) == NC_NOERR &&
               width == QN_SYMBOL_SIZE;
  if (!named && options->species != NULL) {
    if (largest > options->species_count)
      return qn_error_set(error, QN_INVALID, "%s: types up to %d, but %d species are named", source->path, largest, options->species_count);
    info->species_count = options->species_count;
    memcpy(info->species, options->species, (size_t)options->species_count * sizeof *options->species);
    return QN_OK;
  }
  if (!named) {
    /* Names are made up and masses equal: the drift is then that of the geometric centre. */
    info->species_count = largest;
    for (int s = 0; s < largest; s++) info->species[s] = (qn_species){{(char)('A' + s)}, 1};
    return QN_OK;
  }
  if (species > QN_MAX_SPECIES || (size_t)largest > species)
    return qn_error_set(error, QN_CORRUPT, "%s: types up to %d, but %zu species", source->path, largest, species);
  info->species_count = (int)species;
  for (size_t s = 0; s < species; s++) {
    TRY(nc_get_vara_text(file, symbols, (size_t[]){s, 0}, (size_t[]){1, QN_SYMBOL_SIZE}, info->species[s].symbol));
    TRY(nc_get_var1_double(file, masses, &s, &info->species[s].mass));
    info->species[s].symbol[QN_SYMBOL_SIZE - 1] = '\0';
    if (code == NC_NOERR && (!(info->species[s].mass > 0) || !isfinite(info->species[s].mass) || info->species[s].symbol[0] == '\0'))
      return qn_error_set(error, QN_CORRUPT, "%s: species %zu has no symbol or no positive mass", source->path, s + 1);
  }
  return code == NC_NOERR ? QN_OK : fail(source, code, error);
}

static void read_text(int file, const char *name, char text[QN_PROVENANCE_TEXT]) {
  size_t length;
  nc_type type;
  if (nc_inq_att(file, NC_GLOBAL, name, &type, &length) != NC_NOERR || type != NC_CHAR || length >= QN_PROVENANCE_TEXT) return;
  if (nc_get_att_text(file, NC_GLOBAL, name, text) != NC_NOERR) length = 0;
  text[length] = '\0';
}

static void read_provenance(int file, qn_provenance *provenance) {
  char program[QN_PROVENANCE_TEXT] = "";
  read_text(file, "program", program);
  read_text(file, "title", provenance->title);
  read_text(file, "spec_sha256", provenance->spec_sha256);
  read_text(file, "potential", provenance->potential);
  read_text(file, "potential_sha256", provenance->potential_sha256);
  if (strcmp(program, "quenchd") == 0) read_text(file, "programVersion", provenance->engine_version);
}

void qn_netcdf_provenance(const char *path, qn_provenance *provenance) {
  int file;
  *provenance = (qn_provenance){0};
  qn_netcdf_lock();
  if (nc_open(path, NC_NOWRITE, &file) == NC_NOERR) {
    read_provenance(file, provenance);
    nc_close(file);
  }
  qn_netcdf_unlock();
}

/* A variable with the dimensions (frame, second[, spatial]) that the convention gives it. */
static bool find_variable(int file, const char *name, size_t second, int rank, int *variable) {
  int dimensions[NC_MAX_VAR_DIMS], found;
  size_t length;
  if (nc_inq_varid(file, name, variable) != NC_NOERR) return false;
  return nc_inq_varndims(file, *variable, &found) == NC_NOERR && found == rank && nc_inq_vardimid(file, *variable, dimensions) == NC_NOERR &&
         nc_inq_dimlen(file, dimensions[1], &length) == NC_NOERR && length == second;
}

static qn_status describe(netcdf_source *source, const qn_trajectory_options *options, qn_trajectory_info *info, double **time, qn_error *error) {
  int file = source->file, dimension, variable;
  size_t frames, atoms;
  if (nc_inq_dimid(file, "frame", &dimension) != NC_NOERR || nc_inq_dimlen(file, dimension, &frames) != NC_NOERR ||
      nc_inq_dimid(file, "atom", &dimension) != NC_NOERR || nc_inq_dimlen(file, dimension, &atoms) != NC_NOERR || atoms < 1 ||
      !find_variable(file, "coordinates", atoms, 3, &source->coordinates))
    return qn_error_set(error, QN_UNSUPPORTED, "%s: no trajectory of the AMBER convention (dimensions frame and atom, coordinates(frame, atom, spatial))",
                        source->path);
  if (!find_variable(file, "cell_lengths", 3, 2, &source->lengths))
    return qn_error_set(error, QN_UNSUPPORTED, "%s: has no cell_lengths; a periodic box is needed", source->path);
  if (!find_variable(file, "cell_angles", 3, 2, &source->angles)) source->angles = -1;
  if (!find_variable(file, "cell_origin", 3, 2, &source->origin)) source->origin = -1;
  if (nc_inq_varid(file, "step", &source->step) != NC_NOERR) source->step = -1;
  source->atoms = (int64_t)atoms;
  source->type = qn_memory_alloc(atoms, 1);
  source->packed = qn_memory_alloc(3 * atoms, sizeof *source->packed);
  *time = qn_memory_alloc(frames, sizeof **time);
  if (source->type == NULL || source->packed == NULL || *time == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "%s: out of memory for a frame of %zu atoms", source->path, atoms);
  info->format = "netcdf";
  read_provenance(file, &info->provenance);
  info->frames = (int64_t)frames;
  info->atoms = (int64_t)atoms;
  int code = nc_inq_varid(file, "time", &variable);
  if (frames > 0) TRY(nc_get_vara_double(file, variable, (size_t[]){0}, &frames, *time));
  if (code != NC_NOERR)
    for (size_t i = 0; i < frames; i++) (*time)[i] = NAN;
  return read_species(source, options, info, error);
}

qn_status qn_source_open_netcdf(qn_source **opened, const char *path, const qn_trajectory_options *options, qn_trajectory_info *info, double **time,
                                qn_error *error) {
  netcdf_source *source = qn_memory_alloc(1, sizeof *source);
  if (source == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  source->base = (qn_source){read_frame, close_netcdf};
  source->path = strdup(path);
  if (source->path == NULL) {
    free(source);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  qn_netcdf_lock();
  int code = nc_open(path, NC_NOWRITE, &source->file);
  if (code != NC_NOERR) source->file = -1;
  qn_status status = code == NC_NOERR ? describe(source, options, info, time, error) : fail(source, code, error);
  qn_netcdf_unlock();
  if (status != QN_OK) {
    close_netcdf(&source->base);
    return status;
  }
  *opened = &source->base;
  return QN_OK;
}

#include <errno.h>
#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/netcdf_lock.h"
#include "engine/trajectory/netcdf_order.h"
#include "engine/trajectory/netcdf_scale.h"
#include "engine/trajectory/source.h"

typedef struct netcdf_source {
  qn_source base;
  int file;
  int coordinates, lengths, angles, origin, step; /* variables; angles, origin and step -1 when absent */
  qn_netcdf_scale coordinates_in, lengths_in, angles_in, origin_in;
  bool open[3];
  qn_wrapping wrapping;
  int64_t atoms;
  qn_netcdf_order order;
  uint8_t *type;  /* [atoms], in the order that frames have */
  bool single;    /* coordinates are stored as float, and read as such: no conversion inside the library */
  void *packed;   /* [atoms][3] float or double */
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
  qn_netcdf_order_fini(&source->order);
  free(source->path);
  free(source);
}

/* Positive codes are errno's; libnetcdf answers EINVAL to headers that make no sense. */
static qn_status fail(const netcdf_source *source, int code, qn_error *error) {
  if (code > 0 && code != EINVAL) return qn_error_system(error, code, "%s", source->path);
  return qn_error_set(error, QN_CORRUPT, "%s: %s", source->path, nc_strerror(code));
}

/* Along an axis that is not periodic a file may state no length: then the box is as wide as the atoms. */
static void close_open_axes(const netcdf_source *source, qn_frame *frame) {
  for (int a = 0; a < 3; a++) {
    if (!source->open[a] || frame->box.length[a] > 0) continue;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < source->atoms; i++) {
      low = fmin(low, frame->r[a][i]);
      high = fmax(high, frame->r[a][i]);
    }
    frame->box.origin[a] = low;
    frame->box.length[a] = fmax(high - low, 1e-3);
  }
}

static qn_status read_frame(qn_source *base, int64_t index, qn_frame *frame, uint8_t *type, qn_error *error) {
  netcdf_source *source = (netcdf_source *)base;
  size_t at[3] = {(size_t)index, 0, 0}, cell[2] = {1, 3};
  double angles[3] = {90, 90, 90}, step = (double)index;
  int code = NC_NOERR, file = source->file;
  memset(frame->box.origin, 0, sizeof frame->box.origin);
  qn_netcdf_lock();
  const size_t all[3] = {1, (size_t)source->atoms, 3};
  TRY(source->single ? nc_get_vara_float(file, source->coordinates, at, all, source->packed)
                     : nc_get_vara_double(file, source->coordinates, at, all, source->packed));
  TRY(nc_get_vara_double(file, source->lengths, at, cell, frame->box.length));
  if (source->angles >= 0) TRY(nc_get_vara_double(file, source->angles, at, cell, angles));
  if (source->origin >= 0) TRY(nc_get_vara_double(file, source->origin, at, cell, frame->box.origin));
  if (source->step >= 0) TRY(nc_get_var1_double(file, source->step, at, &step));
  qn_netcdf_unlock();
  if (code != NC_NOERR) return fail(source, code, error);
  qn_status status = qn_netcdf_order_read(&source->order, index, source->type, error);
  if (status != QN_OK) return status;
  const int64_t *place = qn_netcdf_order_place(&source->order);
  bool finite = true;
  const float *singles = source->packed;
  const double *doubles = source->packed;
  for (int64_t i = 0; i < source->atoms; i++)
    for (int a = 0; a < 3; a++) {
      double x = source->single ? singles[3 * i + a] : doubles[3 * i + a];
      finite = finite && fabs(x) < 1e30; /* not a fill value, not NAN */
      frame->r[a][place != NULL ? place[i] : i] = qn_netcdf_scale_apply(&source->coordinates_in, x);
    }
  if (!finite) return qn_error_set(error, QN_CORRUPT, "%s: frame %lld holds coordinates that are no finite numbers", source->path, (long long)index);
  for (int a = 0; a < 3; a++) {
    frame->box.length[a] = qn_netcdf_scale_apply(&source->lengths_in, frame->box.length[a]);
    if (source->origin >= 0) frame->box.origin[a] = qn_netcdf_scale_apply(&source->origin_in, frame->box.origin[a]);
    if (source->angles >= 0) angles[a] = qn_netcdf_scale_apply(&source->angles_in, angles[a]);
  }
  close_open_axes(source, frame);
  for (int a = 0; a < 3; a++) {
    if (!(frame->box.length[a] > 0) || !isfinite(frame->box.length[a]) || !isfinite(frame->box.origin[a]))
      return qn_error_set(error, QN_CORRUPT, "%s: frame %lld has no finite box", source->path, (long long)index);
    if (fabs(angles[a] - 90) > 1e-4)
      return qn_error_set(error, QN_UNSUPPORTED, "%s: frame %lld has a tilted box; only boxes with right angles can be used", source->path,
                          (long long)index);
  }
  memcpy(type, source->type, (size_t)source->atoms);
  memcpy(frame->open, source->open, sizeof frame->open);
  frame->wrapping = source->wrapping;
  frame->step = fabs(step) < 9e15 ? (int64_t)step : index;
  return QN_OK;
}

/* The caller's species for the types of the file, or for the atoms of a file without types. */
static qn_status name_types(netcdf_source *source, const qn_trajectory_options *options, bool typed, int largest, qn_trajectory_info *info,
                            qn_error *error) {
  if (largest > options->species_count)
    return qn_error_set(error, QN_INVALID, "%s: types up to %d, but %d species are named", source->path, largest, options->species_count);
  int64_t told = 0;
  for (int s = 0; options->species_atoms != NULL && s < options->species_count; s++) told += options->species_atoms[s];
  if (typed && options->species_atoms != NULL)
    return qn_error_set(error, QN_INVALID, "%s: the file tells the type of each atom; species without numbers of atoms are accepted", source->path);
  if (!typed && options->species_count > 1 && told != source->atoms)
    return qn_error_set(error, QN_INVALID,
                        "%s: the file does not tell which atom is of which species; numbers of atoms that add up to %lld are needed beside the species",
                        source->path, (long long)source->atoms);
  if (!typed && options->species_count > 1)
    for (int64_t i = 0, end = 0, s = -1; i < source->atoms; i++) {
      while (i >= end) end += options->species_atoms[++s];
      source->type[i] = (uint8_t)s;
    }
  info->species_count = options->species_count;
  memcpy(info->species, options->species, (size_t)options->species_count * sizeof *options->species);
  return QN_OK;
}

/* Types and species: ours; or atom_types alone, which name no element; or none. */
static qn_status read_species(netcdf_source *source, const qn_trajectory_options *options, qn_trajectory_info *info, qn_error *error) {
  int file = source->file, variable, dimension, code;
  bool typed = nc_inq_varid(file, "atom_types", &variable) == NC_NOERR || nc_inq_varid(file, "type", &variable) == NC_NOERR;
  int rank = 0;
  int *one_based = qn_memory_alloc((size_t)source->atoms, sizeof *one_based);
  if (one_based == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  code = typed ? nc_inq_varndims(file, variable, &rank) : NC_NOERR;
  if (typed && rank == 1 && source->order.ids >= 0) {
    free(one_based);
    return qn_error_set(error, QN_UNSUPPORTED, "%s: ids change from frame to frame, but types are stored once; types(frame, atom) are needed",
                        source->path);
  }
  if (typed && rank == 1) TRY(nc_get_var_int(file, variable, one_based));
  if (typed && rank == 2 && info->frames > 0) {
    source->order.types = variable;
    TRY(nc_get_vara_int(file, variable, (size_t[]){0, 0}, (size_t[]){1, (size_t)source->atoms}, one_based));
  }
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
  source->order.species_count = largest;

  size_t species = 0, width = 0;
  int symbols, masses;
  bool named = nc_inq_dimid(file, "species", &dimension) == NC_NOERR && nc_inq_dimlen(file, dimension, &species) == NC_NOERR &&
               nc_inq_dimid(file, "symbol", &dimension) == NC_NOERR && nc_inq_dimlen(file, dimension, &width) == NC_NOERR &&
               nc_inq_varid(file, "species_symbol", &symbols) == NC_NOERR && nc_inq_varid(file, "species_mass", &masses) == NC_NOERR &&
               width == QN_SYMBOL_SIZE;
  info->named = named || options->species != NULL;
  if (!named && options->species != NULL) return name_types(source, options, typed, largest, info, error);
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
    if (code == NC_NOERR && (!(info->species[s].mass > 0) || !isfinite(info->species[s].mass) || !qn_symbol_is_valid(info->species[s].symbol)))
      return qn_error_set(error, QN_CORRUPT, "%s: species %zu has no symbol of letters, digits and '_', or no positive mass", source->path, s + 1);
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

/* A variable with the dimensions (frame, second[, spatial]) that the convention gives it. */
static bool find_variable(int file, const char *name, size_t second, int rank, int *variable) {
  int dimensions[NC_MAX_VAR_DIMS], found;
  size_t length;
  if (nc_inq_varid(file, name, variable) != NC_NOERR) return false;
  return nc_inq_varndims(file, *variable, &found) == NC_NOERR && found == rank && nc_inq_vardimid(file, *variable, dimensions) == NC_NOERR &&
         nc_inq_dimlen(file, dimensions[1], &length) == NC_NOERR && length == second;
}

/* Our own files say how their positions lie to the box, in an attribute; older ones hold unwrapped ones always. */
static qn_wrapping read_wrapping(const netcdf_source *source) {
  char program[32] = "", text[32] = "";
  size_t length = 0;
  if (nc_inq_attlen(source->file, source->coordinates, "wrapping", &length) == NC_NOERR && length < sizeof text &&
      nc_get_att_text(source->file, source->coordinates, "wrapping", text) == NC_NOERR) {
    for (int w = 0; w <= (int)QN_WRAPPING_UNKNOWN; w++)
      if (strcmp(text, qn_wrapping_name((qn_wrapping)w)) == 0) return (qn_wrapping)w;
    return QN_WRAPPING_UNKNOWN;
  }
  bool ours = nc_inq_attlen(source->file, NC_GLOBAL, "program", &length) == NC_NOERR && length < sizeof program &&
              nc_get_att_text(source->file, NC_GLOBAL, "program", program) == NC_NOERR && strcmp(program, "quenchd") == 0;
  return ours ? QN_WRAPPING_UNWRAPPED : QN_WRAPPING_UNKNOWN;
}

/* Axes that are not periodic: our own variable says so, or, as the convention has it, the box has no length there. */
static int read_open_axes(netcdf_source *source) {
  int variable, periodic[3] = {1, 1, 1}, code = NC_NOERR;
  double length[3];
  if (nc_inq_varid(source->file, "periodic", &variable) == NC_NOERR) TRY(nc_get_var_int(source->file, variable, periodic));
  TRY(nc_get_vara_double(source->file, source->lengths, (size_t[]){0, 0}, (size_t[]){1, 3}, length));
  for (int a = 0; a < 3 && code == NC_NOERR; a++) source->open[a] = periodic[a] == 0 || length[a] == 0;
  return code;
}

/* What the first frame tells. */
static qn_status describe_frames(netcdf_source *source, double *time, size_t frames, qn_error *error) {
  int file = source->file, variable, code = NC_NOERR;
  qn_netcdf_scale time_in = {1, 0};
  bool timed = nc_inq_varid(file, "time", &variable) == NC_NOERR;
  qn_status status = qn_netcdf_scale_read(&source->coordinates_in, file, source->coordinates, QN_NETCDF_LENGTH, source->path, error);
  if (status == QN_OK) status = qn_netcdf_scale_read(&source->lengths_in, file, source->lengths, QN_NETCDF_LENGTH, source->path, error);
  if (status == QN_OK && source->angles >= 0)
    status = qn_netcdf_scale_read(&source->angles_in, file, source->angles, QN_NETCDF_ANGLE, source->path, error);
  if (status == QN_OK && source->origin >= 0)
    status = qn_netcdf_scale_read(&source->origin_in, file, source->origin, QN_NETCDF_LENGTH, source->path, error);
  if (status == QN_OK && timed) status = qn_netcdf_scale_read(&time_in, file, variable, QN_NETCDF_TIME, source->path, error);
  if (status != QN_OK || frames == 0) return status;
  if (timed) TRY(nc_get_vara_double(file, variable, (size_t[]){0}, &frames, time));
  for (size_t i = 0; i < frames; i++) time[i] = timed && code == NC_NOERR ? qn_netcdf_scale_apply(&time_in, time[i]) : (double)NAN;
  code = read_open_axes(source);
  if (code != NC_NOERR) return fail(source, code, error);
  if (source->wrapping == QN_WRAPPING_UNKNOWN && source->open[0] && source->open[1] && source->open[2])
    source->wrapping = QN_WRAPPING_UNWRAPPED;
  int ids;
  bool identified = find_variable(file, "id", (size_t)source->atoms, 2, &ids);
  return qn_netcdf_order_init(&source->order, file, identified ? ids : -1, source->atoms, source->path, error);
}

static qn_status describe(netcdf_source *source, const qn_trajectory_options *options, qn_trajectory_info *info, double **time, qn_error *error) {
  int file = source->file, dimension;
  size_t frames, atoms;
  if (nc_inq_dimid(file, "frame", &dimension) != NC_NOERR || nc_inq_dimlen(file, dimension, &frames) != NC_NOERR ||
      nc_inq_dimid(file, "atom", &dimension) != NC_NOERR || nc_inq_dimlen(file, dimension, &atoms) != NC_NOERR || atoms < 1)
    return qn_error_set(error, QN_UNSUPPORTED, "%s: no trajectory of the AMBER convention (dimensions frame and atom, coordinates(frame, atom, spatial))",
                        source->path);
  /* LAMMPS writes xu yu zu under a name of their own. */
  bool unwrapped = find_variable(file, "unwrapped_coordinates", atoms, 3, &source->coordinates);
  if (!unwrapped && !find_variable(file, "coordinates", atoms, 3, &source->coordinates))
    return qn_error_set(error, QN_UNSUPPORTED, "%s: no trajectory of the AMBER convention (dimensions frame and atom, coordinates(frame, atom, spatial))",
                        source->path);
  source->wrapping = unwrapped ? QN_WRAPPING_UNWRAPPED : read_wrapping(source);
  if (!find_variable(file, "cell_lengths", 3, 2, &source->lengths))
    return qn_error_set(error, QN_UNSUPPORTED, "%s: has no cell_lengths; a periodic box is needed", source->path);
  if (!find_variable(file, "cell_angles", 3, 2, &source->angles)) source->angles = -1;
  if (!find_variable(file, "cell_origin", 3, 2, &source->origin)) source->origin = -1;
  if (nc_inq_varid(file, "step", &source->step) != NC_NOERR) source->step = -1;
  source->order.ids = source->order.types = -1;
  source->atoms = (int64_t)atoms;
  source->type = qn_memory_alloc(atoms, 1);
  nc_type stored = NC_DOUBLE;
  source->single = nc_inq_vartype(file, source->coordinates, &stored) == NC_NOERR && stored == NC_FLOAT;
  source->packed = qn_memory_alloc(3 * atoms, source->single ? sizeof(float) : sizeof(double));
  *time = qn_memory_alloc(frames, sizeof **time);
  if (source->type == NULL || source->packed == NULL || *time == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "%s: out of memory for a frame of %zu atoms", source->path, atoms);
  info->format = "netcdf";
  read_provenance(file, &info->provenance);
  info->frames = (int64_t)frames;
  info->atoms = (int64_t)atoms;
  qn_status status = describe_frames(source, *time, frames, error);
  info->wrapping = source->wrapping;
  memcpy(info->open, source->open, sizeof info->open);
  return status == QN_OK ? read_species(source, options, info, error) : status;
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

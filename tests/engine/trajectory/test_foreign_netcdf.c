/* NetCDF made elsewhere: units, packing, atoms in another order in each frame, axes that are not periodic. */
#include <math.h>
#include <netcdf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/trajectory.h"

enum { ATOMS = 4, FRAMES = 3 };

static char path[] = "/tmp/qn_netcdf_XXXXXX";

#define DO(call) assert_int_equal(call, NC_NOERR)

/* What a test asks of the file; NULL and 0: as the convention has it, without the attribute. */
typedef struct made {
  const char *time_units, *length_units, *coordinates;
  double time_scale, length_scale;
  bool doubles, ids, types_once, foreign_id;
  const double *cell;
} made;

/* Atom of identity k sits at 10 k + frame along x; frames hold the atoms rotated by one place more each time; types are k % 2 + 1. */
static int identity(int frame, int place) { return (place + frame) % ATOMS; }

static void write_file(const made *wanted) {
  int file, frame, atom, spatial, cell_spatial, time, coordinates, lengths, ids = -1, types = -1;
  DO(nc_create(path, NC_CLOBBER | NC_64BIT_OFFSET, &file));
  DO(nc_def_dim(file, "frame", NC_UNLIMITED, &frame));
  DO(nc_def_dim(file, "atom", ATOMS, &atom));
  DO(nc_def_dim(file, "spatial", 3, &spatial));
  DO(nc_def_dim(file, "cell_spatial", 3, &cell_spatial));
  const char *name = wanted->coordinates != NULL ? wanted->coordinates : "coordinates";
  DO(nc_def_var(file, name, wanted->doubles ? NC_DOUBLE : NC_FLOAT, 3, (int[]){frame, atom, spatial}, &coordinates));
  DO(nc_def_var(file, "time", NC_DOUBLE, 1, &frame, &time));
  DO(nc_def_var(file, "cell_lengths", NC_DOUBLE, 2, (int[]){frame, cell_spatial}, &lengths));
  if (wanted->ids) DO(nc_def_var(file, "id", NC_INT, 2, (int[]){frame, atom}, &ids));
  if (wanted->ids && !wanted->types_once) DO(nc_def_var(file, "type", NC_INT, 2, (int[]){frame, atom}, &types));
  if (wanted->types_once) DO(nc_def_var(file, "atom_types", NC_INT, 1, &atom, &types));
  if (wanted->time_units != NULL) DO(nc_put_att_text(file, time, "units", strlen(wanted->time_units), wanted->time_units));
  if (wanted->time_scale > 0) DO(nc_put_att_double(file, time, "scale_factor", NC_DOUBLE, 1, &wanted->time_scale));
  if (wanted->length_units != NULL) {
    DO(nc_put_att_text(file, coordinates, "units", strlen(wanted->length_units), wanted->length_units));
    DO(nc_put_att_text(file, lengths, "units", strlen(wanted->length_units), wanted->length_units));
  }
  if (wanted->length_scale > 0) DO(nc_put_att_double(file, coordinates, "scale_factor", NC_DOUBLE, 1, &wanted->length_scale));
  DO(nc_enddef(file));
  for (size_t f = 0; f < FRAMES; f++) {
    const double usual[3] = {100, 100, 100}, at = 500.0 * (double)f;
    double r[ATOMS][3];
    int id[ATOMS], type[ATOMS];
    for (int i = 0; i < ATOMS; i++) {
      int k = wanted->ids ? identity((int)f, i) : i;
      id[i] = wanted->foreign_id && f == 2 && i == 1 ? 99 : 3 * k + 7;
      type[i] = k % 2 + 1;
      r[i][0] = 10 * k + (double)f;
      r[i][1] = r[i][2] = k + 0.25;
    }
    DO(nc_put_vara_double(file, coordinates, (size_t[]){f, 0, 0}, (size_t[]){1, ATOMS, 3}, &r[0][0]));
    DO(nc_put_vara_double(file, lengths, (size_t[]){f, 0}, (size_t[]){1, 3}, wanted->cell != NULL ? wanted->cell : usual));
    DO(nc_put_var1_double(file, time, &f, &at));
    if (wanted->ids) DO(nc_put_vara_int(file, ids, (size_t[]){f, 0}, (size_t[]){1, ATOMS}, id));
    if (wanted->ids && !wanted->types_once) DO(nc_put_vara_int(file, types, (size_t[]){f, 0}, (size_t[]){1, ATOMS}, type));
    if (wanted->types_once && f == 0) DO(nc_put_var_int(file, types, type));
  }
  DO(nc_close(file));
}

static qn_trajectory *open_made(const made *wanted) {
  write_file(wanted);
  qn_trajectory *trajectory;
  qn_error error;
  if (qn_trajectory_open(&trajectory, path, &error) != QN_OK) fail_msg("%s", error.message);
  return trajectory;
}

static void times_have_their_units(void **state) {
  (void)state;
  static const struct {
    const char *units;
    double scale, interval; /* ps */
  } cases[] = {{NULL, 0, 500},          {"picosecond", 0, 500},     {"ps", 0, 500},      {"Picoseconds ", 0, 500}, {"femtosecond", 0, 0.5},
               {"fs", 0, 0.5},          {"nanoseconds", 0, 500000}, {"picosecond", 0.001, 0.5} /* steps of 1 fs, as LAMMPS writes them */,
               {"femtosecond", 2, 1.0}, {"s", 1e-12, 500}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_trajectory *trajectory = open_made(&(made){.time_units = cases[i].units, .time_scale = cases[i].scale});
    double interval = qn_trajectory_describe(trajectory)->interval;
    if (!(fabs(interval / cases[i].interval - 1) < 1e-12)) fail_msg("case %zu: %g ps, not %g", i, interval, cases[i].interval);
    qn_trajectory_close(trajectory);
  }
}

static void lengths_have_their_units(void **state) {
  (void)state;
  static const struct {
    const char *units;
    double scale, factor, cell; /* of coordinates and box to A */
  } cases[] = {{NULL, 0, 1, 1}, {"Angstrom", 0, 1, 1}, {"nanometer", 0, 10, 10}, {"angstrom", 0.5, 0.5, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int doubles = 0; doubles < 2; doubles++) {
      qn_trajectory *trajectory = open_made(&(made){.length_units = cases[i].units, .length_scale = cases[i].scale, .doubles = doubles});
      qn_frame frame;
      qn_error error;
      assert_int_equal(qn_trajectory_read(trajectory, 1, &frame, &error), QN_OK);
      assert_true(fabs(frame.r[0][3] - 31 * cases[i].factor) < 1e-12);
      assert_true(fabs(frame.box.length[1] - 100 * cases[i].cell) < 1e-12);
      qn_trajectory_close(trajectory);
    }
}

static void unknown_units_are_refused(void **state) {
  (void)state;
  static const made cases[] = {{.time_units = "lj"}, {.length_units = "lj"}, {.time_units = "picosecondss"}, {.time_units = "meter"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_trajectory *trajectory;
    qn_error error;
    write_file(&cases[i]);
    assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_UNSUPPORTED);
    assert_non_null(strstr(error.message, "accepted are"));
  }
}

static void atoms_are_told_by_their_ids(void **state) {
  (void)state;
  qn_trajectory *trajectory = open_made(&(made){.ids = true});
  assert_int_equal(qn_trajectory_describe(trajectory)->species_count, 2);
  for (int f = FRAMES - 1; f >= 0; f--) {
    qn_frame frame;
    qn_error error;
    if (qn_trajectory_read(trajectory, f, &frame, &error) != QN_OK) fail_msg("%s", error.message);
    for (int k = 0; k < ATOMS; k++) assert_true(frame.r[0][k] == 10 * k + f && frame.r[1][k] == k + 0.25 && frame.type[k] == k % 2);
  }
  qn_trajectory_close(trajectory);

  trajectory = open_made(&(made){.ids = true, .foreign_id = true});
  qn_frame frame;
  qn_error error;
  assert_int_equal(qn_trajectory_read(trajectory, 1, &frame, &error), QN_OK);
  assert_int_equal(qn_trajectory_read(trajectory, 2, &frame, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "atom 99 was not in the first frame"));
  qn_trajectory_close(trajectory);
  write_file(&(made){.ids = true, .types_once = true});
  assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_UNSUPPORTED);
}

static void says_what_it_knows_of_wrapping(void **state) {
  (void)state;
  qn_trajectory *trajectory = open_made(&(made){0});
  assert_int_equal(qn_trajectory_describe(trajectory)->wrapping, QN_WRAPPING_UNKNOWN);
  qn_trajectory_close(trajectory);
  trajectory = open_made(&(made){.coordinates = "unwrapped_coordinates"});
  assert_int_equal(qn_trajectory_describe(trajectory)->wrapping, QN_WRAPPING_UNWRAPPED);
  qn_trajectory_close(trajectory);

  const double flat[3] = {100, 100, 0};
  trajectory = open_made(&(made){.cell = flat});
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  assert_true(!info->open[0] && info->open[2]);
  qn_frame frame;
  qn_error error;
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  assert_true(frame.open[2] && frame.box.origin[2] == 0.25 && frame.box.length[2] == 3); /* as wide as the atoms */
  qn_trajectory_close(trajectory);

  /* Our own files keep what was known when they were written. */
  double r[3] = {1, 2, 3};
  uint8_t type = 0;
  const qn_species species = {"Cu", 63.546};
  for (int w = 0; w <= (int)QN_WRAPPING_UNKNOWN; w++) {
    qn_frame one = {.count = 1, .species_count = 1, .species = &species, .type = &type, .box = {{0, 0, 0}, {9, 9, 9}}, .r = {&r[0], &r[1], &r[2]}};
    one.wrapping = (qn_wrapping)w;
    one.open[1] = true;
    qn_netcdf_writer *writer;
    assert_int_equal(qn_netcdf_create(&writer, path, &(qn_provenance){.title = "one"}, &one, &error), QN_OK);
    assert_int_equal(qn_netcdf_write(writer, &one, &error), QN_OK);
    assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
    assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_OK);
    info = qn_trajectory_describe(trajectory);
    assert_int_equal(info->wrapping, w);
    assert_true(info->open[1] && !info->open[2]);
    assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
    assert_true(frame.open[1] && frame.box.length[1] == 9);
    qn_trajectory_close(trajectory);
  }
}

static int make_file(void **state) {
  (void)state;
  int descriptor = mkstemp(path);
  return descriptor < 0 ? -1 : close(descriptor);
}

static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(times_have_their_units),      cmocka_unit_test(lengths_have_their_units),       cmocka_unit_test(unknown_units_are_refused),
      cmocka_unit_test(atoms_are_told_by_their_ids), cmocka_unit_test(says_what_it_knows_of_wrapping),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}

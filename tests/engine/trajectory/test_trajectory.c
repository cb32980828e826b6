/* Trajectories on disk: NetCDF round trip, growth, resume; the common reader over formats; the series. */
#include <math.h>
#include <netcdf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/trajectory/extxyz.h"
#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/series.h"
#include "engine/trajectory/trajectory.h"

enum { ATOMS = 37 };

static char directory[] = "/tmp/qn_trajectory_XXXXXX";
static double x[3][ATOMS];
static uint8_t type[ATOMS];
static const qn_species species[] = {{"Cu", 63.546}, {"Zr", 91.224}};

static const char *path_of(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

/* Coordinates that single precision holds exactly, different in every frame; some far outside the box. */
static qn_frame make_frame(int64_t index) {
  for (int i = 0; i < ATOMS; i++) {
    type[i] = (uint8_t)(i % 3 == 1);
    for (int a = 0; a < 3; a++) x[a][i] = 0.25 * i - 3 * a + 0.0625 * (double)index;
  }
  return (qn_frame){.step = 50 * index,
                    .time = 0.05 * (double)index,
                    .box = {{-0.1, 0.2, 1.0 / 3}, {10 + 0.001 * (double)index, 11, 12.5}},
                    .count = ATOMS,
                    .species_count = 2,
                    .species = species,
                    .type = type,
                    .r = {x[0], x[1], x[2]}};
}

static void assert_frame(const qn_frame *frame, int64_t index) {
  qn_frame expected = make_frame(index);
  assert_true(frame->step == expected.step);
  assert_true(frame->time == expected.time);
  assert_memory_equal(&frame->box, &expected.box, sizeof frame->box);
  assert_int_equal(frame->count, ATOMS);
  assert_memory_equal(frame->type, type, ATOMS);
  for (int a = 0; a < 3; a++) assert_memory_equal(frame->r[a], x[a], sizeof x[a]);
  assert_string_equal(frame->species[1].symbol, "Zr");
}

static void write_frames(const char *path, int64_t first, int64_t end) {
  qn_netcdf_writer *writer;
  qn_error error;
  qn_frame frame = make_frame(first);
  qn_status status = first == 0 ? qn_netcdf_create(&writer, path, &(qn_provenance){.title = "test"}, &frame, &error) : qn_netcdf_append(&writer, path, first, &frame, &error);
  if (status != QN_OK) fail_msg("%s", error.message);
  for (int64_t f = first; f < end; f++) {
    frame = make_frame(f);
    assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  }
  assert_int_equal(qn_netcdf_written(writer), end);
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
}

static qn_trajectory *open_good(const char *path) {
  qn_trajectory *trajectory;
  qn_error error;
  if (qn_trajectory_open(&trajectory, path, &error) != QN_OK) fail_msg("%s", error.message);
  return trajectory;
}

static void netcdf_comes_back_exactly(void **state) {
  (void)state;
  const char *path = path_of("round.nc");
  write_frames(path, 0, 9);
  qn_trajectory *trajectory = open_good(path);
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  assert_string_equal(info->format, "netcdf");
  assert_int_equal(info->frames, 9);
  assert_int_equal(info->atoms, ATOMS);
  assert_int_equal(info->species_count, 2);
  assert_true(info->species[1].mass == 91.224);
  assert_true(fabs(info->interval - 0.05) < 1e-15);
  qn_frame frame;
  qn_error error;
  for (int64_t f = 7; f > 0; f -= 3) { /* a slice, backwards */
    assert_int_equal(qn_trajectory_read(trajectory, f, &frame, &error), QN_OK);
    assert_frame(&frame, f);
  }
  assert_int_equal(qn_trajectory_read(trajectory, 9, &frame, &error), QN_INVALID);
  assert_int_equal(qn_trajectory_read(trajectory, -1, &frame, &error), QN_INVALID);
  qn_trajectory_close(trajectory);
}

static void netcdf_follows_the_amber_convention(void **state) {
  (void)state;
  const char *path = path_of("amber.nc");
  write_frames(path, 0, 2);
  int file, variable, format, unlimited, dimension, rank, dimensions[3];
  nc_type kind;
  char text[32] = "";
  assert_int_equal(nc_open(path, NC_NOWRITE, &file), NC_NOERR);
  nc_inq_format(file, &format);
  assert_int_equal(format, NC_FORMAT_64BIT_OFFSET);
  nc_get_att_text(file, NC_GLOBAL, "Conventions", text);
  assert_string_equal(text, "AMBER");
  memset(text, 0, sizeof text);
  nc_get_att_text(file, NC_GLOBAL, "ConventionVersion", text);
  assert_string_equal(text, "1.0");
  nc_inq_unlimdim(file, &unlimited);
  nc_inq_dimid(file, "frame", &dimension);
  assert_int_equal(unlimited, dimension);
  assert_int_equal(nc_inq_varid(file, "coordinates", &variable), NC_NOERR);
  nc_inq_var(file, variable, NULL, &kind, &rank, dimensions, NULL);
  assert_int_equal(kind, NC_FLOAT);
  assert_int_equal(rank, 3);
  memset(text, 0, sizeof text);
  nc_get_att_text(file, variable, "units", text);
  assert_string_equal(text, "angstrom");
  const char *needed[] = {"time", "cell_lengths", "cell_angles", "spatial", "cell_spatial", "cell_angular", "atom_types"};
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) assert_int_equal(nc_inq_varid(file, needed[i], &variable), NC_NOERR);
  nc_close(file);
}

static void a_reader_sees_synced_frames_of_a_growing_file(void **state) {
  (void)state;
  const char *path = path_of("grow.nc");
  qn_netcdf_writer *writer;
  qn_error error;
  qn_frame frame = make_frame(0), seen;
  assert_int_equal(qn_netcdf_create(&writer, path, &(qn_provenance){.title = "test"}, &frame, &error), QN_OK);
  for (int64_t f = 0; f < 5; f++) {
    frame = make_frame(f);
    assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
    assert_int_equal(qn_netcdf_sync(writer, &error), QN_OK);
    qn_trajectory *trajectory = open_good(path);
    assert_int_equal(qn_trajectory_describe(trajectory)->frames, f + 1);
    assert_int_equal(qn_trajectory_read(trajectory, f, &seen, &error), QN_OK);
    assert_frame(&seen, f);
    qn_trajectory_close(trajectory);
  }
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
}

static void a_resumed_file_equals_an_unbroken_one(void **state) {
  (void)state;
  char whole[256], broken[256];
  snprintf(whole, sizeof whole, "%s", path_of("whole.nc"));
  snprintf(broken, sizeof broken, "%s", path_of("broken.nc"));
  write_frames(whole, 0, 12);
  write_frames(broken, 0, 8);
  qn_netcdf_writer *writer;
  qn_error error;
  qn_frame frame = make_frame(100), seen;
  /* Frames 5 to 7 are dropped, a wrong one is written over them, then dropped in turn. */
  assert_int_equal(qn_netcdf_append(&writer, broken, 5, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
  qn_trajectory *trajectory = open_good(broken);
  assert_int_equal(qn_trajectory_describe(trajectory)->frames, 6);
  assert_int_equal(qn_trajectory_read(trajectory, 4, &seen, &error), QN_OK);
  assert_frame(&seen, 4);
  qn_trajectory_close(trajectory);
  write_frames(broken, 5, 12);

  FILE *a = fopen(whole, "rb"), *b = fopen(broken, "rb");
  int c;
  do {
    c = getc(a);
    assert_int_equal(c, getc(b));
  } while (c != EOF);
  fclose(a);
  fclose(b);

  assert_int_equal(qn_netcdf_append(&writer, broken, 13, &frame, &error), QN_CORRUPT);
  assert_null(writer);
  frame.count = ATOMS - 1;
  assert_int_equal(qn_netcdf_append(&writer, broken, 3, &frame, &error), QN_INVALID);
  frame = make_frame(0);
  type[3] ^= 1;
  assert_int_equal(qn_netcdf_append(&writer, broken, 3, &frame, &error), QN_INVALID);
  assert_int_equal(qn_netcdf_append(&writer, "/no/such.nc", 3, &frame, &error), QN_IO);
  assert_int_equal(qn_netcdf_create(&writer, "/no/such.nc", &(qn_provenance){.title = ""}, &frame, &error), QN_IO);
  trajectory = open_good(broken); /* the refusals changed nothing */
  assert_int_equal(qn_trajectory_describe(trajectory)->frames, 12);
  qn_trajectory_close(trajectory);
}

static void *write_and_read(void *argument) {
  char path[256];
  snprintf(path, sizeof path, "%s/thread%d.nc", directory, *(int *)argument);
  double r[3] = {0};
  uint8_t one = 0;
  qn_frame frame = {.count = 1, .species_count = 1, .species = species, .type = &one, .box = {{0, 0, 0}, {9, 9, 9}}, .r = {&r[0], &r[1], &r[2]}};
  qn_error error;
  qn_netcdf_writer *writer;
  if (qn_netcdf_create(&writer, path, &(qn_provenance){.title = "thread"}, &frame, &error) != QN_OK) return NULL;
  for (int f = 0; f < 200; f++) {
    frame.time = r[0] = f;
    if (qn_netcdf_write(writer, &frame, &error) != QN_OK) return NULL;
  }
  if (qn_netcdf_close(writer, &error) != QN_OK) return NULL;
  qn_trajectory *trajectory;
  if (qn_trajectory_open(&trajectory, path, &error) != QN_OK) return NULL;
  qn_frame seen;
  bool good = true;
  for (int f = 0; f < 200; f++) good = good && qn_trajectory_read(trajectory, f, &seen, &error) == QN_OK && seen.r[0][0] == f;
  qn_trajectory_close(trajectory);
  return good ? argument : NULL;
}

static void threads_write_and_read_at_once(void **state) {
  (void)state;
  pthread_t thread[4];
  int number[4] = {0, 1, 2, 3};
  for (int t = 0; t < 4; t++) pthread_create(&thread[t], NULL, write_and_read, &number[t]);
  for (int t = 0; t < 4; t++) {
    void *result;
    pthread_join(thread[t], &result);
    assert_ptr_equal(result, &number[t]);
  }
}

static void extended_xyz_reads_like_netcdf(void **state) {
  (void)state;
  const char *path = path_of("frames.xyz");
  FILE *file = fopen(path, "w");
  qn_error error;
  for (int64_t f = 0; f < 6; f++) {
    qn_frame frame = make_frame(f);
    assert_int_equal(qn_extxyz_write_frame(file, &frame, NULL, &error), QN_OK);
  }
  fclose(file);
  qn_trajectory *trajectory = open_good(path);
  assert_string_equal(qn_trajectory_describe(trajectory)->format, "extxyz");
  assert_int_equal(qn_trajectory_describe(trajectory)->frames, 6);
  assert_true(fabs(qn_trajectory_describe(trajectory)->interval - 0.05) < 1e-12);
  qn_frame frame;
  for (int64_t f = 1; f < 6; f += 2) {
    assert_int_equal(qn_trajectory_read(trajectory, f, &frame, &error), QN_OK);
    assert_frame(&frame, f);
  }
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  assert_frame(&frame, 0);
  qn_trajectory_close(trajectory);
}

static void refuse(const char *path, qn_status expected) {
  qn_trajectory *trajectory;
  qn_error error = {0};
  qn_status status = qn_trajectory_open(&trajectory, path, &error);
  qn_frame frame;
  if (status == QN_OK) {
    int64_t frames = qn_trajectory_describe(trajectory)->frames;
    for (int64_t f = 0; status == QN_OK && f < frames; f++) status = qn_trajectory_read(trajectory, f, &frame, &error);
    qn_trajectory_close(trajectory);
  }
  if (status != expected) fail_msg("%s: %s, not %s (%s)", path, qn_status_name(status), qn_status_name(expected), error.message);
  assert_true(strlen(error.message) > 5);
}

static void put(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static void refuses_what_is_no_trajectory(void **state) {
  (void)state;
  const char *path = path_of("bad.xyz");
#define CELL "Lattice=\"9 0 0 0 9 0 0 0 9\"\n"
  refuse("/no/such/file", QN_IO);
  refuse("/tmp", QN_IO);
  put(path, "");
  refuse(path, QN_PARSE);
  put(path, "1\n" CELL "Cu 1 1 1\n2\n" CELL "Cu 1 1 1\nCu 2 2 2\n");
  refuse(path, QN_UNSUPPORTED);
  put(path, "2\n" CELL "Cu 1 1 1\nZr 2 2 2\n2\n" CELL "Zr 1 1 1\nCu 2 2 2\n");
  refuse(path, QN_UNSUPPORTED);
  put(path, "1\n" CELL "Cu 1 1 1\n1\n" CELL "Cu 1 x 1\n");
  refuse(path, QN_PARSE);
  put(path, "CDF\002 and then nothing that a NetCDF file would hold");
  refuse(path, QN_CORRUPT);

  int file, dimension, variable;
  assert_int_equal(nc_create(path, NC_CLOBBER, &file), NC_NOERR); /* NetCDF, but not of the convention */
  nc_def_dim(file, "time", 3, &dimension);
  nc_def_var(file, "temperature", NC_DOUBLE, 1, &dimension, &variable);
  nc_enddef(file);
  nc_close(file);
  refuse(path, QN_UNSUPPORTED);

  write_frames(path, 0, 40);
  FILE *cut = fopen(path, "r+");
  fseek(cut, 0, SEEK_END);
  assert_int_equal(ftruncate(fileno(cut), ftell(cut) / 2), 0);
  fclose(cut);
  refuse(path, QN_CORRUPT);
}

static void series_grow_and_resume(void **state) {
  (void)state;
  const char *path = path_of("thermo.csv");
  const char *names[] = {"time_ps", "temperature_k"}, *others[] = {"time_ps", "pressure_gpa"}, *bad[] = {"a,b"};
  qn_series_writer *writer;
  qn_error error;
  assert_int_equal(qn_series_create(&writer, path, bad, 1, &error), QN_INVALID);
  assert_int_equal(qn_series_create(&writer, path, names, 2, &error), QN_OK);
  for (int i = 0; i < 10; i++) assert_int_equal(qn_series_write(writer, (double[]){i / 3.0, 300}, &error), QN_OK);
  assert_int_equal(qn_series_close(writer, &error), QN_OK);
  FILE *file = fopen(path, "a");
  fputs("4.5,3\n7,8,9\n", file); /* a full disk, or a loss of power, leaves anything behind the last checkpoint */
  fputs("4.5,3", file);            /* killed while writing */
  fclose(file);
  assert_int_equal(qn_series_append(&writer, path, 13, names, 2, &error), QN_CORRUPT);
  assert_int_equal(qn_series_append(&writer, path, 5, others, 2, &error), QN_INVALID);
  assert_int_equal(qn_series_append(&writer, path, 5, names, 2, &error), QN_OK);
  assert_int_equal(qn_series_write(writer, (double[]){-1e-300, NAN}, &error), QN_OK);
  assert_int_equal(qn_series_written(writer), 6);
  assert_int_equal(qn_series_close(writer, &error), QN_OK);
  qn_series series;
  assert_int_equal(qn_series_read(&series, path, &error), QN_OK);
  assert_int_equal(series.rows, 6);
  assert_int_equal(qn_series_find(&series, "temperature_k"), 1);
  assert_int_equal(qn_series_find(&series, "x"), -1);
  assert_true(series.data[2 * 4] == 4 / 3.0 && series.data[2 * 5] == -1e-300 && isnan(series.data[2 * 5 + 1]));
  qn_series_fini(&series);
  put(path, "a,b\n1,2\n1,2,3\n");
  assert_int_equal(qn_series_read(&series, path, &error), QN_PARSE);
  assert_non_null(strstr(error.message, "line 3"));
  put(path, "a,b\n1,x\n");
  assert_int_equal(qn_series_read(&series, path, &error), QN_PARSE);
  put(path, "");
  assert_int_equal(qn_series_read(&series, path, &error), QN_PARSE);
  assert_int_equal(qn_series_read(&series, "/no/such", &error), QN_IO);
}

static int make_directory(void **state) {
  (void)state;
  return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(netcdf_comes_back_exactly),
      cmocka_unit_test(netcdf_follows_the_amber_convention),
      cmocka_unit_test(a_reader_sees_synced_frames_of_a_growing_file),
      cmocka_unit_test(a_resumed_file_equals_an_unbroken_one),
      cmocka_unit_test(threads_write_and_read_at_once),
      cmocka_unit_test(extended_xyz_reads_like_netcdf),
      cmocka_unit_test(refuses_what_is_no_trajectory),
      cmocka_unit_test(series_grow_and_resume),
  };
  return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

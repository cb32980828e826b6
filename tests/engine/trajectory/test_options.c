/* What a reader of trajectories may be told: species for files without symbols or types, a limit, somebody who may stop it. */
#include <dirent.h>
#include <math.h>
#include <netcdf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "engine/trajectory/netcdf.h"
#include "engine/trajectory/trajectory.h"

static char folder[] = "/tmp/qn_options_XXXXXX", path[64];
static const qn_species named[] = {{"Cu", 63.546}, {"Zr", 91.224}};

/* Three atoms, two frames, nothing but what the AMBER convention asks for; `types` may be NULL. */
static void write_amber(const int *types) {
  int file, frame, atom, spatial, cell, coordinates, lengths, time, type = -1;
  assert_int_equal(nc_create(path, NC_CLOBBER | NC_64BIT_OFFSET, &file), NC_NOERR);
  nc_def_dim(file, "frame", NC_UNLIMITED, &frame);
  nc_def_dim(file, "atom", 3, &atom);
  nc_def_dim(file, "spatial", 3, &spatial);
  nc_def_dim(file, "cell_spatial", 3, &cell);
  nc_def_var(file, "coordinates", NC_FLOAT, 3, (int[]){frame, atom, spatial}, &coordinates);
  nc_def_var(file, "cell_lengths", NC_DOUBLE, 2, (int[]){frame, cell}, &lengths);
  nc_def_var(file, "time", NC_FLOAT, 1, &frame, &time);
  nc_put_att_text(file, time, "units", 10, "picosecond");
  nc_put_att_text(file, NC_GLOBAL, "Conventions", 5, "AMBER");
  if (types != NULL) nc_def_var(file, "atom_types", NC_INT, 1, &atom, &type);
  nc_enddef(file);
  if (types != NULL) nc_put_var_int(file, type, types);
  for (size_t f = 0; f < 2; f++) {
    const float r[9] = {1, 2, 3, 4, 5, 6, 7, 8, (float)f}, at = (float)f;
    const double box[3] = {9, 9, 9};
    nc_put_vara_float(file, coordinates, (size_t[]){f, 0, 0}, (size_t[]){1, 3, 3}, r);
    nc_put_vara_double(file, lengths, (size_t[]){f, 0}, (size_t[]){1, 3}, box);
    nc_put_var1_float(file, time, &f, &at);
  }
  assert_int_equal(nc_close(file), NC_NOERR);
}

static void refuse(const qn_trajectory_options *options, qn_status expected, const char *said) {
  qn_trajectory *trajectory;
  qn_error error = {0};
  qn_status status = qn_trajectory_open_with(&trajectory, path, options, &error);
  if (status != expected || strstr(error.message, said) == NULL) fail_msg("%s: %s", qn_status_name(status), error.message);
}

static void expect_types(const qn_trajectory_options *options, bool known, const char *symbols) {
  qn_trajectory *trajectory;
  qn_error error;
  qn_frame frame;
  if (qn_trajectory_open_with(&trajectory, path, options, &error) != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(qn_trajectory_describe(trajectory)->named, known);
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  char got[64] = "";
  for (int i = 0; i < 3; i++) strcat(strcat(got, frame.species[frame.type[i]].symbol), " ");
  assert_string_equal(got, symbols);
  qn_trajectory_close(trajectory);
}

static void names_atoms_of_amber_files(void **state) {
  (void)state;
  const int64_t counts[] = {1, 2}, wrong[] = {1, 1};
  write_amber(NULL);
  expect_types(&(qn_trajectory_options){0}, false, "A A A ");
  expect_types(&(qn_trajectory_options){.species = named, .species_count = 1}, true, "Cu Cu Cu ");
  expect_types(&(qn_trajectory_options){.species = named, .species_count = 2, .species_atoms = counts}, true, "Cu Zr Zr ");
  /* Two species, and nothing says which atom is which: not all Cu, as if the second were not there. */
  refuse(&(qn_trajectory_options){.species = named, .species_count = 2}, QN_INVALID, "add up to 3");
  refuse(&(qn_trajectory_options){.species = named, .species_count = 2, .species_atoms = wrong}, QN_INVALID, "add up to 3");
  write_amber((const int[]){2, 1, 2});
  expect_types(&(qn_trajectory_options){0}, false, "B A B ");
  expect_types(&(qn_trajectory_options){.species = named, .species_count = 2}, true, "Zr Cu Zr ");
  refuse(&(qn_trajectory_options){.species = named, .species_count = 2, .species_atoms = counts}, QN_INVALID, "tells the type");
  refuse(&(qn_trajectory_options){.species = named, .species_count = 1}, QN_INVALID, "types up to 2");
}

static void write_text(const char *text) {
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static void tells_made_up_names(void **state) {
  (void)state;
  const char *const frame = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n";
  char text[400];
  snprintf(text, sizeof text, "%sITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 2 1 1 1\n3 1 1 1 1\n", frame);
  write_text(text);
  expect_types(&(qn_trajectory_options){0}, false, "A B A ");
  expect_types(&(qn_trajectory_options){.species = named, .species_count = 2}, true, "Cu Zr Cu ");
  refuse(&(qn_trajectory_options){.species = named, .species_count = 2, .species_atoms = (const int64_t[]){1, 2}}, QN_INVALID, "tells the type");
  snprintf(text, sizeof text, "%sITEM: ATOMS id element xu yu zu\n1 Cu 1 1 1\n2 Al 1 1 1\n3 Cu 1 1 1\n", frame);
  write_text(text);
  expect_types(&(qn_trajectory_options){.species = named, .species_count = 2}, true, "Cu Al Cu "); /* the file knows better */
  write_text("3\nLattice=\"9 0 0 0 9 0 0 0 9\"\nCu 1 1 1\nZr 1 1 1\nCu 1 1 1\n");
  expect_types(&(qn_trajectory_options){0}, true, "Cu Zr Cu ");
}

static void zip(const char *text, int64_t times) {
  gzFile file = gzopen(path, "wb");
  for (int64_t i = 0; i < times; i++) assert_true(gzputs(file, text) > 0);
  gzclose(file);
}

static int entries(void) {
  int count = 0;
  DIR *open = opendir(folder);
  while (readdir(open) != NULL) count++;
  closedir(open);
  return count;
}

typedef struct stopper {
  int asked, patience;
} stopper;

static qn_status stop(void *context, qn_error *error) {
  stopper *s = context;
  return s->asked++ < s->patience ? QN_OK : qn_error_set(error, QN_CANCELLED, "enough");
}

/* 20 MB that take 60 kB on the disk. */
static void limits_what_is_unpacked(void **state) {
  (void)state;
  const char *const frame = "2\nLattice=\"9 0 0 0 9 0 0 0 9\" Time_ps=0\nCu 1.00000000000000000000 1 1\nZr 1 1 1\n",
                   *const dump = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\nITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n";
  for (int kind = 0; kind < 2; kind++) {
    zip(kind == 0 ? frame : dump, 200000);
    qn_reading_watch watch = {.most_bytes = 4000000};
    refuse(&(qn_trajectory_options){.watch = &watch}, QN_UNSUPPORTED, "unpacks to more than 4000000 bytes");
    stopper s = {0, 10};
    watch = (qn_reading_watch){.check = stop, .context = &s};
    refuse(&(qn_trajectory_options){.watch = &watch}, QN_CANCELLED, "enough");
    assert_int_equal(s.asked, 11);
  }
  /* A NetCDF file of that kind is unpacked beside the others and leaves nothing. */
  gzFile file = gzopen(path, "wb");
  static const char head[1 << 20] = "CDF\2";
  for (int i = 0; i < 20; i++) assert_int_equal(gzwrite(file, head, sizeof head), (int)sizeof head);
  gzclose(file);
  const qn_reading_watch watch = {.most_bytes = 4000000};
  int before = entries();
  refuse(&(qn_trajectory_options){.watch = &watch, .folder = folder}, QN_UNSUPPORTED, "unpacks to more than 4000000 bytes");
  assert_int_equal(entries(), before);
  refuse(&(qn_trajectory_options){.folder = "/nonexistent"}, QN_IO, "/nonexistent/");
}

static int make_folder(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(path, sizeof path, "%s/file", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(names_atoms_of_amber_files), cmocka_unit_test(tells_made_up_names),
                                     cmocka_unit_test(limits_what_is_unpacked)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

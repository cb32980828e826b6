/* Trajectories made elsewhere: LAMMPS dump text in its variants, files without times, gzipped files. */
#include <math.h>
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

static char path[] = "/tmp/qn_foreign_XXXXXX";

static void put(const char *text, size_t size) {
  FILE *file = fopen(path, "w");
  fwrite(text, 1, size, file);
  fclose(file);
}

static void zip(const char *text, size_t size) {
  gzFile file = gzopen(path, "wb");
  assert_int_equal(gzwrite(file, text, (unsigned)size), (int)size);
  gzclose(file);
}

static qn_trajectory *open_good(const qn_trajectory_options *options) {
  qn_trajectory *trajectory;
  qn_error error;
  if (qn_trajectory_open_with(&trajectory, path, options, &error) != QN_OK) fail_msg("%s", error.message);
  return trajectory;
}

#define BOX "ITEM: BOX BOUNDS pp pp pp\n-1 9\n0 20\n0.5 30.5\n"
static const qn_trajectory_options none = {0};

/* Two frames of three atoms; columns and lines of atoms are given. */
static void write_dump(const char *columns, const char *first, const char *second) {
  char text[2000];
  snprintf(text, sizeof text,
           "ITEM: UNITS\nmetal\nITEM: TIME\n0.5\nITEM: TIMESTEP\n500\nITEM: NUMBER OF ATOMS\n3\n" BOX
           "ITEM: ATOMS %s\n%s"
           "ITEM: TIME\n0.75\nITEM: TIMESTEP\n750\nITEM: NUMBER OF ATOMS\n3\n" BOX "ITEM: ATOMS %s\n%s",
           columns, first, columns, second);
  put(text, strlen(text));
}

static void assert_atoms(const double expected[2][3][3]) {
  qn_trajectory *trajectory = open_good(&none);
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  assert_string_equal(info->format, "lammps-dump");
  assert_true(info->frames == 2 && info->atoms == 3 && info->time[1] == 0.75 && fabs(info->interval - 0.25) < 1e-15);
  for (int f = 1; f >= 0; f--) {
    qn_frame frame;
    qn_error error;
    if (qn_trajectory_read(trajectory, f, &frame, &error) != QN_OK) fail_msg("%s", error.message);
    assert_true(frame.step == (f ? 750 : 500) && frame.box.origin[2] == 0.5 && frame.box.length[0] == 10);
    for (int i = 0; i < 3; i++)
      for (int a = 0; a < 3; a++)
        if (fabs(frame.r[a][i] - expected[f][i][a]) > 1e-12) fail_msg("frame %d atom %d: %g, not %g", f, i, frame.r[a][i], expected[f][i][a]);
  }
  qn_trajectory_close(trajectory);
}

static void reads_every_kind_of_position(void **state) {
  (void)state;
  const double expected[2][3][3] = {{{1, 2, 3}, {4, 5, 6}, {17, -3, 9}}, {{1.5, 2, 3}, {4, 5.5, 6}, {17, -3, 9.5}}};
  write_dump("id element xu yu zu", "1 Cu 1 2 3\n2 Zr 4 5 6\n3 Cu 17 -3 9\n", "3 Cu 17 -3 9.5\n1 Cu 1.5 2 3\n2 Zr 4 5.5 6\n");
  assert_atoms(expected);
  write_dump("element id ix iy iz x y z vx", "Cu 1 0 0 0 1 2 3 7\nZr 2 0 0 0 4 5 6 7\nCu 3 1 -1 0 7 17 9 7\n",
             "Cu 3 1 -1 0 7 17 9.5 7\nZr 2 0 0 0 4 5.5 6 7\nCu 1 0 0 0 1.5 2 3 7\n");
  assert_atoms(expected);
  write_dump("id element xs ys zs ix iy iz",
             "1 Cu 0.2 0.1 0.083333333333333333 0 0 0\n2 Zr .5 .25 0.18333333333333333 0 0 0\n3 Cu .8 .85 0.28333333333333333 1 -1 0\n",
             "1 Cu 0.25 0.1 0.083333333333333333 0 0 0\n2 Zr .5 .275 0.18333333333333333 0 0 0\n3 Cu .8 .85 0.3 1 -1 0\n");
  assert_atoms(expected);
  write_dump("id element xsu ysu zsu", "1 Cu 0.2 0.1 0.083333333333333333\n2 Zr .5 .25 0.18333333333333333\n3 Cu 1.8 -.15 0.28333333333333333\n",
             "1 Cu 0.25 0.1 0.083333333333333333\n2 Zr .5 .275 0.18333333333333333\n3 Cu 1.8 -.15 0.3\n");
  assert_atoms(expected);
}

static void names_types_and_times(void **state) {
  (void)state;
  const char text[] = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS\n0 10\n0 10\n0 10\nITEM: ATOMS id type x y z\n7 2 1 1 1\n5 1 2 2 2\n"
                      "ITEM: TIMESTEP\n1000\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS\n0 10\n0 10\n0 10\nITEM: ATOMS id type x y z\n5 1 2 2 2\n7 2 1 1 1\n";
  put(text, sizeof text - 1);
  qn_trajectory *trajectory = open_good(&none);
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  assert_true(isnan(info->time[0]) && isnan(info->interval));
  assert_string_equal(info->species[1].symbol, "B");
  assert_true(info->species[0].mass == 1);
  qn_frame frame;
  qn_error error;
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  assert_true(frame.type[0] == 0 && frame.type[1] == 1 && frame.r[0][0] == 2); /* in the order of ids, 5 and 7 */
  qn_trajectory_close(trajectory);
  const qn_species named[] = {{"Cu", 63.546}, {"Zr", 91.224}};
  zip(text, sizeof text - 1);
  trajectory = open_good(&(qn_trajectory_options){.timestep = 0.002, .species = named, .species_count = 2});
  info = qn_trajectory_describe(trajectory);
  assert_true(info->time[1] == 2 && info->interval == 2);
  assert_string_equal(info->species[1].symbol, "Zr");
  qn_trajectory_close(trajectory);
  assert_int_equal(qn_trajectory_open_with(&trajectory, path, &(qn_trajectory_options){.species = named, .species_count = 1}, &error), QN_PARSE);

  const char frames[] = "1\nLattice=\"9 0 0 0 9 0 0 0 9\"\nCu 1 1 1\n1\nLattice=\"9 0 0 0 9 0 0 0 9\"\nCu 1 1 1\n";
  put(frames, sizeof frames - 1);
  trajectory = open_good(&(qn_trajectory_options){.interval = 5});
  assert_true(qn_trajectory_describe(trajectory)->time[1] == 5);
  qn_trajectory_close(trajectory);
}

/* One frame of one atom with these columns and boundaries: how do its positions lie to the box? */
static qn_wrapping wrapping_with(const char *bounds, const char *columns, const char *atom, bool open[3]) {
  char text[400];
  snprintf(text, sizeof text, "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS %s\n0 10\n0 10\n0 10\nITEM: ATOMS %s\n%s\n", bounds,
           columns, atom);
  put(text, strlen(text));
  qn_trajectory *trajectory = open_good(&none);
  qn_frame frame;
  qn_error error;
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  qn_wrapping wrapping = frame.wrapping;
  assert_int_equal(qn_trajectory_describe(trajectory)->wrapping, wrapping);
  memcpy(open, frame.open, sizeof frame.open);
  assert_memory_equal(qn_trajectory_describe(trajectory)->open, frame.open, sizeof frame.open);
  qn_trajectory_close(trajectory);
  return wrapping;
}

static void tells_wrapped_positions_by_their_columns(void **state) {
  (void)state;
  bool open[3];
  assert_int_equal(wrapping_with("pp pp pp", "id type xu yu zu", "1 1 11 2 3", open), QN_WRAPPING_UNWRAPPED);
  assert_int_equal(wrapping_with("pp pp pp", "id type xsu ysu zsu", "1 1 1.1 .2 .3", open), QN_WRAPPING_UNWRAPPED);
  assert_int_equal(wrapping_with("pp pp pp", "id type x y z ix iy iz", "1 1 1 2 3 0 0 0", open), QN_WRAPPING_UNWRAPPED);
  assert_int_equal(wrapping_with("pp pp pp", "id type x y z", "1 1 1 2 3", open), QN_WRAPPING_WRAPPED);
  assert_int_equal(wrapping_with("pp pp pp", "id type xs ys zs", "1 1 .1 .2 .3", open), QN_WRAPPING_WRAPPED);
  assert_int_equal(wrapping_with("pp pp pp", "id type x y z ix iy", "1 1 1 2 3 0 0", open), QN_WRAPPING_WRAPPED);
  assert_false(open[0] || open[1] || open[2]);
  /* A slab as LAMMPS makes it: no wrapping along z. */
  assert_int_equal(wrapping_with("pp pp ff", "id type x y z", "1 1 1 2 3", open), QN_WRAPPING_WRAPPED);
  assert_true(!open[0] && !open[1] && open[2]);
  assert_int_equal(wrapping_with("pp pp ss", "id type x y z ix iy", "1 1 1 2 3 0 0", open), QN_WRAPPING_UNWRAPPED);
  assert_int_equal(wrapping_with("fs sf mm", "id type x y z", "1 1 1 2 3", open), QN_WRAPPING_UNWRAPPED);
  assert_true(open[0] && open[1] && open[2]);

  const char slab[] = "1\nLattice=\"9 0 0 0 9 0 0 0 9\" pbc=\"T T F\" Properties=species:S:1:pos:R:3:image:I:3\nCu 1 1 1 0 0 0\n";
  put(slab, sizeof slab - 1);
  qn_trajectory *trajectory = open_good(&none);
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  assert_true(info->open[2] && !info->open[0] && info->wrapping == QN_WRAPPING_UNWRAPPED);
  qn_trajectory_close(trajectory);
  const char plain[] = "1\nLattice=\"9 0 0 0 9 0 0 0 9\" pbc=\"1, True, F\"\nCu 1 1 1\n";
  put(plain, sizeof plain - 1);
  trajectory = open_good(&none);
  assert_int_equal(qn_trajectory_describe(trajectory)->wrapping, QN_WRAPPING_UNKNOWN);
  qn_trajectory_close(trajectory);
}

static void unzips_netcdf(void **state) {
  (void)state;
  double r[3] = {1, 2, 3};
  uint8_t type = 0;
  const qn_species species = {"Cu", 63.546};
  qn_frame frame = {.count = 1, .species_count = 1, .species = &species, .type = &type, .box = {{0, 0, 0}, {9, 9, 9}}, .r = {&r[0], &r[1], &r[2]}};
  qn_netcdf_writer *writer;
  qn_error error;
  assert_int_equal(qn_netcdf_create(&writer, path, &(qn_provenance){.title = "one"}, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_write(writer, &frame, &error), QN_OK);
  assert_int_equal(qn_netcdf_close(writer, &error), QN_OK);
  static char bytes[100000];
  FILE *file = fopen(path, "rb");
  size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  zip(bytes, size);
  qn_trajectory *trajectory = open_good(&none);
  assert_string_equal(qn_trajectory_describe(trajectory)->format, "netcdf");
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  assert_true(frame.r[2][0] == 3);
  qn_trajectory_close(trajectory);
}

static qn_status read_all(qn_error *error) {
  qn_trajectory *trajectory;
  qn_status status = qn_trajectory_open(&trajectory, path, error);
  for (int64_t f = 0; status == QN_OK && f < qn_trajectory_describe(trajectory)->frames; f++) {
    qn_frame frame;
    status = qn_trajectory_read(trajectory, f, &frame, error);
  }
  if (trajectory != NULL) qn_trajectory_close(trajectory);
  return status;
}

#define HEAD "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\n"
static void refuses_malformed_dumps(void **state) {
  (void)state;
  static const struct {
    const char *text, *part;
    qn_status status;
  } cases[] = {
      {"ITEM: NOTHING\n1\n", "not known", QN_PARSE},
      {"ITEM: TIMESTEP\nnow\n", "no integer", QN_PARSE},
      {"ITEM: TIMESTEP\n1\n", "ends inside a frame", QN_PARSE},
      {"ITEM: TIMESTEP\n1\nITEM: NUMBER OF ATOMS\n0\n", "no positive integer", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu\n", "needs columns", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS type xu yu zu\n", "needs columns", QN_PARSE},
      {HEAD "ITEM: ATOMS id type xu yu zu\n", "comes before", QN_PARSE},
      {HEAD "ITEM: BOX BOUNDS pp pp pp\n9 -1\n0 1\n0 1\n", "ascending", QN_PARSE},
      {HEAD "ITEM: BOX BOUNDS pp pp xx\n", "no boundary flag", QN_PARSE},
      {HEAD "ITEM: BOX BOUNDS pp pp pf\n", "no boundary flag", QN_PARSE},
      {HEAD "ITEM: BOX BOUNDS xy xz yz pp pp pp\n", "tilted", QN_UNSUPPORTED},
      {"ITEM: UNITS\nlj\n" HEAD, "metal and real", QN_UNSUPPORTED},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n", "ends inside a frame", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n1 1 1 1 1\n", "twice", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 1 1 1\n", "fewer than", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 1 1 1 1 1\n", "more than", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 1 1 1 nan\n", "no finite numbers", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\nb 1 1 1 1\n", "id is no integer", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 99 1 1 1\n", "types go from", QN_UNSUPPORTED},
      {HEAD BOX "ITEM: ATOMS id element xu yu zu\n1 Cu 1 1 1\n2 Xx 1 1 1\n", "no chemical element", QN_PARSE},
      {HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n2 1 1 1 1\n" HEAD BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n3 1 1 1 1\n",
       "not in the first frame", QN_UNSUPPORTED},
      {"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1000000000\n" BOX "ITEM: ATOMS id type xu yu zu\n1 1 1 1 1\n", "too short", QN_PARSE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_error error = {0};
    put(cases[i].text, strlen(cases[i].text));
    qn_status status = read_all(&error);
    if (status != cases[i].status || strstr(error.message, cases[i].part) == NULL)
      fail_msg("case %zu gave %s: %s", i, qn_status_name(status), error.message);
    assert_non_null(strstr(error.message, "line "));
  }
}

static void survives_damaged_dumps(void **state) {
  (void)state;
  const char good[] = "ITEM: UNITS\nmetal\nITEM: TIME\n0.5\n" HEAD BOX "ITEM: ATOMS id element x y z ix iy iz\n1 Cu 1 2 3 0 0 1\n2 Zr 4 5 6 0 0 0\n" HEAD BOX
                      "ITEM: ATOMS id element x y z ix iy iz\n1 Cu 1 2 3 0 0 1\n2 Zr 4 5 6 0 0 0\n";
  uint64_t seed = 1234567;
  for (int trial = 0; trial < 3000; trial++) {
    char text[sizeof good];
    memcpy(text, good, sizeof good);
    size_t size = sizeof good - 1;
    for (int change = 0; change < 1 + trial % 3; change++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      text[(seed >> 33) % size] = (char)((seed >> 25) % 128);
    }
    if (trial % 4 == 0) size = (seed >> 40) % size;
    put(text, size);
    qn_error error = {0};
    qn_status status = read_all(&error);
    if (status != QN_OK) assert_true(strlen(error.message) > 0);
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
      cmocka_unit_test(reads_every_kind_of_position), cmocka_unit_test(names_types_and_times),
      cmocka_unit_test(tells_wrapped_positions_by_their_columns), cmocka_unit_test(unzips_netcdf),
      cmocka_unit_test(refuses_malformed_dumps),      cmocka_unit_test(survives_damaged_dumps),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}

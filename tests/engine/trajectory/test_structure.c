/* Single structures: LAMMPS data files against what LAMMPS itself dumped of the same atoms, their variants and faults; extended XYZ beside them. */
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

#include "engine/trajectory/lammps_data.h"
#include "engine/trajectory/structure.h"
#include "engine/trajectory/trajectory.h"

static char path[] = "/tmp/qn_structure_XXXXXX";

/* Written by LAMMPS 29 Sep 2021 with write_data and write_dump after the same step. */
static const char data[] = "LAMMPS data file via write_data, version 29 Sep 2021, timestep = 60\n\n4 atoms\n2 atom types\n\n0 8 xlo xhi\n0 9 ylo yhi\n0 10 zlo zhi\n"
                           "\nMasses\n\n1 63.546\n2 91.224\n\nPair Coeffs # zero\n\n1\n2\n\nAtoms # atomic\n\n"
                           "4 2 1.097463767881644 7.651437679184816 4.9416263154958 0 0 0\n1 1 4.1824910731805645 2.9582937097791255 3.875263648036606 -1 0 0\n"
                           "2 2 6.707784893374736 7.525301908118127 5.172464754136893 0 0 0\n3 1 1.7259688790673393 2.9813107954277376 4.513166092054464 1 0 0\n"
                           "\nVelocities\n\n4 -1.50422705353059 1.0857294653080254 6.152710525826337\n1 -8.029181544699036 1.5971561829652205 1.4587727467276754\n"
                           "2 4.51297482229125 4.208836513530233 -1.379225409771856\n3 3.7099481317789067 -9.197815340953785 -8.311389846575878\n";
static const char dump[] =
    "ITEM: TIMESTEP\n60\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n0.0000000000000000e+00 8.0000000000000000e+00\n"
    "0.0000000000000000e+00 9.0000000000000000e+00\n0.0000000000000000e+00 1.0000000000000000e+01\nITEM: ATOMS id type xu yu zu\n"
    "1 1 -3.8175089268194355 2.9582937097791255 3.8752636480366061\n2 2 6.7077848933747362 7.5253019081181272 5.1724647541368931\n"
    "3 1 9.7259688790673398 2.9813107954277376 4.5131660920544636\n4 2 1.0974637678816439 7.6514376791848164 4.9416263154957996\n";

static void put(const char *text) {
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
}

static qn_extxyz read_good(const qn_species *species, int count) {
  qn_extxyz structure;
  qn_error error;
  if (qn_structure_read(&structure, path, species, count, NULL, NULL, &error) != QN_OK) fail_msg("%s", error.message);
  return structure;
}

static void reads_what_lammps_wrote(void **state) {
  (void)state;
  qn_trajectory *trajectory;
  qn_frame frame;
  qn_error error;
  put(dump);
  assert_int_equal(qn_trajectory_open(&trajectory, path, &error), QN_OK);
  assert_int_equal(qn_trajectory_read(trajectory, 0, &frame, &error), QN_OK);
  put(data);
  qn_extxyz s = read_good(NULL, 0);
  assert_int_equal(s.atoms.count, 4);
  assert_true(s.has_velocities && s.box.length[2] == 10 && s.box.origin[0] == 0);
  assert_string_equal(s.atoms.species[0].symbol, "Cu"); /* by its mass */
  assert_string_equal(s.atoms.species[1].symbol, "Zr");
  for (int i = 0; i < 4; i++) {
    assert_int_equal(s.atoms.type[i], frame.type[i]);
    for (int a = 0; a < 3; a++) {
      assert_true(s.atoms.r[a][i] >= 0 && s.atoms.r[a][i] < s.box.length[a]);
      double unwrapped = s.atoms.r[a][i] + s.atoms.image[a][i] * s.box.length[a];
      if (fabs(unwrapped - frame.r[a][i]) > 1e-13) fail_msg("atom %d, axis %d: %.17g, not %.17g", i, a, unwrapped, frame.r[a][i]);
    }
  }
  assert_true(s.atoms.v[0][0] == -8.029181544699036 && s.atoms.v[2][3] == 6.152710525826337);
  qn_extxyz_fini(&s);
  qn_trajectory_close(trajectory);
}

#define HEAD "for people\n\n2 atoms\n2 atom types\n0 8 xlo xhi\n-1 8 ylo yhi # A\n0 8 zlo zhi\n0 0 0 xy xz yz\n\n"
static void reads_variants(void **state) {
  (void)state;
  const qn_species named[] = {{"Al", 26.982}, {"Ni", 58.693}};
  put(HEAD "Masses\n\n1 1.0 # Zr\n2 63.5 # Cu, the second\n\nAtoms\n\n7 2 9 1 1\n5 1 1 1 1\n");
  qn_extxyz s = read_good(NULL, 0);
  assert_string_equal(s.atoms.species[s.atoms.type[0]].symbol, "Zr"); /* id 5 */
  assert_true(s.atoms.species[0].mass == 1 && s.atoms.species[1].mass == 63.5);
  assert_true(s.atoms.r[0][1] == 1 && s.atoms.image[0][1] == 1 && !s.has_velocities);
  qn_extxyz_fini(&s);
  put(HEAD "Atoms # charge\n\n1 1 -0.5 1 2 3 0 0 0\n2 2 0.5 4 5 6 0 0 0\n");
  s = read_good(named, 2);
  assert_string_equal(s.atoms.species[1].symbol, "Ni");
  assert_true(s.atoms.r[2][1] == 6 && s.atoms.species[0].mass == 26.982);
  qn_extxyz_fini(&s);
  put(HEAD "Atom Type Labels\n\n1 Cu\n2 Zr\n\nAtoms # atomic\n\n1 Zr 1 2 3\n2 Cu 4 5 6\n");
  s = read_good(NULL, 0);
  assert_string_equal(s.atoms.species[s.atoms.type[0]].symbol, "Zr");
  qn_extxyz_fini(&s);
  put(HEAD "Masses\n\n1 63.546\n2 63.546\n\nAtoms # atomic\n\n1 1 1 2 3\n2 2 4 5 6\n");
  s = read_good(NULL, 0);
  assert_true(s.atoms.species_count == 1 && s.atoms.type[1] == 0); /* two types of one element */
  qn_extxyz_fini(&s);
  gzFile file = gzopen(path, "wb");
  gzputs(file, data);
  gzclose(file);
  s = read_good(NULL, 0);
  assert_int_equal(s.atoms.count, 4);
  qn_extxyz_fini(&s);

  const char *format = NULL;
  qn_error error;
  put("\n2\nLattice=\"8 0 0 0 8 0 0 0 8\" Properties=species:S:1:pos:R:3:velo:R:3\nCu 1 2 3 .1 .2 .3\nZr 9 5 6 .4 .5 .6\n");
  assert_int_equal(qn_structure_read(&s, path, NULL, 0, NULL, &format, &error), QN_OK);
  assert_string_equal(format, "extxyz");
  assert_true(s.has_velocities && s.atoms.r[0][1] == 1 && s.atoms.image[0][1] == 1);
  qn_extxyz_fini(&s);
}

static void refuses_faults(void **state) {
  (void)state;
  static const struct {
    const char *text, *part;
    qn_status status;
  } cases[] = {
      {"", "empty", QN_PARSE},
      {"title\n", "no section Atoms, as a LAMMPS data file has", QN_PARSE},
      {"t\n-1 atoms\n", "no positive integer", QN_PARSE},
      {"t\n2 atoms\n17 atom types\n", "more than 16", QN_UNSUPPORTED},
      {"t\n2 atoms\n1 atom types\nAtoms\n\n1 1 1 1 1\n", "come before", QN_PARSE},
      {"t\n8 0 xlo xhi\n", "ascending", QN_PARSE},
      {"t\n0.1 0 0 xy xz yz\n", "tilted", QN_UNSUPPORTED},
      {"t\n1 0 0 avec\n", "triclinic", QN_UNSUPPORTED},
      {HEAD "Atoms # full\n\n1 1 1 0 1 1 1\n", "styles atomic and charge", QN_UNSUPPORTED},
      {HEAD "Atoms\n\n1 1 0 1 1 1\n2 1 0 1 1 1\n", "6 columns", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1\n", "ends inside Atoms", QN_PARSE},
      {HEAD "Atoms\n\n1 3 1 1 1\n2 1 1 1 1\n", "no atom type", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1\n1 1 1 1 1\n", "twice", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 nan 1\n2 1 1 1 1\n", "no finite numbers", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1 0 0 x\n2 1 1 1 1 0 0 0\n", "image flags", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1\n2 2 1 1 1\n", "which element atom type 1", QN_UNSUPPORTED},
      {HEAD "Masses\n\n1 63.546\n2 0\n", "no positive number", QN_PARSE},
      {HEAD "Masses\n\n1 63.546\n2 60.3\n\nAtoms\n\n1 1 1 1 1\n2 2 1 1 1\n", "which element atom type 2", QN_UNSUPPORTED},
      {HEAD "Velocities\n\n1 0 0 0\n", "before Atoms", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1\n2 1 1 1 1\n\nVelocities\n\n1 0 0 0\n3 0 0 0\n", "no atom", QN_PARSE},
      {HEAD "Atoms\n\n1 1 1 1 1\n2 1 1 1 1\n\nAtoms\n\n1 1 1 1 1\n2 1 1 1 1\n", "second", QN_PARSE},
      {"t\n1000000000 atoms\n1 atom types\n0 8 xlo xhi\n0 8 ylo yhi\n0 8 zlo zhi\nAtoms\n\n1 1 1 1 1\n", "too short", QN_PARSE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qn_extxyz s;
    qn_error error = {0};
    put(cases[i].text);
    qn_status status = qn_structure_read(&s, path, NULL, 0, NULL, NULL, &error);
    if (status != cases[i].status || strstr(error.message, cases[i].part) == NULL) fail_msg("case %zu gave %s: %s", i, qn_status_name(status), error.message);
    assert_null(s.atoms.type);
  }
  const qn_species one = {"Cu", 63.546};
  qn_extxyz s;
  qn_error error;
  put(data);
  assert_int_equal(qn_structure_read(&s, path, &one, 1, NULL, NULL, &error), QN_UNSUPPORTED);
}

static void survives_damage(void **state) {
  (void)state;
  uint64_t seed = 7654321;
  for (int trial = 0; trial < 800; trial++) {
    char text[sizeof data];
    memcpy(text, data, sizeof data);
    size_t size = sizeof data - 1;
    for (int change = 0; change < 1 + trial % 3; change++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      text[(seed >> 33) % size] = (char)((seed >> 25) % 127 + 1);
    }
    if (trial % 4 == 0) text[(seed >> 40) % size] = '\0';
    put(text);
    qn_extxyz s;
    qn_error error = {0};
    qn_status status = qn_structure_read(&s, path, NULL, 0, NULL, NULL, &error);
    if (status != QN_OK) assert_true(strlen(error.message) > 0);
    qn_extxyz_fini(&s);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(reads_what_lammps_wrote), cmocka_unit_test(reads_variants), cmocka_unit_test(refuses_faults),
                                     cmocka_unit_test(survives_damage)};
  return cmocka_run_group_tests(tests, make_file, remove_file);
}

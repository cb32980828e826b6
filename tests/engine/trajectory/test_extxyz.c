/* Extended XYZ: exact round trips, the layout of the reference files, and refusal of malformed input with line and reason. */
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

#include "engine/trajectory/extxyz.h"

#define HEAD "Lattice=\"10 0 0 0 11 0 0 0 12\" "

static qn_status parse(const char *text, qn_extxyz *structure, qn_error *error) {
  return qn_extxyz_parse(structure, text, strlen(text), NULL, 0, error);
}

static void assert_refused(const char *text, qn_status expected, const char *part) {
  qn_extxyz structure;
  qn_error error = {0};
  qn_status status = parse(text, &structure, &error);
  if (status != expected || error.status != expected || strstr(error.message, part) == NULL)
    fail_msg("\"%s\" gave %s: %s", text, qn_status_name(status), error.message);
  qn_extxyz_fini(&structure);
}

static void reads_columns_in_any_order(void **state) {
  (void)state;
  const char *text =
      "2\n" HEAD "Origin=\"-1 0 1\" pbc=\"T T T\" energy=-3.5 Time_ps=0.25 title='two \"atoms\"' flag {\n" /* a stray bracket is refused */;
  assert_refused(text, QN_PARSE, "line 2");

  text = "2\r\n" HEAD
         "Origin=\"-1 0 1\" pbc=\"T T T\" energy=-3.5 Time_ps=0.25 title='two \"atoms\"' flag mean=\"1 2 3\" "
         "Properties=id:I:1:velocities:R:3:tag:S:2:pos:R:3:species:S:1:local_energy:R:1:forces:R:3\r\n"
         "7 1 2 3 a b 0.5 10.5 1.5 Zr -6.5 7 8 9\r\n"
         "8 4 5 6 a b -1.5 -0.5 12.5 Cu -3.25 -7 -8 -9e-3\r\n";
  qn_extxyz s;
  qn_error error;
  assert_int_equal(parse(text, &s, &error), QN_OK);
  assert_int_equal(s.atoms.count, 2);
  assert_int_equal(s.atoms.species_count, 2);
  assert_string_equal(s.atoms.species[0].symbol, "Zr");
  assert_true(s.atoms.species[1].mass == 63.546);
  assert_int_equal(s.atoms.type[1], 1);
  assert_true(s.has_velocities && s.has_forces && !s.has_image && s.time == 0.25);
  assert_true(s.local_energy[1] == -3.25 && s.atoms.f[2][1] == -9e-3 && s.atoms.v[0][0] == 1 && s.atoms.v[2][1] == 6);
  assert_true(s.box.origin[0] == -1 && s.box.length[1] == 11);
  /* Atom 1 lies half an angstrom below x = -1 and below y = 0: folded in and counted. */
  assert_true(fabs(s.atoms.r[0][1] - 8.5) < 1e-14 && s.atoms.image[0][1] == -1);
  assert_true(fabs(s.atoms.r[1][1] - 10.5) < 1e-14 && s.atoms.image[1][1] == -1);
  assert_true(s.atoms.r[2][1] == 12.5 && s.atoms.image[2][1] == 0);
  assert_string_equal(qn_extxyz_value(&s, "title"), "two \"atoms\"");
  assert_string_equal(qn_extxyz_value(&s, "flag"), "T");
  assert_null(qn_extxyz_value(&s, "Lattice"));
  double mean[3];
  assert_true(qn_extxyz_numbers(&s, "mean", 3, mean) && mean[2] == 3);
  assert_false(qn_extxyz_numbers(&s, "mean", 2, mean));
  qn_extxyz_fini(&s);
}

/* Values as other programs write them: escapes in quotes, lists and matrices in brackets. */
static void reads_quotes_and_brackets(void **state) {
  (void)state;
  const char *text = "1\nLattice=[[10, 0, 0], [0.0, 11, 0], [0,0,12]] Origin=[-1,0, 1] pbc=[T, true, T] "
                     "said=\"a \\\"word\\\" \\\\ and\\nmore, C:\\x\" single='it\\'s' list=[1, 2.5, 3] names=[\"a]\", \"b c\"] old={1 2 3} last=[[1,2],[3,4]]\n"
                     "Cu 1 1 1\n";
  qn_extxyz s;
  qn_error error;
  if (parse(text, &s, &error) != QN_OK) fail_msg("%s", error.message);
  assert_true(s.box.length[0] == 10 && s.box.length[1] == 11 && s.box.length[2] == 12);
  assert_true(s.box.origin[0] == -1 && s.box.origin[1] == 0 && s.box.origin[2] == 1);
  static const char *const values[][2] = {{"said", "a \"word\" \\ and\nmore, C:\\x"}, {"single", "it's"}, {"list", "[1, 2.5, 3]"},
                                          {"names", "[\"a]\", \"b c\"]"}, {"old", "1 2 3"}, {"last", "[[1,2],[3,4]]"}};
  for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) assert_string_equal(qn_extxyz_value(&s, values[v][0]), values[v][1]);
  double numbers[4];
  assert_true(qn_extxyz_numbers(&s, "list", 3, numbers) && numbers[1] == 2.5);
  assert_true(qn_extxyz_numbers(&s, "last", 4, numbers) && numbers[3] == 4);

  /* All of it comes back from what is written. */
  char *out;
  size_t size;
  FILE *file = open_memstream(&out, &size);
  qn_extxyz_key odd[3] = {{.name = (char *)"both", .value = (char *)"\"it's\""}, {.name = (char *)"a[0]", .value = (char *)"[1, 2 \r\n]"}, {.name = (char *)"none", .value = (char *)""}};
  qn_extxyz_key all[16];
  memcpy(all, s.keys, (size_t)s.key_count * sizeof *all);
  memcpy(all + s.key_count, odd, sizeof odd);
  qn_extxyz_layout layout = {.key_count = s.key_count + 3, .keys = all};
  assert_int_equal(qn_extxyz_write(file, &s.atoms, &s.box, &layout, &error), QN_OK);
  fclose(file);
  qn_extxyz again;
  if (parse(out, &again, &error) != QN_OK) fail_msg("%s\n%s", error.message, out);
  assert_int_equal(again.key_count, layout.key_count);
  for (int k = 0; k < layout.key_count; k++) {
    assert_string_equal(again.keys[k].name, all[k].name);
    assert_string_equal(again.keys[k].value, all[k].value);
  }
  assert_non_null(strstr(out, " list=[1, 2.5, 3] "));
  qn_extxyz_fini(&again);
  qn_extxyz_fini(&s);
  free(out);
}

static void takes_species_from_a_table(void **state) {
  (void)state;
  const qn_species table[] = {{"Cu", 63.5}, {"Zr", 91.2}};
  const char *text = "2\n" HEAD "\nZr 1 1 1\nCu 2 2 2\n";
  qn_extxyz s;
  qn_error error;
  assert_int_equal(qn_extxyz_parse(&s, text, strlen(text), table, 2, &error), QN_OK);
  assert_int_equal(s.atoms.type[0], 1);
  assert_true(s.atoms.species[1].mass == 91.2);
  assert_true(isnan(s.time));
  qn_extxyz_fini(&s);
  text = "1\n" HEAD "\nAl 1 1 1\n";
  assert_int_equal(qn_extxyz_parse(&s, text, strlen(text), table, 2, &error), QN_PARSE);
  assert_string_equal(error.message, "line 3: species Al is not among the potential's: Cu Zr");
}

static void takes_masses_from_a_column(void **state) {
  (void)state;
  qn_extxyz s;
  qn_error error;
  assert_int_equal(parse("2\n" HEAD "Properties=species:S:1:pos:R:3:masses:R:1\nA 1 1 1 2.5\nA 1 2 3 2.5\n", &s, &error), QN_OK);
  assert_true(s.atoms.species[0].mass == 2.5);
  char *written = NULL; /* and they are written where a symbol does not tell them */
  size_t size;
  FILE *file = open_memstream(&written, &size);
  assert_int_equal(qn_extxyz_write(file, &s.atoms, &s.box, &(qn_extxyz_layout){.velocities = true}, &error), QN_OK);
  fclose(file);
  qn_extxyz_fini(&s);
  assert_int_equal(parse(written, &s, &error), QN_OK);
  assert_true(s.atoms.species[0].mass == 2.5);
  qn_extxyz_fini(&s);
  free(written);
  assert_refused("2\n" HEAD "Properties=species:S:1:pos:R:3:masses:R:1\nA 1 1 1 2.5\nA 1 2 3 2.4\n", QN_PARSE, "line 4: mass");
  static const char *const NAMES[] = {"C\xda", "1A", "A-B", "Copperish"};
  for (int k = 0; k < 4; k++) {
    char text[200];
    snprintf(text, sizeof text, "1\n" HEAD "Properties=species:S:1:pos:R:3:masses:R:1\n%s 1 1 1 2.5\n", NAMES[k]);
    assert_refused(text, QN_PARSE, "must be letters, digits and '_', 7 characters at most");
  }
}

static void refuses_malformed_text(void **state) {
  (void)state;
  static const struct {
    const char *text, *part;
    qn_status status;
  } cases[] = {
      {"", "line 1: the file is empty", QN_PARSE},
      {"\n \n", "the file is empty", QN_PARSE},
      {"two\n" HEAD "\n", "line 1: a frame begins", QN_PARSE},
      {"-1\n" HEAD "\n", "line 1", QN_PARSE},
      {"0\n" HEAD "\n", "line 1", QN_PARSE},
      {"1 2\n" HEAD "\n", "line 1", QN_PARSE},
      {"99999999999999999999\n" HEAD "\n", "line 1", QN_PARSE},
      {"1\n", "before the comment line", QN_PARSE},
      {"1\n\nCu 1 1 1\n", "no Lattice", QN_PARSE},
      {"1\nLattice=\"10 0 0 0 10 0 0 0\"\nCu 1 1 1\n", "nine", QN_PARSE},
      {"1\nLattice=\"10 0 0 0 10 0 0 0 nan\"\nCu 1 1 1\n", "nine", QN_PARSE},
      {"1\nLattice=\"10 0 0 0 10 0 0 0 0x10\"\nCu 1 1 1\n", "nine", QN_PARSE},
      {"1\nLattice=\"10 0 0 0 -10 0 0 0 10\"\nCu 1 1 1\n", "along y must be positive", QN_PARSE},
      {"1\nLattice=\"10 0 0 1 10 0 0 0 10\"\nCu 1 1 1\n", "tilted", QN_UNSUPPORTED},
      {"1\n" HEAD HEAD "\nCu 1 1 1\n", "given twice", QN_PARSE},
      {"1\n" HEAD "pbc=\"T T F\"\nCu 1 1 1\n", "pbc", QN_UNSUPPORTED},
      {"1\n" HEAD "pbc=[T, T, F]\nCu 1 1 1\n", "periodic along x, y and z", QN_UNSUPPORTED},
      {"1\n" HEAD "pbc=\"T\"\nCu 1 1 1\n", "pbc=\"T\": three of T and F", QN_PARSE},
      {"1\n" HEAD "pbc=\"T T T T\"\nCu 1 1 1\n", "three of T and F", QN_PARSE},
      {"1\n" HEAD "pbc=\"T T yes\"\nCu 1 1 1\n", "three of T and F", QN_PARSE},
      {"1\n" HEAD "pbc=\"\"\nCu 1 1 1\n", "three of T and F", QN_PARSE},
      {"1\nLattice=[[10, 0, 0], [0, 10, 0], [0, 0, 10]\nCu 1 1 1\n", "key Lattice: its value has no closing ]", QN_PARSE},
      {"1\nLattice=[[10, 0, 0], [0, 10, 0], [0, 0, 10]]x\nCu 1 1 1\n", "no closing ]", QN_PARSE},
      {"1\nLattice=[[10, 0, 0], [0, 10, 0]]\nCu 1 1 1\n", "nine", QN_PARSE},
      {"1\nLattice=[[10, 0, 0], [1, 10, 0], [0, 0, 10]]\nCu 1 1 1\n", "tilted", QN_UNSUPPORTED},
      {"1\n" HEAD "title=\"open \\\" still\nCu 1 1 1\n", "no closing", QN_PARSE},
      {"1\n" HEAD "Origin=\"0 0\"\nCu 1 1 1\n", "Origin", QN_PARSE},
      {"1\n" HEAD "title=\"open\nCu 1 1 1\n", "no closing", QN_PARSE},
      {"1\n" HEAD "=3\nCu 1 1 1\n", "a key is expected", QN_PARSE},
      {"1\n" HEAD "Time_ps=now\nCu 1 1 1\n", "Time_ps", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1\nCu\n", "must hold", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R:2\nCu 1 1\n", "pos is pos:R:3", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R:3:pos:R:3\nCu 1 1 1 1 1 1\n", "pos is given twice", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R\nCu 1 1 1\n", "name:type:columns", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R:3:x:R:1000000000\nCu 1 1 1\n", "name:type:columns", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R:3:x:Q:1\nCu 1 1 1 1\n", "name:type:columns", QN_PARSE},
      {"1\n" HEAD "\nCu 1 1\n", "line 3: 3 columns; Properties says 4", QN_PARSE},
      {"1\n" HEAD "\nCu 1 1 1 1\n", "line 3: more than the 4 columns", QN_PARSE},
      {"1\n" HEAD "\nCu 1 one 1\n", "line 3: column 3: \"one\"", QN_PARSE},
      {"1\n" HEAD "\nCu 1 inf 1\n", "line 3: column 3", QN_PARSE},
      {"1\n" HEAD "\nCu 1 1e999 1\n", "line 3: column 3", QN_PARSE},
      {"1\n" HEAD "\nCu 1 1e300 1\n", "boxes away", QN_PARSE},
      {"1\n" HEAD "\nXx 1 1 1\n", "no chemical element", QN_PARSE},
      {"2\n" HEAD "\nCu 1 1 1\n", "ends after 1 of 2 atoms", QN_PARSE},
      {"1000000000\n" HEAD "\nCu 1 1 1\n", "too short for 1000000000 atoms", QN_PARSE},
      {"1\n" HEAD "Properties=species:S:1:pos:R:3:image:I:3\nCu 1 1 1 0 0 0.5\n", "no image count", QN_PARSE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) assert_refused(cases[i].text, cases[i].status, cases[i].part);

  qn_extxyz s;
  qn_error error;
  const char nul[] = "1\n" HEAD "\nCu 1 \0 1\n";
  assert_int_equal(qn_extxyz_parse(&s, nul, sizeof nul - 1, NULL, 0, &error), QN_PARSE);
  assert_non_null(strstr(error.message, "NUL"));

  size_t size = (3u << 20);
  char *wide = malloc(size + 1);
  memset(wide, '1', size);
  wide[size] = '\0';
  assert_int_equal(qn_extxyz_parse(&s, wide, size, NULL, 0, &error), QN_PARSE);
  assert_non_null(strstr(error.message, "longer than"));
  free(wide);
  assert_int_equal(qn_extxyz_read(&s, "/no/such/file.xyz", NULL, 0, &error), QN_IO);
  assert_int_equal(qn_extxyz_read(&s, "/tmp", NULL, 0, &error), QN_IO);
}

/* A generator that needs no quality: bytes to damage. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void survives_damaged_text(void **state) {
  (void)state;
  const char good[] =
      "3\n" HEAD "Origin=\"0 0 0\" pbc=\"T T T\" energy=1 Properties=species:S:1:pos:R:3:velocities:R:3:image:I:3 comment=\"x\"\n"
      "Cu 1 2 3 4 5 6 0 0 1\nZr 1.5 2.5 3.5 -4 -5 -6 1 -1 0\nCu 9 9 9 0 0 0 0 0 0\n";
  uint64_t seed = 88172645463325252u;
  for (int trial = 0; trial < 20000; trial++) {
    char text[sizeof good];
    memcpy(text, good, sizeof good);
    size_t size = sizeof good - 1;
    for (int change = 0; change < 1 + trial % 3; change++) text[next_random(&seed) % size] = (char)(next_random(&seed) % 128);
    if (trial % 4 == 0) size = next_random(&seed) % size;
    qn_extxyz s;
    qn_error error = {0};
    qn_status status = qn_extxyz_parse(&s, text, size, NULL, 0, &error);
    if (status != QN_OK) {
      assert_true(status == QN_PARSE || status == QN_UNSUPPORTED);
      assert_non_null(strstr(error.message, "line "));
    }
    qn_extxyz_fini(&s);
  }
}

static char *write_text(const qn_atoms *atoms, const qn_box *box, const qn_extxyz_layout *layout, size_t *size) {
  char *text = NULL;
  FILE *file = open_memstream(&text, size);
  qn_error error;
  assert_int_equal(qn_extxyz_write(file, atoms, box, layout, &error), QN_OK);
  fclose(file);
  return text;
}

static void snapshots_come_back_bit_for_bit(void **state) {
  (void)state;
  enum { COUNT = 200 };
  qn_error error;
  qn_atoms atoms = {0};
  assert_int_equal(qn_atoms_init(&atoms, COUNT, &error), QN_OK);
  atoms.species_count = 2;
  atoms.species[0] = (qn_species){"Cu", 63.546};
  atoms.species[1] = (qn_species){"Zr", 91.224};
  qn_box box = {{-1.0 / 3, 0.1, -7e-17}, {10.0 / 3, 1e3 / 7, 20.000000000000004}};
  uint64_t seed = 42;
  for (int i = 0; i < COUNT; i++) {
    atoms.type[i] = (uint8_t)(i > 0 && next_random(&seed) % 2);
    for (int a = 0; a < 3; a++) {
      atoms.r[a][i] = (double)next_random(&seed) * 0x1p-60;
      atoms.v[a][i] = ((double)next_random(&seed) - 0x1p63) * 0x1p-61;
      atoms.image[a][i] = (int32_t)(next_random(&seed) % 7) - 3;
    }
  }
  atoms.v[0][3] = -0.0;
  atoms.v[0][4] = 5e-324;
  qn_extxyz_key keys[] = {{"temperature_k", "300"}, {"mean_length", "1 2 3"}, {"comment", "it's a test"}};
  qn_extxyz_layout layout = {.image = true, .velocities = true, .key_count = 3, .keys = keys};
  size_t size;
  char *text = write_text(&atoms, &box, &layout, &size);
  qn_extxyz back;
  if (qn_extxyz_parse(&back, text, size, atoms.species, 2, &error) != QN_OK) fail_msg("%s", error.message);
  assert_memory_equal(&back.box, &box, sizeof box);
  assert_memory_equal(back.atoms.type, atoms.type, COUNT);
  for (int a = 0; a < 3; a++) {
    assert_memory_equal(back.atoms.r[a], atoms.r[a], COUNT * sizeof(double));
    assert_memory_equal(back.atoms.v[a], atoms.v[a], COUNT * sizeof(double));
    assert_memory_equal(back.atoms.image[a], atoms.image[a], COUNT * sizeof(int32_t));
  }
  assert_string_equal(qn_extxyz_value(&back, "comment"), "it's a test");
  assert_string_equal(qn_extxyz_value(&back, "mean_length"), "1 2 3");
  qn_extxyz_fini(&back);

  char path[] = "/tmp/qn_extxyz_XXXXXX";
  int descriptor = mkstemp(path);
  gzFile zipped = gzdopen(descriptor, "wb");
  assert_int_equal(gzwrite(zipped, text, (unsigned)size), (int)size);
  gzclose(zipped);
  assert_int_equal(qn_extxyz_read(&back, path, atoms.species, 2, &error), QN_OK);
  assert_memory_equal(back.atoms.r[2], atoms.r[2], COUNT * sizeof(double));
  qn_extxyz_fini(&back);
  assert_int_equal(truncate(path, 2000), 0);
  assert_int_not_equal(qn_extxyz_read(&back, path, atoms.species, 2, &error), QN_OK);
  unlink(path);
  free(text);

  keys[0].name = (char *)"two words";
  assert_int_equal(qn_extxyz_write(stdout, &atoms, &box, &layout, &error), QN_INVALID);
  qn_atoms_fini(&atoms);
}

static void writes_the_reference_layout(void **state) {
  (void)state;
  const char *text =
      "2\n"
      "Lattice=\"33.6670261523903 0 0 0 33.6670261523903 0 0 0 33.6670261523903\" Origin=\"-0.43351307619535 -0.43351307619535 -0.43351307619535\""
      " pbc=\"T T T\" energy=-9474.20250990915 virial_pressure_bar_xx_yy_zz_xy_xz_yz=\"-14291.4293649 -15034.88669 -13149.8050199 -484.928943246 "
      "-2844.50429181 -977.877939519\" Properties=species:S:1:pos:R:3:forces:R:3:local_energy:R:1 comment=\"Cu50Zr50 liquid\"\n"
      "Cu 27.2910855361635 6.32049299438671 9.55045649282839 0.695798928051085 -1.57530968715701 0.530498094646249 -3.21684438412205\n"
      "Zr -6.37594061622684 40.5 9.55045649282839 0.695798928051085 -1.57530968715701 0.530498094646249 -6.25\n";
  qn_extxyz s;
  qn_error error;
  if (parse(text, &s, &error) != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(s.atoms.image[0][1], -1);
  assert_int_equal(s.atoms.image[1][1], 1);
  qn_extxyz_layout layout = {.digits = 15, .forces = true, .local_energy = s.local_energy, .key_count = s.key_count, .keys = s.keys};
  size_t size;
  char *written = write_text(&s.atoms, &s.box, &layout, &size);
  assert_string_equal(written, text);
  free(written);
  qn_extxyz_fini(&s);
}

static void reads_several_frames(void **state) {
  (void)state;
  double x[3][2] = {{0.1, -20}, {1.0 / 3, 2}, {3, 4}};
  uint8_t type[] = {1, 0};
  qn_species species[] = {{"Zr", 91.224}, {"Cu", 63.546}};
  qn_frame frame = {.count = 2, .species_count = 2, .species = species, .type = type, .r = {x[0], x[1], x[2]}, .box = {{0, 0, 0}, {5, 6, 7}}};
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&text, &size);
  qn_error error;
  for (int f = 0; f < 3; f++) {
    frame.time = 0.05 * f;
    frame.step = 50 * f;
    x[0][0] += 1;
    assert_int_equal(qn_extxyz_write_frame(file, &frame, NULL, &error), QN_OK);
  }
  fclose(file);
  qn_extxyz_reader *reader;
  assert_int_equal(qn_extxyz_open_text(&reader, text, size, NULL, 0, &error), QN_OK);
  qn_extxyz s;
  bool found;
  double at = 0.1;
  for (int f = 0; f < 3; f++) {
    if (qn_extxyz_next(reader, &s, &found, &error) != QN_OK) fail_msg("%s", error.message);
    assert_true(found);
    at += 1;
    assert_true(s.atoms.r[0][0] == at && s.atoms.r[0][1] == -20 && s.time == 0.05 * f);
    double step;
    assert_true(qn_extxyz_numbers(&s, "step", 1, &step) && step == 50 * f);
    qn_extxyz_fini(&s);
  }
  assert_int_equal(qn_extxyz_next(reader, &s, &found, &error), QN_OK);
  assert_false(found);
  qn_extxyz_close(reader);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_columns_in_any_order),   cmocka_unit_test(reads_quotes_and_brackets), cmocka_unit_test(takes_species_from_a_table),
      cmocka_unit_test(takes_masses_from_a_column),   cmocka_unit_test(refuses_malformed_text),
      cmocka_unit_test(survives_damaged_text),        cmocka_unit_test(snapshots_come_back_bit_for_bit),
      cmocka_unit_test(writes_the_reference_layout),  cmocka_unit_test(reads_several_frames),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reading setfl: what a well-formed file means, and that every malformed one is refused with line and reason. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/potential/eam.h"
#include "engine/potential/ranges.h"

/* Two elements, five points a table; every line can be replaced. */
static const char *const GOOD[] = {
    "first",
    "second \xff\x01",
    "third",
    "2 Cu Zr",
    "5 0.5 5 0.25 1.25",
    "29 63.5 3.6 fcc",
    "0 -1 -2 -3 -4",       /* F Cu */
    "9 8 7 6 5",           /* rho of Cu at Cu */
    "19 18 17 16 15",      /* rho of Cu at Zr */
    "40 91.25 3.2 hcp",
    "0 -.5 -1. -1.5 -2D0", /* F Zr */
    "29 28 27 26 25",      /* rho of Zr at Cu */
    "39 38 37 36 35",      /* rho of Zr at Zr */
    "1 2",                 /* Cu-Cu, over lines of unequal length */
    "3\t4    5",
    "11 1.2e+1 13.0 +14 15", /* Zr-Cu */
    "21 22 23 24 25",      /* Zr-Zr */
};
enum { LINES = sizeof GOOD / sizeof *GOOD };

/* The file with line `replaced` (from 1; 0: none) written as `by`; NULL leaves the line out. */
static char *file_with(int replaced, const char *by) {
  char *text = calloc(1, 4096);
  for (int i = 0; i < LINES; i++) {
    const char *line = i + 1 == replaced ? by : GOOD[i];
    if (line == NULL) continue;
    strcat(text, line);
    strcat(text, "\n");
  }
  return text;
}

static void meaning(void **state) {
  (void)state;
  static const char *const ENDS[] = {"\n", "\r\n", "\n\n  \n"};
  for (int kind = 0; kind < 3; kind++) {
    char text[4096] = "";
    for (int i = 0; i < LINES; i++) {
      strcat(text, GOOD[i]);
      strcat(text, i < 5 && kind == 2 ? "\n" : ENDS[kind]);
    }
    qn_eam eam;
    qn_error error = {0};
    if (qn_eam_parse(&eam, text, strlen(text), &error) != QN_OK) fail_msg("%s", error.message);
    assert_true(eam.finnis_sinclair);
    assert_int_equal(eam.species_count, 2);
    assert_string_equal(eam.comment[1], "second ??");
    assert_string_equal(eam.species[1].symbol, "Zr");
    assert_string_equal(eam.lattice[1], "hcp");
    assert_true(eam.species[1].mass == 91.25 && eam.lattice_constant[0] == 3.6 && eam.cutoff == 1.25);
    assert_true(eam.embedding[5 + 4] == -2.0 && eam.embedding[5 + 1] == -0.5);
    /* [centre][neighbour]: the density at a copper atom from zirconium stands in zirconium's block. */
    assert_true(eam.density[0] == 9 && eam.density[5] == 29 && eam.density[10] == 19 && eam.density[15] == 39);
    assert_true(eam.pair[0] == 1 && eam.pair[5] == 11 && eam.pair[10] == 11 && eam.pair[15] == 21 && eam.pair[6] == 12);
    assert_int_equal(qn_eam_find_species(&eam, "Zr"), 1);
    assert_int_equal(qn_eam_find_species(&eam, "Al"), -1);
    qn_eam_fini(&eam);
  }
}

static void alloy(void **state) {
  (void)state;
  char text[4096] = "";
  for (int i = 0; i < LINES; i++)
    if (i != 8 && i != 12) strcat(strcat(text, GOOD[i]), "\n");
  qn_eam eam;
  qn_error error = {0};
  if (qn_eam_parse(&eam, text, strlen(text), &error) != QN_OK) fail_msg("%s", error.message);
  assert_false(eam.finnis_sinclair);
  assert_true(eam.density[0] == 9 && eam.density[5] == 29 && eam.density[10] == 9 && eam.density[15] == 29);
  qn_eam_fini(&eam);
}

static void malformed(void **state) {
  (void)state;
  static const struct {
    int line;
    const char *by, *message; /* NULL message: any */
  } CASES[] = {
      {4, "", "line 4: the number of elements"},
      {4, "two Cu Zr", "line 4: 'two' is not a whole number"},
      {4, "0", "line 4: 0 elements"},
      {4, "129 A B C", "line 4: 129 elements"},
      {4, "-1 Cu", "line 4: -1 elements"},
      {4, "99999999999999999999 Cu", "line 4"},
      {4, "3 Cu Zr", "line 4: names 2 of 3"},
      {4, "2 Cu Zr Al", "line 4: more names"},
      {4, "2 Cu Cu", "line 4: element Cu is named twice"},
      {4, "2 Cu Unobtainium", "line 4: the name of element 2 is longer"},
      {4, "2 Cu Z\"r", "line 4: the name of element 2 must be"},
      {4, "1 Cu", NULL},
      {5, "5 0.5 5 0.25", "line 5: cutoff is missing"},
      {5, "5 0.5 5 0.25 1.25 7", "line 5: more than 5"},
      {5, "5.5 0.5 5 0.25 1.25", "line 5: '5.5' is not a whole number"},
      {5, "5 0 5 0.25 1.25", "line 5: drho is 0"},
      {5, "5 0.5 5 -0.25 1.25", "line 5: dr is -0.25"},
      {5, "5 0.5 5 0.25 0", "line 5: cutoff is 0"},
      {5, "5 0.5 5 0.25 9", "line 5: the cutoff 9 A lies beyond"},
      {5, "5 0.5 5 1e-9 1e-9", "line 5: the cutoff is 1e-09 A, must lie between 0.5 and 100"},
      {5, "5 0.5 5 50 200", "line 5: the cutoff is 200 A"},
      {5, "5 nan 5 0.25 1.25", "line 5: 'nan' is not a number"},
      {5, "5 0.5 5 1e999 1.25", "line 5: '1e999' is not finite"},
      {5, "4 0.5 5 0.25 1.25", "line 5: nrho is 4"},
      {5, "5 0.5 2000000000 0.25 1.25", "line 5: nr is 2000000000"},
      {5, "5 0.5 1000000 0.25 1.25", "line 17: the file ends after 53 of the 5000016 values or more that line 5 announces"},
      {5, "6 0.5 5 0.25 1.25", NULL},
      {5, "5 0.5 6 0.25 1.25", NULL},
      {6, "29 0 3.6 fcc", "line 6: the mass"},
      {6, "29 63.5 -3.6 fcc", "line 6: the lattice constant"},
      {6, "29 63.5", NULL},
      {6, "29 63.5 3.6 fcc more", NULL},
      {6, "x 63.5 3.6 fcc", "line 6: 'x' is not a whole number"},
      {7, "0 -1 -2 -3", "line 8: the 5 values of F of Cu end in mid-line"}, /* where a value is missing shows at the end of its block */
      {7, "0 -1 -2 -3 -4 -5", "line 7: the 5 values of F of Cu end in mid-line"},
      {8, "9 8 seven 6 5", "line 8: 'seven' is not a number (value 3 of 5 of rho of Cu-Cu)"},
      {8, "9 8 7 6 inf", "line 8: 'inf' is not a number"},
      {8, "9 8 7 6 0x10", "line 8: '0x10' is not a number"},
      {8, "9 8 7 6 1e", "line 8: '1e' is not a number"},
      {8, "9 8 7 6 1e+", "line 8: '1e+' is not a number"},
      {8, "9 8 7 6 .", "line 8: '.' is not a number"},
      {8, "9 8 7 6 1.2.3", "line 8: '1.2.3' is not a number"},
      {8, "9 8 7 6 --1", "line 8: '--1' is not a number"},
      {8, "9 8 7 6 1e400", "line 8: '1e400' is not finite"},
      {8, "9 8 -1e101 6 5", "line 8: the magnitude of -1e+101 is more than 1e+100, the most that a function may have (value 3 of 5 of rho of Cu-Cu)"},
      {8, "9 8 7 6 1.00000000000000000000000000000000000000000000000000000000000000001", "line 8: '1.0000"},
      {9, NULL, "(read as eam/alloy; as eam/fs: line 9: 'hcp' is not a number (value 4 of 5 of rho of Cu-Zr))"},
      {12, NULL, NULL},
      {17, NULL, "line 16: the file ends after 0 of the 5 values of r*phi of Zr-Zr"},
      {17, "21 22 23 24", "line 17: the file ends after 4 of the 5 values of r*phi of Zr-Zr"},
      {16, "11 1.2e+1 13.0 +14", "line 17: the 5 values of r*phi of Zr-Cu end in mid-line"},
      {17, "21 22 23 24 25\n26", "line 18: there is more text"},
      {17, "21 22 23 24 25\n\n# end", NULL},
  };
  for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
    char *text = file_with(CASES[k].line, CASES[k].by);
    qn_eam eam;
    qn_error error = {0};
    qn_status status = qn_eam_parse(&eam, text, strlen(text), &error);
    if (status != QN_PARSE || error.status != QN_PARSE || strstr(error.message, "line ") == NULL ||
        (CASES[k].message != NULL && strstr(error.message, CASES[k].message) == NULL))
      fail_msg("case %zu: %s: %s", k, qn_status_name(status), error.message);
    assert_null(eam.pair);
    assert_int_equal(qn_eam_parse(&eam, text, strlen(text), NULL), QN_PARSE);
    free(text);
  }
}

/* Cut at every byte, and with random bytes changed: never accepted when a value is missing, never a crash (under the sanitizers). */
static void truncated_and_mutated(void **state) {
  (void)state;
  char *text = file_with(0, NULL);
  size_t size = strlen(text);
  for (size_t cut = 0; cut <= size; cut++) {
    char *exact = malloc(cut + 1);
    memcpy(exact, text, cut);
    exact = realloc(exact, cut == 0 ? 1 : cut);
    qn_eam eam;
    qn_error error = {0};
    qn_status status = qn_eam_parse(&eam, exact, cut, &error);
    bool only_the_end_of_the_last_number = cut + 2 >= size;
    if (!only_the_end_of_the_last_number) assert_int_equal(status, QN_PARSE);
    if (status != QN_OK) assert_non_null(strstr(error.message, "line "));
    qn_eam_fini(&eam);
    free(exact);
  }
  qn_rng rng;
  qn_rng_init(&rng, 3, QN_RNG_BOOTSTRAP, 0);
  for (int round = 0; round < 20000; round++) {
    char changed[4096];
    memcpy(changed, text, size);
    for (uint64_t n = qn_rng_below(&rng, 4); n < 4; n++) {
      static const char BYTES[] = "0123456789.-+eEdD \n\t\0xnai";
      changed[qn_rng_below(&rng, size)] = BYTES[qn_rng_below(&rng, sizeof BYTES)];
    }
    qn_eam eam;
    qn_error error = {0};
    qn_status status = qn_eam_parse(&eam, changed, size, &error);
    if (status == QN_OK) {
      for (int i = 0; i < eam.species_count * eam.species_count * eam.r_points; i++) assert_true(isfinite(eam.pair[i]));
    } else {
      assert_non_null(strstr(error.message, "line "));
    }
    qn_eam_fini(&eam);
  }
  free(text);
}

/* Every number reads as strtod reads it. */
static void numbers_are_correctly_rounded(void **state) {
  (void)state;
  qn_rng rng;
  qn_rng_init(&rng, 8, QN_RNG_BOOTSTRAP, 0);
  for (int round = 0; round < 4000; round++) {
    char number[64], line[128], *text;
    int digits = 1 + (int)qn_rng_below(&rng, 21), exponent = (int)qn_rng_below(&rng, 80) - 40;
    if (round % 2 == 0) exponent = (int)qn_rng_below(&rng, 50) - 25;
    snprintf(number, sizeof number, "%s%.*e", round % 3 == 0 ? "-" : "", digits, qn_rng_uniform(&rng) * pow(10, exponent));
    snprintf(line, sizeof line, "21 22 %s 24 25", number);
    text = file_with(17, line);
    qn_eam eam;
    qn_error error = {0};
    if (qn_eam_parse(&eam, text, strlen(text), &error) != QN_OK) fail_msg("%s", error.message);
    if (eam.pair[17] != strtod(number, NULL)) fail_msg("%s reads as %.17g", number, eam.pair[17]);
    qn_eam_fini(&eam);
    free(text);
  }
}

static void files(void **state) {
  (void)state;
  qn_eam eam;
  qn_error error;
  assert_int_equal(qn_eam_read(&eam, QN_TEST_DATA "/absent.eam.fs", &error), QN_IO);
  assert_non_null(strstr(error.message, "absent.eam.fs"));
  assert_int_equal(qn_eam_read(&eam, QN_TEST_DATA, &error), QN_IO); /* a directory */
  assert_int_equal(qn_eam_read(&eam, QN_TEST_DATA "/dimers.txt", &error), QN_PARSE);
  assert_non_null(strstr(error.message, "dimers.txt: line 4"));
}

/* METHOD "Potential": every Cu-Cu function ends at 6.0 A, rho of Cu-Zr at 6.0, rho of Zr-Zr at 5.6; only phi of Cu-Zr and Zr-Zr reaches 7.6. */
static void true_ranges(void **state) {
  (void)state;
  qn_eam eam;
  assert_int_equal(qn_eam_read(&eam, QN_POTENTIALS "/Cu-Zr_2.eam.fs", NULL), QN_OK);
  qn_ranges ranges;
  qn_ranges_find(&eam, &ranges);
  const double near = 3 * eam.r_step;
  assert_close(ranges.pair[0][0], 6.0, near);
  assert_close(ranges.density[0][0], 6.0, near);
  assert_close(ranges.density[0][1], 6.0, near);
  assert_close(ranges.density[1][0], 6.0, near);
  assert_close(ranges.density[1][1], 5.6, near);
  assert_close(ranges.pair[0][1], 7.6, near);
  assert_close(ranges.pair[1][1], 7.6, near);
  assert_close(ranges.reach[0][0], 6.0, near);
  assert_close(ranges.longest, 7.6, near);
  for (int a = 0; a < 2; a++)
    for (int b = 0; b < 2; b++) assert_true(ranges.core[a][b] > 0.3 && ranges.core[a][b] < 1.0);
  qn_eam_fini(&eam);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(meaning),   cmocka_unit_test(alloy), cmocka_unit_test(malformed), cmocka_unit_test(truncated_and_mutated),
      cmocka_unit_test(numbers_are_correctly_rounded), cmocka_unit_test(files), cmocka_unit_test(true_ranges),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

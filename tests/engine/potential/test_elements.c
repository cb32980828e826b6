/* A potential of thirty elements: read, and used with any few of them, which then cost no more than a potential of these alone and give the same
 * bits. */
#include "engine/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/potential/force.h"
#include "engine/trajectory/extxyz.h"

enum { ELEMENTS = 30, POINTS = 400 };
static const char *const SYMBOLS[ELEMENTS] = {"Ag", "Al", "Au", "Be", "Ca", "Co", "Cr", "Cu", "Fe", "Hf", "In", "Ir", "La", "Mg", "Mn",
                                              "Mo", "Nb", "Ni", "Os", "Pb", "Pd", "Pt", "Re", "Rh", "Ru", "Sn", "Ta", "Ti", "W",  "Zr"};
static const double CUTOFF = 5.0;

/* Smooth functions that differ from element to element, as setfl of the elements with these numbers. */
static char *setfl_of(const int *numbers, int count, bool finnis_sinclair, size_t *size) {
  char *text;
  FILE *out = open_memstream(&text, size);
  const double dr = CUTOFF / (POINTS - 1), drho = 0.05;
  fprintf(out, "made\nfor\ntests\n%d", count);
  for (int a = 0; a < count; a++) fprintf(out, " %s", SYMBOLS[numbers[a]]);
  fprintf(out, "\n%d %.17g %d %.17g %.17g\n", POINTS, drho, POINTS, dr, CUTOFF);
  for (int a = 0; a < count; a++) {
    fprintf(out, "%d %g 4 fcc\n", numbers[a] + 1, 20.0 + 5 * numbers[a]);
    for (int i = 0; i < POINTS; i++) fprintf(out, "%.12g\n", -(1 + 0.02 * numbers[a]) * sqrt(i * drho));
    for (int b = 0; b < (finnis_sinclair ? count : 1); b++)
      for (int i = 0; i < POINTS; i++)
        fprintf(out, "%.12g\n", (1 + 0.03 * numbers[a] + (finnis_sinclair ? 0.01 * numbers[b] : 0)) * pow(1 - i * dr / CUTOFF, 4));
  }
  for (int a = 0; a < count; a++)
    for (int b = 0; b <= a; b++)
      for (int i = 0; i < POINTS; i++)
        fprintf(out, "%.12g\n", i * dr * (8 + 0.05 * (numbers[a] + numbers[b])) * pow(1 - i * dr / CUTOFF, 4));
  fclose(out);
  return text;
}

static void read_potential(qn_eam *eam, const int *numbers, int count, bool finnis_sinclair) {
  size_t size;
  qn_error error = {0};
  char *text = setfl_of(numbers, count, finnis_sinclair, &size);
  if (qn_eam_parse(eam, text, size, &error) != QN_OK) fail_msg("%s", error.message);
  assert_int_equal(eam->species_count, count);
  assert_true(eam->finnis_sinclair == finnis_sinclair);
  free(text);
}

static void all_of_them(qn_eam *eam, bool finnis_sinclair) {
  int numbers[ELEMENTS];
  for (int a = 0; a < ELEMENTS; a++) numbers[a] = a;
  read_potential(eam, numbers, ELEMENTS, finnis_sinclair);
}

/* 216 atoms near a lattice, of three species in turn. */
static char *structure_of(const int *numbers) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  qn_rng rng;
  qn_rng_init(&rng, 5, QN_RNG_VELOCITIES, 0);
  fputs("216\nLattice=\"16.8 0 0 0 16.8 0 0 0 16.8\"\n", out);
  for (int i = 0; i < 216; i++) {
    fputs(SYMBOLS[numbers[i % 3]], out);
    for (int a = 0, at[3] = {i % 6, i / 6 % 6, i / 36}; a < 3; a++) fprintf(out, " %.17g", 2.8 * at[a] + 0.2 * qn_rng_uniform(&rng));
    fputc('\n', out);
  }
  fclose(out);
  return text;
}

static void evaluate(const qn_eam *eam, const char *text, qn_precision precision, qn_force_result *result, qn_extxyz *frame) {
  qn_error error = {0};
  qn_force *force;
  const qn_force_options options = {.precision = precision, .threads = 2};
  if (qn_extxyz_parse(frame, text, strlen(text), eam->species, eam->species_count, &error) != QN_OK) fail_msg("%s", error.message);
  if (qn_force_alloc(&force, eam, &frame->atoms, &frame->box, &options, &error) != QN_OK) fail_msg("%s", error.message);
  if (qn_force_compute(force, &frame->box, &frame->atoms, result, NULL, &error) != QN_OK) fail_msg("%s", error.message);
  qn_force_free(force);
}

static void any_few_of_thirty(void **state) {
  (void)state;
  static const int few[][3] = {{0, 1, 2}, {27, 3, 16}, {29, 28, 27}}; /* in and out of the file's order */
  for (int kind = 0; kind < 2; kind++) {
    qn_eam all, some;
    all_of_them(&all, kind == 1);
    for (int f = 0; f < 3; f++)
      for (int p = 0; p < 2; p++) {
        qn_precision precision = p == 0 ? QN_PRECISION_DOUBLE : QN_PRECISION_FAST;
        qn_force_result wanted, got;
        qn_extxyz a, b;
        int sorted[3] = {few[f][0], few[f][1], few[f][2]}; /* the frame's species come in the table's order */
        for (int i = 0; i < 2; i++)
          for (int j = 0; j < 2; j++)
            if (sorted[j] > sorted[j + 1]) sorted[j] ^= sorted[j + 1], sorted[j + 1] ^= sorted[j], sorted[j] ^= sorted[j + 1];
        char *text = structure_of(few[f]);
        read_potential(&some, sorted, 3, kind == 1);
        evaluate(&some, text, precision, &wanted, &a);
        evaluate(&all, text, precision, &got, &b);
        assert_int_equal(b.atoms.species_count, 3);
        for (int s = 0; s < 3; s++) {
          assert_string_equal(b.atoms.species[s].symbol, SYMBOLS[sorted[s]]);
          assert_true(b.atoms.species[s].mass == 20.0 + 5 * sorted[s]);
        }
        assert_memory_equal(&got, &wanted, sizeof got);
        for (int axis = 0; axis < 3; axis++) assert_memory_equal(a.atoms.f[axis], b.atoms.f[axis], 216 * sizeof(double));
        assert_true(fabs(a.atoms.f[0][0]) > 1e-3);
        qn_extxyz_fini(&a);
        qn_extxyz_fini(&b);
        qn_eam_fini(&some);
        free(text);
      }
    qn_eam_fini(&all);
  }
}

/* More species than a system may have are refused, whatever the potential has. */
static void too_many_at_once(void **state) {
  (void)state;
  qn_eam all;
  all_of_them(&all, false);
  char text[2048] = "17\nLattice=\"20 0 0 0 20 0 0 0 20\"\n";
  for (int i = 0; i < 17; i++) sprintf(text + strlen(text), "%s %d 0 0\n", SYMBOLS[i], i);
  qn_extxyz frame;
  qn_error error = {0};
  assert_int_equal(qn_extxyz_parse(&frame, text, strlen(text), all.species, all.species_count, &error), QN_UNSUPPORTED);
  assert_non_null(strstr(error.message, "more than 16 species"));
  const qn_species stranger[] = {{"Cu", 1}, {"Xe", 1}};
  qn_eam selected;
  assert_int_equal(qn_eam_select(&all, stranger, 2, &selected, &error), QN_INVALID);
  assert_non_null(strstr(error.message, "no entry for Xe"));
  qn_eam_fini(&selected);
  qn_eam_fini(&all);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_few_of_thirty), cmocka_unit_test(too_many_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Trajectories made for tests, of which the answers are known: a random walk as a LAMMPS dump, a vibrating crystal as extended XYZ. */
#ifndef QN_TESTS_SERVER_MADE_FRAMES_H
#define QN_TESTS_SERVER_MADE_FRAMES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { MADE_ATOMS = 200, MADE_FRAMES = 400 };
static const double MADE_STEP = 0.3, MADE_INTERVAL = 0.05, MADE_BOX = 20.0; /* A, ps, A */

static inline double made_gauss(unsigned short seed[3]) {
  double u = 1 - erand48(seed), v = erand48(seed);
  return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* A random walk with Gaussian steps: D = MADE_STEP^2 / (2 MADE_INTERVAL), whatever the analysis. The first half of the atoms is
 * of type 1. As a LAMMPS dump, its steps of 2 fs, or extended XYZ without times; unwrapped in both. */
static inline char *made_walk(bool xyz, size_t *size) {
  static double x[MADE_ATOMS][3];
  unsigned short seed[3] = {1, 2, 3};
  char *text;
  FILE *out = open_memstream(&text, size);
  for (int i = 0; i < MADE_ATOMS; i++)
    for (int a = 0; a < 3; a++) x[i][a] = MADE_BOX * erand48(seed);
  for (int frame = 0; frame < MADE_FRAMES; frame++) {
    if (xyz)
      fprintf(out, "%d\nLattice=\"%g 0 0 0 %g 0 0 0 %g\" Properties=species:S:1:pos:R:3 pbc=\"T T T\"\n", MADE_ATOMS, MADE_BOX, MADE_BOX, MADE_BOX);
    else
      fprintf(out, "ITEM: TIMESTEP\n%d\nITEM: NUMBER OF ATOMS\n%d\nITEM: BOX BOUNDS pp pp pp\n0 %g\n0 %g\n0 %g\nITEM: ATOMS id type xu yu zu\n", 25 * frame, MADE_ATOMS, MADE_BOX, MADE_BOX, MADE_BOX);
    for (int k = 0; k < MADE_ATOMS; k++) {
      int i = xyz ? k : (k * 7 + frame) % MADE_ATOMS; /* a dump has no order */
      if (xyz) fprintf(out, "%s %.6f %.6f %.6f\n", 2 * i < MADE_ATOMS ? "Cu" : "Zr", x[i][0], x[i][1], x[i][2]);
      else fprintf(out, "%d %d %.6f %.6f %.6f\n", i + 1, 1 + 2 * i / MADE_ATOMS, x[i][0], x[i][1], x[i][2]);
    }
    for (int i = 0; i < MADE_ATOMS; i++)
      for (int a = 0; a < 3; a++) x[i][a] += MADE_STEP * made_gauss(seed);
  }
  fclose(out);
  return text;
}

static inline void *made_gzip(const char *text, size_t size, size_t *packed) {
  *packed = compressBound(size) + 64;
  unsigned char *out = malloc(*packed);
  z_stream z = {.next_in = (unsigned char *)text, .avail_in = (unsigned)size, .next_out = out, .avail_out = (unsigned)*packed};
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  *packed = z.total_out;
  deflateEnd(&z);
  return out;
}

/* A crystal that vibrates: its first peak is at the shortest reciprocal vector, 2 pi sqrt(3) / a. */
static const double MADE_CELL = 4.0;
static inline char *made_crystal(size_t *size) {
  enum { CELLS = 5, SITES = 4 * CELLS * CELLS * CELLS, STILLS = 60 };
  static const double basis[4][3] = {{0, 0, 0}, {0, 0.5, 0.5}, {0.5, 0, 0.5}, {0.5, 0.5, 0}};
  unsigned short seed[3] = {4, 5, 6};
  char *text;
  FILE *out = open_memstream(&text, size);
  for (int frame = 0; frame < STILLS; frame++) {
    fprintf(out, "%d\nLattice=\"%g 0 0 0 %g 0 0 0 %g\" Properties=species:S:1:pos:R:3 pbc=\"T T T\" Time=%.10g\n", SITES, CELLS * MADE_CELL, CELLS * MADE_CELL, CELLS * MADE_CELL, 0.1 * frame);
    for (int i = 0; i < SITES; i++) {
      int cell[3] = {i / 4 % CELLS, i / 4 / CELLS % CELLS, i / 4 / CELLS / CELLS};
      fputs("Cu", out);
      for (int a = 0; a < 3; a++) fprintf(out, " %.6f", MADE_CELL * (cell[a] + basis[i % 4][a]) + 0.05 * made_gauss(seed));
      fputc('\n', out);
    }
  }
  fclose(out);
  return text;
}

#endif

/* Tables of the fast kernel: the functions of an EAM potential against the square of the distance, in single precision,
 * small enough for registers and the nearest caches.
 *
 * Lengths are counted in quanta of reach / 2^28, so that a squared distance s, kept as a float, lies below 2^56 exactly when the
 * pair is within reach, and the upper bits of the float number the interval: intervals are equal parts of each octave of s, finer
 * where atoms are closer. Two kinds of table:
 *
 * - short: 32 intervals, 8 an octave, so 4 octaves of s or a factor 4 in distance, quartic in s. They are held in two vector
 *   registers a coefficient. The interval number counts modulo 32. For densities, which are smooth.
 * - long: 1024 intervals an octave, cubic, one row of four coefficients an interval, fetched by row. For pair terms, which have
 *   knots (Mendelev's Cu-Zr turns sharply at 1.8, 2.1 and 2.3 A), and for densities that the short table does not fit.
 *
 * Between the range of the densities and the longer one of the pair term, the shell, pair terms are smooth again: there a short table
 * of 32 intervals an octave replaces the long one.
 *
 * Each row is the least-squares fit through Chebyshev points of LAMMPS's spline, so values are those of the reference kernel up to
 * the fit: see qn_fast_tables.worst. */
#ifndef QN_POTENTIAL_FAST_TABLES_H
#define QN_POTENTIAL_FAST_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/potential/kernel.h"

enum {
  QN_FAST_REACH_BITS = 28, /* log2 of the reach in quanta */
  QN_FAST_SHORT = 32,      /* intervals of a short table */
  QN_FAST_SHORT_SHIFT = 20, /* bits of the float below its interval: 8 intervals an octave */
  QN_FAST_FINE_SHIFT = 13,  /* 1024 an octave */
  QN_FAST_SHELL_SHIFT = 18,  /* 32 an octave */
  QN_FAST_DENSITY_DEGREE = 4,
  QN_FAST_SLOPE_DEGREE = 5, /* of densities; one more, because what is left of its error is one-sided and adds up in the virial */
  QN_FAST_SHELL_DEGREE = 4
};

typedef struct qn_fast_pair {
  /* Short tables [coefficient][interval]: density at the centre from the neighbour, and slopes d/ds of the densities here and at
   * the neighbour, scaled to quanta of force. */
  _Alignas(64) float density[QN_FAST_DENSITY_DEGREE + 1][QN_FAST_SHORT];
  float here[QN_FAST_SLOPE_DEGREE + 1][QN_FAST_SHORT];
  float there[QN_FAST_SLOPE_DEGREE + 1][QN_FAST_SHORT];
  float shell[QN_FAST_SHELL_DEGREE + 1][QN_FAST_SHORT]; /* slope of the pair term in the topmost octave, scaled likewise */
  const float *pair, *energy;    /* long tables of rows of four: slope and value of the pair term */
  const float *density_rows, *here_rows, *there_rows; /* long tables for densities that need them, else NULL */
  bool symmetric;                /* here and there are the same function */
  bool shell_short;              /* beyond core_reach the pair term fits the short table */
  float density_square;          /* quanta^2: range of the longer density */
  float pair_square;             /* quanta^2: range of the pair term */
  double core_reach;             /* A: pairs nearer than this go through both passes, */
  float shell_from;              /* quanta^2: the same */
  double shell_reach;            /* A: pairs from there up to this have a pair term alone; 0 when there are none */
} qn_fast_pair;

typedef struct qn_fast_tables {
  int species_count;
  double reach;            /* A, the longest of all functions */
  double quantum;          /* A */
  double force_quantum;    /* eV/A */
  double density_quantum;
  double energy_quantum;   /* eV, of pair sums */
  double virial_quantum;   /* eV */
  double nearest;          /* A: the tables have no answer below */
  float nearest_square;    /* quanta^2 */
  float end_square;        /* quanta^2: the reach, where every long table has a row of zeros */
  uint32_t first_bits;     /* of the float at which long tables begin */
  qn_fast_pair *pairs;     /* [centre][neighbour] */
  float **rows;            /* all long tables */
  int row_tables;
  double *embedding[QN_MAX_SPECIES]; /* cubics of F, see spline.h */
  int rho_points;
  double rho_scale, rho_last;
  double worst;            /* eV/A: the largest error of a pair's force by the fits, F' taken at a typical density */
} qn_fast_tables;

/* Tables for the species of `system`. Free with qn_fast_tables_fini, also after a failure. */
qn_status qn_fast_tables_init(qn_fast_tables *tables, const qn_system *system, qn_error *error);
void qn_fast_tables_fini(qn_fast_tables *tables);

#endif

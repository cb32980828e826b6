/* Tables of the fast kernel: the functions of an EAM potential against the square of the distance, in single precision.
 *
 * Lengths are counted in quanta (engine/neighbor/lists.h), so that a squared distance s, kept as a float, lies below 2^56 exactly when the pair is
 * within reach, and the upper bits of the float number the interval: intervals are equal parts of each octave of s. Every row is a cubic in the
 * bits below, a least-squares fit through Chebyshev points of LAMMPS's spline, so values are those of the reference kernel up to the fit.
 *
 * Slopes of pair terms turn at half the reach from coarse rows (64 an octave where the potential is smooth; more where it is not) to 1024 an octave
 * nearer: there the functions have knots (Mendelev's Cu-Zr turns sharply at 1.8, 2.1 and 2.3 A), and the printed digits make their own slope rough
 * by up to 6e-6 eV/A, which only rows as fine as the table follow. Most pairs are farther than that, so the rows in use are few and stay in the nearest
 * cache. The row of s is min(x >> fine, x >> coarse), x being the bits of s less those of the turn: no branch. A density, which is smooth, has
 * one kind of row.
 *
 * Beyond the range of a function its rows are zero, up to 2^61, which covers all that lists may hold: no comparison with a range is needed. */
#ifndef QN_POTENTIAL_FAST_TABLES_H
#define QN_POTENTIAL_FAST_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/potential/embedding.h"
#include "engine/potential/kernel.h"

enum { QN_FAST_FINE_SHIFT = 13 /* bits of the float below a fine interval: 1024 an octave */ };

/* Tables of all pairs of species follow one another in slots of 2^slot_bits bytes: the pair (centre a, neighbour b) has slot a * step + b. Where all
 * functions are the same seen from either side, two species share a slot for (0, 1) and (1, 0) with step 1. */
typedef struct qn_fast_tables {
  int species_count;
  int step;
  bool symmetric;          /* rho at a from b equals rho at b from a, for all pairs */
  int tag_bits;            /* of F' give way to the species in the second pass */
  double force_quantum;    /* eV/A */
  double density_quantum;
  double energy_quantum;   /* eV, of pair sums */
  double virial_quantum;   /* eV */
  double nearest;          /* A: the tables have no answer below */
  float nearest_square;    /* quanta^2 */

  /* rho at the centre, and when not symmetric rho at the neighbour, in density quanta; row of s: (bits - density_first) >> density_shift. */
  float *density;
  int32_t density_first;
  int density_shift, density_slot_bits;

  /* Rows of slopes by s, in what a difference in quanta is to be multiplied by to give force quanta: pair term, rho at the centre, and when not
   * symmetric rho at the neighbour (and nothing). `slopes` and `energy` (pair term, in energy quanta; rows of one function) point at the turn. */
  float *slopes, *energy;
  int32_t turn;            /* bits of s there */
  int coarse_shift, slope_slot_bits;

  float *rows[3];          /* what is to be freed */
  double error;            /* eV/A: rms error of a pair's force by the fits beyond the turn, F' taken at a typical density */
} qn_fast_tables;

/* Tables for the species of `system`. Free with qn_fast_tables_fini, also after a failure. */
qn_status qn_fast_tables_init(qn_fast_tables *tables, const qn_system *system, const qn_embedding *embedding, qn_error *error);
void qn_fast_tables_fini(qn_fast_tables *tables);

/* Bytes of a row of slopes and of one of densities, as powers of two. */
static inline int qn_fast_slope_bits(const qn_fast_tables *tables) { return tables->symmetric ? 5 : 6; }
static inline int qn_fast_density_bits(const qn_fast_tables *tables) { return tables->symmetric ? 4 : 5; }

#endif

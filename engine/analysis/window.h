/* Averages over pairs of frames a lag apart: the engine under every time correlation of single atoms.
 *
 *   A(lag) = < a(r_i(t0 + lag) - r_i(t0)) >   over atoms i of a species and all origins t0
 *
 * Frames go in one by one; a ring holds those up to the longest lag. The centre of mass of all atoms, weighted by mass, is held still.
 * What is averaged is a kernel's sums over 64 atoms of one species, of doubles throughout.
 *
 * Errors. The run is also cut into 8, 16 and 32 equal segments, and pairs that lie inside one segment are summed for it. Segments share
 * no frames, so their averages are as independent as the run allows; the error of any quantity made of averages is the jackknife over them,
 *   se^2 = (K-1)/K sum_k (x_without_k - mean)^2,
 * at the largest K whose segments are at least three times as long as the longest lag used (K = 8: twice). The value itself uses every pair,
 * so this error is a little too large, by 10 to 20 %, as pairs across segments are missing from it; the few degrees of freedom of a small K
 * need about as much. A run shorter than 16 times the longest lag gives no error.
 *
 * With a layer, only atoms that belong to it by the layer's method count, each pair average is over the pairs that count, and the coordinate
 * along the surface normal is set to 0: displacements are those in the plane, d = 2.
 *
 * Sums go over fixed chunks of atoms in a fixed order with fixed lanes: the bits depend neither on threads nor on the width of vectors.
 *
 * Refused, with QN_UNSUPPORTED: a box that changes, atoms that change, and wrapped positions (an atom moves by more than half a box between
 * frames while every atom is inside the box). */
#ifndef QN_ANALYSIS_WINDOW_H
#define QN_ANALYSIS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/analysis/lags.h"
#include "engine/analysis/layer.h"
#include "engine/base/status.h"
#include "engine/trajectory/frame.h"

enum { QN_WINDOW_CHUNK = 64, QN_WINDOW_LEVELS = 3, QN_WINDOW_ALL = -1 };

/* Add the moments of one chunk to sums. now and then are [3][QN_WINDOW_CHUNK], A; weight is 1 for atoms that count, 0 for others. */
typedef void (*qn_window_kernel)(const void *context, const double *now, const double *then, const double *weight, double *sums);

typedef struct qn_window_options {
  int64_t frames;          /* how many will come */
  double interval;         /* ps between them */
  double longest;          /* ps; 0: a quarter of the run, less when the ring would take more than 768 MiB */
  const int64_t *lags;     /* samples, ascending; NULL: qn_lags_choose up to the longest */
  int lag_count;
  int moments;             /* doubles that the kernel sums for each lag and species */
  qn_window_kernel kernel;
  const void *context;     /* the kernel's, read during accumulate */
  int threads;
  qn_layer_options layer;  /* thickness 0: all atoms */
} qn_window_options;

typedef struct qn_window {
  qn_window_options options;
  int lag_count;
  int64_t lag[QN_MAX_LAGS];
  double lag_time[QN_MAX_LAGS]; /* ps */
  int dimensions;               /* 3; 2 with a layer */

  /* Known after the first frame. */
  int64_t frames_seen, atoms;
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  int64_t species_atoms[QN_MAX_SPECIES];
  qn_box box;
  double volume;                /* A^3, of the matter: without the vacuum beside a layered slab */
  const char *region;           /* "bulk"; "slab" for all atoms of a system with free surfaces; "surface"; "layer" for one below the surface */
  qn_layer layer;

  struct qn_window_state *state;
} qn_window;

/* QN_INVALID when fewer than two frames will come or the longest lag is not inside the run. */
qn_status qn_window_init(qn_window *window, const qn_window_options *options, qn_error *error);
void qn_window_fini(qn_window *window); /* also fine on an all-zero object */
qn_status qn_window_accumulate(qn_window *window, const qn_frame *frame, qn_error *error);
qn_status qn_window_finish(qn_window *window, qn_error *error); /* after the last frame, before reading averages */

/* Segments at a level, 8, 16, 32; and the finest level whose segments are long enough for lags up to `longest` ps, or -1. */
int qn_window_segments(int level);
int qn_window_level(const qn_window *window, double longest);

/* The average of a moment at a lag, NAN when there are no pairs. `species` may be QN_WINDOW_ALL. With level < 0 over every pair; else over
 * the pairs inside segments of that level, without segment `without` (-1: of all). `*pairs` (may be NULL) gets their number. */
double qn_window_average(const qn_window *window, int lag, int species, int moment, int level, int without, double *pairs);

/* Jackknife error of a quantity. `quantity` computes it from averages at (level, without); `*samples` gets the number of segments.
 * NAN, 0 samples when level < 0 or any leave-one-out value is NAN. */
typedef double (*qn_window_quantity)(const qn_window *window, const void *context, int level, int without);
double qn_window_error(const qn_window *window, qn_window_quantity quantity, const void *context, int level, int64_t *samples);

/* Error of one average; NAN where the lag is too long for it. */
double qn_window_average_error(const qn_window *window, int lag, int species, int moment);

#endif

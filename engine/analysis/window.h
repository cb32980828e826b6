/* Averages over pairs of frames a lag apart: the engine under every time correlation of single atoms.
 *
 *   A(lag) = < a(r_i(t0 + lag) - r_i(t0)) >   over atoms i of a species and all origins t0
 *
 * A window is attached to the history of a reading (history.h), which feeds it. What is averaged is a kernel's sums over 64 atoms of one species,
 * of doubles throughout.
 *
 * Errors. The run is also cut into 8, 16 and 32 equal segments, and pairs that lie inside one segment are summed for it. Segments share
 * no frames, so their averages are as independent as the run allows; the error of any quantity made of averages is the jackknife over them
 * (jackknife.h) at the largest K whose segments are at least three times as long as the longest lag used (K = 8: twice). The value itself uses
 * every pair, so this error is a little too large, as pairs across segments are missing from it. A run shorter than 16 times the longest lag
 * gives no error.
 *
 * With a layer, only atoms that belong to it by the layer's method count, each pair average is over the pairs that count, and displacements
 * are those in the plane of the surface, d = 2. */
#ifndef QN_ANALYSIS_WINDOW_H
#define QN_ANALYSIS_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/analysis/history.h"
#include "engine/analysis/lags.h"
#include "engine/analysis/layer.h"
#include "engine/base/status.h"

enum { QN_WINDOW_CHUNK = QN_HISTORY_CHUNK, QN_WINDOW_LEVELS = 3, QN_WINDOW_ALL = -1 };

/* Add the moments of one chunk to sums. `square`: squared displacements, A^2, [QN_WINDOW_CHUNK]; weight is 1 for atoms that count, 0 for others. */
typedef void (*qn_window_kernel)(const void *context, const double *square, const double *weight, double *sums);

typedef struct qn_window_options {
  double longest;          /* ps; 0: a quarter of the run, or what the history can reach */
  double single;           /* ps; not 0: this lag alone, rounded to a sample, at least one */
  int moments;             /* doubles that the kernel sums for each lag and species */
  qn_window_kernel kernel;
  const void *context;     /* the kernel's, read while frames are added */
  qn_layer_options layer;  /* thickness 0: all atoms */
} qn_window_options;

typedef struct qn_window {
  qn_window_options options;
  qn_history *history;
  int64_t frames;               /* that will come */
  double interval;              /* ps */
  int lag_count;
  int64_t lag[QN_MAX_LAGS];
  double lag_time[QN_MAX_LAGS]; /* ps */
  int dimensions;               /* 3; 2 with a layer */

  int64_t frames_seen, atoms;   /* frames_seen as of qn_history_finish */
  int species_count;
  qn_species species[QN_MAX_SPECIES];
  int64_t species_atoms[QN_MAX_SPECIES];
  double volume;                /* A^3, of the matter: without the vacuum beside a slab */
  const char *region;           /* "bulk"; "slab" for all atoms of a system with free surfaces; "surface"; "layer" for one below the surface */
  qn_layer layer;

  /* The history's business. */
  int place;                    /* of the layer among the history's; -1: none */
  int64_t width;                /* moments and, after them, the number of pairs */
  double *partial;              /* [chunks][batch][lags][width] */
  double *row;                  /* [species][width] */
  double *total;                /* [lags][species][width] */
  double *part;                 /* [segments of all levels][lags][species][width] */
} qn_window;

/* Whether the lags of `options` can be had of what will come: QN_INVALID when fewer than two frames will come or the longest lag is not inside
 * the run, QN_UNSUPPORTED when the history cannot reach so far. */
qn_status qn_window_check(const qn_window_options *options, const qn_analysis_prospect *prospect, qn_error *error);

/* What was checked, attached to the history of the input. */
qn_status qn_window_init(qn_window *window, const qn_window_options *options, const qn_analysis_input *input, qn_error *error);
void qn_window_fini(qn_window *window); /* also fine on an all-zero object */
qn_status qn_window_finish(const qn_window *window, qn_error *error); /* QN_INVALID when fewer than two frames came */

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

/* For the history: sums of one frame at one lag, chunks in order, into the run's and the segments' sums. */
enum { QN_WINDOW_FIRST_SEGMENTS = 8, QN_WINDOW_SEGMENTS_IN_ALL = 8 + 16 + 32 };
void qn_window_collect(qn_window *window, const double *partial, int64_t stride, const int *chunk_species, int64_t chunks, int64_t now, int lag);

#endif

/* Layers under the two free surfaces of a slab.
 *
 * The surface normal is the axis across which the box has an empty slab (vacuum.h), or that is not periodic. A face lies `vacuum` inside the
 * edge of the box, which is the paper's rule (the old edge of a box that was opened by 10 A on each side), or, with vacuum 0, where the density,
 * in steps of 0.5 A smoothed over 2 A, falls to half of its mean over the inner half of the slab. That density is the mean over the first
 * frames of the run (16 of them, as far as there are and memory allows), drift of the centre of mass removed: one frame of some hundred
 * atoms has noise of half a monolayer. Both faces count alike: the depth of an atom is its distance below the nearer face, negative
 * outside. A layer holds depths from `depth` to `depth + thickness`; one that begins at the face also holds everything outside it (adatoms).
 *
 * Which atoms count for a pair of times (paper, section II): a, those in the layer at every frame from t0 to t; b, those in it at t0; c, those
 * in it at t0 and at t. */
#ifndef QN_ANALYSIS_LAYER_H
#define QN_ANALYSIS_LAYER_H

#include <stdbool.h>

#include "engine/analysis/analysis.h"
#include "engine/base/status.h"
#include "engine/trajectory/frame.h"

typedef enum qn_layer_method { QN_LAYER_ALWAYS = 1, QN_LAYER_AT_START = 2, QN_LAYER_AT_BOTH = 3 } qn_layer_method;

typedef struct qn_layer_options {
  double thickness; /* A; 0: no layer, all atoms */
  double depth;     /* A, of its outer side below the face */
  double vacuum;    /* A between the faces and the edges of the box; 0: found from the density */
  qn_layer_method method;
} qn_layer_options;

/* The parameters of a layer, and their place in an analysis's list, which begins with them: QN_LAYER_PLACE for observables of single frames,
 * QN_LAYER_PARAMETERS for those of pairs of times. */
enum { QN_LAYER_THICKNESS, QN_LAYER_DEPTH, QN_LAYER_VACUUM, QN_LAYER_METHOD, QN_LAYER_COUNT };
#define QN_LAYER_PLACE                                                                                                                     \
  {"layer_a", "thickness of the layer below each free surface that the analysis is restricted to (2.5 in the paper), where only motion in " \
              "the plane counts; 0: all atoms", 0, 0, 1e4, false, NULL},                                                                         \
  {"depth_a", "depth of the layer's outer side below the free surface; 0: everything outside belongs to it too", 0, 0, 1e4, false, NULL},        \
  {"vacuum_a", "distance of the free surfaces from the edges of the box (10 in the paper); by default they lie where the density falls "   \
               "to half", 0, 0, 1e4, true, NULL}
#define QN_LAYER_PARAMETERS \
  QN_LAYER_PLACE,           \
  {"method", "atoms that count between t0 and t: a, always in the layer; b, in it at t0; c, in it at t0 and at t", 3, 1, 3, false, qn_layer_methods}
extern const char *const qn_layer_methods[]; /* "a", "b", "c" */
qn_layer_options qn_layer_options_of(const double *parameters);
qn_layer_options qn_layer_place_of(const double *parameters); /* the first three alone */

typedef struct qn_layer {
  qn_layer_options options;
  int axis;         /* normal */
  bool open;        /* the axis is not periodic: coordinates along it are as they are */
  double cut;       /* A, a coordinate in the vacuum, where a periodic slab is unrolled */
  double length;    /* A, of the box along the axis */
  double low, high; /* A, the faces, cut < low < high < cut + length */
  double centre;    /* A, of mass, along the axis, in the first frame */
  double drift;     /* A, of the centre of mass since then, at the frame last given to qn_layer_drift */
} qn_layer;

/* The faces from the first `count` frames of a run. QN_UNSUPPORTED when they have no free surface, or surfaces across more than one axis; QN_INVALID for a
 * layer that does not fit into the slab. Thickness 0 is fine where only the faces are wanted. */
qn_status qn_layer_init(qn_layer *layer, const qn_layer_options *options, const qn_frame *frames, int count, qn_error *error);

/* Drift of the centre of mass along the normal since the first frame, A, for frames in order; wrapped positions are fine. A coordinate less the drift is
 * what the functions below take. */
double qn_layer_drift(qn_layer *layer, const qn_frame *frame);

/* Depth below the nearer face, A, of a coordinate along the axis. */
double qn_layer_depth(const qn_layer *layer, double coordinate);
/* Is a depth inside the layer? */
bool qn_layer_holds(const qn_layer *layer, double depth);
/* Do two layers hold the same atoms? */
bool qn_layer_same(const qn_layer *one, const qn_layer *other);
/* "surface" for a layer that begins at the face, "layer" for one below it. */
const char *qn_layer_region(const qn_layer_options *options);

#endif

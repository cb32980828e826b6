#include "engine/analysis/layer.h"

#include <math.h>
#include <stdlib.h>

#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

const char *const qn_layer_methods[] = {"a", "b", "c", NULL}; /* in the order of qn_layer_method */

qn_layer_options qn_layer_place_of(const double *parameters) {
  return (qn_layer_options){.thickness = parameters[QN_LAYER_THICKNESS],
                            .depth = parameters[QN_LAYER_DEPTH],
                            .vacuum = parameters[QN_LAYER_VACUUM],
                            .method = QN_LAYER_AT_BOTH};
}

qn_layer_options qn_layer_options_of(const double *parameters) {
  qn_layer_options options = qn_layer_place_of(parameters);
  options.method = (qn_layer_method)lround(parameters[QN_LAYER_METHOD]);
  return options;
}

/* A coordinate unrolled into [cut, cut + length). */
static double unroll(const qn_layer *layer, double x) {
  return layer->open ? x : x - layer->length * floor((x - layer->cut) / layer->length);
}

double qn_layer_drift(qn_layer *layer, const qn_frame *frame) {
  double mass = 0, sum = 0;
  for (int64_t i = 0; i < frame->count; i++) {
    double m = frame->species[frame->type[i]].mass;
    mass += m;
    /* The cut goes along with the slab. */
    sum += m * (unroll(layer, frame->r[layer->axis][i] - layer->drift) + layer->drift);
  }
  layer->drift = sum / mass - layer->centre;
  return layer->drift;
}

typedef struct profile {
  int64_t bins;
  double low, width; /* A */
  double *count;     /* [bins], atoms of all frames */
  double lowest, highest;
} profile;

/* Where matter may be: the box from the cut on, or, along an axis that is not periodic, the atoms with room beside them. */
static void lay_out(profile *p, const qn_layer *layer, const qn_frame *frame) {
  double low = layer->cut, high = layer->cut + layer->length;
  if (layer->open) {
    low = INFINITY;
    high = -INFINITY;
    for (int64_t i = 0; i < frame->count; i++) {
      low = fmin(low, frame->r[layer->axis][i]);
      high = fmax(high, frame->r[layer->axis][i]);
    }
    low -= 8;
    high += 8;
  }
  p->bins = (int64_t)fmin((high - low) / 0.5, 1e8);
  p->low = low;
  p->width = (high - low) / (double)p->bins;
  p->lowest = INFINITY;
  p->highest = -INFINITY;
}

static void add_frame(profile *p, const qn_layer *layer, const qn_frame *frame, double drift) {
  for (int64_t i = 0; i < frame->count; i++) {
    double x = unroll(layer, frame->r[layer->axis][i] - drift);
    int64_t bin = (int64_t)floor((x - p->low) / p->width);
    if (bin >= 0 && bin < p->bins) p->count[bin] += 1;
    p->lowest = fmin(p->lowest, x);
    p->highest = fmax(p->highest, x);
  }
}

/* Where the smoothed density falls to half of the inner mean, from both sides. */
static bool find_halves(const profile *p, double *smooth, qn_layer *layer) {
  enum { SMOOTH = 4 };
  double inner = 0, inner_bins = 0, inner_low = p->lowest + (p->highest - p->lowest) / 4, inner_high = p->highest - (p->highest - p->lowest) / 4;
  for (int64_t b = 0; b < p->bins; b++) {
    double middle = p->low + p->width * ((double)b + 0.5);
    if (middle < inner_low || middle > inner_high) continue;
    inner += p->count[b];
    inner_bins++;
  }
  if (!(inner_bins > 0)) return false;
  double half = inner / inner_bins / 2;
  for (int64_t b = SMOOTH / 2; b < p->bins - SMOOTH / 2; b++)
    for (int64_t k = -SMOOTH / 2; k < SMOOTH / 2; k++) smooth[b] += p->count[b + k] / SMOOTH; /* at the lower edge of bin b */
  int64_t first = 1, last = p->bins - 1;
  while (first < p->bins && !(smooth[first] >= half)) first++;
  while (last > 0 && !(smooth[last] >= half)) last--;
  if (first >= last) return false;
  double below = smooth[first - 1], above = last + 1 < p->bins ? smooth[last + 1] : 0;
  layer->low = p->low + p->width * ((double)first - (smooth[first] - half) / (smooth[first] - below));
  layer->high = p->low + p->width * ((double)last + (smooth[last] - half) / (smooth[last] - above));
  return true;
}

static qn_status find_faces(qn_layer *layer, const qn_frame *frames, int count, qn_error *error) {
  profile p = {0};
  lay_out(&p, layer, &frames[0]);
  double *smooth = qn_memory_alloc((size_t)p.bins, sizeof *smooth);
  p.count = qn_memory_alloc((size_t)p.bins, sizeof *p.count);
  if (p.count == NULL || smooth == NULL) {
    free(p.count);
    free(smooth);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  for (int f = 0; f < count; f++) add_frame(&p, layer, &frames[f], qn_layer_drift(layer, &frames[f]));
  layer->drift = 0;
  bool found = find_halves(&p, smooth, layer);
  free(p.count);
  free(smooth);
  return found ? QN_OK : qn_error_set(error, QN_UNSUPPORTED, "the free surfaces cannot be found from the density");
}

qn_status qn_layer_init(qn_layer *layer, const qn_layer_options *options, const qn_frame *frames, int count, qn_error *error) {
  *layer = (qn_layer){.options = *options};
  int axes;
  layer->axis = qn_vacuum_axis(&frames[0], &layer->cut, &axes);
  if (layer->axis < 0)
    return qn_error_set(error, QN_UNSUPPORTED, "a layer is asked for, but the system has no free surface (no empty slab of 6 A across the box)");
  if (axes > 1) return qn_error_set(error, QN_UNSUPPORTED, "the system has free surfaces across %d axes; layers are those of a slab", axes);
  layer->open = frames[0].open[layer->axis];
  layer->length = frames[0].box.length[layer->axis];
  /* The faces of the box's own coordinates need the cut at the box's edge, which lies in the vacuum. */
  if (options->vacuum > 0) layer->cut = frames[0].box.origin[layer->axis];
  qn_layer_drift(layer, &frames[0]);
  layer->centre = layer->drift;
  layer->drift = 0;
  if (options->vacuum > 0) {
    layer->low = layer->cut + options->vacuum;
    layer->high = layer->cut + layer->length - options->vacuum;
  } else {
    qn_status status = find_faces(layer, frames, count, error);
    if (status != QN_OK) return status;
  }
  if (!(layer->high - layer->low >= 2 * (options->depth + options->thickness)))
    return qn_error_set(error, QN_INVALID, "layers from %g to %g A below both faces do not fit into a slab %.3g A thick", options->depth,
                        options->depth + options->thickness, layer->high - layer->low);
  return QN_OK;
}

double qn_layer_depth(const qn_layer *layer, double coordinate) {
  double x = unroll(layer, coordinate);
  return fmin(x - layer->low, layer->high - x);
}

bool qn_layer_holds(const qn_layer *layer, double depth) {
  return depth < layer->options.depth + layer->options.thickness && (depth >= layer->options.depth || layer->options.depth <= 0);
}

bool qn_layer_same(const qn_layer *one, const qn_layer *other) {
  return one->axis == other->axis && one->low == other->low && one->high == other->high && one->options.depth == other->options.depth &&
         one->options.thickness == other->options.thickness;
}

const char *qn_layer_region(const qn_layer_options *options) { return options->depth > 0 ? "layer" : "surface"; }

#include "engine/analysis/layer.h"

#include <math.h>
#include <stdlib.h>

#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

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
static double unroll(const qn_layer *layer, double x) { return x - layer->length * floor((x - layer->cut) / layer->length); }

/* Where the smoothed density falls to half of the inner mean, from both sides. */
static qn_status find_faces(qn_layer *layer, const qn_frame *frame, qn_error *error) {
  enum { SMOOTH = 4 };
  int64_t bins = (int64_t)(layer->length / 0.5);
  double *count = qn_memory_alloc((size_t)bins, sizeof *count), *smooth = qn_memory_alloc((size_t)bins, sizeof *smooth);
  if (count == NULL || smooth == NULL) {
    free(count);
    free(smooth);
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  }
  double width = layer->length / (double)bins, lowest = INFINITY, highest = -INFINITY;
  for (int64_t i = 0; i < frame->count; i++) {
    double x = unroll(layer, frame->r[layer->axis][i]);
    int64_t bin = (int64_t)((x - layer->cut) / width);
    count[bin < bins ? bin : bins - 1] += 1;
    lowest = fmin(lowest, x);
    highest = fmax(highest, x);
  }
  double inner = 0, inner_low = lowest + (highest - lowest) / 4, inner_high = highest - (highest - lowest) / 4;
  for (int64_t i = 0; i < frame->count; i++) {
    double x = unroll(layer, frame->r[layer->axis][i]);
    inner += x >= inner_low && x <= inner_high;
  }
  double half = inner / (inner_high - inner_low) * width / 2;
  for (int64_t b = SMOOTH / 2; b < bins - SMOOTH / 2; b++)
    for (int64_t k = -SMOOTH / 2; k < SMOOTH / 2; k++) smooth[b] += count[b + k] / SMOOTH; /* at the lower edge of bin b */
  int64_t first = 1, last = bins - 1;
  while (first < bins && !(smooth[first] >= half)) first++;
  while (last > 0 && !(smooth[last] >= half)) last--;
  bool found = first < last;
  if (found) {
    double below = smooth[first - 1], above = last + 1 < bins ? smooth[last + 1] : 0;
    layer->low = layer->cut + width * ((double)first - (smooth[first] - half) / (smooth[first] - below));
    layer->high = layer->cut + width * ((double)last + (smooth[last] - half) / (smooth[last] - above));
  }
  free(count);
  free(smooth);
  return found ? QN_OK : qn_error_set(error, QN_UNSUPPORTED, "the free surfaces cannot be found from the density");
}

qn_status qn_layer_init(qn_layer *layer, const qn_layer_options *options, const qn_frame *frame, qn_error *error) {
  *layer = (qn_layer){.options = *options};
  layer->axis = qn_vacuum_axis(frame, &layer->cut);
  if (layer->axis < 0)
    return qn_error_set(error, QN_UNSUPPORTED, "a layer is asked for, but the system has no free surface (no empty slab of 6 A across the box)");
  layer->length = frame->box.length[layer->axis];
  if (options->vacuum > 0) {
    /* The faces in the box's own coordinates; the cut is taken at the box's edge, in the middle of the vacuum. */
    layer->cut = frame->box.origin[layer->axis];
    layer->low = layer->cut + options->vacuum;
    layer->high = layer->cut + layer->length - options->vacuum;
  } else {
    qn_status status = find_faces(layer, frame, error);
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

/* Number density and composition against depth below the free surfaces, and the composition of a layer.
 *
 * Depth and layers are those of layer.h, both faces taken together; the density at a depth is atoms / (2 x area x bin). The faces are those of the
 * first frames and held; the centre of mass is held still. Status: ok; too_few_samples below 16 frames. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/layer.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/base/memory.h"

enum { BIN = QN_LAYER_VACUUM + 1, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"layer_a", "thickness of the layer whose composition is reported (2.5 in the paper)", 2.5, 0.1, 1e4, false, NULL},
    {"depth_a", "depth of that layer's outer side below the free surface; 0: everything outside belongs to it too", 0, 0, 1e4, false, NULL},
    {"vacuum_a", "distance of the free surfaces from the edges of the box (10 in the paper); by default they lie where the density falls to half", 0, 0,
     1e4, true, NULL},
    {"bin_a", "width of the bins of depth", 0.5, 0.05, 10, false, NULL},
    {"frames", "frames used, spread evenly over the run", 200, 1, 1e9, false, NULL},
};
static const double OUTERMOST = -6; /* A */

typedef struct density_profile {
  qn_layer_options options;
  qn_layer layer;
  double bin;
  int bins, species_count;
  int64_t frames, wanted, seen;
  qn_species species[QN_MAX_SPECIES];
  qn_blocks blocks;
  double *row; /* [species][bins + 1], the last: atoms in the layer; densities in 1/A^3 */
} density_profile;

static void release(qn_analysis *analysis) {
  density_profile *self = (density_profile *)analysis;
  if (self == NULL) return;
  qn_blocks_fini(&self->blocks);
  free(self->row);
  free(self);
}

static qn_status begin(density_profile *self, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  qn_status status = qn_layer_init(&self->layer, &self->options, input->opening, input->opening_count, error);
  if (status != QN_OK) return status;
  self->species_count = first->species_count;
  memcpy(self->species, first->species, (size_t)first->species_count * sizeof *first->species);
  self->bins = (int)floor(((self->layer.high - self->layer.low) / 2 - OUTERMOST) / self->bin);
  size_t width = (size_t)self->species_count * (size_t)(self->bins + 1);
  self->row = qn_memory_alloc(width, sizeof *self->row);
  if (self->row == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  return qn_blocks_init(&self->blocks, self->wanted, (int64_t)width, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  density_profile *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->options = qn_layer_place_of(values);
  self->bin = values[BIN];
  self->frames = input->prospect.frames;
  self->wanted = (int64_t)values[FRAMES] < self->frames ? (int64_t)values[FRAMES] : self->frames;
  qn_status status = begin(self, input, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  (void)error;
  density_profile *self = (density_profile *)analysis;
  int axis = self->layer.axis, stride = self->bins + 1;
  double drift = qn_layer_drift(&self->layer, frame);
  if (!qn_blocks_takes(self->seen++, self->frames, self->wanted)) return QN_OK;
  double volume = 2 * qn_box_volume(&frame->box) / frame->box.length[axis] * self->bin;
  memset(self->row, 0, (size_t)(self->species_count * stride) * sizeof *self->row);
  for (int64_t i = 0; i < frame->count; i++) {
    double depth = qn_layer_depth(&self->layer, frame->r[axis][i] - drift), *row = self->row + frame->type[i] * stride;
    int bin = (int)floor((depth - OUTERMOST) / self->bin);
    if (bin >= 0 && bin < self->bins) row[bin] += 1 / volume;
    row[self->bins] += qn_layer_holds(&self->layer, depth);
  }
  qn_blocks_add(&self->blocks, self->row, frame->time);
  return QN_OK;
}

typedef struct at {
  const density_profile *self;
  int species; /* or -1 for all */
  int bin;
} at;

static double density(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  double sum = 0;
  for (int s = a->species < 0 ? 0 : a->species; s < (a->species < 0 ? a->self->species_count : a->species + 1); s++)
    sum += qn_blocks_mean(blocks, s * (int64_t)(a->self->bins + 1) + a->bin, without);
  return sum;
}

static double share(const qn_blocks *blocks, const void *context, int without) {
  at all = *(const at *)context;
  all.species = -1;
  return density(blocks, context, without) / density(blocks, &all, without);
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const densities[] = {"depth_a", "number_density_inv_a3", "standard_error_inv_a3", NULL};
  static const char *const shares[] = {"depth_a", "share", "standard_error", NULL};
  density_profile *self = (density_profile *)analysis;
  memset(report, 0, sizeof *report);
  if (self->blocks.added == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  for (int s = -1; s < self->species_count; s++) {
    const char *symbol = s < 0 ? "all" : self->species[s].symbol;
    for (int composition = 0; composition < (s < 0 ? 1 : 2); composition++) {
      qn_curve *curve =
          qn_report_add_curve(report, composition ? "composition_profile" : "density_profile", symbol, "slab", composition ? shares : densities, self->bins, error);
      if (curve == NULL) {
        qn_report_fini(report);
        return QN_NO_MEMORY;
      }
      for (int b = 0; b < self->bins; b++) {
        at a = {self, s, b};
        curve->data[3 * b] = OUTERMOST + self->bin * (b + 0.5);
        curve->data[3 * b + 1] = composition ? share(&self->blocks, &a, -1) : density(&self->blocks, &a, -1);
        curve->data[3 * b + 2] = qn_blocks_error(&self->blocks, composition ? share : density, &a, NULL);
      }
    }
    if (s < 0) continue;
    qn_value *value =
        qn_report_add_value(report, "layer_composition", "1", symbol, qn_layer_region(&self->options), error);
    if (value == NULL) {
      qn_report_fini(report);
      return QN_NO_MEMORY;
    }
    at a = {self, s, self->bins};
    qn_blocks_measure(&self->blocks, share, &a, value);
  }
  return QN_OK;
}

static const char *const quantities[] = {"layer_composition", NULL};

const qn_analysis_type qn_density_profile = {.name = "density_profile",
                                             .meaning = "number density and composition against depth below free surfaces, and the composition of a layer",
                                             .parameter_count = PARAMETERS,
                                             .parameters = parameters,
                                             .quantities = quantities,
                                             .sampling = QN_SAMPLING_LONGEST,
                                             .layered = true,
                                             .alloc = alloc,
                                             .accumulate = accumulate,
                                             .reduce = reduce,
                                             .free = release};

/* Coordination numbers: neighbours closer than a cutoff, by species of the centre and of the neighbours; their distribution; and, in a system with
 * free surfaces, their profile against depth and the adatoms.
 *
 * The cutoffs are those of shells.h; they are reported with the status given: what the count rests on, not a measurement (pair_distribution
 * has the same minimum with an error). The species of a result is the centre, "Cu", or centre and neighbour, "Cu-Zr". An adatom is an atom outside or
 * in the layer with a coordination number of 6 or less (Cu) or 8 or less (Zr): its share of its species' atoms there.
 * With a layer only centres in it count; faces are those of the first frames (layer.h), the centre of mass is held still. Status: ok; unresolved
 * when a g(r) has no minimum; too_few_samples below 16 frames. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/layer.h"
#include "engine/analysis/report.h"
#include "engine/analysis/shells.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

enum { CUTOFF = QN_LAYER_VACUUM + 1, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PLACE,
    {"cutoff_a", "distance up to which atoms are neighbours; by default the first minimum of g(r) of each pair of species", 0, 0, 15, true, NULL},
    {"frames", "frames used, spread evenly over the run", 100, 1, 1e9, false, NULL},
};
enum { NUMBERS = 32, DEPTHS = 64 };
static const double DEPTH_BIN = 1, OUTERMOST = -6; /* A */

/* What a frame adds for each species of the centre: atoms, neighbours by species, the distribution, and by depth atoms and neighbours. */
enum { ATOMS, BY_SPECIES, DISTRIBUTION = BY_SPECIES + QN_MAX_SPECIES, DEPTH_ATOMS = DISTRIBUTION + NUMBERS, DEPTH_NEIGHBOURS = DEPTH_ATOMS + DEPTHS,
       WIDTH = DEPTH_NEIGHBOURS + DEPTHS };

typedef struct coordination {
  qn_layer_options options;
  qn_layer layer;
  bool surfaces;
  qn_shells shells;
  int threads, species_count;
  int64_t frames, wanted, seen;
  qn_species species[QN_MAX_SPECIES];
  const char *region;
  qn_pairs pairs;
  qn_blocks blocks;
  int16_t *number; /* [atoms][species] */
  double *row;     /* [species][WIDTH] */
} coordination;

static void release(qn_analysis *analysis) {
  coordination *self = (coordination *)analysis;
  if (self == NULL) return;
  qn_pairs_fini(&self->pairs);
  qn_blocks_fini(&self->blocks);
  free(self->number);
  free(self->row);
  free(self);
}

static qn_status begin(coordination *self, const double *values, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  self->species_count = first->species_count;
  memcpy(self->species, first->species, (size_t)first->species_count * sizeof *first->species);
  bool layered = self->options.thickness > 0;
  self->surfaces = layered || input->prospect.surfaces == QN_YES;
  self->region = layered ? qn_layer_region(&self->options) : qn_vacuum_region(first);
  if (self->surfaces) {
    qn_status status = qn_layer_init(&self->layer, &self->options, input->opening, input->opening_count, error);
    if (status != QN_OK && layered) return status;
    self->surfaces = status == QN_OK; /* a droplet has no depth */
  }
  size_t atoms = (size_t)first->count, species = (size_t)first->species_count;
  self->number = qn_memory_alloc(atoms * species, sizeof *self->number);
  self->row = qn_memory_alloc(species * WIDTH, sizeof *self->row);
  if (self->number == NULL || self->row == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = qn_shells_find(&self->shells, values[CUTOFF], input->opening, input->opening_count, self->threads, error);
  return status == QN_OK ? qn_blocks_init(&self->blocks, self->wanted, self->species_count * WIDTH, error) : status;
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  coordination *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->options = qn_layer_place_of(values);
  self->threads = input->threads;
  self->frames = input->prospect.frames;
  self->wanted = (int64_t)values[FRAMES] < self->frames ? (int64_t)values[FRAMES] : self->frames;
  qn_status status = begin(self, values, input, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

/* Atoms in order. */
static void add_atoms(coordination *self, const qn_frame *frame, double drift) {
  memset(self->row, 0, (size_t)self->species_count * WIDTH * sizeof *self->row);
  for (int64_t i = 0; i < frame->count; i++) {
    double *row = self->row + frame->type[i] * WIDTH, total = 0;
    for (int s = 0; s < self->species_count; s++) total += self->number[i * self->species_count + s];
    if (self->surfaces) {
      double depth = qn_layer_depth(&self->layer, frame->r[self->layer.axis][i] - drift);
      int bin = (int)floor((depth - OUTERMOST) / DEPTH_BIN);
      if (bin >= 0 && bin < DEPTHS) {
        row[DEPTH_ATOMS + bin] += 1;
        row[DEPTH_NEIGHBOURS + bin] += total;
      }
      if (self->options.thickness > 0 && !qn_layer_holds(&self->layer, depth)) continue;
    }
    row[ATOMS] += 1;
    for (int s = 0; s < self->species_count; s++) row[BY_SPECIES + s] += self->number[i * self->species_count + s];
    row[DISTRIBUTION + (total < NUMBERS ? (int)total : NUMBERS - 1)] += 1;
  }
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  coordination *self = (coordination *)analysis;
  double drift = self->surfaces ? qn_layer_drift(&self->layer, frame) : 0;
  if (!qn_blocks_takes(self->seen++, self->frames, self->wanted)) return QN_OK;
  qn_status status = qn_shells_count(&self->shells, &self->pairs, frame, self->threads, self->number, error);
  if (status != QN_OK) return status;
  add_atoms(self, frame, drift);
  qn_blocks_add(&self->blocks, self->row, frame->time);
  return QN_OK;
}

typedef struct ratio {
  int64_t numerator[2], denominator; /* elements; the first numerators are summed from [0] to [1] */
  int64_t stride;
  int count; /* species summed over: numerator + k stride over denominator + k stride */
} ratio;

static double ratio_of(const qn_blocks *blocks, const void *context, int without) {
  const ratio *r = context;
  double top = 0, bottom = 0;
  for (int k = 0; k < r->count; k++) {
    for (int64_t e = r->numerator[0]; e <= r->numerator[1]; e++) top += qn_blocks_mean(blocks, e + k * r->stride, without);
    bottom += qn_blocks_mean(blocks, r->denominator + k * r->stride, without);
  }
  return top / bottom;
}

static qn_status add_ratio(const coordination *self, const char *quantity, const char *species, const ratio *r, bool known, qn_report *report,
                           qn_error *error) {
  qn_value *value = qn_report_add_value(report, quantity, "1", species, self->region, error);
  if (value == NULL) return QN_NO_MEMORY;
  value->status = QN_VALUE_UNRESOLVED;
  if (!known) return QN_OK;
  qn_blocks_measure(&self->blocks, ratio_of, r, value);
  return QN_OK;
}

static qn_status add_curves(const coordination *self, const char *symbol, ratio base, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"coordination_number", "share", "standard_error", NULL};
  static const char *const profile[] = {"depth_a", "coordination_number", "standard_error", NULL};
  int64_t first = base.denominator - ATOMS;
  qn_curve *curve = qn_report_add_curve(report, "coordination_distribution", symbol, self->region, columns, NUMBERS, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (int n = 0; n < NUMBERS; n++) {
    base.numerator[0] = base.numerator[1] = first + DISTRIBUTION + n;
    curve->data[3 * n] = n;
    curve->data[3 * n + 1] = ratio_of(&self->blocks, &base, -1);
    curve->data[3 * n + 2] = qn_blocks_error(&self->blocks, ratio_of, &base, NULL);
  }
  if (!self->surfaces) return QN_OK;
  int bins = (int)ceil(((self->layer.high - self->layer.low) / 2 - OUTERMOST) / DEPTH_BIN);
  if (bins > DEPTHS) bins = DEPTHS;
  curve = qn_report_add_curve(report, "coordination_profile", symbol, "slab", profile, bins, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (int b = 0; b < bins; b++) {
    base.numerator[0] = base.numerator[1] = first + DEPTH_NEIGHBOURS + b;
    base.denominator = first + DEPTH_ATOMS + b;
    curve->data[3 * b] = OUTERMOST + DEPTH_BIN * (b + 0.5);
    curve->data[3 * b + 1] = ratio_of(&self->blocks, &base, -1);
    curve->data[3 * b + 2] = qn_blocks_error(&self->blocks, ratio_of, &base, NULL);
  }
  return QN_OK;
}

static qn_status report_centre(const coordination *self, int s, qn_report *report, qn_error *error) {
  bool all = s < 0, known = true;
  const char *symbol = all ? "all" : self->species[s].symbol;
  int64_t first = all ? 0 : s * (int64_t)WIDTH;
  ratio r = {{first + BY_SPECIES, first + BY_SPECIES + QN_MAX_SPECIES - 1}, first + ATOMS, WIDTH, all ? self->species_count : 1};
  for (int a = 0; a < self->species_count; a++)
    for (int b = 0; b < self->species_count; b++) known = known && ((!all && a != s) || self->shells.cutoff[a][b] > 0);
  qn_status status = add_ratio(self, "coordination_number", symbol, &r, known, report, error);
  for (int t = 0; t < self->species_count && status == QN_OK && !all; t++) {
    char name[2 * QN_SYMBOL_SIZE];
    snprintf(name, sizeof name, "%s-%s", symbol, self->species[t].symbol);
    r.numerator[0] = r.numerator[1] = first + BY_SPECIES + t;
    status = add_ratio(self, "coordination_number", name, &r, self->shells.cutoff[s][t] > 0, report, error);
    if (status != QN_OK || t < s) continue;
    qn_value *value = qn_report_add_value(report, "coordination_cutoff", "A", name, self->region, error);
    if (value == NULL) return QN_NO_MEMORY;
    value->value = self->shells.cutoff[s][t] > 0 ? self->shells.cutoff[s][t] : NAN;
    value->status = self->shells.cutoff[s][t] > 0 ? QN_VALUE_GIVEN : QN_VALUE_UNRESOLVED;
  }
  int fewest = all || !self->surfaces ? 0 : strcmp(symbol, "Cu") == 0 ? 6 : strcmp(symbol, "Zr") == 0 ? 8 : 0;
  if (status == QN_OK && fewest > 0) {
    r.numerator[0] = first + DISTRIBUTION;
    r.numerator[1] = first + DISTRIBUTION + fewest;
    status = add_ratio(self, "adatom_fraction", symbol, &r, known, report, error);
  }
  return status == QN_OK ? add_curves(self, symbol, r, report, error) : status;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  coordination *self = (coordination *)analysis;
  memset(report, 0, sizeof *report);
  if (self->blocks.added == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  qn_status status = QN_OK;
  for (int s = -1; s < self->species_count && status == QN_OK; s++)
    if (s < 0 || qn_blocks_mean(&self->blocks, s * (int64_t)WIDTH + ATOMS, -1) > 0) status = report_centre(self, s, report, error);
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"coordination_number", "coordination_cutoff", "adatom_fraction", NULL};

const qn_analysis_type qn_coordination = {.name = "coordination",
                                          .meaning = "coordination numbers, their distribution, profile under free surfaces, and adatoms",
                                          .parameter_count = PARAMETERS,
                                          .parameters = parameters,
                                          .quantities = quantities,
                                          .sampling = QN_SAMPLING_LONGEST,
                                          .layered = true,
                                          .alloc = alloc,
                                          .accumulate = accumulate,
                                          .reduce = reduce,
                                          .free = release};

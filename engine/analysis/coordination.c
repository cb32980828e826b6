/* Coordination numbers: neighbours closer than a cutoff, by species of the centre and of the neighbours; their distribution; and, in a system with
 * free surfaces, their profile against depth and the adatoms.
 *
 * The cutoff of a pair of species is the first minimum of its g(r) (radial.h) over the first eight frames used, unless one is given for all;
 * it is reported. The species of a result is the centre, "Cu", or centre and neighbour, "Cu-Zr". An adatom is an atom outside or
 * in the layer with a coordination number of 6 or less (Cu) or 8 or less (Zr): its share of its species' atoms there.
 * With a layer only centres in it count. Status: ok; unresolved when a g(r) has no minimum; too_few_samples below 16 frames. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/layer.h"
#include "engine/analysis/radial.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

enum { CUTOFF = QN_LAYER_VACUUM + 1, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PLACE,
    {"cutoff_a", "distance up to which atoms are neighbours; by default the first minimum of g(r) of each pair of species", 0, 0, 15, true},
    {"frames", "frames used, spread evenly over the run", 100, 1, 1e9, false},
};
enum { NUMBERS = 32, DEPTHS = 64, BUFFERED = 8, NEIGHBOURS = 4096 };
static const double BIN = 0.05, LONGEST = 7, DEPTH_BIN = 1, OUTERMOST = -6; /* A */

/* What a frame adds for each species of the centre: atoms, neighbours by species, the distribution, and by depth atoms and neighbours. */
enum { ATOMS, BY_SPECIES, DISTRIBUTION = BY_SPECIES + QN_MAX_SPECIES, DEPTH_ATOMS = DISTRIBUTION + NUMBERS, DEPTH_NEIGHBOURS = DEPTH_ATOMS + DEPTHS,
       WIDTH = DEPTH_NEIGHBOURS + DEPTHS };

typedef struct coordination {
  qn_layer_options options;
  qn_layer layer;
  bool surfaces;
  double cutoff[QN_MAX_SPECIES][QN_MAX_SPECIES], longest; /* A; 0 until known */
  double given;
  int threads, species_count, buffered;
  bool ready;
  int64_t frames, wanted, seen, atoms;
  qn_species species[QN_MAX_SPECIES];
  uint8_t *type;
  double *buffer; /* [BUFFERED][3][atoms], the frames that the cutoffs are found from */
  qn_box box[BUFFERED];
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
  free(self->buffer);
  free(self->type);
  free(self->number);
  free(self->row);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  (void)interval;
  *analysis = NULL;
  coordination *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->options = qn_layer_place_of(values);
  self->given = values[CUTOFF];
  self->threads = threads;
  self->frames = frames;
  self->wanted = (int64_t)values[FRAMES] < frames ? (int64_t)values[FRAMES] : frames;
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status begin(coordination *self, const qn_frame *frame, qn_error *error) {
  self->atoms = frame->count;
  self->species_count = frame->species_count;
  memcpy(self->species, frame->species, (size_t)frame->species_count * sizeof *frame->species);
  self->surfaces = qn_vacuum_axis(frame, NULL) >= 0;
  bool layered = self->options.thickness > 0;
  self->region = !layered ? qn_vacuum_region(frame) : self->options.depth > 0 ? "layer" : "surface";
  if (self->surfaces || layered) {
    qn_status status = qn_layer_init(&self->layer, &self->options, frame, error);
    if (status != QN_OK) return status;
  }
  size_t atoms = (size_t)frame->count, species = (size_t)frame->species_count;
  self->type = qn_memory_alloc(atoms, 1);
  self->buffer = qn_memory_alloc(BUFFERED * atoms, 3 * sizeof *self->buffer);
  self->number = qn_memory_alloc(atoms * species, sizeof *self->number);
  self->row = qn_memory_alloc(species * WIDTH, sizeof *self->row);
  if (self->type == NULL || self->buffer == NULL || self->number == NULL || self->row == NULL)
    return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  memcpy(self->type, frame->type, atoms);
  return qn_blocks_init(&self->blocks, self->wanted, self->species_count * WIDTH, error);
}

static qn_frame buffered_frame(const coordination *self, int k) {
  double *r = self->buffer + k * 3 * self->atoms;
  return (qn_frame){.box = self->box[k],
                    .count = self->atoms,
                    .species_count = self->species_count,
                    .species = self->species,
                    .type = self->type,
                    .r = {r, r + self->atoms, r + 2 * self->atoms}};
}

static qn_status find_cutoffs(coordination *self, qn_error *error) {
  int bins = (int)lround(LONGEST / BIN), kinds = self->species_count * (self->species_count + 1) / 2 + 1;
  double *g = qn_memory_alloc((size_t)(kinds * bins), sizeof *g), *sum = qn_memory_alloc((size_t)(kinds * bins), sizeof *sum);
  qn_status status = g == NULL || sum == NULL ? qn_error_set(error, QN_NO_MEMORY, "out of memory") : QN_OK;
  for (int k = 0; k < self->buffered && status == QN_OK && self->given <= 0; k++) {
    qn_frame frame = buffered_frame(self, k);
    status = qn_radial_measure(&self->pairs, &frame, BIN, bins, self->threads, g, error);
    for (int e = 0; e < kinds * bins && status == QN_OK; e++) sum[e] += g[e];
  }
  for (int s = 0; s < self->species_count && status == QN_OK; s++)
    for (int t = 0; t < self->species_count; t++) {
      double maximum, minimum = self->given;
      if (self->given <= 0) qn_radial_shell(sum + qn_radial_pair(s, t, self->species_count) * bins, BIN, bins, &maximum, &minimum);
      self->cutoff[s][t] = isnan(minimum) ? 0 : minimum;
      self->longest = fmax(self->longest, self->cutoff[s][t]);
    }
  free(g);
  free(sum);
  return status;
}

/* Neighbours of every atom, by species; then the sums of the frame, atoms in order. */
static qn_status count_frame(coordination *self, const qn_frame *frame, qn_error *error) {
  if (!(self->longest > 0)) return QN_OK;
  qn_status status = qn_pairs_build(&self->pairs, frame, self->longest, error);
  if (status != QN_OK) return status;
  bool crowded = false;
#pragma omp parallel for schedule(dynamic, 64) num_threads(self->threads) reduction(|| : crowded)
  for (int64_t i = 0; i < frame->count; i++) {
    qn_neighbour near[NEIGHBOURS];
    int64_t found = qn_pairs_of(&self->pairs, i, near, NEIGHBOURS);
    crowded = crowded || found > NEIGHBOURS;
    int16_t *number = self->number + i * self->species_count;
    memset(number, 0, (size_t)self->species_count * sizeof *number);
    for (int64_t k = 0; k < found && k < NEIGHBOURS; k++) {
      double cutoff = self->cutoff[frame->type[i]][near[k].type];
      number[near[k].type] = (int16_t)(number[near[k].type] + (near[k].square < cutoff * cutoff));
    }
  }
  if (crowded) return qn_error_set(error, QN_UNSUPPORTED, "an atom has more than %d neighbours within %g A", NEIGHBOURS, self->longest);

  memset(self->row, 0, (size_t)self->species_count * WIDTH * sizeof *self->row);
  for (int64_t i = 0; i < frame->count; i++) {
    double *row = self->row + frame->type[i] * WIDTH, total = 0;
    for (int s = 0; s < self->species_count; s++) total += self->number[i * self->species_count + s];
    if (self->surfaces) {
      double depth = qn_layer_depth(&self->layer, frame->r[self->layer.axis][i]);
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
  qn_blocks_add(&self->blocks, self->row);
  return QN_OK;
}

/* Find the cutoffs and count the frames that waited for them. */
static qn_status work_off(coordination *self, qn_error *error) {
  qn_status status = find_cutoffs(self, error);
  for (int k = 0; k < self->buffered && status == QN_OK; k++) {
    qn_frame frame = buffered_frame(self, k);
    status = count_frame(self, &frame, error);
  }
  self->ready = true;
  return status;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  coordination *self = (coordination *)analysis;
  qn_status status = self->row == NULL ? begin(self, frame, error) : QN_OK;
  if (status != QN_OK || !qn_blocks_takes(self->seen++, self->frames, self->wanted)) return status;
  if (self->ready) return count_frame(self, frame, error);
  double *r = self->buffer + self->buffered * 3 * self->atoms;
  for (int a = 0; a < 3; a++) memcpy(r + a * self->atoms, frame->r[a], (size_t)self->atoms * sizeof *r);
  self->box[self->buffered++] = frame->box;
  return self->buffered == BUFFERED || self->buffered == self->wanted ? work_off(self, error) : QN_OK;
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
  value->value = ratio_of(&self->blocks, r, -1);
  value->standard_error = qn_blocks_error(&self->blocks, ratio_of, r, &value->samples);
  value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
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
    for (int b = 0; b < self->species_count; b++) known = known && ((!all && a != s) || self->cutoff[a][b] > 0);
  qn_status status = add_ratio(self, "coordination_number", symbol, &r, known, report, error);
  for (int t = 0; t < self->species_count && status == QN_OK && !all; t++) {
    char name[2 * QN_SYMBOL_SIZE];
    snprintf(name, sizeof name, "%s-%s", symbol, self->species[t].symbol);
    r.numerator[0] = r.numerator[1] = first + BY_SPECIES + t;
    status = add_ratio(self, "coordination_number", name, &r, self->cutoff[s][t] > 0, report, error);
    if (status != QN_OK || t < s) continue;
    qn_value *value = qn_report_add_value(report, "coordination_cutoff", "A", name, self->region, error);
    if (value == NULL) return QN_NO_MEMORY;
    value->value = self->cutoff[s][t] > 0 ? self->cutoff[s][t] : NAN;
    value->status = self->cutoff[s][t] > 0 ? QN_VALUE_OK : QN_VALUE_UNRESOLVED;
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
  if (self->buffered == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  qn_status status = self->ready ? QN_OK : work_off(self, error);
  for (int s = -1; s < self->species_count && status == QN_OK; s++)
    if (s < 0 || qn_blocks_mean(&self->blocks, s * (int64_t)WIDTH + ATOMS, -1) > 0) status = report_centre(self, s, report, error);
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"coordination_number", "coordination_cutoff", "adatom_fraction", NULL};

const qn_analysis_type qn_coordination = {"coordination", "coordination numbers, their distribution, profile under free surfaces, and adatoms",
                                          PARAMETERS,     parameters, alloc, accumulate, reduce, release,
                                          .quantities = quantities};

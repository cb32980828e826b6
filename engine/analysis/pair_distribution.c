/* Radial distribution function, by pairs of species and for all, with its first maximum and minimum (their rule is in radial.h).
 *
 * The species of a result are a pair, such as "Cu-Zr". Frames are spread evenly over the run. A system with free surfaces is refused: its
 * density is not that of the box. Status: ok; unresolved when there is no maximum or minimum; too_few_samples below 16 frames. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/radial.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"

typedef struct pair_distribution {
  double bin; /* A */
  int bins, kinds, species_count, threads;
  int64_t frames, wanted, seen;
  qn_species species[QN_MAX_SPECIES];
  qn_pairs pairs;
  qn_blocks blocks;
  double *g; /* [kinds][bins], of one frame */
} pair_distribution;

enum { LONGEST, BIN, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"longest_a", "distance up to which pairs are counted", 10, 1, 30, false},
    {"bin_a", "width of the bins of distance", 0.05, 0.005, 1, false},
    {"frames", "frames used, spread evenly over the run", 100, 1, 1e9, false},
};

static void release(qn_analysis *analysis) {
  pair_distribution *self = (pair_distribution *)analysis;
  if (self == NULL) return;
  qn_pairs_fini(&self->pairs);
  qn_blocks_fini(&self->blocks);
  free(self->g);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  (void)interval;
  *analysis = NULL;
  pair_distribution *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->bin = values[BIN];
  self->bins = (int)ceil(values[LONGEST] / values[BIN] - 1e-9);
  self->threads = threads;
  self->frames = frames;
  self->wanted = (int64_t)values[FRAMES];
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status begin(pair_distribution *self, const qn_frame *frame, qn_error *error) {
  if (qn_vacuum_axis(frame, NULL) >= 0)
    return qn_error_set(error, QN_UNSUPPORTED, "the pair distribution needs a bulk system; this one has free surfaces");
  self->species_count = frame->species_count;
  memcpy(self->species, frame->species, (size_t)frame->species_count * sizeof *frame->species);
  self->kinds = frame->species_count * (frame->species_count + 1) / 2 + 1;
  self->g = qn_memory_alloc((size_t)(self->kinds * self->bins), sizeof *self->g);
  if (self->g == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  return qn_blocks_init(&self->blocks, self->wanted < self->frames ? self->wanted : self->frames, self->kinds * self->bins, error);
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  pair_distribution *self = (pair_distribution *)analysis;
  qn_status status = self->g == NULL ? begin(self, frame, error) : QN_OK;
  if (status != QN_OK || !qn_blocks_takes(self->seen++, self->frames, self->wanted)) return status;
  status = qn_radial_measure(&self->pairs, frame, self->bin, self->bins, self->threads, self->g, error);
  if (status == QN_OK) qn_blocks_add(&self->blocks, self->g);
  return status;
}

typedef struct at {
  const pair_distribution *self;
  int kind, bin;
  bool minimum;
} at;

static double height(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  return qn_blocks_mean(blocks, (int64_t)a->kind * a->self->bins + a->bin, without);
}

static double place(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  double *g = qn_memory_alloc((size_t)a->self->bins, sizeof *g), maximum = NAN, minimum = NAN;
  if (g == NULL) return NAN;
  for (int b = 0; b < a->self->bins; b++) g[b] = qn_blocks_mean(blocks, (int64_t)a->kind * a->self->bins + b, without);
  qn_radial_shell(g, a->self->bin, a->self->bins, &maximum, &minimum);
  free(g);
  return a->minimum ? minimum : maximum;
}

static qn_status report_kind(const pair_distribution *self, int kind, const char *name, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"distance_a", "g", "standard_error", NULL};
  at a = {.self = self, .kind = kind};
  for (int minimum = 0; minimum < 2; minimum++) {
    qn_value *value =
        qn_report_add_value(report, minimum ? "pair_distribution_first_minimum" : "pair_distribution_first_maximum", "A", name, "bulk", error);
    if (value == NULL) return QN_NO_MEMORY;
    a.minimum = minimum;
    value->value = place(&self->blocks, &a, -1);
    value->standard_error = qn_blocks_error(&self->blocks, place, &a, &value->samples);
    value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
  }
  qn_curve *curve = qn_report_add_curve(report, "pair_distribution", name, "bulk", columns, self->bins, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (a.bin = 0; a.bin < self->bins; a.bin++) {
    curve->data[3 * a.bin] = self->bin * (a.bin + 0.5);
    curve->data[3 * a.bin + 1] = height(&self->blocks, &a, -1);
    curve->data[3 * a.bin + 2] = qn_blocks_error(&self->blocks, height, &a, NULL);
  }
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  pair_distribution *self = (pair_distribution *)analysis;
  memset(report, 0, sizeof *report);
  if (self->blocks.added == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  qn_status status = report_kind(self, self->kinds - 1, "all", report, error);
  for (int s = 0; s < self->species_count; s++)
    for (int t = s; t < self->species_count && status == QN_OK; t++) {
      char name[2 * QN_SYMBOL_SIZE];
      snprintf(name, sizeof name, "%s-%s", self->species[s].symbol, self->species[t].symbol);
      int kind = qn_radial_pair(s, t, self->species_count);
      if (isfinite(qn_blocks_mean(&self->blocks, (int64_t)kind * self->bins, -1))) status = report_kind(self, kind, name, report, error);
    }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"pair_distribution_first_minimum", "pair_distribution_first_maximum", NULL};

const qn_analysis_type qn_pair_distribution = {"pair_distribution",
                                               "radial distribution function by pairs of species, its first maximum and minimum",
                                               PARAMETERS,
                                               parameters,
                                               alloc,
                                               accumulate,
                                               reduce,
                                               release,
                                               .quantities = quantities};

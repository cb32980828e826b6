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
    {"longest_a", "distance up to which pairs are counted", 10, 1, 30, false, NULL},
    {"bin_a", "width of the bins of distance", 0.05, 0.005, 1, false, NULL},
    {"frames", "frames used, spread evenly over the run", 100, 1, 1e9, false, NULL},
};

static void release(qn_analysis *analysis) {
  pair_distribution *self = (pair_distribution *)analysis;
  if (self == NULL) return;
  qn_pairs_fini(&self->pairs);
  qn_blocks_fini(&self->blocks);
  free(self->g);
  free(self);
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  (void)values;
  if (prospect->surfaces != QN_YES) return QN_OK;
  return qn_error_set(error, QN_UNSUPPORTED, "the pair distribution needs a bulk system; this one has free surfaces");
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  const qn_frame *first = &input->opening[0];
  pair_distribution *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->bin = values[BIN];
  self->bins = (int)ceil(values[LONGEST] / values[BIN] - 1e-9);
  self->threads = input->threads;
  self->frames = input->prospect.frames;
  self->wanted = (int64_t)values[FRAMES] < self->frames ? (int64_t)values[FRAMES] : self->frames;
  self->species_count = first->species_count;
  memcpy(self->species, first->species, (size_t)first->species_count * sizeof *first->species);
  self->kinds = first->species_count * (first->species_count + 1) / 2 + 1;
  self->g = qn_memory_alloc((size_t)(self->kinds * self->bins), sizeof *self->g);
  qn_status status = self->g != NULL ? qn_blocks_init(&self->blocks, self->wanted, self->kinds * self->bins, error)
                                     : qn_error_set(error, QN_NO_MEMORY, "out of memory");
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  pair_distribution *self = (pair_distribution *)analysis;
  if (!qn_blocks_takes(self->seen++, self->frames, self->wanted)) return QN_OK;
  qn_status status = qn_radial_measure(&self->pairs, frame, self->bin, self->bins, self->threads, self->g, error);
  if (status == QN_OK) qn_blocks_add(&self->blocks, self->g, frame->time);
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
    qn_blocks_measure(&self->blocks, place, &a, value);
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

const qn_analysis_type qn_pair_distribution = {.name = "pair_distribution",
                                               .meaning = "radial distribution function by pairs of species, its first maximum and minimum",
                                               .parameter_count = PARAMETERS,
                                               .parameters = parameters,
                                               .quantities = quantities,
                                               .sampling = QN_SAMPLING_LONGEST,
                                               .check = check,
                                               .alloc = alloc,
                                               .accumulate = accumulate,
                                               .reduce = reduce,
                                               .free = release};

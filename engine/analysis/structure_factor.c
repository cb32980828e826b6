/* Static structure factor of all atoms and of each pair of species, and its maximum.
 *
 *   S_ab(q) = < rho_a(q) rho_b(-q) > / sqrt(N_a N_b),  rho_a(q) = sum over atoms of a of exp(-i q r)   (Ashcroft and Langreth)
 *   S(q) = < |rho(q)|^2 > / N for all atoms
 *
 * at wave vectors that fit the box: of those in a bin of |q| up to `vectors` are used (waves.h). Bins without a vector have no value.
 *
 * Errors. In a glass rho(q) is frozen: at one wave vector |rho|^2 stays what it is, however long the run, and is spread over the vectors of a bin
 * like an exponential (speckle). So there are two jackknives: over 16 blocks of the time, and over 16 groups of the wave vectors; the error
 * is the larger. A bin of fewer than 8 vectors has none.
 *
 * The maximum is looked for above 0.5 1/A, in bins that have an error: a parabola in ln S, fitted by the numbers of vectors to the bins around the
 * highest that reach 0.6 of it and lie within 0.25 1/A; to the three highest in S where there are fewer than four. Status: ok; unresolved
 * when the highest bin is the first or the last; too_few_samples below 16 frames. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/jackknife.h"
#include "engine/analysis/radial.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/analysis/waves.h"
#include "engine/base/memory.h"

enum { GROUPS = 16, FEWEST_VECTORS = 8, FIT_BINS = 4 };
static const double LOWEST_PEAK = 0.5, FIT_REACH = 0.25 /* 1/A */, FIT_SHARE = 0.6;

typedef struct structure_factor {
  double bin; /* 1/A */
  int bins, kinds, species_count, threads;
  int64_t frames, wanted, seen;
  qn_species species[QN_MAX_SPECIES];
  const char *region;
  qn_waves waves;
  double *used, *q; /* [bins], vectors in each bin and the mean of their lengths, 1/A */
  double *group;    /* [GROUPS][bins], vectors */
  double *s;        /* [GROUPS][kinds][bins], sums over vectors, of one frame */
  qn_blocks blocks;
} structure_factor;

enum { LONGEST, BIN, VECTORS, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"longest_inv_a", "largest wave number", 8, 1, 30, false, NULL},
    {"bin_inv_a", "width of the bins of wave number", 0.05, 0.01, 1, false, NULL},
    {"vectors", "wave vectors used in each bin, at most", 1000, 1, 10000, false, NULL},
    {"frames", "frames used, spread evenly over the run", 50, 1, 1e9, false, NULL},
};

static void release(qn_analysis *analysis) {
  structure_factor *self = (structure_factor *)analysis;
  if (self == NULL) return;
  qn_waves_fini(&self->waves);
  free(self->used);
  free(self->q);
  free(self->group);
  free(self->s);
  qn_blocks_fini(&self->blocks);
  free(self);
}

static qn_status begin(structure_factor *self, int vectors, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  if (first->open[0] || first->open[1] || first->open[2])
    return qn_error_set(error, QN_UNSUPPORTED, "the structure factor needs a box that is periodic along x, y and z: its wave vectors must fit it");
  self->threads = input->threads;
  self->frames = input->prospect.frames;
  if (self->wanted > self->frames) self->wanted = self->frames;
  self->species_count = first->species_count;
  memcpy(self->species, first->species, (size_t)first->species_count * sizeof *first->species);
  self->region = qn_vacuum_region(first);
  self->kinds = first->species_count * (first->species_count + 1) / 2 + 1;
  size_t bins = (size_t)self->bins, width = GROUPS * (size_t)self->kinds * bins;
  self->used = qn_memory_alloc(bins, sizeof *self->used);
  self->q = qn_memory_alloc(bins, sizeof *self->q);
  self->group = qn_memory_alloc(GROUPS * bins, sizeof *self->group);
  self->s = qn_memory_alloc(width, sizeof *self->s);
  if (self->used == NULL || self->q == NULL || self->group == NULL || self->s == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = qn_waves_init(&self->waves, first, self->bin, self->bins, vectors, self->used, self->q, error);
  if (status != QN_OK) return status;
  if (self->waves.count == 0)
    return qn_error_set(error, QN_UNSUPPORTED, "no wave vector up to %g 1/A fits a box this small", self->bin * self->bins);
  for (int64_t w = 0; w < self->waves.count; w++)
    self->group[self->waves.wave[w].rank % GROUPS * self->bins + self->waves.wave[w].bin] += 1;
  return qn_blocks_init(&self->blocks, self->wanted, (int64_t)width, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  *analysis = NULL;
  structure_factor *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->bin = values[BIN];
  self->bins = (int)ceil(values[LONGEST] / values[BIN] - 1e-9);
  self->wanted = (int64_t)values[FRAMES];
  qn_status status = begin(self, (int)values[VECTORS], input, error);
  if (status != QN_OK) {
    release((qn_analysis *)self);
    return status;
  }
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  structure_factor *self = (structure_factor *)analysis;
  if (!qn_blocks_takes(self->seen++, self->frames, self->wanted)) return QN_OK;
  qn_status status = qn_waves_sum(&self->waves, frame, self->threads, error);
  if (status != QN_OK) return status;
  double atoms[QN_MAX_SPECIES] = {0};
  for (int64_t i = 0; i < frame->count; i++) atoms[frame->type[i]] += 1;
  memset(self->s, 0, (size_t)(GROUPS * self->kinds * self->bins) * sizeof *self->s);
  for (int64_t w = 0; w < self->waves.count; w++) {
    const double *rho = self->waves.rho + w * self->species_count * 2;
    double *s = self->s + self->waves.wave[w].rank % GROUPS * self->kinds * self->bins + self->waves.wave[w].bin;
    double real = 0, imaginary = 0;
    for (int a = 0; a < self->species_count; a++) {
      real += rho[2 * a];
      imaginary += rho[2 * a + 1];
      for (int b = a; b < self->species_count; b++)
        s[qn_radial_pair(a, b, self->species_count) * self->bins] +=
            (rho[2 * a] * rho[2 * b] + rho[2 * a + 1] * rho[2 * b + 1]) / sqrt(atoms[a] * atoms[b]);
    }
    s[(self->kinds - 1) * self->bins] += (real * real + imaginary * imaginary) / (double)frame->count;
  }
  qn_blocks_add(&self->blocks, self->s, frame->time);
  return QN_OK;
}

typedef struct at {
  const structure_factor *self;
  int kind, bin;
  int first, last; /* bins of the fit */
  int without;     /* a group of vectors; -1: none */
  bool height;
} at;

/* S of one bin without a block of the time and a group of the vectors. */
static double value_at(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  const structure_factor *self = a->self;
  double sum = 0, count = 0;
  for (int g = 0; g < GROUPS; g++) {
    if (g == a->without) continue;
    sum += qn_blocks_mean(blocks, ((int64_t)g * self->kinds + a->kind) * self->bins + a->bin, without);
    count += self->group[g * self->bins + a->bin];
  }
  return count > 0 ? sum / count : NAN;
}

/* The larger of the two jackknives; NAN with fewer than FEWEST_VECTORS in a bin from first to last. */
static double error_of(const qn_blocks *blocks, qn_blocks_quantity quantity, at a, int64_t *samples) {
  double time = qn_blocks_error(blocks, quantity, &a, samples), without[GROUPS];
  int groups = 0;
  for (int b = a.first; b <= a.last; b++)
    if (a.self->used[b] < FEWEST_VECTORS) time = NAN;
  for (a.without = 0; a.without < GROUPS; a.without++) {
    bool empty = true;
    for (int b = a.first; b <= a.last; b++) empty = empty && !(a.self->group[a.without * a.self->bins + b] > 0);
    if (!empty) without[groups++] = quantity(blocks, &a, -1);
  }
  double error = fmax(time, qn_jackknife_error(without, groups));
  if (!isnan(time) && isfinite(error)) return error;
  *samples = 0;
  return NAN;
}

/* The highest bin, or -1 when it is at an end. */
static int highest(const qn_blocks *blocks, at a) {
  int best = -1, first = -1, last = -1;
  double top = -INFINITY;
  for (a.bin = 0; a.bin < a.self->bins; a.bin++) {
    double here = value_at(blocks, &a, -1);
    if (isnan(here) || a.self->bin * a.bin < LOWEST_PEAK || a.self->used[a.bin] < FEWEST_VECTORS) continue;
    if (first < 0) first = a.bin;
    last = a.bin;
    if (here > top) {
      top = here;
      best = a.bin;
    }
  }
  return best > first && best < last ? best : -1;
}

/* The bins of the fit about the highest. */
static void set_fit(const qn_blocks *blocks, at *a, int top) {
  const structure_factor *self = a->self;
  a->bin = top;
  double enough = FIT_SHARE * value_at(blocks, a, -1);
  a->first = a->last = top;
  for (a->bin = top - 1; a->bin > 0 && self->q[top] - self->q[a->bin] <= FIT_REACH && value_at(blocks, a, -1) >= enough; a->bin--) a->first = a->bin;
  for (a->bin = top + 1; a->bin < self->bins && self->q[a->bin] - self->q[top] <= FIT_REACH && value_at(blocks, a, -1) >= enough; a->bin++) a->last = a->bin;
  if (a->last - a->first + 1 >= FIT_BINS) return;
  a->first = top - 1;
  a->last = top + 1;
}

/* The parabola y = c0 + c1 x + c2 x^2 of least squares, x from the middle of the fit. */
static bool fit_parabola(const qn_blocks *blocks, at a, int without, double middle, bool logarithm, double c[3]) {
  double m[3][4] = {{0}};
  for (a.bin = a.first; a.bin <= a.last; a.bin++) {
    double s = value_at(blocks, &a, without), x = a.self->q[a.bin] - middle, power[5] = {1, x, x * x, x * x * x, x * x * x * x};
    double weight = logarithm ? a.self->used[a.bin] : 1, y = logarithm ? log(s) : s;
    for (int r = 0; r < 3; r++) {
      for (int k = 0; k < 3; k++) m[r][k] += weight * power[r + k];
      m[r][3] += weight * power[r] * y;
    }
  }
  for (int p = 0; p < 3; p++) /* the normal matrix is positive: no pivots needed */
    for (int r = 0; r < 3; r++) {
      if (r == p) continue;
      double share = m[r][p] / m[p][p];
      for (int k = p; k < 4; k++) m[r][k] -= share * m[p][k];
    }
  for (int p = 0; p < 3; p++) c[p] = m[p][3] / m[p][p];
  return isfinite(c[0]) && isfinite(c[1]) && isfinite(c[2]);
}

/* Height or wave number of the vertex; NAN when the bins do not curve down. */
static double peak(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  bool logarithm = a->last - a->first + 1 >= FIT_BINS;
  double middle = (a->self->q[a->first] + a->self->q[a->last]) / 2, half = (a->self->q[a->last] - a->self->q[a->first]) / 2, c[3];
  if (!fit_parabola(blocks, *a, without, middle, logarithm, c) || !(c[2] < 0)) return NAN;
  double x = fmin(fmax(-c[1] / (2 * c[2]), -half), half), y = c[0] + c[1] * x + c[2] * x * x;
  return a->height ? (logarithm ? exp(y) : y) : middle + x;
}

static qn_status report_kind(const structure_factor *self, int kind, const char *name, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"wave_number_inv_a", "s", "standard_error", NULL};
  at a = {.self = self, .kind = kind, .without = -1};
  int top = highest(&self->blocks, a);
  for (int height = 0; height < 2; height++) {
    qn_value *value = qn_report_add_value(report, height ? "structure_factor_peak" : "structure_factor_peak_wave_number", height ? "1" : "1/A",
                                          name, self->region, error);
    if (value == NULL) return QN_NO_MEMORY;
    value->status = QN_VALUE_UNRESOLVED;
    value->window_start_ps = self->blocks.first_time;
    value->window_end_ps = self->blocks.last_time;
    if (top < 0) continue;
    a.height = height;
    set_fit(&self->blocks, &a, top);
    value->value = peak(&self->blocks, &a, -1);
    value->standard_error = error_of(&self->blocks, peak, a, &value->samples);
    value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
  }
  qn_curve *curve = qn_report_add_curve(report, "structure_factor", name, self->region, columns, self->bins, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (a.bin = 0; a.bin < self->bins; a.bin++) {
    int64_t samples;
    a.first = a.last = a.bin;
    curve->data[3 * a.bin] = self->q[a.bin];
    curve->data[3 * a.bin + 1] = value_at(&self->blocks, &a, -1);
    curve->data[3 * a.bin + 2] = error_of(&self->blocks, value_at, a, &samples);
  }
  return QN_OK;
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  structure_factor *self = (structure_factor *)analysis;
  memset(report, 0, sizeof *report);
  if (self->blocks.added == 0) return qn_error_set(error, QN_INVALID, "no frame came");
  qn_status status = report_kind(self, self->kinds - 1, "all", report, error);
  for (int s = 0; s < self->species_count; s++)
    for (int t = s; t < self->species_count && status == QN_OK; t++) {
      char name[2 * QN_SYMBOL_SIZE];
      snprintf(name, sizeof name, "%s-%s", self->species[s].symbol, self->species[t].symbol);
      int kind = qn_radial_pair(s, t, self->species_count);
      at any = {.self = self, .kind = kind, .bin = self->waves.wave[0].bin, .without = -1};
      if (isfinite(value_at(&self->blocks, &any, -1))) status = report_kind(self, kind, name, report, error);
    }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"structure_factor_peak_wave_number", "structure_factor_peak", NULL};

const qn_analysis_type qn_structure_factor = {.name = "structure_factor",
                                              .meaning = "static structure factor of all atoms and by pairs of species, and its maximum",
                                              .parameter_count = PARAMETERS,
                                              .parameters = parameters,
                                              .quantities = quantities,
                                              .sampling = QN_SAMPLING_LONGEST,
                                              .alloc = alloc,
                                              .accumulate = accumulate,
                                              .reduce = reduce,
                                              .free = release};

/* Static structure factor of all atoms and of each pair of species, and its maximum.
 *
 *   S_ab(q) = < rho_a(q) rho_b(-q) > / sqrt(N_a N_b),  rho_a(q) = sum over atoms of a of exp(-i q r)   (Ashcroft and Langreth)
 *   S(q) = < |rho(q)|^2 > / N for all atoms
 *
 * at wave vectors that fit the box, 2 pi (n_x/L_x, n_y/L_y, n_z/L_z): of those in a bin of |q| up to `vectors` are used, chosen by a fixed
 * hash of n. Bins without a vector have no value. The maximum is the highest bin above 0.5 1/A, refined by a parabola through it and
 * its neighbours. Status: ok; unresolved when the highest bin is the first or the last; too_few_samples below 16 frames. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>

#include "engine/analysis/blocks.h"
#include "engine/analysis/radial.h"
#include "engine/analysis/report.h"
#include "engine/analysis/types.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { CHUNK = 256 };
static const double LOWEST_PEAK = 0.5; /* 1/A */

typedef struct wave {
  int16_t n[3];
  int16_t bin;
  uint32_t hash;
} wave;

typedef struct structure_factor {
  double longest, bin; /* 1/A */
  int bins, vectors, kinds, species_count, threads, most[3];
  int64_t frames, wanted, seen, waves;
  qn_species species[QN_MAX_SPECIES];
  const char *region;
  wave *wave;       /* [waves], by bin */
  double *sums;     /* [chunks][waves][species][2] */
  double *phases;   /* [threads][3 axes][most + 1][2][CHUNK] */
  double *s;        /* [kinds][bins], of one frame */
  double *used, *q; /* [bins], vectors in each bin and the mean of their lengths, 1/A */
  qn_blocks blocks;
} structure_factor;

enum { LONGEST, BIN, VECTORS, FRAMES, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    {"longest_inv_a", "largest wave number", 8, 1, 30, false},
    {"bin_inv_a", "width of the bins of wave number", 0.05, 0.01, 1, false},
    {"vectors", "wave vectors used in each bin, at most", 30, 1, 1000, false},
    {"frames", "frames used, spread evenly over the run", 50, 1, 1e9, false},
};

static void release(qn_analysis *analysis) {
  structure_factor *self = (structure_factor *)analysis;
  if (self == NULL) return;
  free(self->wave);
  free(self->sums);
  free(self->phases);
  free(self->s);
  free(self->used);
  free(self->q);
  qn_blocks_fini(&self->blocks);
  free(self);
}

static qn_status alloc(qn_analysis **analysis, const double *values, int64_t frames, double interval, int threads, qn_error *error) {
  (void)interval;
  *analysis = NULL;
  structure_factor *self = qn_memory_alloc(1, sizeof *self);
  if (self == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  self->longest = values[LONGEST];
  self->bin = values[BIN];
  self->bins = (int)ceil(values[LONGEST] / values[BIN] - 1e-9);
  self->vectors = (int)values[VECTORS];
  self->threads = threads;
  self->frames = frames;
  self->wanted = (int64_t)values[FRAMES];
  *analysis = (qn_analysis *)self;
  return QN_OK;
}

static int by_bin_and_hash(const void *left, const void *right) {
  const wave *a = left, *b = right;
  if (a->bin != b->bin) return a->bin < b->bin ? -1 : 1;
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  return memcmp(a->n, b->n, sizeof a->n);
}

static uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* Wave vectors of half of space, as +q and -q give the same; in each bin those of the smallest hashes. */
static qn_status choose_waves(structure_factor *self, const qn_box *box, qn_error *error) {
  double step[3], room = 1;
  for (int a = 0; a < 3; a++) {
    step[a] = 2 * QN_PI / box->length[a];
    self->most[a] = (int)(self->longest / step[a]);
    room *= 2 * self->most[a] + 1;
  }
  if (self->most[0] > 1000 || self->most[1] > 1000 || self->most[2] > 1000 || room > 6e7)
    return qn_error_set(error, QN_UNSUPPORTED, "a box this large has too many wave vectors up to %g 1/A; a smaller longest_inv_a is needed", self->longest);
  /* Bins that would hold many times what is wanted are thinned by the hash at once. */
  double volume = qn_box_volume(box);
  wave *all = qn_memory_alloc((size_t)(room / 2 + 1), sizeof *all);
  if (all == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  int64_t count = 0;
  for (int x = 0; x <= self->most[0]; x++)
    for (int y = -self->most[1]; y <= self->most[1]; y++)
      for (int z = -self->most[2]; z <= self->most[2]; z++) {
        if (x == 0 && (y < 0 || (y == 0 && z <= 0))) continue;
        double q = sqrt(x * step[0] * x * step[0] + y * step[1] * y * step[1] + z * step[2] * z * step[2]);
        int bin = (int)(q / self->bin);
        if (bin >= self->bins) continue;
        uint32_t hash = mix((uint32_t)x + mix((uint32_t)(y + 4096) + mix((uint32_t)(z + 4096))));
        double expected = 2 * QN_PI * q * q * self->bin * volume / pow(2 * QN_PI, 3);
        if (expected > 10.0 * self->vectors && hash > 5.0 * self->vectors / expected * 4294967296.0) continue;
        all[count++] = (wave){{(int16_t)x, (int16_t)y, (int16_t)z}, (int16_t)bin, hash};
      }
  qsort(all, (size_t)count, sizeof *all, by_bin_and_hash);
  int in_bin = 0;
  for (int64_t k = 0; k < count; k++) {
    in_bin = k > 0 && all[k].bin == all[k - 1].bin ? in_bin + 1 : 0;
    if (in_bin >= self->vectors) continue;
    all[self->waves++] = all[k];
  }
  for (int64_t k = 0; k < self->waves; k++) {
    double x = all[k].n[0] * step[0], y = all[k].n[1] * step[1], z = all[k].n[2] * step[2];
    self->used[all[k].bin] += 1;
    self->q[all[k].bin] += sqrt(x * x + y * y + z * z);
  }
  for (int b = 0; b < self->bins; b++) self->q[b] = self->used[b] > 0 ? self->q[b] / self->used[b] : self->bin * (b + 0.5);
  self->wave = all;
  return QN_OK;
}

static qn_status begin(structure_factor *self, const qn_frame *frame, qn_error *error) {
  self->species_count = frame->species_count;
  memcpy(self->species, frame->species, (size_t)frame->species_count * sizeof *frame->species);
  self->region = qn_vacuum_region(frame);
  self->kinds = frame->species_count * (frame->species_count + 1) / 2 + 1;
  self->used = qn_memory_alloc((size_t)self->bins, sizeof *self->used);
  self->q = qn_memory_alloc((size_t)self->bins, sizeof *self->q);
  self->s = qn_memory_alloc((size_t)(self->kinds * self->bins), sizeof *self->s);
  if (self->used == NULL || self->q == NULL || self->s == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = choose_waves(self, &frame->box, error);
  if (status != QN_OK) return status;
  int longest = self->most[0] + self->most[1] + self->most[2] + 3;
  self->phases = qn_memory_alloc((size_t)self->threads * (size_t)longest, 2 * CHUNK * sizeof *self->phases);
  size_t chunks = (size_t)(frame->count + CHUNK - 1) / CHUNK;
  self->sums = qn_memory_alloc(chunks * (size_t)self->waves, (size_t)frame->species_count * 2 * sizeof *self->sums);
  if (self->phases == NULL || self->sums == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  return qn_blocks_init(&self->blocks, self->wanted < self->frames ? self->wanted : self->frames, self->kinds * self->bins, error);
}

/* cos and sin of 2 pi n x / L for n = 0 .. most, one after the other, by repeated rotation. */
static void fill_phases(const structure_factor *self, const qn_frame *frame, int64_t first, int64_t count, double *phases) {
  for (int a = 0; a < 3; a++) {
    double step = 2 * QN_PI / frame->box.length[a], turn_cos[CHUNK], turn_sin[CHUNK];
    for (int64_t i = 0; i < count; i++) {
      double angle = step * (frame->r[a][first + i] - frame->box.origin[a]);
      turn_cos[i] = cos(angle);
      turn_sin[i] = sin(angle);
      phases[i] = 1;
      phases[CHUNK + i] = 0;
    }
    for (int n = 1; n <= self->most[a]; n++) {
      const double *last = phases + (n - 1) * 2 * CHUNK;
      double *next = phases + n * 2 * CHUNK;
      for (int64_t i = 0; i < count; i++) {
        next[i] = last[i] * turn_cos[i] - last[CHUNK + i] * turn_sin[i];
        next[CHUNK + i] = last[i] * turn_sin[i] + last[CHUNK + i] * turn_cos[i];
      }
    }
    phases += (self->most[a] + 1) * 2 * CHUNK;
  }
}

static void sum_chunk(const structure_factor *self, const qn_frame *frame, int64_t first, int64_t count, const double *phases, double *sums) {
  const double *x = phases, *y = x + (self->most[0] + 1) * 2 * CHUNK, *z = y + (self->most[1] + 1) * 2 * CHUNK;
  for (int64_t w = 0; w < self->waves; w++) {
    const int16_t *n = self->wave[w].n;
    const double *px = x + n[0] * 2 * CHUNK, *py = y + abs(n[1]) * 2 * CHUNK, *pz = z + abs(n[2]) * 2 * CHUNK;
    double sign_y = n[1] < 0 ? -1 : 1, sign_z = n[2] < 0 ? -1 : 1, real[CHUNK], imaginary[CHUNK];
    for (int64_t i = 0; i < count; i++) {
      double c = px[i] * py[i] - px[CHUNK + i] * sign_y * py[CHUNK + i], s = px[i] * sign_y * py[CHUNK + i] + px[CHUNK + i] * py[i];
      real[i] = c * pz[i] - s * sign_z * pz[CHUNK + i];
      imaginary[i] = c * sign_z * pz[CHUNK + i] + s * pz[i];
    }
    double *sum = sums + w * self->species_count * 2;
    memset(sum, 0, (size_t)self->species_count * 2 * sizeof *sum);
    for (int64_t i = 0; i < count; i++) {
      sum[2 * frame->type[first + i]] += real[i];
      sum[2 * frame->type[first + i] + 1] += imaginary[i];
    }
  }
}

static qn_status accumulate(qn_analysis *analysis, const qn_frame *frame, qn_error *error) {
  structure_factor *self = (structure_factor *)analysis;
  qn_status status = self->s == NULL ? begin(self, frame, error) : QN_OK;
  if (status != QN_OK || !qn_blocks_takes(self->seen++, self->frames, self->wanted)) return status;
  int64_t chunks = (frame->count + CHUNK - 1) / CHUNK, width = self->waves * self->species_count * 2;
  int64_t table = (self->most[0] + self->most[1] + self->most[2] + 3) * (int64_t)(2 * CHUNK);
#pragma omp parallel for schedule(dynamic, 1) num_threads(self->threads)
  for (int64_t c = 0; c < chunks; c++) {
    double *phases = self->phases + omp_get_thread_num() * table;
    int64_t count = frame->count - c * CHUNK < CHUNK ? frame->count - c * CHUNK : CHUNK;
    fill_phases(self, frame, c * CHUNK, count, phases);
    sum_chunk(self, frame, c * CHUNK, count, phases, self->sums + c * width);
  }
  for (int64_t c = 1; c < chunks; c++)
    for (int64_t e = 0; e < width; e++) self->sums[e] += self->sums[c * width + e];

  double atoms[QN_MAX_SPECIES] = {0};
  for (int64_t i = 0; i < frame->count; i++) atoms[frame->type[i]] += 1;
  memset(self->s, 0, (size_t)(self->kinds * self->bins) * sizeof *self->s);
  for (int64_t w = 0; w < self->waves; w++) {
    const double *rho = self->sums + w * self->species_count * 2;
    int bin = self->wave[w].bin;
    double real = 0, imaginary = 0;
    for (int s = 0; s < self->species_count; s++) {
      real += rho[2 * s];
      imaginary += rho[2 * s + 1];
      for (int t = s; t < self->species_count; t++)
        self->s[qn_radial_pair(s, t, self->species_count) * self->bins + bin] +=
            (rho[2 * s] * rho[2 * t] + rho[2 * s + 1] * rho[2 * t + 1]) / sqrt(atoms[s] * atoms[t]) / self->used[bin];
    }
    self->s[(self->kinds - 1) * self->bins + bin] += (real * real + imaginary * imaginary) / (double)frame->count / self->used[bin];
  }
  qn_blocks_add(&self->blocks, self->s);
  return QN_OK;
}

typedef struct at {
  const structure_factor *self;
  int kind, bin;
  bool height;
} at;

static double value_at(const qn_blocks *blocks, const void *context, int without) {
  const at *a = context;
  if (!(a->self->used[a->bin] > 0)) return NAN;
  return qn_blocks_mean(blocks, (int64_t)a->kind * a->self->bins + a->bin, without);
}

/* The highest bin, or -1 when it is at an end. */
static int highest(const qn_blocks *blocks, at a) {
  int best = -1, first = -1, last = -1;
  double top = -INFINITY;
  for (a.bin = 0; a.bin < a.self->bins; a.bin++) {
    double here = value_at(blocks, &a, -1);
    if (isnan(here) || a.self->bin * a.bin < LOWEST_PEAK) continue;
    if (first < 0) first = a.bin;
    last = a.bin;
    if (here > top) {
      top = here;
      best = a.bin;
    }
  }
  return best > first && best < last ? best : -1;
}

/* Vertex of the parabola through the highest bin and its neighbours: its height or its wave number. */
static double peak(const qn_blocks *blocks, const void *context, int without) {
  at a = *(const at *)context;
  const double *x = &a.self->q[a.bin - 1];
  double y[3];
  a.bin--;
  for (int k = 0; k < 3; k++, a.bin++) y[k] = value_at(blocks, &a, without);
  double left = (y[1] - y[0]) / (x[1] - x[0]), right = (y[2] - y[1]) / (x[2] - x[1]), curve = (right - left) / (x[2] - x[0]);
  double vertex = curve < 0 ? fmin(fmax(0.5 * (x[0] + x[1]) - left / (2 * curve), x[0]), x[2]) : x[1];
  return a.height ? y[0] + left * (vertex - x[0]) + curve * (vertex - x[0]) * (vertex - x[1]) : vertex;
}

static qn_status report_kind(const structure_factor *self, int kind, const char *name, qn_report *report, qn_error *error) {
  static const char *const columns[] = {"wave_number_inv_a", "s", "standard_error", NULL};
  at a = {.self = self, .kind = kind};
  int top = highest(&self->blocks, a);
  for (int height = 0; height < 2; height++) {
    qn_value *value = qn_report_add_value(report, height ? "structure_factor_peak" : "structure_factor_peak_wave_number", height ? "1" : "1/A",
                                          name, self->region, error);
    if (value == NULL) return QN_NO_MEMORY;
    value->status = QN_VALUE_UNRESOLVED;
    if (top < 0) continue;
    a.height = height;
    a.bin = top;
    value->value = peak(&self->blocks, &a, -1);
    value->standard_error = qn_blocks_error(&self->blocks, peak, &a, &value->samples);
    value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
  }
  qn_curve *curve = qn_report_add_curve(report, "structure_factor", name, self->region, columns, self->bins, error);
  if (curve == NULL) return QN_NO_MEMORY;
  for (a.bin = 0; a.bin < self->bins; a.bin++) {
    curve->data[3 * a.bin] = self->q[a.bin];
    curve->data[3 * a.bin + 1] = value_at(&self->blocks, &a, -1);
    curve->data[3 * a.bin + 2] = qn_blocks_error(&self->blocks, value_at, &a, NULL);
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
      if (isfinite(qn_blocks_mean(&self->blocks, (int64_t)kind * self->bins + self->wave[0].bin, -1)))
        status = report_kind(self, kind, name, report, error);
    }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"structure_factor_peak_wave_number", "structure_factor_peak", NULL};

const qn_analysis_type qn_structure_factor = {"structure_factor",
                                              "static structure factor of all atoms and by pairs of species, and its maximum",
                                              PARAMETERS,
                                              parameters,
                                              alloc,
                                              accumulate,
                                              reduce,
                                              release,
                                              .quantities = quantities};

#include "engine/analysis/waves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/kernel.h"
#include "engine/base/memory.h"
#include "engine/base/units.h"

enum { CHUNK = 256, LANES = 16, BATCH = 16 };

typedef struct candidate {
  qn_wave wave;
  uint32_t hash;
} candidate;

static int by_bin_and_hash(const void *left, const void *right) {
  const candidate *a = left, *b = right;
  if (a->wave.bin != b->wave.bin) return a->wave.bin < b->wave.bin ? -1 : 1;
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  return memcmp(a->wave.n, b->wave.n, sizeof a->wave.n);
}

static int by_numbers(const void *left, const void *right) {
  const qn_wave *a = left, *b = right;
  for (int k = 0; k < 3; k++)
    if (a->n[k] != b->n[k]) return a->n[k] < b->n[k] ? -1 : 1;
  return 0;
}

static uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

/* Every wave vector that may be wanted; bins that would hold many times that are thinned by the hash at once. */
static int64_t list_candidates(const qn_waves *waves, const double step[3], double volume, double bin, int bins, int most, candidate *all) {
  int64_t count = 0;
  for (int x = 0; x <= waves->most[0]; x++)
    for (int y = -waves->most[1]; y <= waves->most[1]; y++)
      for (int z = -waves->most[2]; z <= waves->most[2]; z++) {
        if (x == 0 && (y < 0 || (y == 0 && z <= 0))) continue;
        double q = sqrt(x * step[0] * x * step[0] + y * step[1] * y * step[1] + z * step[2] * z * step[2]);
        int at = (int)(q / bin);
        if (at >= bins) continue;
        uint32_t hash = mix((uint32_t)x + mix((uint32_t)(y + 4096) + mix((uint32_t)(z + 4096))));
        double expected = 2 * QN_PI * q * q * bin * volume / pow(2 * QN_PI, 3);
        if (expected > 10.0 * most && hash > 5.0 * most / expected * 4294967296.0) continue;
        all[count++] = (candidate){{{(int16_t)x, (int16_t)y, (int16_t)z}, (int16_t)at, 0}, hash};
      }
  return count;
}

/* The first `most` of each bin, in the order of n; and the runs of equal n_x and n_y. */
static qn_status choose(qn_waves *waves, candidate *all, int64_t count, int most, qn_error *error) {
  qsort(all, (size_t)count, sizeof *all, by_bin_and_hash);
  waves->wave = qn_memory_alloc((size_t)count, sizeof *waves->wave);
  waves->row = qn_memory_alloc((size_t)count + 1, sizeof *waves->row);
  if (waves->wave == NULL || waves->row == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  int rank = 0;
  for (int64_t k = 0; k < count; k++) {
    rank = k > 0 && all[k].wave.bin == all[k - 1].wave.bin ? rank + 1 : 0;
    if (rank >= most) continue;
    all[k].wave.rank = (int16_t)rank;
    waves->wave[waves->count++] = all[k].wave;
  }
  qsort(waves->wave, (size_t)waves->count, sizeof *waves->wave, by_numbers);
  for (int64_t k = 0; k < waves->count; k++)
    if (k == 0 || waves->wave[k].n[0] != waves->wave[k - 1].n[0] || waves->wave[k].n[1] != waves->wave[k - 1].n[1]) waves->row[waves->rows++] = k;
  waves->row[waves->rows] = waves->count;
  return QN_OK;
}

qn_status qn_waves_init(qn_waves *waves, const qn_frame *frame, double bin, int bins, int most, double *used, double *length, qn_error *error) {
  double step[3], room = 1;
  *waves = (qn_waves){.species_count = frame->species_count};
  for (int a = 0; a < 3; a++) {
    step[a] = 2 * QN_PI / frame->box.length[a];
    waves->most[a] = (int)fmin(bin * bins / step[a], 1e6);
    room *= 2 * waves->most[a] + 1;
  }
  if (waves->most[0] > 1000 || waves->most[1] > 1000 || waves->most[2] > 1000 || room > 6e7)
    return qn_error_set(error, QN_UNSUPPORTED, "a box this large has too many wave vectors up to %g 1/A; a smaller longest_inv_a is needed", bin * bins);
  candidate *all = qn_memory_alloc((size_t)(room / 2 + 1), sizeof *all);
  if (all == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  int64_t count = list_candidates(waves, step, qn_box_volume(&frame->box), bin, bins, most, all);
  qn_status status = choose(waves, all, count, most, error);
  free(all);
  if (status != QN_OK) return status;
  for (int64_t k = 0; k < waves->count; k++) {
    const qn_wave *w = &waves->wave[k];
    double x = w->n[0] * step[0], y = w->n[1] * step[1], z = w->n[2] * step[2];
    used[w->bin] += 1;
    length[w->bin] += sqrt(x * x + y * y + z * z);
  }
  for (int b = 0; b < bins; b++) length[b] = used[b] > 0 ? length[b] / used[b] : bin * (b + 0.5);
  waves->rho = qn_memory_alloc((size_t)waves->count, (size_t)waves->species_count * 2 * sizeof *waves->rho);
  waves->phases = qn_memory_alloc((size_t)(waves->most[0] + waves->most[1] + waves->most[2] + 3), BATCH * 2 * CHUNK * sizeof *waves->phases);
  return waves->rho != NULL && waves->phases != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

void qn_waves_fini(qn_waves *waves) {
  free(waves->wave);
  free(waves->row);
  free(waves->rho);
  free(waves->phases);
  *waves = (qn_waves){0};
}

/* cos and sin of 2 pi n x / L for n = 0 .. most, one after the other, by repeated rotation; zero for lanes without an atom. */
static void fill_phases(const qn_waves *waves, const qn_frame *frame, const int64_t *atom, int64_t count, double *phases) {
  for (int a = 0; a < 3; a++) {
    double step = 2 * QN_PI / frame->box.length[a], turn_cos[CHUNK], turn_sin[CHUNK];
    for (int64_t i = 0; i < CHUNK; i++) {
      double angle = i < count ? step * (frame->r[a][atom[i]] - frame->box.origin[a]) : 0;
      turn_cos[i] = cos(angle);
      turn_sin[i] = sin(angle);
      phases[i] = i < count;
      phases[CHUNK + i] = 0;
    }
    for (int n = 1; n <= waves->most[a]; n++) {
      const double *last = phases + (n - 1) * 2 * CHUNK;
      double *next = phases + n * 2 * CHUNK;
      for (int64_t i = 0; i < CHUNK; i++) {
        next[i] = last[i] * turn_cos[i] - last[CHUNK + i] * turn_sin[i];
        next[CHUNK + i] = last[i] * turn_sin[i] + last[CHUNK + i] * turn_cos[i];
      }
    }
    phases += (waves->most[a] + 1) * 2 * CHUNK;
  }
}

/* The product of the phases along x and y. */
QN_KERNEL static void multiply(const double *x, const double *y, double sign, double *product) {
  for (int i = 0; i < CHUNK; i++) {
    product[i] = x[i] * y[i] - x[CHUNK + i] * sign * y[CHUNK + i];
    product[CHUNK + i] = x[i] * sign * y[CHUNK + i] + x[CHUNK + i] * y[i];
  }
}

/* Add the sum of (xy) (z) over a chunk; fixed lanes, so that the order is fixed and the loop vectorises. */
QN_KERNEL static void add_product(const double *xy, const double *z, double sign, double *sum) {
  double real[LANES] = {0}, imaginary[LANES] = {0};
  for (int i = 0; i < CHUNK; i += LANES)
    for (int l = 0; l < LANES; l++) {
      real[l] += xy[i + l] * z[i + l] - xy[CHUNK + i + l] * sign * z[CHUNK + i + l];
      imaginary[l] += xy[i + l] * sign * z[CHUNK + i + l] + xy[CHUNK + i + l] * z[i + l];
    }
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) {
      real[l] += real[l + half];
      imaginary[l] += imaginary[l + half];
    }
  sum[0] += real[0];
  sum[1] += imaginary[0];
}

/* A run of waves over a batch of chunks, in order. */
static void sum_row(qn_waves *waves, int64_t row, const int *species, int chunks) {
  int64_t table = (waves->most[0] + waves->most[1] + waves->most[2] + 3) * (int64_t)(2 * CHUNK);
  double xy[2 * CHUNK];
  for (int c = 0; c < chunks; c++) {
    const double *x = waves->phases + c * table, *y = x + (waves->most[0] + 1) * 2 * CHUNK, *z = y + (waves->most[1] + 1) * 2 * CHUNK;
    const int16_t *first = waves->wave[waves->row[row]].n;
    multiply(x + first[0] * 2 * CHUNK, y + abs(first[1]) * 2 * CHUNK, first[1] < 0 ? -1 : 1, xy);
    for (int64_t w = waves->row[row]; w < waves->row[row + 1]; w++) {
      int n = waves->wave[w].n[2];
      add_product(xy, z + abs(n) * 2 * CHUNK, n < 0 ? -1 : 1, waves->rho + (w * waves->species_count + species[c]) * 2);
    }
  }
}

/* Atoms by species, in order, in chunks of one species. */
static qn_status list_chunks(const qn_frame *frame, int64_t **atom, int64_t **first, int **species, int64_t *chunks, qn_error *error) {
  int64_t most = frame->count / CHUNK + frame->species_count + 1, placed = 0;
  *atom = qn_memory_alloc((size_t)frame->count, sizeof **atom);
  *first = qn_memory_alloc((size_t)most + 1, sizeof **first);
  *species = qn_memory_alloc((size_t)most, sizeof **species);
  *chunks = 0;
  if (*atom == NULL || *first == NULL || *species == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  for (int s = 0; s < frame->species_count; s++) {
    int64_t lane = CHUNK;
    for (int64_t i = 0; i < frame->count; i++) {
      if (frame->type[i] != s) continue;
      if (lane == CHUNK) {
        (*species)[*chunks] = s;
        (*first)[(*chunks)++] = placed;
        lane = 0;
      }
      (*atom)[placed++] = i;
      lane++;
    }
  }
  (*first)[*chunks] = placed;
  return QN_OK;
}

qn_status qn_waves_sum(qn_waves *waves, const qn_frame *frame, int threads, qn_error *error) {
  int64_t *atom, *first, chunks, table = (waves->most[0] + waves->most[1] + waves->most[2] + 3) * (int64_t)(2 * CHUNK);
  int *species;
  qn_status status = list_chunks(frame, &atom, &first, &species, &chunks, error);
  memset(waves->rho, 0, (size_t)(waves->count * waves->species_count * 2) * sizeof *waves->rho);
  for (int64_t from = 0; from < chunks && status == QN_OK; from += BATCH) {
    int batch = chunks - from < BATCH ? (int)(chunks - from) : BATCH;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int c = 0; c < batch; c++)
      fill_phases(waves, frame, atom + first[from + c], first[from + c + 1] - first[from + c], waves->phases + c * table);
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
    for (int64_t row = 0; row < waves->rows; row++) sum_row(waves, row, species + from, batch);
  }
  free(atom);
  free(first);
  free(species);
  return status;
}

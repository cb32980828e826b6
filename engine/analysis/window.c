#include "engine/analysis/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"
#include "engine/base/number.h"

static const int32_t OUTSIDE = INT32_MAX;
enum { CHUNK = QN_WINDOW_CHUNK, LEVELS = QN_WINDOW_LEVELS, FIRST_SEGMENTS = 8, SEGMENTS_IN_ALL = 8 + 16 + 32, MAX_BATCH = 32 };
static const double RING_BYTES = 768.0 * 1024 * 1024, BATCH_BYTES = 32.0 * 1024 * 1024;

/* A frame is cut into chunks of 64 atoms of one species; the last of a species is padded with weight 0. Frames wait until a batch is full:
 * then each chunk goes through all its pairs while its part of the ring is in the cache. */
struct qn_window_state {
  int64_t chunks, slots, batch, waiting;
  int *chunk_species;  /* [chunks] */
  int64_t *place;      /* [atoms], where an atom is: chunk * CHUNK + lane */
  double *weight;      /* [chunks][CHUNK] */
  double *ring;        /* [chunks][slots][3][CHUNK] */
  int32_t *since;      /* [chunks][slots][CHUNK], frame at which an atom's stay in the layer began, or OUTSIDE; NULL without a layer */
  int32_t *stay;       /* [atoms], the same at the frame before */
  int64_t width;       /* moments and, after them, the number of pairs */
  double *partial;     /* [chunks][batch][lags][width] */
  double *row;         /* [species][width] */
  double *total;       /* [lags][species][width] */
  double *part;        /* [segments of all levels][lags][species][width] */
  double centre[3];    /* of mass, of the first frame */
  double *last[3];     /* [atoms], positions of the frame before */
};

static double frame_bytes(const qn_window *window) {
  return (double)(window->atoms + CHUNK) * (window->options.layer.thickness > 0 ? 28 : 24); /* three doubles, an int32 */
}

qn_status qn_window_init(qn_window *window, const qn_window_options *options, qn_error *error) {
  memset(window, 0, sizeof *window);
  window->options = *options;
  window->dimensions = options->layer.thickness > 0 ? 2 : 3;
  double run = (double)options->frames * options->interval;
  if (options->frames < 2)
    return qn_error_set(error, QN_INVALID, "%lld frames: a time correlation needs at least two", (long long)options->frames);
  if (!(options->interval > 0)) return qn_error_set(error, QN_INVALID, "the frames have no even interval in time");
  int64_t most = options->frames - 1;
  if (options->lags != NULL) {
    if (options->lag_count < 1 || options->lag_count > QN_MAX_LAGS || options->lags[options->lag_count - 1] > most)
      return qn_error_set(error, QN_INVALID, "the longest lag is not inside the run of %g ps", run);
    window->lag_count = options->lag_count;
    memcpy(window->lag, options->lags, (size_t)options->lag_count * sizeof *options->lags);
  } else {
    double longest = options->longest > 0 ? options->longest / options->interval : (double)options->frames / 4;
    if (longest > (double)most * (1 + 1e-9))
      return qn_error_set(error, QN_INVALID, "the longest lag, %g ps, is not inside the run of %g ps", options->longest, run);
    int64_t samples = (int64_t)(longest + 1e-6);
    window->lag_count = qn_lags_choose(samples < 1 ? 1 : samples, window->lag);
  }
  return QN_OK;
}

void qn_window_fini(qn_window *window) {
  struct qn_window_state *s = window->state;
  if (s != NULL) {
    free(s->chunk_species);
    free(s->place);
    free(s->weight);
    free(s->ring);
    free(s->partial);
    free(s->row);
    free(s->total);
    free(s->part);
    free(s->since);
    free(s->stay);
    for (int a = 0; a < 3; a++) free(s->last[a]);
    free(s);
  }
  memset(window, 0, sizeof *window);
}

static void centre_of_mass(const qn_frame *frame, double centre[3]) {
  double mass = 0, sum[3] = {0, 0, 0};
  for (int64_t i = 0; i < frame->count; i++) {
    double m = frame->species[frame->type[i]].mass;
    mass += m;
    for (int a = 0; a < 3; a++) sum[a] += m * frame->r[a][i];
  }
  for (int a = 0; a < 3; a++) centre[a] = sum[a] / mass;
}

static void place_atoms(qn_window *window, const qn_frame *frame) {
  struct qn_window_state *s = window->state;
  int64_t chunk = 0;
  for (int species = 0; species < window->species_count; species++) {
    int64_t lane = 0;
    for (int64_t i = 0; i < window->atoms; i++) {
      if (frame->type[i] != species) continue;
      if (lane == CHUNK) {
        chunk++;
        lane = 0;
      }
      s->chunk_species[chunk] = species;
      s->weight[chunk * CHUNK + lane] = 1;
      s->place[i] = chunk * CHUNK + lane++;
    }
    if (lane > 0) chunk++;
  }
}

static qn_status begin(qn_window *window, const qn_frame *frame, qn_error *error) {
  if (frame->count < 1) return qn_error_set(error, QN_INVALID, "a frame without atoms");
  struct qn_window_state *s = window->state = qn_memory_alloc(1, sizeof *s);
  if (s == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  window->atoms = frame->count;
  window->species_count = frame->species_count;
  memcpy(window->species, frame->species, (size_t)frame->species_count * sizeof *frame->species);
  window->box = frame->box;
  window->volume = qn_box_volume(&frame->box);
  window->region = qn_vacuum_region(frame);
  bool layered = window->options.layer.thickness > 0;
  if (layered) {
    qn_status status = qn_layer_init(&window->layer, &window->options.layer, frame, error);
    if (status != QN_OK) return status;
    window->volume *= (window->layer.high - window->layer.low) / window->layer.length;
    window->region = window->options.layer.depth > 0 ? "layer" : "surface";
  }
  for (int64_t i = 0; i < frame->count; i++) window->species_atoms[frame->type[i]]++;
  for (int species = 0; species < window->species_count; species++) s->chunks += (window->species_atoms[species] + CHUNK - 1) / CHUNK;

  if (window->options.longest <= 0 && window->options.lags == NULL) {
    int64_t fits = (int64_t)(RING_BYTES / frame_bytes(window)) - MAX_BATCH;
    if (window->lag[window->lag_count - 1] > fits) window->lag_count = qn_lags_choose(fits < 1 ? 1 : fits, window->lag);
  }
  for (int l = 0; l < window->lag_count; l++) window->lag_time[l] = qn_number_round((double)window->lag[l] * window->options.interval);

  size_t lags = (size_t)window->lag_count, species = (size_t)window->species_count, width = (size_t)window->options.moments + 1;
  s->width = (int64_t)width;
  double batch = BATCH_BYTES / ((double)s->chunks * (double)(lags * width) * sizeof(double));
  s->batch = batch < 1 ? 1 : batch > MAX_BATCH ? MAX_BATCH : (int64_t)batch;
  s->slots = window->lag[window->lag_count - 1] + s->batch;
  size_t chunks = (size_t)s->chunks;
  s->chunk_species = qn_memory_alloc(chunks, sizeof *s->chunk_species);
  s->place = qn_memory_alloc((size_t)window->atoms, sizeof *s->place);
  s->weight = qn_memory_alloc(chunks * CHUNK, sizeof *s->weight);
  s->ring = qn_memory_alloc(chunks * (size_t)s->slots, 3 * CHUNK * sizeof *s->ring);
  s->partial = qn_memory_alloc(chunks * (size_t)s->batch, lags * width * sizeof *s->partial);
  s->row = qn_memory_alloc(species * width, sizeof *s->row);
  s->total = qn_memory_alloc(lags * species * width, sizeof *s->total);
  s->part = qn_memory_alloc(SEGMENTS_IN_ALL * lags * species * width, sizeof *s->part);
  if (layered) {
    s->since = qn_memory_alloc(chunks * (size_t)s->slots, CHUNK * sizeof *s->since);
    s->stay = qn_memory_alloc((size_t)window->atoms, sizeof *s->stay);
  }
  for (int a = 0; a < 3; a++) s->last[a] = qn_memory_alloc((size_t)window->atoms, sizeof(double));
  if (s->chunk_species == NULL || s->place == NULL || s->weight == NULL || s->ring == NULL || s->partial == NULL || s->row == NULL ||
      s->total == NULL || s->part == NULL || s->last[0] == NULL || s->last[1] == NULL || s->last[2] == NULL ||
      (layered && (s->since == NULL || s->stay == NULL)))
    return qn_error_set(error, QN_NO_MEMORY, "out of memory: %lld frames of %lld atoms would be kept; a shorter longest lag needs less",
                        (long long)s->slots, (long long)window->atoms);
  if (layered) {
    for (size_t i = 0; i < chunks * (size_t)s->slots * CHUNK; i++) s->since[i] = OUTSIDE;
    for (int64_t i = 0; i < window->atoms; i++) s->stay[i] = OUTSIDE;
  }
  place_atoms(window, frame);
  centre_of_mass(frame, s->centre);
  return QN_OK;
}

static bool all_inside(const qn_frame *frame) {
  for (int a = 0; a < 3; a++) {
    double low = frame->box.origin[a] - 1e-3 * frame->box.length[a], high = frame->box.origin[a] + 1.001 * frame->box.length[a];
    for (int64_t i = 0; i < frame->count; i++)
      if (frame->r[a][i] < low || frame->r[a][i] > high) return false;
  }
  return true;
}

/* Same atoms, same box, unwrapped. */
static qn_status check(const qn_window *window, const qn_frame *frame, qn_error *error) {
  const struct qn_window_state *s = window->state;
  long long number = (long long)window->frames_seen + 1;
  if (frame->count != window->atoms) return qn_error_set(error, QN_UNSUPPORTED, "frame %lld has another number of atoms", number);
  for (int a = 0; a < 3; a++)
    if (fabs(frame->box.length[a] - window->box.length[a]) > 1e-6 * window->box.length[a])
      return qn_error_set(error, QN_UNSUPPORTED, "frame %lld: the box changes from %.9g to %.9g A; displacements need a run at constant volume",
                          number, window->box.length[a], frame->box.length[a]);
  for (int a = 0; a < 3; a++) {
    double half = frame->box.length[a] / 2, largest = 0;
    for (int64_t i = 0; i < frame->count; i++) {
      double step = fabs(frame->r[a][i] - s->last[a][i]);
      largest = step > largest ? step : largest;
    }
    if (window->frames_seen > 0 && largest > half && all_inside(frame))
      return qn_error_set(error, QN_UNSUPPORTED,
                          "frame %lld: an atom moves %.3g A in one interval and no atom is outside the box: the positions are wrapped, and "
                          "displacements cannot be told; unwrapped positions are needed",
                          number, largest);
  }
  return QN_OK;
}

/* 1 for the atoms of a chunk that count for a pair of frames, by the layer's method; returns how many. */
static double weigh(const int32_t *now, const int32_t *then, int64_t then_frame, qn_layer_method method, double *weight) {
  int count = 0;
  for (int i = 0; i < CHUNK; i++) {
    bool counts = method == QN_LAYER_ALWAYS     ? now[i] <= then_frame
                  : method == QN_LAYER_AT_START ? then[i] != OUTSIDE
                                                : now[i] != OUTSIDE && then[i] != OUTSIDE;
    weight[i] = counts;
    count += counts;
  }
  return count;
}

/* Chunk c against its own past, for every waiting frame and lag. */
static void pair_chunk(const qn_window *window, int64_t c) {
  const struct qn_window_state *s = window->state;
  const double *ring = s->ring + c * s->slots * 3 * CHUNK, *weight = s->weight + c * CHUNK;
  const int32_t *since = s->since != NULL ? s->since + c * s->slots * CHUNK : NULL;
  int lags = window->lag_count;
  int64_t first = window->frames_seen - s->waiting;
  double atoms = 0, layer_weight[CHUNK];
  for (int i = 0; i < CHUNK; i++) atoms += weight[i];
  for (int64_t b = 0; b < s->waiting; b++) {
    double *sums = s->partial + ((c * s->batch + b) * lags) * s->width;
    int64_t now = (first + b) % s->slots;
    memset(sums, 0, (size_t)(lags * s->width) * sizeof *sums);
    for (int l = 0; l < lags && window->lag[l] <= first + b; l++, sums += s->width) {
      int64_t then_frame = first + b - window->lag[l], then = then_frame % s->slots;
      double count = atoms;
      if (since != NULL) {
        count = weigh(since + now * CHUNK, since + then * CHUNK, then_frame, window->options.layer.method, layer_weight);
        weight = layer_weight;
      }
      sums[s->width - 1] = count;
      if (count > 0) window->options.kernel(window->options.context, ring + now * 3 * CHUNK, ring + then * 3 * CHUNK, weight, sums);
    }
  }
}

static int64_t segment_of(int64_t frame, int segments, int64_t frames) {
  int64_t k = frame * segments / frames;
  return k < segments ? k : segments - 1;
}

/* Sums of one frame at one lag, chunks in order, into the run's and the segments' sums. */
static void collect(qn_window *window, int64_t b, int l) {
  struct qn_window_state *s = window->state;
  int64_t now = window->frames_seen - s->waiting + b, then = now - window->lag[l], width = window->species_count * s->width;
  memset(s->row, 0, (size_t)width * sizeof *s->row);
  for (int64_t c = 0; c < s->chunks; c++) {
    const double *sums = s->partial + ((c * s->batch + b) * window->lag_count + l) * s->width;
    double *row = s->row + s->chunk_species[c] * s->width;
    for (int64_t m = 0; m < s->width; m++) row[m] += sums[m];
  }
  double *total = s->total + l * width;
  for (int64_t m = 0; m < width; m++) total[m] += s->row[m];
  int offset = 0;
  for (int segments = FIRST_SEGMENTS; offset < SEGMENTS_IN_ALL; offset += segments, segments *= 2) {
    int64_t k = segment_of(now, segments, window->options.frames);
    if (segment_of(then, segments, window->options.frames) != k) continue;
    double *part = s->part + ((offset + k) * window->lag_count + l) * width;
    for (int64_t m = 0; m < width; m++) part[m] += s->row[m];
  }
}

static void work_off(qn_window *window) {
  struct qn_window_state *s = window->state;
#pragma omp parallel for schedule(dynamic, 1) num_threads(window->options.threads) if (s->chunks > 1)
  for (int64_t c = 0; c < s->chunks; c++) pair_chunk(window, c);
  for (int64_t b = 0; b < s->waiting; b++)
    for (int l = 0; l < window->lag_count && window->lag[l] <= window->frames_seen - s->waiting + b; l++) collect(window, b, l);
  s->waiting = 0;
}

qn_status qn_window_accumulate(qn_window *window, const qn_frame *frame, qn_error *error) {
  qn_status status = window->state == NULL ? begin(window, frame, error) : QN_OK;
  if (status == QN_OK) status = check(window, frame, error);
  if (status != QN_OK) return status;
  struct qn_window_state *s = window->state;
  double centre[3];
  centre_of_mass(frame, centre);
  int64_t slot = window->frames_seen % s->slots;
  for (int a = 0; a < 3; a++) {
    double drift = centre[a] - s->centre[a];
    bool normal = s->since != NULL && a == window->layer.axis;
    for (int64_t i = 0; i < window->atoms; i++) {
      int64_t chunk = s->place[i] / CHUNK, lane = s->place[i] % CHUNK;
      double x = frame->r[a][i] - drift;
      s->ring[((chunk * s->slots + slot) * 3 + a) * CHUNK + lane] = normal ? 0 : x;
      if (!normal) continue;
      bool inside = qn_layer_holds(&window->layer, qn_layer_depth(&window->layer, x));
      s->stay[i] = !inside ? OUTSIDE : s->stay[i] == OUTSIDE ? (int32_t)window->frames_seen : s->stay[i];
      s->since[(chunk * s->slots + slot) * CHUNK + lane] = s->stay[i];
    }
    memcpy(s->last[a], frame->r[a], (size_t)window->atoms * sizeof(double));
  }
  window->frames_seen++;
  if (++s->waiting == s->batch) work_off(window);
  return QN_OK;
}

qn_status qn_window_finish(qn_window *window, qn_error *error) {
  if (window->frames_seen < 2)
    return qn_error_set(error, QN_INVALID, "%lld frames came: a time correlation needs at least two", (long long)window->frames_seen);
  if (window->state->waiting > 0) work_off(window);
  return QN_OK;
}

int qn_window_segments(int level) { return FIRST_SEGMENTS << level; }

int qn_window_level(const qn_window *window, double longest) {
  double run = (double)window->frames_seen * window->options.interval;
  if (window->frames_seen < window->options.frames) return -1; /* the segments were laid out for a longer run */
  for (int level = LEVELS - 1; level >= 0; level--)
    if (run >= (level > 0 ? 3 : 2) * longest * qn_window_segments(level) * (1 - 1e-9)) return level;
  return -1;
}

double qn_window_average(const qn_window *window, int lag, int species, int moment, int level, int without, double *pairs) {
  const struct qn_window_state *s = window->state;
  int first_species = species < 0 ? 0 : species, end_species = species < 0 ? window->species_count : species + 1;
  int segments = level < 0 ? 1 : qn_window_segments(level), offset = level < 0 ? 0 : qn_window_segments(level) - FIRST_SEGMENTS;
  const double *from = level < 0 ? s->total : s->part;
  double sum = 0, count = 0;
  for (int k = 0; k < segments; k++) {
    if (level >= 0 && k == without) continue;
    for (int t = first_species; t < end_species; t++) {
      const double *sums = from + (((int64_t)(offset + k) * window->lag_count + lag) * window->species_count + t) * s->width;
      sum += sums[moment];
      count += sums[s->width - 1];
    }
  }
  if (pairs != NULL) *pairs = count;
  return count > 0 ? sum / count : NAN;
}

double qn_window_error(const qn_window *window, qn_window_quantity quantity, const void *context, int level, int64_t *samples) {
  int64_t ignored;
  if (samples == NULL) samples = &ignored;
  *samples = 0;
  if (level < 0) return NAN;
  int segments = qn_window_segments(level);
  double value[FIRST_SEGMENTS << (LEVELS - 1)], mean = 0, square = 0;
  for (int k = 0; k < segments; k++) {
    value[k] = quantity(window, context, level, k);
    mean += value[k] / segments;
  }
  for (int k = 0; k < segments; k++) square += (value[k] - mean) * (value[k] - mean);
  double error = sqrt(square * (segments - 1) / segments);
  if (!isfinite(error)) return NAN;
  *samples = segments;
  return error;
}

static double one_average(const qn_window *window, const void *context, int level, int without) {
  const int *at = context;
  return qn_window_average(window, at[0], at[1], at[2], level, without, NULL);
}

double qn_window_average_error(const qn_window *window, int lag, int species, int moment) {
  return qn_window_error(window, one_average, (int[]){lag, species, moment}, qn_window_level(window, window->lag_time[lag]), NULL);
}

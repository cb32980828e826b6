#include "engine/analysis/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/kernel.h"
#include "engine/analysis/unwrapped.h"
#include "engine/analysis/window.h"
#include "engine/base/memory.h"

static const int32_t OUTSIDE = INT32_MAX;
enum { CHUNK = QN_HISTORY_CHUNK, MAX_BATCH = 32, MAX_LAYERS = QN_HISTORY_MAX_LAYERS };
static const double RING_BYTES = 768.0 * 1024 * 1024, BATCH_BYTES = 32.0 * 1024 * 1024;
static const double BYTES_AN_ATOM = 28; /* three doubles, and a bit for each layer */

/* Windows with one layer share it. */
typedef struct band {
  qn_layer layer;
  int32_t *stay;  /* [atoms], frame at which an atom's stay in the layer began, or OUTSIDE, at the last frame */
  int32_t *since; /* [chunks][batch][CHUNK], the same at the frames that wait */
} band;

/* A lag of a window; sorted by lag and axis, so that each displacement is computed once. */
typedef struct entry {
  int64_t lag;
  int axis;   /* left out of displacements; -1: none */
  int window, index;
} entry;

/* A frame is cut into chunks of 64 atoms of one species; the last of a species is padded with weight 0. Frames wait until a batch is full:
 * then each chunk goes through all its pairs while its part of the ring is in the cache. */
struct qn_history {
  int64_t seen, chunks, slots, batch, waiting;
  int threads, window_count, window_room, band_count, entry_count;
  int64_t atoms;
  qn_window **window; /* NULL: detached */
  band band[MAX_LAYERS];
  entry *entry;
  int *chunk_species; /* [chunks] */
  int64_t *place;     /* [atoms], where an atom is: chunk * CHUNK + lane */
  double *weight;     /* [chunks][CHUNK] */
  double *ring;       /* [chunks][slots][3][CHUNK] */
  uint32_t *inside;   /* [chunks][slots][CHUNK], a bit for each band; NULL without any */
  double centre[3];   /* of mass, of the first frame */
  double drift[3];
  qn_unwrapped run;
};

int64_t qn_history_reach(int64_t atoms) {
  int64_t frames = (int64_t)(RING_BYTES / (BYTES_AN_ATOM * (double)(atoms + CHUNK))) - MAX_BATCH;
  return frames > 1 ? frames : 1;
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

static void place_atoms(qn_history *h, const qn_frame *frame) {
  int64_t chunk = 0;
  for (int species = 0; species < frame->species_count; species++) {
    int64_t lane = 0;
    for (int64_t i = 0; i < frame->count; i++) {
      if (frame->type[i] != species) continue;
      if (lane == CHUNK) {
        chunk++;
        lane = 0;
      }
      h->chunk_species[chunk] = species;
      h->weight[chunk * CHUNK + lane] = 1;
      h->place[i] = chunk * CHUNK + lane++;
    }
    if (lane > 0) chunk++;
  }
}

qn_status qn_history_alloc(qn_history **history, const qn_frame *first, int threads, qn_error *error) {
  *history = NULL;
  if (first->count < 1) return qn_error_set(error, QN_INVALID, "a frame without atoms");
  qn_history *h = qn_memory_alloc(1, sizeof *h);
  if (h == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  h->threads = threads;
  h->atoms = first->count;
  int64_t count[QN_MAX_SPECIES] = {0};
  for (int64_t i = 0; i < first->count; i++) count[first->type[i]]++;
  for (int s = 0; s < first->species_count; s++) h->chunks += (count[s] + CHUNK - 1) / CHUNK;
  h->chunk_species = qn_memory_alloc((size_t)h->chunks, sizeof *h->chunk_species);
  h->place = qn_memory_alloc((size_t)first->count, sizeof *h->place);
  h->weight = qn_memory_alloc((size_t)h->chunks * CHUNK, sizeof *h->weight);
  bool good = h->chunk_species != NULL && h->place != NULL && h->weight != NULL;
  qn_status status = good ? qn_unwrapped_init(&h->run, first, error) : qn_error_set(error, QN_NO_MEMORY, "out of memory");
  if (status != QN_OK) {
    qn_history_free(h);
    return status;
  }
  place_atoms(h, first);
  centre_of_mass(first, h->centre);
  *history = h;
  return QN_OK;
}

void qn_history_free(qn_history *history) {
  if (history == NULL) return;
  for (int w = 0; w < history->window_count; w++)
    if (history->window[w] != NULL) history->window[w]->history = NULL;
  for (int b = 0; b < history->band_count; b++) {
    free(history->band[b].stay);
    free(history->band[b].since);
  }
  qn_unwrapped_fini(&history->run);
  free(history->window);
  free(history->entry);
  free(history->chunk_species);
  free(history->place);
  free(history->weight);
  free(history->ring);
  free(history->inside);
  free(history);
}

static qn_status find_band(qn_history *h, const qn_layer *layer, int *place, qn_error *error) {
  for (*place = 0; *place < h->band_count; (*place)++)
    if (qn_layer_same(&h->band[*place].layer, layer)) return QN_OK;
  if (h->band_count == MAX_LAYERS) return qn_error_set(error, QN_UNSUPPORTED, "more than %d different layers in one reading", MAX_LAYERS);
  band *b = &h->band[h->band_count];
  b->stay = qn_memory_alloc((size_t)h->atoms, sizeof *b->stay);
  if (b->stay == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  for (int64_t i = 0; i < h->atoms; i++) b->stay[i] = OUTSIDE;
  b->layer = *layer;
  h->band_count++;
  return QN_OK;
}

qn_status qn_history_attach(qn_history *h, qn_window *window, const qn_layer *layer, qn_error *error) {
  if (h->seen > 0 || h->ring != NULL) return qn_error_set(error, QN_INTERNAL, "a window comes after the first frame");
  if (h->window_count == h->window_room) {
    int room = h->window_room > 0 ? 2 * h->window_room : 8;
    qn_window **larger = realloc(h->window, (size_t)room * sizeof *larger);
    if (larger == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
    h->window = larger;
    h->window_room = room;
  }
  qn_status status = layer != NULL ? find_band(h, layer, &window->place, error) : QN_OK;
  if (status == QN_OK) h->window[h->window_count++] = window;
  return status;
}

void qn_history_detach(qn_history *h, qn_window *window) {
  for (int w = 0; w < h->window_count; w++)
    if (h->window[w] == window) h->window[w] = NULL;
}

static int compare_entries(const void *left, const void *right) {
  const entry *a = left, *b = right;
  if (a->lag != b->lag) return a->lag < b->lag ? -1 : 1;
  if (a->axis != b->axis) return a->axis - b->axis;
  if (a->window != b->window) return a->window - b->window;
  return a->index - b->index;
}

/* All lags of all windows in one list; the longest. */
static bool list_entries(qn_history *h, int64_t *longest) {
  int count = 0;
  for (int w = 0; w < h->window_count; w++) count += h->window[w] != NULL ? h->window[w]->lag_count : 0;
  h->entry = qn_memory_alloc((size_t)count, sizeof *h->entry);
  if (h->entry == NULL) return false;
  for (int w = 0; w < h->window_count; w++) {
    const qn_window *window = h->window[w];
    for (int l = 0; window != NULL && l < window->lag_count; l++) {
      h->entry[h->entry_count++] = (entry){window->lag[l], window->place >= 0 ? window->layer.axis : -1, w, l};
      if (window->lag[l] > *longest) *longest = window->lag[l];
    }
  }
  qsort(h->entry, (size_t)h->entry_count, sizeof *h->entry, compare_entries);
  return true;
}

static qn_status begin(qn_history *h, qn_error *error) {
  int64_t longest = 0;
  size_t chunks = (size_t)h->chunks, width = 0;
  bool good = list_entries(h, &longest);
  for (int w = 0; w < h->window_count; w++)
    if (h->window[w] != NULL) width += (size_t)(h->window[w]->lag_count * h->window[w]->width);
  double batch = width > 0 ? BATCH_BYTES / ((double)chunks * (double)width * sizeof(double)) : 1;
  h->batch = batch < 1 ? 1 : batch > MAX_BATCH ? MAX_BATCH : (int64_t)batch;
  h->slots = longest + h->batch;
  size_t slots = good && h->entry_count > 0 ? (size_t)h->slots : 0;
  h->ring = good ? qn_memory_alloc(chunks * slots, 3 * CHUNK * sizeof *h->ring) : NULL;
  if (h->band_count > 0) h->inside = qn_memory_alloc(chunks * slots, CHUNK * sizeof *h->inside);
  good = good && h->ring != NULL && (h->band_count == 0 || h->inside != NULL);
  for (int b = 0; b < h->band_count; b++) {
    h->band[b].since = qn_memory_alloc(chunks * (size_t)h->batch, CHUNK * sizeof *h->band[b].since);
    good = good && h->band[b].since != NULL;
    for (size_t i = 0; good && i < chunks * (size_t)h->batch * CHUNK; i++) h->band[b].since[i] = OUTSIDE;
  }
  for (int w = 0; w < h->window_count; w++) {
    qn_window *window = h->window[w];
    if (window == NULL) continue;
    window->partial = qn_memory_alloc(chunks * (size_t)h->batch, (size_t)(window->lag_count * window->width) * sizeof *window->partial);
    good = good && window->partial != NULL;
  }
  return good ? QN_OK
              : qn_error_set(error, QN_NO_MEMORY, "out of memory: %lld frames of %lld atoms would be kept; a shorter longest lag needs less",
                             (long long)h->slots, (long long)h->atoms);
}

/* 1 for the atoms of a chunk that count for a pair of frames, by the layer's method; returns how many. */
static double weigh(const int32_t *since, const uint32_t *now, const uint32_t *then, uint32_t bit, int64_t then_frame, qn_layer_method method,
                    double *weight) {
  int count = 0;
  for (int i = 0; i < CHUNK; i++) {
    bool counts = method == QN_LAYER_ALWAYS     ? since[i] <= then_frame
                  : method == QN_LAYER_AT_START ? (then[i] & bit) != 0
                                                : (now[i] & then[i] & bit) != 0;
    weight[i] = counts;
    count += counts;
  }
  return count;
}

/* Squared displacement, A^2, of every lane; the axis left out counts nothing. */
QN_KERNEL static void displace(const double *now, const double *then, int axis, double *square) {
  double x_counts = axis != 0, y_counts = axis != 1, z_counts = axis != 2;
  for (int i = 0; i < CHUNK; i++) {
    double x = (now[i] - then[i]) * x_counts;
    double y = (now[CHUNK + i] - then[CHUNK + i]) * y_counts;
    double z = (now[2 * CHUNK + i] - then[2 * CHUNK + i]) * z_counts;
    square[i] = x * x + y * y + z * z;
  }
}

/* Chunk c against its own past, for every waiting frame, lag and window. */
static void pair_chunk(const qn_history *h, int64_t c) {
  const double *ring = h->ring + c * h->slots * 3 * CHUNK, *own_weight = h->weight + c * CHUNK;
  const uint32_t *inside = h->inside != NULL ? h->inside + c * h->slots * CHUNK : NULL;
  int64_t first = h->seen - h->waiting;
  double atoms = 0, layer_weight[CHUNK], square[CHUNK];
  for (int i = 0; i < CHUNK; i++) atoms += own_weight[i];
  for (int64_t b = 0; b < h->waiting; b++) {
    int64_t now = (first + b) % h->slots, lag = 0;
    int axis = -2;
    for (int e = 0; e < h->entry_count; e++) {
      const entry *at = &h->entry[e];
      qn_window *window = h->window[at->window];
      if (window == NULL) continue;
      double *sums = window->partial + ((c * h->batch + b) * window->lag_count + at->index) * window->width;
      memset(sums, 0, (size_t)window->width * sizeof *sums);
      if (at->lag > first + b) continue;
      int64_t then_frame = first + b - at->lag, then = then_frame % h->slots;
      const double *weight = own_weight;
      double count = atoms;
      if (window->place >= 0) {
        count = weigh(h->band[window->place].since + (c * h->batch + b) * CHUNK, inside + now * CHUNK, inside + then * CHUNK,
                      UINT32_C(1) << window->place, then_frame, window->layer.options.method, layer_weight);
        weight = layer_weight;
      }
      sums[window->width - 1] = count;
      if (!(count > 0)) continue;
      if (at->lag != lag || at->axis != axis) displace(ring + now * 3 * CHUNK, ring + then * 3 * CHUNK, at->axis, square);
      lag = at->lag;
      axis = at->axis;
      window->options.kernel(window->options.context, square, weight, sums);
    }
  }
}

static void work_off(qn_history *h) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(h->threads) if (h->chunks > 1)
  for (int64_t c = 0; c < h->chunks; c++) pair_chunk(h, c);
  int64_t first = h->seen - h->waiting;
  for (int w = 0; w < h->window_count; w++) {
    qn_window *window = h->window[w];
    if (window == NULL) continue;
    int64_t stride = h->batch * window->lag_count * window->width;
    for (int64_t b = 0; b < h->waiting; b++)
      for (int l = 0; l < window->lag_count && window->lag[l] <= first + b; l++)
        qn_window_collect(window, window->partial + (b * window->lag_count + l) * window->width, stride, h->chunk_species, h->chunks, first + b, l);
  }
  h->waiting = 0;
}

/* The frame into its slot, drift removed, with its membership of layers. */
static void keep(qn_history *h, const qn_frame *frame) {
  int64_t slot = h->seen % h->slots;
  for (int64_t c = 0; c < h->chunks && h->inside != NULL; c++) memset(h->inside + (c * h->slots + slot) * CHUNK, 0, CHUNK * sizeof *h->inside);
  for (int a = 0; a < 3; a++)
    for (int64_t i = 0; i < frame->count; i++) {
      int64_t chunk = h->place[i] / CHUNK, lane = h->place[i] % CHUNK;
      h->ring[((chunk * h->slots + slot) * 3 + a) * CHUNK + lane] = frame->r[a][i] - h->drift[a];
    }
  for (int b = 0; b < h->band_count; b++) {
    const qn_layer *layer = &h->band[b].layer;
    for (int64_t i = 0; i < frame->count; i++) {
      int64_t chunk = h->place[i] / CHUNK, lane = h->place[i] % CHUNK;
      int32_t *stay = &h->band[b].stay[i];
      bool inside = qn_layer_holds(layer, qn_layer_depth(layer, frame->r[layer->axis][i] - h->drift[layer->axis]));
      *stay = !inside ? OUTSIDE : *stay == OUTSIDE ? (int32_t)h->seen : *stay;
      h->band[b].since[(chunk * h->batch + h->waiting) * CHUNK + lane] = *stay;
      if (inside) h->inside[(chunk * h->slots + slot) * CHUNK + lane] |= UINT32_C(1) << b;
    }
  }
}

qn_status qn_history_add(qn_history *h, const qn_frame *frame, qn_error *error) {
  qn_status status = h->ring == NULL ? begin(h, error) : QN_OK;
  if (status == QN_OK) status = qn_unwrapped_check(&h->run, frame, error);
  if (status != QN_OK) return status;
  double centre[3];
  centre_of_mass(frame, centre);
  for (int a = 0; a < 3; a++) h->drift[a] = centre[a] - h->centre[a];
  if (h->entry_count > 0) keep(h, frame);
  h->seen++;
  if (h->entry_count > 0 && ++h->waiting == h->batch) work_off(h);
  return QN_OK;
}

void qn_history_finish(qn_history *h) {
  if (h->waiting > 0) work_off(h);
  for (int w = 0; w < h->window_count; w++)
    if (h->window[w] != NULL) h->window[w]->frames_seen = h->seen;
}

const double *qn_history_drift(const qn_history *history) { return history->drift; }

#include "engine/analysis/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/jackknife.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"
#include "engine/base/number.h"

enum { FIRST_SEGMENTS = QN_WINDOW_FIRST_SEGMENTS, SEGMENTS_IN_ALL = QN_WINDOW_SEGMENTS_IN_ALL };

/* The lags, in samples; `lags` may be NULL. */
static qn_status plan(const qn_window_options *options, const qn_analysis_prospect *prospect, int64_t *lags, int *lag_count, qn_error *error) {
  double run = (double)prospect->frames * prospect->interval;
  int64_t most = prospect->frames - 1, reach = prospect->atoms > 0 ? qn_history_reach(prospect->atoms) : INT64_MAX;
  if (prospect->frames < 2)
    return qn_error_set(error, QN_INVALID, "%lld frame: a time correlation needs at least two", (long long)prospect->frames);
  bool asked = options->single > 0 || options->longest > 0;
  double wanted = options->single > 0    ? fmax(round(options->single / prospect->interval), 1)
                  : options->longest > 0 ? options->longest / prospect->interval
                                         : (double)prospect->frames / 4;
  if (wanted > (double)most * (1 + 1e-9))
    return qn_error_set(error, QN_INVALID, "the longest lag, %g ps, is not inside the run of %g ps", wanted * prospect->interval, run);
  if (asked && wanted > (double)reach)
    return qn_error_set(error, QN_UNSUPPORTED,
                        "a lag of %g ps needs %.0f frames of %lld atoms in memory, more than 1 GiB allows; the longest lag that fits is %g ps",
                        wanted * prospect->interval, wanted, (long long)prospect->atoms, (double)reach * prospect->interval);
  int64_t samples = (int64_t)fmax(wanted + 1e-6, 1);
  if (samples > reach) samples = reach;
  if (lags == NULL) return QN_OK;
  if (options->single > 0) {
    lags[0] = samples;
    *lag_count = 1;
  } else {
    *lag_count = qn_lags_choose(samples, lags);
  }
  return QN_OK;
}

qn_status qn_window_check(const qn_window_options *options, const qn_analysis_prospect *prospect, qn_error *error) {
  return plan(options, prospect, NULL, NULL, error);
}

/* The layer, or for a slab as a whole its faces: the matter between them has the density that counts. */
static qn_status find_matter(qn_window *window, const qn_analysis_input *input, qn_error *error) {
  const qn_frame *first = &input->opening[0];
  const qn_layer_options *layer = &window->options.layer;
  window->volume = qn_box_volume(&first->box);
  window->region = layer->thickness > 0 ? qn_layer_region(layer) : qn_vacuum_region(first);
  if (layer->thickness <= 0 && qn_vacuum_axis(first, NULL, NULL) < 0) return QN_OK;
  qn_error unknown;
  qn_layer found;
  qn_status status = qn_layer_init(&found, layer, input->opening, input->opening_count, layer->thickness > 0 ? error : &unknown);
  if (status == QN_OK) {
    window->volume *= (found.high - found.low) / found.length;
    if (layer->thickness > 0) window->layer = found;
  }
  /* A droplet or a wire has no faces; its volume then is that of the box. */
  return layer->thickness > 0 ? status : QN_OK;
}

qn_status qn_window_init(qn_window *window, const qn_window_options *options, const qn_analysis_input *input, qn_error *error) {
  memset(window, 0, sizeof *window);
  const qn_frame *first = &input->opening[0];
  window->options = *options;
  window->dimensions = options->layer.thickness > 0 ? 2 : 3;
  window->place = -1;
  qn_analysis_prospect known = input->prospect;
  known.atoms = first->count;
  qn_status status = plan(options, &known, window->lag, &window->lag_count, error);
  if (status != QN_OK) return status;
  window->frames = known.frames;
  window->interval = known.interval;
  for (int l = 0; l < window->lag_count; l++) window->lag_time[l] = qn_number_round((double)window->lag[l] * window->interval);
  window->atoms = first->count;
  window->species_count = first->species_count;
  memcpy(window->species, first->species, (size_t)first->species_count * sizeof *first->species);
  for (int64_t i = 0; i < first->count; i++) window->species_atoms[first->type[i]]++;
  status = find_matter(window, input, error);
  if (status != QN_OK) return status;

  size_t lags = (size_t)window->lag_count, species = (size_t)window->species_count, width = (size_t)options->moments + 1;
  window->width = (int64_t)width;
  window->row = qn_memory_alloc(species * width, sizeof *window->row);
  window->total = qn_memory_alloc(lags * species * width, sizeof *window->total);
  window->part = qn_memory_alloc(SEGMENTS_IN_ALL * lags * species * width, sizeof *window->part);
  if (window->row == NULL || window->total == NULL || window->part == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  status = qn_history_attach(input->history, window, options->layer.thickness > 0 ? &window->layer : NULL, error);
  if (status == QN_OK) window->history = input->history;
  return status;
}

void qn_window_fini(qn_window *window) {
  if (window->history != NULL) qn_history_detach(window->history, window);
  free(window->partial);
  free(window->row);
  free(window->total);
  free(window->part);
  memset(window, 0, sizeof *window);
}

static int64_t segment_of(int64_t frame, int segments, int64_t frames) {
  int64_t k = frame * segments / frames;
  return k < segments ? k : segments - 1;
}

void qn_window_collect(qn_window *window, const double *partial, int64_t stride, const int *chunk_species, int64_t chunks, int64_t now, int lag) {
  int64_t then = now - window->lag[lag], width = window->species_count * window->width;
  memset(window->row, 0, (size_t)width * sizeof *window->row);
  for (int64_t c = 0; c < chunks; c++) {
    const double *sums = partial + c * stride;
    double *row = window->row + chunk_species[c] * window->width;
    for (int64_t m = 0; m < window->width; m++) row[m] += sums[m];
  }
  double *total = window->total + lag * width;
  for (int64_t m = 0; m < width; m++) total[m] += window->row[m];
  int offset = 0;
  for (int segments = FIRST_SEGMENTS; offset < SEGMENTS_IN_ALL; offset += segments, segments *= 2) {
    int64_t k = segment_of(now, segments, window->frames);
    if (segment_of(then, segments, window->frames) != k) continue;
    double *part = window->part + ((offset + k) * window->lag_count + lag) * width;
    for (int64_t m = 0; m < width; m++) part[m] += window->row[m];
  }
}

qn_status qn_window_finish(const qn_window *window, qn_error *error) {
  if (window->frames_seen >= 2) return QN_OK;
  return qn_error_set(error, QN_INVALID, "%lld frames came: a time correlation needs at least two", (long long)window->frames_seen);
}

int qn_window_segments(int level) { return FIRST_SEGMENTS << level; }

int qn_window_level(const qn_window *window, double longest) {
  double run = (double)window->frames_seen * window->interval;
  if (window->frames_seen < window->frames) return -1; /* the segments were laid out for a longer run */
  for (int level = QN_WINDOW_LEVELS - 1; level >= 0; level--)
    if (run >= (level > 0 ? 3 : 2) * longest * qn_window_segments(level) * (1 - 1e-9)) return level;
  return -1;
}

double qn_window_average(const qn_window *window, int lag, int species, int moment, int level, int without, double *pairs) {
  int first_species = species < 0 ? 0 : species, end_species = species < 0 ? window->species_count : species + 1;
  int segments = level < 0 ? 1 : qn_window_segments(level), offset = level < 0 ? 0 : qn_window_segments(level) - FIRST_SEGMENTS;
  const double *from = level < 0 ? window->total : window->part;
  double sum = 0, count = 0;
  for (int k = 0; k < segments; k++) {
    if (level >= 0 && k == without) continue;
    for (int t = first_species; t < end_species; t++) {
      const double *sums = from + (((int64_t)(offset + k) * window->lag_count + lag) * window->species_count + t) * window->width;
      sum += sums[moment];
      count += sums[window->width - 1];
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
  double value[FIRST_SEGMENTS << (QN_WINDOW_LEVELS - 1)];
  for (int k = 0; k < segments; k++) value[k] = quantity(window, context, level, k);
  double error = qn_jackknife_error(value, segments);
  if (isfinite(error)) *samples = segments;
  return error;
}

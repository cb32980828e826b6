#include "engine/analysis/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/history.h"
#include "engine/analysis/vacuum.h"
#include "engine/base/memory.h"
#include "engine/base/number.h"

enum { OPENING = 16 };
static const double OPENING_BYTES = 64.0 * 1024 * 1024;

/* The interval of the frames chosen, ps; NAN when they are not even to 1 %. */
static double interval_of(const qn_trajectory_info *info, int64_t first, int64_t frames, int64_t every) {
  if (frames < 2) return NAN;
  double interval = (info->time[first + (frames - 1) * every] - info->time[first]) / (double)(frames - 1);
  if (!(interval > 0)) return NAN;
  for (int64_t i = 1; i < frames; i++)
    if (!(fabs(info->time[first + i * every] - info->time[first + (i - 1) * every] - interval) <= 0.01 * interval)) return NAN;
  return qn_number_round(interval);
}

static qn_status read_slice(void *context, int64_t index, qn_frame *frame, qn_error *error) {
  const qn_analysis_slice *slice = context;
  return qn_trajectory_read(slice->trajectory, slice->first + index * slice->every, frame, error);
}

qn_status qn_analysis_slice_init(qn_analysis_slice *slice, qn_analysis_frames *frames, qn_trajectory *trajectory, int64_t first, int64_t end,
                                 int64_t every, qn_error *error) {
  const qn_trajectory_info *info = qn_trajectory_describe(trajectory);
  if (end <= 0 || end > info->frames) end = info->frames;
  if (first < 0 || every < 1 || first >= end)
    return qn_error_set(error, QN_INVALID, "frames %lld to %lld by %lld: the trajectory has %lld", (long long)first, (long long)end,
                        (long long)every, (long long)info->frames);
  int64_t count = (end - first + every - 1) / every;
  *slice = (qn_analysis_slice){trajectory, first, every};
  *frames = (qn_analysis_frames){
      .context = slice, .read = read_slice, .count = count, .interval = interval_of(info, first, count, every), .wrapping = info->wrapping};
  return QN_OK;
}

/* ---- the first frames, kept ---- */

typedef struct opening {
  int count;
  qn_frame frame[OPENING];
  double *r;     /* [count][3][atoms] */
  uint8_t *type; /* [count][atoms] */
} opening;

static void opening_fini(opening *kept) {
  free(kept->r);
  free(kept->type);
}

static qn_status opening_read(opening *kept, const qn_analysis_frames *frames, qn_error *error) {
  int wanted = frames->count < OPENING ? (int)frames->count : OPENING;
  for (int k = 0; k < wanted; k++) {
    qn_frame frame;
    qn_status status = frames->read(frames->context, k, &frame, error);
    if (status != QN_OK) return status;
    if (k == 0) {
      double fit = OPENING_BYTES / (25.0 * (double)frame.count);
      if (wanted > fit) wanted = fit < 1 ? 1 : (int)fit;
      kept->r = qn_memory_alloc((size_t)wanted * (size_t)frame.count, 3 * sizeof *kept->r);
      kept->type = qn_memory_alloc((size_t)wanted * (size_t)frame.count, 1);
      if (kept->r == NULL || kept->type == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory for the first frames");
    } else if (frame.count != kept->frame[0].count) {
      return qn_error_set(error, QN_UNSUPPORTED, "frame %d has another number of atoms", k + 1);
    }
    double *r = kept->r + k * 3 * frame.count;
    uint8_t *type = kept->type + k * frame.count;
    memcpy(type, frame.type, (size_t)frame.count);
    for (int a = 0; a < 3; a++) {
      memcpy(r + a * frame.count, frame.r[a], (size_t)frame.count * sizeof *r);
      frame.r[a] = r + a * frame.count;
    }
    frame.type = type;
    kept->frame[kept->count++] = frame;
  }
  return QN_OK;
}

/* ---- the reading ---- */

typedef struct reading {
  const qn_analysis_frames *frames;
  qn_analysis_order *orders;
  qn_analysis **analysis; /* [count], NULL: none, or it has failed */
  int count, threads;
  opening opening;
  qn_history *history;
} reading;

static void fail(reading *r, int i, const qn_error *why) {
  r->orders[i].status = why->status;
  r->orders[i].error = *why;
  if (r->analysis[i] != NULL) r->orders[i].type->free(r->analysis[i]);
  r->analysis[i] = NULL;
}

static void begin(reading *r, const qn_eam *potential) {
  const qn_frame *first = &r->opening.frame[0];
  qn_analysis_input input = {.prospect = {.frames = r->frames->count,
                                          .interval = r->frames->interval,
                                          .atoms = first->count,
                                          .wrapping = first->wrapping,
                                          .surfaces = qn_vacuum_axis(first, NULL, NULL) >= 0 ? QN_YES : QN_NO,
                                          .potential = potential != NULL ? QN_YES : QN_NO},
                             .opening = r->opening.frame,
                             .opening_count = r->opening.count,
                             .history = r->history,
                             .potential = potential,
                             .threads = r->threads};
  for (int i = 0; i < r->count; i++) {
    qn_error error;
    const qn_analysis_order *order = &r->orders[i];
    input.fed = order->fed;
    qn_status status = qn_analysis_check(order->type, order->parameters, &input.prospect, &error);
    if (status == QN_OK) status = order->type->alloc(&r->analysis[i], order->parameters, &input, &error);
    if (status != QN_OK) fail(r, i, &error);
  }
}

static bool any_left(const reading *r) {
  for (int i = 0; i < r->count; i++)
    if (r->analysis[i] != NULL) return true;
  return false;
}

static void give(reading *r, const qn_frame *frame) {
  qn_error error;
  bool moving = false;
  for (int i = 0; i < r->count; i++) moving = moving || (r->analysis[i] != NULL && r->orders[i].type->displacements);
  qn_status history = moving ? qn_history_add(r->history, frame, &error) : QN_OK;
  for (int i = 0; i < r->count; i++)
    if (history != QN_OK && r->analysis[i] != NULL && r->orders[i].type->displacements) fail(r, i, &error);
  for (int i = 0; i < r->count; i++) {
    if (r->analysis[i] == NULL || r->orders[i].type->accumulate == NULL) continue;
    if (r->orders[i].type->accumulate(r->analysis[i], frame, &error) != QN_OK) fail(r, i, &error);
  }
}

static qn_status read_all(reading *r, qn_analysis_progress progress, void *context, qn_error *error) {
  int64_t frames = r->frames->count;
  qn_status status = QN_OK;
  for (int64_t f = 0; status == QN_OK && f < frames && any_left(r); f++) {
    qn_frame frame;
    if (f < r->opening.count) frame = r->opening.frame[f];
    else status = r->frames->read(r->frames->context, f, &frame, error);
    if (status == QN_OK) give(r, &frame);
    if (status == QN_OK && progress != NULL) status = progress(context, f + 1, frames, error);
  }
  return status;
}

static void finish(reading *r) {
  qn_history_finish(r->history);
  for (int i = 0; i < r->count; i++) {
    qn_error error;
    if (r->analysis[i] == NULL) continue;
    qn_status status = r->orders[i].type->reduce(r->analysis[i], &r->orders[i].report, &error);
    if (status != QN_OK) fail(r, i, &error);
  }
}

qn_status qn_analysis_run(const qn_analysis_frames *frames, qn_analysis_order *orders, int count, const qn_eam *potential, int threads,
                          qn_analysis_progress progress, void *context, qn_error *error) {
  reading r = {.frames = frames, .orders = orders, .count = count, .threads = threads};
  for (int i = 0; i < count; i++) {
    orders[i].status = QN_OK;
    orders[i].report = (qn_report){0};
  }
  if (frames->count < 1) return qn_error_set(error, QN_INVALID, "there is no frame");
  r.analysis = qn_memory_alloc((size_t)count, sizeof *r.analysis);
  if (r.analysis == NULL) return qn_error_set(error, QN_NO_MEMORY, "out of memory");
  qn_status status = opening_read(&r.opening, frames, error);
  if (status == QN_OK) status = qn_history_alloc(&r.history, &r.opening.frame[0], threads, error);
  if (status == QN_OK) {
    begin(&r, potential);
    status = read_all(&r, progress, context, error);
    if (status == QN_OK) finish(&r);
  }
  for (int i = 0; i < count; i++)
    if (r.analysis[i] != NULL) orders[i].type->free(r.analysis[i]);
  qn_history_free(r.history);
  opening_fini(&r.opening);
  free(r.analysis);
  return status;
}

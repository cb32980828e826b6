#include "engine/analysis/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/analysis/jackknife.h"
#include "engine/base/memory.h"

qn_status qn_blocks_init(qn_blocks *blocks, int64_t frames, int64_t width, qn_error *error) {
  *blocks = (qn_blocks){.frames = frames, .width = width};
  blocks->sum = qn_memory_alloc((size_t)(QN_BLOCKS * width), sizeof *blocks->sum);
  return blocks->sum != NULL ? QN_OK : qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

void qn_blocks_fini(qn_blocks *blocks) {
  free(blocks->sum);
  memset(blocks, 0, sizeof *blocks);
}

void qn_blocks_add(qn_blocks *blocks, const double *vector, double time) {
  if (blocks->added == 0) blocks->first_time = time;
  blocks->last_time = time;
  int64_t block = blocks->added * QN_BLOCKS / blocks->frames;
  if (block >= QN_BLOCKS) block = QN_BLOCKS - 1;
  double *sum = blocks->sum + block * blocks->width;
  for (int64_t e = 0; e < blocks->width; e++) sum[e] += vector[e];
  blocks->count[block] += 1;
  blocks->added++;
}

double qn_blocks_mean(const qn_blocks *blocks, int64_t element, int without) {
  double sum = 0, count = 0;
  for (int k = 0; k < QN_BLOCKS; k++) {
    if (k == without) continue;
    sum += blocks->sum[k * blocks->width + element];
    count += blocks->count[k];
  }
  return count > 0 ? sum / count : NAN;
}

double qn_blocks_error(const qn_blocks *blocks, qn_blocks_quantity quantity, const void *context, int64_t *samples) {
  int64_t ignored;
  if (samples == NULL) samples = &ignored;
  *samples = 0;
  if (blocks->added < QN_BLOCKS || blocks->added < blocks->frames) return NAN;
  double value[QN_BLOCKS];
  for (int k = 0; k < QN_BLOCKS; k++) value[k] = quantity(blocks, context, k);
  double error = qn_jackknife_error(value, QN_BLOCKS);
  if (isfinite(error)) *samples = QN_BLOCKS;
  return error;
}

void qn_blocks_measure(const qn_blocks *blocks, qn_blocks_quantity quantity, const void *context, qn_value *value) {
  value->value = quantity(blocks, context, -1);
  value->standard_error = qn_blocks_error(blocks, quantity, context, &value->samples);
  value->window_start_ps = blocks->first_time;
  value->window_end_ps = blocks->last_time;
  value->status = isnan(value->value) ? QN_VALUE_UNRESOLVED : value->samples > 0 ? QN_VALUE_OK : QN_VALUE_TOO_FEW_SAMPLES;
}

int qn_blocks_takes(int64_t index, int64_t frames, int64_t wanted) {
  if (wanted >= frames) return 1;
  return index == 0 || index * wanted / frames != (index - 1) * wanted / frames;
}

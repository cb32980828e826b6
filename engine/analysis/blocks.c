#include "engine/analysis/blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

void qn_blocks_add(qn_blocks *blocks, const double *vector) {
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
  double value[QN_BLOCKS], mean = 0, square = 0;
  for (int k = 0; k < QN_BLOCKS; k++) {
    value[k] = quantity(blocks, context, k);
    mean += value[k] / QN_BLOCKS;
  }
  for (int k = 0; k < QN_BLOCKS; k++) square += (value[k] - mean) * (value[k] - mean);
  double error = sqrt(square * (QN_BLOCKS - 1) / QN_BLOCKS);
  if (!isfinite(error)) return NAN;
  *samples = QN_BLOCKS;
  return error;
}

int qn_blocks_takes(int64_t index, int64_t frames, int64_t wanted) {
  if (wanted >= frames) return 1;
  return index == 0 || index * wanted / frames != (index - 1) * wanted / frames;
}

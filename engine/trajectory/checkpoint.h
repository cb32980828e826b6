/* Checkpoints on disk: named parts in one file that is whole or not there.
 *
 * A new file is written beside the old one, flushed, and renamed over it; the old one is kept as "<path>.previous". A length and a CRC-32
 * over everything tell a torn or damaged file, and then the previous one is used. What the parts hold is their owners' affair
 * (qn_run_save; the position in a trajectory). All numbers are little-endian. */
#ifndef QN_TRAJECTORY_CHECKPOINT_H
#define QN_TRAJECTORY_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/status.h"

enum { QN_CHECKPOINT_NAME = 16, QN_CHECKPOINT_PARTS = 16 };

typedef struct qn_checkpoint_part {
  char name[QN_CHECKPOINT_NAME]; /* ends in NUL, not empty, no two alike */
  const void *data;
  size_t size;
} qn_checkpoint_part;

/* As read; owned by the caller: qn_checkpoint_fini. */
typedef struct qn_checkpoint {
  int count;
  qn_checkpoint_part parts[QN_CHECKPOINT_PARTS]; /* data points into `bytes` */
  void *bytes;
  bool previous; /* the newest file was damaged or missing */
} qn_checkpoint;

/* After QN_OK the checkpoint survives a loss of power. After QN_IO or QN_NO_STORAGE (the message says which file and why) the checkpoint that was
 * there before is still there. */
qn_status qn_checkpoint_write(const char *path, const qn_checkpoint_part *parts, int count, qn_error *error);

/* QN_NOT_FOUND when there is neither `path` nor the one before it; QN_CORRUPT when no file is whole. A damaged file at `path` is renamed
 * to "<path>.damaged", so that the next write does not push out the good one before it. */
qn_status qn_checkpoint_read(qn_checkpoint *checkpoint, const char *path, qn_error *error);
/* The one before the newest, for when what the newest one tells of is not there. */
qn_status qn_checkpoint_read_previous(qn_checkpoint *checkpoint, const char *path, qn_error *error);
/* Put the newest one aside as "<path>.damaged", so that the next write keeps the one before it. One that is not there is fine. */
qn_status qn_checkpoint_discard(const char *path, qn_error *error);
void qn_checkpoint_fini(qn_checkpoint *checkpoint);

/* The parts of `size` bytes at `data`, which they go on pointing into; QN_CORRUPT says what is wrong. Safe for any bytes. */
qn_status qn_checkpoint_parse(qn_checkpoint *checkpoint, const void *data, size_t size, qn_error *error);

/* A part by name, or NULL. */
const qn_checkpoint_part *qn_checkpoint_find(const qn_checkpoint *checkpoint, const char *name);

#endif

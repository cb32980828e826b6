/* Whoever reads a large or untrusted file may want to stop half way, and must not be led on without end by a small file that unpacks
 * to a huge one. */
#ifndef QN_TRAJECTORY_WATCH_H
#define QN_TRAJECTORY_WATCH_H

#include <stdint.h>

#include "engine/base/status.h"

typedef struct qn_reading_watch {
  int64_t most_bytes; /* of one pass over the unpacked file: more is QN_UNSUPPORTED; 0: no limit */
  qn_status (*check)(void *context, qn_error *error); /* called every quarter of a MiB; a status other than QN_OK ends the reading with it. NULL: none */
  void *context;
} qn_reading_watch;

/* Judge a reader that has unpacked `bytes` by now. `watch` may be NULL. */
qn_status qn_reading_watch_check(const qn_reading_watch *watch, int64_t bytes, qn_error *error);

#endif

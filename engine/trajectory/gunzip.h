/* A gzipped file as a plain one, for readers that must seek in it. */
#ifndef QN_TRAJECTORY_GUNZIP_H
#define QN_TRAJECTORY_GUNZIP_H

#include <stddef.h>

#include "engine/base/status.h"
#include "engine/trajectory/watch.h"

/* Unpack `path` into a new temporary file in `folder` (NULL: TMPDIR, or /tmp) and write its name into `plain`, which has `size` bytes. The caller
 * unlinks it. `watch` may be NULL. */
qn_status qn_gunzip(const char *path, const char *folder, const qn_reading_watch *watch, char *plain, size_t size, qn_error *error);

#endif

/* Files that survive a loss of power: folders, hashes, copies. */
#ifndef QN_SERVER_JOB_DURABLE_H
#define QN_SERVER_JOB_DURABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/potential.h"
#include "engine/base/status.h"

enum { QN_PATH_SIZE = 4096 };

/* "directory/name"; QN_IO when that is too long. */
qn_status qn_durable_join(char path[QN_PATH_SIZE], const char *directory, const char *name, qn_error *error);

/* Make a folder and those above it; one that is there is fine. */
qn_status qn_durable_make(const char *path, qn_error *error);

/* Names that were made, renamed or removed in a folder are on the disk. */
qn_status qn_durable_sync(const char *directory, qn_error *error);

/* Size and SHA-256 of a file. */
qn_status qn_durable_hash(const char *path, char hex[QN_HASH_SIZE], int64_t *size, qn_error *error);

/* A copy under another name, which is replaced; flushed. QN_NOT_FOUND when `from` is not there. With `link` it may share the
 * disk blocks: for files that nobody writes any more. */
qn_status qn_durable_copy(const char *from, const char *to, bool link, qn_error *error);

/* A folder and all in it; what is not there is fine. */
qn_status qn_durable_remove(const char *directory, qn_error *error);

#endif

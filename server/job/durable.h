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

/* Asked between blocks of long work on files; a status other than QN_OK ends the work with it. `ask` NULL: never. */
typedef struct qn_durable_pause {
  void *context;
  qn_status (*ask)(void *context, qn_error *error);
} qn_durable_pause;

/* Size and SHA-256 of a file. */
qn_status qn_durable_hash(const char *path, const qn_durable_pause *pause, char hex[QN_HASH_SIZE], int64_t *size, qn_error *error);

/* `from`, as long as it is now, under another name as well, which is replaced. QN_NOT_FOUND when `from` is not there.
 * Shared: the same file, where the file system allows it, else a flushed copy: for files that nobody writes any more.
 * Own: a copy that grows by itself, its blocks shared where the file system can (FICLONE), else copied inside the kernel; not flushed. */
typedef enum qn_durable_kind { QN_DURABLE_SHARED, QN_DURABLE_OWN } qn_durable_kind;
qn_status qn_durable_copy(const char *from, const char *to, qn_durable_kind kind, const qn_durable_pause *pause, qn_error *error);

/* A folder and all in it; what is not there is fine. */
qn_status qn_durable_remove(const char *directory, qn_error *error);

#endif

/* The folder of an attempt at a simulation, DATA/simulations/ID/ATTEMPT: made, taken over from the attempt before, and removed.
 *
 * Whoever writes into a folder holds a lock on the file "lock" in it, which also says who that is. A later attempt that gets the lock
 * of a process of this same kernel, or of this machine before its last start, knows that nobody writes there any more, and takes the
 * folder over by renaming it, whatever its size. A process of this machine that still holds the lock has lost its lease, or there would be no later
 * attempt: it stands still or has not heard of it yet, and is ended. What is written elsewhere is left alone, and copied: its owner may wake. */
#ifndef QN_SERVER_STORAGE_FOLDER_H
#define QN_SERVER_STORAGE_FOLDER_H

#include <stdbool.h>

#include "server/job/durable.h"

typedef struct qn_folder {
  char base[QN_PATH_SIZE], path[QN_PATH_SIZE]; /* of the simulation, of the attempt */
  int attempt;
  int lock;                                    /* descriptor; -1: none */
  int count;
  char **earlier;                              /* folders of earlier attempts that hold a checkpoint, newest first, NULL-terminated */
} qn_folder;

/* Make or take over the folder of an attempt, whose lease the caller has, in the data directory `root`, which must carry `id`
 * (storage/directory.h) and is never made here.
 * QN_NO_STORAGE, QN_IO: it cannot be; QN_CONFLICT: another process is at the same attempt. */
qn_status qn_folder_open(qn_folder *folder, const char *root, const char *id, int64_t simulation, int attempt, qn_error *error);
void qn_folder_close(qn_folder *folder); /* gives the lock back; also fine when it could not be opened */

/* Remove the folders of earlier attempts, but those that a process still writes into. */
void qn_folder_drop_earlier(const qn_folder *folder);

/* Remove the folders of all attempts up to `attempt`; when `kept`, of that one only what was there to resume it. QN_UNAVAILABLE: a process still
 * writes into one of them; do it again later. */
qn_status qn_folder_clear(const char *root, int64_t simulation, int attempt, bool kept, qn_error *error);

#endif

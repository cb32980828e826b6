/* The data directory as a long-lived process sees it: a thread of its own asks the file system, which may take its time or never answer (a server
 * of files that is gone), so that nobody who keeps leases has to wait for it. */
#ifndef QN_SERVER_STORAGE_STORAGE_H
#define QN_SERVER_STORAGE_STORAGE_H

#include "server/storage/directory.h"

typedef struct qn_storage qn_storage;

/* `path` is borrowed. */
qn_status qn_storage_alloc(qn_storage **storage, const char *path, qn_error *error);
void qn_storage_free(qn_storage *storage); /* also fine on NULL. A file system that does not answer is not waited for. */

/* What the database knows of the directory; nothing is in order before. */
void qn_storage_expect(qn_storage *storage, const qn_directory *directory);

/* The id that it must carry; "" before it is known. */
void qn_storage_id(qn_storage *storage, char id[40]);

/* Is it in order now? Looked at anew, and waited for at most so many seconds. QN_NO_STORAGE says what is wrong. */
qn_status qn_storage_check(qn_storage *storage, double seconds, qn_error *error);

/* A job could not use it: it counts as out of order, with `why`, until a probe of a megabyte has passed. */
void qn_storage_doubt(qn_storage *storage, const char *why);

/* Remove what attempts of a simulation left (qn_folder_clear), in the background. One at a time: false when one is under way. */
bool qn_storage_clear(qn_storage *storage, int64_t simulation, int attempt, bool kept);

/* How did it end? False when none has ended since the last call. */
bool qn_storage_cleared(qn_storage *storage, qn_error *outcome);

#endif

/* Files that came from outside, at their places in the data directory: "structures/ID/..." and "imports/ID/...". */
#ifndef QN_SERVER_STORE_UPLOADS_H
#define QN_SERVER_STORE_UPLOADS_H

#include "server/store/store.h"

#define QN_UPLOAD_IMPORTS "imports"
#define QN_UPLOAD_STRUCTURES "structures"

/* Is the data directory that of the database? Its first use marks it. QN_NO_STORAGE: it is not, and nothing may be put there. */
qn_status qn_upload_check(qn_store *store, qn_error *error);

/* Before a transaction that places the file at `from`: its bytes are on the disk, which takes as long as it takes, and qn_upload_check holds. */
qn_status qn_upload_prepare(qn_store *store, const char *from, qn_error *error);

/* The file at `from`, which was prepared, under its name in the folder of upload `id`, on the disk; it keeps its old name too. `path`: where it is, relative to the data
 * directory. One that is there already stays. */
qn_status qn_upload_place(const qn_store *store, const char *kind, int64_t id, const char *from, const char *name, char path[128], qn_error *error);

/* The folder of an upload and all in it. */
void qn_upload_drop(const qn_store *store, const char *kind, int64_t id);

/* After a transaction that failed: drop the folder unless the upload is in the database after all, or that cannot be told. `id` 0 is fine. */
void qn_upload_forget(qn_store *store, const char *kind, int64_t id);

#endif

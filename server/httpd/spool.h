/* The body of a request while it goes to a file: a loop fills a block of memory, a handler thread hashes and writes it. The file belongs to the request
 * and goes with it; who wants to keep it links it elsewhere. */
#ifndef QN_SERVER_HTTPD_SPOOL_H
#define QN_SERVER_HTTPD_SPOOL_H

#include "api/hash.h"
#include "server/httpd/server.h"

typedef struct qn_spool qn_spool;

/* Remove what servers that are gone have left in the folder, if it is there. */
void qn_spool_clean(const char *folder);

/* NULL without memory. */
qn_spool *qn_spool_alloc(qn_httpd *httpd);
/* Does not wait: the file is removed by the pool. Also fine on NULL. */
void qn_spool_free(qn_spool *spool);

/* These wait for the disk. What goes wrong is kept: from then on nothing is done any more. `declared`: the size that the client announced, 0 when it
 * did not. After qn_spool_finish the file is whole, with this hash. */
void qn_spool_open(qn_spool *spool, uint64_t declared);
void qn_spool_write(qn_spool *spool);
void qn_spool_finish(qn_spool *spool, char sha256[QN_HASH_SIZE]);

/* QN_OK, or what went wrong. QN_UNAVAILABLE: there is no room, on the disk or in the memory for bodies. */
qn_status qn_spool_status(const qn_spool *spool, qn_error *error);
void qn_spool_fail(qn_spool *spool, const qn_error *error);

/* Take as much of `data` as there is room for in the block: how much that was. When it was not all the block has to be written. */
size_t qn_spool_add(qn_spool *spool, const char *data, size_t size);

size_t qn_spool_size(const qn_spool *spool); /* bytes so far */
const char *qn_spool_path(const qn_spool *spool);

#endif

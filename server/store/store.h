/* Storage on PostgreSQL: opening and closing what api/store.h declares.
 *
 * A qn_store is a bounded pool of connections that any number of threads may use at once. It connects when it is first used, so that a process
 * can start while the database is away; a connection that broke is replaced. Statements are prepared, one plan for each connection. */
#ifndef QN_SERVER_STORE_STORE_H
#define QN_SERVER_STORE_STORE_H

#include "api/store.h"

typedef struct qn_store_options {
  const char *database_url;   /* libpq URL or keyword string */
  const char *data_directory; /* where artifacts live; made when absent */
  int connections;            /* most at once; 0: 8 */
  double wait_s;              /* how long a caller waits for a free connection before QN_UNAVAILABLE; 0: 5 s */
  double answer_s;            /* how long one call may take in all, repetitions included, before QN_UNAVAILABLE; 0: 25 s */
} qn_store_options;

/* QN_INVALID for a URL that libpq cannot read, QN_IO for a data directory that cannot be made. */
qn_status qn_store_open(qn_store **store, const qn_store_options *options, qn_error *error);
void qn_store_close(qn_store *store); /* also fine on NULL */

const char *qn_store_data_directory(const qn_store *store);

#endif

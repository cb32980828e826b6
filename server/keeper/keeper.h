/* Keeping the queue in order: jobs of workers that fell silent go on elsewhere, files that nobody needs any more go. The server and every worker have
 * a keeper, so that it happens as long as any of them lives; a thread of its own, and a connection. */
#ifndef QN_SERVER_KEEPER_KEEPER_H
#define QN_SERVER_KEEPER_KEEPER_H

#include <stdbool.h>

#include "engine/base/status.h"

typedef struct qn_keeper_options {
  const char *database_url, *data_directory; /* borrowed */
  double lease_s;                            /* the usual length of leases; it looks at them five times as often, at most once a second */
  void *context;
  bool (*ready)(void *context);              /* asked before others' jobs are taken; NULL: always */
} qn_keeper_options;

typedef struct qn_keeper qn_keeper;

qn_status qn_keeper_start(qn_keeper **keeper, const qn_keeper_options *options, qn_error *error);
void qn_keeper_stop(qn_keeper *keeper); /* also fine on NULL */

/* A worker is dead, for certain: its jobs are taken at once, or as soon as the database is there to be told. */
void qn_keeper_mourn(qn_keeper *keeper, const char *worker, const char *why);

#endif

/* The schema: numbered SQL files from migrations/, carried in the program, each applied once in its own transaction under an advisory lock. */
#ifndef QN_SERVER_STORE_MIGRATE_H
#define QN_SERVER_STORE_MIGRATE_H

#include "server/store/connection.h"
#include "server/store/store.h"

/* The schema version that this program needs. */
int qn_migrate_version(void);

/* Bring the schema up to date, then register the potentials that come with quenchd. `applied` counts the migrations done by this call.
 * QN_CONFLICT: an applied migration differs from the one in this program, or the schema is newer than it. */
qn_status qn_migrate_run(qn_store *store, int *applied, qn_error *error);

/* Is the schema exactly the one this program needs? QN_UNAVAILABLE when it is older, QN_CONFLICT when newer or changed. */
qn_status qn_migrate_check(qn_store *store, qn_error *error);
qn_status qn_migrate_check_on(qn_connection *connection, qn_error *error);

#endif

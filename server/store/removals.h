/* Unlinking what retention has marked. Any process that has the data directory may do it, again and again: what is gone already counts as done. */
#ifndef QN_SERVER_STORE_REMOVALS_H
#define QN_SERVER_STORE_REMOVALS_H

#include "server/store/connection.h"

/* Unlink at most `most` files or folders of the data directory `data` that are due; *done counts those that are gone now. One that cannot be removed
 * is tried again later, with a growing pause, and named in the log. QN_IO when the data directory itself is not there: then nothing is taken for
 * gone. */
qn_status qn_removals_work(qn_connection *connection, const char *data, int most, int *done, qn_error *error);

#endif

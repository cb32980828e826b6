/* Workers on the same machine: whether one still runs can be seen, without waiting for its leases to expire. */
#ifndef QN_SERVER_QUEUE_PEERS_H
#define QN_SERVER_QUEUE_PEERS_H

#include "server/peer.h"
#include "server/store/connection.h"

/* Take the jobs of workers of this machine (as qn_peer_self says) whose processes are gone. `lost`: how many jobs. */
qn_status qn_peers_bury(qn_connection *connection, const qn_peer *self, int *lost, qn_error *error);

#endif

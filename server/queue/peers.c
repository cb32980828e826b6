#include "server/queue/peers.h"

#include <stdio.h>

#include "server/log.h"
#include "server/queue/loss.h"

static const qn_statement list_peers = {"peers_list", "SELECT name, host, pid, birth FROM workers WHERE host = $1 AND host <> ''"};

qn_status qn_peers_bury(qn_connection *connection, const qn_peer *self, int *lost, qn_error *error) {
  *lost = 0;
  if (self->host[0] == '\0') return QN_OK;
  qn_params params = {0};
  qn_params_text(&params, self->host);
  PGresult *rows;
  qn_status status = qn_connection_run(connection, &list_peers, &params, &rows, error);
  for (int i = 0; status == QN_OK && i < PQntuples(rows); i++) {
    const char *name = qn_field(rows, i, 0);
    qn_peer peer = {.pid = (int)qn_field_int(rows, i, 2), .birth = qn_field_int(rows, i, 3)};
    snprintf(peer.host, sizeof peer.host, "%s", qn_field(rows, i, 1));
    if (!qn_peer_gone(&peer, self)) continue;
    int count;
    status = qn_loss_worker(connection, name, &peer, QN_LOSS_GONE, &count, error);
    if (status == QN_OK && count > 0) qn_log("warning", "%d job(s) were taken from worker %s, whose process is gone", count, name);
    *lost += count;
  }
  if (rows != NULL) PQclear(rows);
  return status;
}

#include "server/httpd/access.h"

#include <jansson.h>

#include "server/log.h"

static const char *name_of(enum MHD_RequestTerminationCode end) {
  switch (end) {
    case MHD_REQUEST_TERMINATED_COMPLETED_OK: return "complete";
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED: return "timeout";
    case MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN: return "shutdown";
    case MHD_REQUEST_TERMINATED_CLIENT_ABORT: return "client_gone";
    default: return "broken";
  }
}

void qn_access_write(const qn_access *access) {
  const qn_request *request = access->request;
  qn_log_fields("info", "request",
                json_pack("{s:s, s:s, s:s, s:s+, s:i, s:f, s:s, s:s, s:s}", "request", request->request_id, "remote", access->address, "method",
                          request->method, "path", request->path, "", "status", access->status, "milliseconds",
                          (double)(int64_t)(access->seconds * 1e5) / 100, "principal", request->principal.name, "route",
                          access->route != NULL ? access->route->operation : "", "end", name_of(access->end)));
}

/* What the parts of one running server share. Inside server/httpd only. */
#ifndef QN_SERVER_HTTPD_SERVER_H
#define QN_SERVER_HTTPD_SERVER_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "server/httpd/auth.h"
#include "server/httpd/events.h"
#include "server/httpd/failures.h"
#include "server/httpd/guard.h"
#include "server/httpd/httpd.h"
#include "server/httpd/listen.h"
#include "server/httpd/pool.h"
#include "server/metrics/metrics.h"

struct qn_httpd {
  qn_httpd_options options;
  qn_httpd_backend backend;
  qn_listen listening;
  struct MHD_Daemon *daemon;
  qn_metrics *metrics;
  qn_authority *authority;
  qn_failures *failures;
  qn_events *events;
  qn_guard *guard;
  qn_pool *pool;
  atomic_bool draining;      /* answers end their connections */
  atomic_long under_way;     /* requests between their first line and the end of their answer */
  atomic_size_t body_memory; /* bytes of bodies held */
  uint64_t boot;             /* random: begins the ids of this server's requests */
  atomic_uint_least64_t requests;
};

#endif

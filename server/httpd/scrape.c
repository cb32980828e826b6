#include "server/httpd/scrape.h"

#include <stdio.h>
#include <stdlib.h>

void qn_scrape_complete(qn_httpd *httpd, qn_response *response) {
  if (response->status != 200 && response->status < 500) return;
  char *own = qn_metrics_render(httpd->metrics, qn_pool_waiting(httpd->pool));
  if (own == NULL) return;
  bool stored = response->status == 200 && response->kind == QN_BODY_BYTES && response->bytes != NULL;
  char *both = NULL;
  int size = asprintf(&both, "%.*s# HELP quenchd_database_up Whether the database answers.\n# TYPE quenchd_database_up gauge\n"
                             "quenchd_database_up %d\n%s",
                      stored ? (int)response->size : 0, stored ? response->bytes : "", stored ? 1 : 0, own);
  free(own);
  if (size < 0) return;
  qn_response_fini(response);
  response->status = 200;
  response->content_type = "text/plain; version=0.0.4; charset=utf-8";
  response->bytes = both;
  response->size = (size_t)size;
}

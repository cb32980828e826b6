/* The service itself: what there is, whether it lives and is ready, its numbers, its document. */
#include <stdlib.h>
#include <string.h>

#include "api/document.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/reply.h"
#include "api/routes/handlers.h"
#include "engine/base/version.h"

void qn_get_index(qn_store *store, const qn_request *request, qn_response *response) {
  (void)store;
  static const char *const collections[] = {"potentials", "simulations", "analysis-types", "analyses",  "fits",
                                            "results",    "jobs",        "trajectories",   "structures", "workers",
                                            "tokens",     "audit"};
  json_t *links = json_object(), *index = json_object();
  for (size_t i = 0; i < sizeof collections / sizeof collections[0]; i++)
    json_object_set_new(links, collections[i], qn_link("%s", collections[i]));
  json_object_set_new(links, "document", json_string("/openapi.yaml"));
  json_object_set_new(links, "metrics", json_string("/metrics"));
  json_object_set_new(links, "live", json_string("/livez"));
  json_object_set_new(links, "ready", json_string("/readyz"));
  json_object_set_new(index, "service", json_string("quenchd"));
  json_object_set_new(index, "version", json_string(qn_version()));
  json_object_set_new(index, "links", links);
  qn_reply_resource(response, request, index);
}

void qn_get_live(qn_store *store, const qn_request *request, qn_response *response) {
  (void)store;
  qn_response_header(response, "Cache-Control", "no-store");
  qn_reply_json(response, request, 200, json_pack("{s:s}", "status", "ok"));
}

void qn_get_ready(qn_store *store, const qn_request *request, qn_response *response) {
  qn_error error;
  qn_response_header(response, "Cache-Control", "no-store");
  if (qn_store_ready(store, &error) == QN_OK) {
    qn_reply_json(response, request, 200, json_pack("{s:s}", "status", "ready"));
    return;
  }
  /* Whatever keeps the service from working, for a load balancer it is "not now". */
  qn_response_header(response, "Retry-After", "2");
  qn_problem_render(response, request, 503, "not_ready", NULL, "%s", error.message);
}

void qn_get_metrics(qn_store *store, const qn_request *request, qn_response *response) {
  qn_error error;
  char *text = NULL;
  if (qn_store_metrics(store, &text, &error) != QN_OK) {
    qn_problem_from_error(response, request, &error);
    return;
  }
  qn_response_header(response, "Cache-Control", "no-store");
  response->status = 200;
  response->content_type = "text/plain; version=0.0.4; charset=utf-8";
  response->bytes = text;
  response->size = strlen(text);
}

void qn_get_document(qn_store *store, const qn_request *request, qn_response *response) {
  (void)store;
  size_t size;
  const char *document = qn_document(&size);
  char *text = malloc(size);
  if (text == NULL) {
    const qn_error error = {QN_NO_MEMORY, "no memory for the document"};
    qn_problem_from_error(response, request, &error);
    return;
  }
  memcpy(text, document, size);
  qn_reply_text(response, request, "application/yaml", text, size);
}

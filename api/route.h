/* The route table: every route of the service, declared once; dispatch, authorisation, limits, metrics labels, the routes listing and the
 * contract test all follow it. */
#ifndef QN_API_ROUTE_H
#define QN_API_ROUTE_H

#include <stddef.h>

#include "api/message.h"
#include "api/problem.h"
#include "api/store.h"

/* Bytes of a body that says nothing: room for an empty object as people and programs write it. */
enum { QN_EMPTY_BODY = 256 };

/* Fills `response`, which comes initialised. It cannot fail: what goes wrong becomes a problem document. */
typedef void qn_handler(qn_store *store, const qn_request *request, qn_response *response);

enum {
  QN_ROUTE_JSON = 1,  /* its body must be application/json */
  QN_ROUTE_KEY = 2,   /* it takes an Idempotency-Key */
  QN_ROUTE_EVENTS = 4, /* it opens a stream of events, whose reader is patient and comes back with many others after an interruption */
  QN_ROUTE_SPOOL = 8,  /* its body goes to a file, not to memory: qn_request.body_path */
  QN_ROUTE_PARAMETERS = 16 /* every parameter of an analysis is a query parameter too (api/filters.h) */
};

typedef struct qn_route {
  const char *method;    /* "GET"; HEAD follows GET by itself */
  const char *pattern;   /* "/v1/simulations/{id}" */
  const char *operation; /* operationId in openapi.yaml */
  qn_scope scope;        /* what the caller must hold */
  qn_handler *handler;
  const char *const
      *query;        /* names of the query parameters it knows, NULL-terminated; NULL: none. Others are refused */
  size_t body_limit; /* bytes; 0: no body is accepted; QN_EMPTY_BODY: none, or an empty JSON object */
  unsigned traits;   /* QN_ROUTE_... */
  /* Notes what is wrong with the values of its query parameters, so that they are told together with unknown names, before the handler runs and
   * a body is read; NULL: nothing can be. The handler reads the same values without looking for faults again. */
  void (*check)(const qn_request *request, qn_faults *faults);
} qn_route;

const qn_route *qn_routes(size_t *count);

/* Find the route of method and path: NULL with *status 404, or 405 with `allow` filled ("GET, POST"). Parameters go into `parameters`, the
 * matched pieces of `path` copied into `buffer`. The server calls this as soon as the head of a request is in, so that body_limit and scope
 * hold before a byte of the body is read. */
const qn_route *qn_route_find(const char *method, const char *path, char buffer[512],
                              const char *parameters[QN_MAX_PATH_PARAMETERS], int *status, char allow[64]);

/* Everything about a request that can be told before its body has arrived: route, scope, announced content length (`body_size`; 0 when it is
 * not known yet), content type, query parameters. NULL with `response` filled by a problem document; the parameters of `request` are filled
 * from `buffer` otherwise. */
const qn_route *qn_api_admit(qn_request *request, size_t body_size, char buffer[512], qn_response *response);

/* Answer one request: admit it, call the handler. For HEAD the response is that of GET without a stream; the server leaves the body away. */
void qn_api_answer(qn_store *store, qn_request *request, qn_response *response);

#endif

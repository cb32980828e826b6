/* Requests that are safe to repeat: an Idempotency-Key makes the second request with it get the first one's answer, byte for byte.
 *
 * The router looks a key up before a handler sees the request, and so before anything in the body is judged; the handler passes
 * request->idempotency on to storage, which keeps the answer with the change; what was refused in the end (409) the router keeps. A request that was
 * never tried (a body with faults, an unknown resource, no scope) leaves no trace, and may be corrected under the same key. */
#ifndef QN_API_IDEMPOTENCY_H
#define QN_API_IDEMPOTENCY_H

#include <jansson.h>

#include "api/hash.h"
#include "api/route.h"

/* Storage of the texts that a qn_idempotency points to. */
typedef struct qn_keyed {
  qn_idempotency idempotency;
  char request_sha256[QN_HASH_SIZE];
} qn_keyed;

/* Look for a key. False: `response` is the answer (replayed, or a problem). True: the handler is to run, with request->idempotency set when there is a
 * key. Follow it with qn_idempotency_end in either case. */
bool qn_idempotency_begin(qn_store *store, const qn_route *route, qn_request *request, qn_keyed *keyed, qn_response *response);
void qn_idempotency_end(qn_store *store, qn_request *request, qn_keyed *keyed, const qn_response *response);

/* For handlers: make the answer to a change. `render` and `context` go to storage with the key, if there is one. */
typedef bool qn_render(const void *outcome, const void *context, qn_answer *answer);
void qn_idempotency_prepare(const qn_request *request, qn_render *render, const void *context);

/* Answer with what storage made of it: the answer kept or replayed with the key, a problem, or `render` of `outcome`. */
void qn_idempotency_reply(const qn_request *request, qn_response *response, qn_status status, const qn_error *error,
                          qn_render *render, const void *outcome, const void *context);

/* Take over a JSON value as the body of an answer; false without memory. */
bool qn_answer_json(qn_answer *answer, int status, json_t *value);

#endif

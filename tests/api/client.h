/* Requests to the API without a socket, and looking at the answers. */
#ifndef QN_TESTS_CLIENT_H
#define QN_TESTS_CLIENT_H

#include <jansson.h>

#include "api/fake_store.h"
#include "api/message.h"

typedef struct client_answer {
  int status;
  char type[80];
  char *text; /* the whole body, streams and files included */
  size_t size;
  json_t *json; /* NULL when the body is not JSON */
  qn_body_kind kind;
  int64_t job, last_event;
  int header_count;
  struct {
    char name[64], value[2048];
  } header[QN_MAX_HEADERS];
} client_answer;

/* `target` is a path with its query, percent-encoded. `headers`: "Name: value" lines, each with its line end, or NULL. A body that is not NULL is sent as
 * application/json unless `headers` says otherwise. */
client_answer client_send(qn_store *store, qn_scope scope, const char *method, const char *target, const char *headers,
                          const char *body, size_t size);
client_answer client_get(qn_store *store, const char *target);
client_answer client_post(qn_store *store, const char *target, const char *body);
void client_fini(client_answer *answer);

const char *client_header(const client_answer *answer, const char *name); /* NULL when absent */
/* A string at a key of the body, "" when there is none. */
const char *client_text(const client_answer *answer, const char *key);
/* Is the answer a complete problem document of this status and code? */
void client_expect_problem(const client_answer *answer, int status, const char *code);
/* The detail of the fault at a pointer, NULL when there is none. */
const char *client_fault(const client_answer *answer, const char *pointer);

#endif

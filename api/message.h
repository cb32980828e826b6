/* What a handler sees of HTTP: a complete request in, a response out; never a socket.
 *
 * Ownership: the request and all that it points to belong to the server and live until the response is sent. A response belongs to the
 * server too, which calls qn_response_fini; what a handler puts into it must be its to give. */
#ifndef QN_API_MESSAGE_H
#define QN_API_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct qn_pair {
  const char *name, *value;
} qn_pair;

/* What a token may do; each includes the ones before it. */
typedef enum qn_scope { QN_SCOPE_NONE, QN_SCOPE_READ, QN_SCOPE_SUBMIT, QN_SCOPE_ADMIN } qn_scope;

const char *qn_scope_name(qn_scope scope); /* "none", "read", "submit", "admin" */
qn_scope qn_scope_parse(const char *name); /* QN_SCOPE_NONE for what is none of "read", "submit", "admin" */

/* Who asks, and by which request: what an audit keeps. */
typedef struct qn_principal {
  int64_t token; /* row of the token; 0 when the server runs without tokens */
  char name[64]; /* the token's name; "local" without tokens; "os:NAME" for a user of the command line */
  qn_scope scope;
  const char *request_id; /* NULL or "" outside of HTTP */
} qn_principal;

enum { QN_MAX_PATH_PARAMETERS = 3, QN_MAX_HEADERS = 16 };

typedef struct qn_request {
  const char *method; /* upper case */
  const char *path;   /* decoded, without the query */
  int query_count;
  const qn_pair *query; /* decoded; value "" when absent */
  const char *body;
  size_t body_size;
  const char *body_path;   /* where a body that went to a file is; NULL: it is in `body`. The file goes when the request does */
  const char *body_sha256; /* of such a body */
  qn_principal principal;
  const char *request_id;                                       /* for logs and problem documents */
  const char *(*header)(const void *context, const char *name); /* NULL when absent; name in any case */
  const void *header_context;
  const char *parameter[QN_MAX_PATH_PARAMETERS]; /* filled by the router, in the order of the pattern's {names} */
  struct qn_idempotency *idempotency; /* filled by the router; NULL without an Idempotency-Key (api/idempotency.h) */
} qn_request;

const char *qn_request_query(const qn_request *request, const char *name); /* NULL when absent */
const char *qn_request_header(const qn_request *request, const char *name);

typedef enum qn_body_kind {
  QN_BODY_BYTES,  /* `bytes`, `size` */
  QN_BODY_FILE,   /* the file open as `descriptor`, `size` bytes from its start */
  QN_BODY_STREAM, /* what `read` gives until it returns 0 (end) or -1 (failure, the connection is cut) */
  QN_BODY_EVENTS  /* server-sent events of `job`, from the one after `last_event`, until the job is final */
} qn_body_kind;

typedef struct qn_response {
  int status;
  const char *content_type; /* a literal; NULL: the answer has no body (304) */
  int header_count;
  struct {
    const char *name;
    char value[2048];
  } header[QN_MAX_HEADERS];
  qn_body_kind kind;
  char *bytes; /* malloc'ed; freed by qn_response_fini */
  size_t size;
  int descriptor; /* closed by qn_response_fini */
  ssize_t (*read)(void *context, char *buffer, size_t size);
  void (*close)(void *context);
  void *context;
  int64_t job, last_event;
} qn_response;

void qn_response_init(qn_response *response);
void qn_response_fini(qn_response *response);
void qn_response_header(qn_response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

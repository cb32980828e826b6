#include "server/httpd/respond.h"

#include <stdlib.h>
#include <string.h>

#include "api/problem.h"

/* What a handler's stream needs for as long as libmicrohttpd reads it. */
typedef struct pipe_context {
  ssize_t (*read)(void *context, char *buffer, size_t size);
  void (*close)(void *context);
  void *context;
} pipe_context;

enum { BLOCK = 16384 };

static ssize_t pipe_read(void *argument, uint64_t position, char *buffer, size_t size) {
  (void)position;
  pipe_context *pipe = argument;
  ssize_t got = pipe->read(pipe->context, buffer, size);
  if (got > 0) return got;
  return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void pipe_free(void *argument) {
  pipe_context *pipe = argument;
  if (pipe->close != NULL) pipe->close(pipe->context);
  free(pipe);
}

static struct MHD_Response *respond_stream(qn_response *response) {
  pipe_context *pipe = malloc(sizeof *pipe);
  if (pipe == NULL) return NULL;
  *pipe = (pipe_context){.read = response->read, .close = response->close, .context = response->context};
  struct MHD_Response *out = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, pipe_read, pipe, pipe_free);
  if (out == NULL) {
    free(pipe);
    return NULL;
  }
  response->close = NULL;
  return out;
}

static struct MHD_Response *respond_bytes(qn_response *response) {
  if (response->size == 0 || response->bytes == NULL) return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
  struct MHD_Response *out = MHD_create_response_from_buffer(response->size, response->bytes, MHD_RESPMEM_MUST_FREE);
  if (out != NULL) response->bytes = NULL;
  return out;
}

static struct MHD_Response *respond_file(qn_response *response) {
  if (response->size == 0) return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
  struct MHD_Response *out = MHD_create_response_from_fd64(response->size, response->descriptor);
  if (out != NULL) response->descriptor = -1;
  return out;
}

/* The first events are fetched here, by a handler thread. A client that comes back to a job whose last event it has seen gets 204, which by the
 * rules of EventSource means: do not come back. */
static struct MHD_Response *respond_events(qn_httpd *httpd, struct MHD_Connection *connection, const qn_request *request,
                                           qn_response *response, bool head) {
  qn_event_page page = {0};
  qn_error error;
  qn_status status = httpd->backend.events(httpd->backend.context, response->job, response->last_event, 100, &page, &error);
  struct MHD_Response *out = NULL;
  if (status != QN_OK) {
    qn_response_fini(response);
    qn_problem_from_error(response, request, &error);
    return respond_bytes(response);
  }
  if (page.final && page.count == 0) {
    response->status = 204;
    out = respond_bytes(response);
  } else if (head) {
    out = respond_bytes(response);
  } else {
    out = qn_events_respond(httpd->events, connection, request->principal.token, response->job, response->last_event, &page);
  }
  qn_event_page_fini(&page);
  return out;
}

struct MHD_Response *qn_respond(qn_httpd *httpd, struct MHD_Connection *connection, const qn_request *request, qn_response *response,
                                bool head) {
  struct MHD_Response *out = NULL;
  switch (response->kind) {
    case QN_BODY_BYTES: out = respond_bytes(response); break;
    case QN_BODY_FILE: out = respond_file(response); break;
    /* libmicrohttpd does not end the chunks that it does not send to HEAD. */
    case QN_BODY_STREAM: out = head ? respond_bytes(response) : respond_stream(response); break;
    case QN_BODY_EVENTS: out = respond_events(httpd, connection, request, response, head); break;
  }
  if (out == NULL) return NULL;
  for (int i = 0; i < response->header_count; i++) MHD_add_response_header(out, response->header[i].name, response->header[i].value);
  if (response->status != 204 && response->status != 304)
    MHD_add_response_header(out, "Content-Type", response->content_type);
  MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(out, "X-Request-Id", request->request_id);
  if (atomic_load(&httpd->draining)) MHD_add_response_header(out, "Connection", "close");
  return out;
}

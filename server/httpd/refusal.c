#include "server/httpd/refusal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "api/problem.h"
#include "server/log.h"

typedef enum MHD_Result queue_function(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response);

static queue_function *original;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_original(void) {
  void *found = dlsym(RTLD_NEXT, "MHD_queue_response");
  if (found == NULL) {
    qn_log("error", "libmicrohttpd has no MHD_queue_response");
    abort();
  }
  memcpy(&original, &found, sizeof original); /* ISO C has no cast from an object's to a function's pointer */
}

enum MHD_Result qn_refusal_queue(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response) {
  pthread_once(&once, find_original);
  return original(connection, status, response);
}

char *qn_refusal_problem(int status, const char *code, const char *detail) {
  qn_response response;
  qn_response_init(&response);
  qn_problem_render(&response, NULL, status, code, NULL, "%s", detail);
  char *text = response.bytes;
  response.bytes = NULL;
  qn_response_fini(&response);
  return text;
}

static const struct {
  unsigned int status;
  const char *code, *detail;
} words[] = {
    {400, "bad_request", "The request is no acceptable HTTP: its first line, a header, its Content-Length or a chunk is malformed."},
    {413, "too_large", "The announced length of the body, or of a chunk, is larger than any that is accepted."},
    {414, "uri_too_long", "The request target is too long."},
    {431, "headers_too_large", "The request line and its headers are too large together; some 30 kB are accepted."},
    {500, "internal", "The request cannot be answered."},
    {501, "not_implemented", "The transfer coding is not known here; chunked is."},
    {505, "http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here."},
};

static char *problem_of(struct MHD_Connection *connection, unsigned int status) {
  size_t w = 0;
  while (w < sizeof words / sizeof words[0] && words[w].status != status) w++;
  if (w == sizeof words / sizeof words[0]) return qn_refusal_problem((int)status, "refused", "The request is not acceptable.");
  bool hostless = status == 400 && MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host") == NULL;
  return qn_refusal_problem((int)status, words[w].code, hostless ? "The request has no Host header, or is no acceptable HTTP at all." : words[w].detail);
}

void qn_refusal_send(int descriptor, int status, const char *problem) {
  char head[256];
  size_t size = strlen(problem);
  int length = snprintf(head, sizeof head,
                        "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        status, MHD_get_reason_phrase_for((unsigned int)status), size);
  struct iovec parts[] = {{.iov_base = head, .iov_len = (size_t)length}, {.iov_base = (void *)(uintptr_t)problem, .iov_len = size}};
  const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Called by libmicrohttpd alone. It is told that its answer cannot be queued, and closes the connection, as it would have done after the answer:
 * version 0.9.75 would send the head of some of them twice. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code, struct MHD_Response *response) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  char *problem = problem_of(connection, status_code);
  enum MHD_Result result = MHD_NO;
  if (info != NULL && problem != NULL)
    qn_refusal_send(info->connect_fd, (int)status_code, problem);
  else
    result = qn_refusal_queue(connection, status_code, response);
  free(problem);
  return result;
}

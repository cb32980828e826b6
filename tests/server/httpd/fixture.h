/* A server on loopback with a backend of arrays, and a client of bare sockets that can be as rude as it likes. */
#ifndef QN_TESTS_SERVER_HTTPD_FIXTURE_H
#define QN_TESTS_SERVER_HTTPD_FIXTURE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "server/clock.h"
#include "server/httpd/httpd.h"

/* Routes of the fake backend:
 *   GET /livez                  none    "alive"
 *   GET /public                 none    "public"
 *   POST /echo                  submit  the body, up to ECHO_LIMIT bytes
 *   POST /spool                 submit  size and SHA-256 of the body, which is a file; up to SPOOL_LIMIT bytes
 *   POST /bodyless              read    "done"; takes no body
 *   GET /seen                   read    the query as the handler sees it: "name=value;"
 *   GET /whoami                 read    the principal's name
 *   GET /slow                   none    waits until fixture.release, then "slow"
 *   GET /file, /stream, /broken none    FILE_SIZE bytes as a file, as a stream, as a stream that fails half way
 *   GET /events                 read    events of job 1; ?job=N
 *   GET /metrics                none    "stored 1\n" */
enum { ECHO_LIMIT = 100000, SPOOL_LIMIT = 20000000, FILE_SIZE = 3000000, MOST_EVENTS = 2000 };

typedef struct fixture {
  qn_httpd *httpd;
  qn_httpd_options options;
  int port;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int64_t tokens;          /* how many there are: "reader-token", "writer-token" */
  bool revoked, away;      /* the backend's writer token; the backend itself */
  atomic_int look_ups, handled, waiting;
  bool release;
  char spool[64];          /* folder of bodies that go to files */
  int64_t failures;        /* that the server has reported, from the address */
  char failed_address[64];
  int event_count;         /* of job 1 */
  bool final;
} fixture;

void fixture_defaults(fixture *at);          /* options for a test; change them before fixture_start */
void fixture_backend(fixture *at, qn_httpd_backend *backend);
void fixture_start(fixture *at);
void fixture_stop(fixture *at);              /* within 2 s */
void fixture_stop_within(fixture *at, double seconds);
void fixture_release(fixture *at);           /* let /slow answer */
void fixture_add_event(fixture *at, bool final);

/* ---- the client ---- */

typedef struct reply {
  int status;              /* 0: the connection ended without an answer */
  char head[8192];
  char *body;              /* malloc'ed, with a NUL; chunks put together */
  size_t size;
  bool whole;              /* the body came to its announced end */
} reply;

int client_connect(const fixture *at);
void client_send(int socket, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool client_send_bytes(int socket, const void *bytes, size_t size); /* false when the server has closed */
/* One answer; `bodyless` for the answer to HEAD. */
void client_read(int socket, reply *got, bool bodyless);
/* Wait until the server closes: true within `seconds`. What it sends until then is read over. */
bool client_closed(int socket, double seconds);
/* Read until `text` was seen: true within `seconds`. `seen` (size bytes) collects what was read. */
bool client_wait_for(int socket, const char *text, char *seen, size_t size, double seconds);
const char *reply_header(const reply *got, const char *name, char value[512]);
void reply_fini(reply *got);

/* A whole exchange on a connection of its own. `request` holds the head's first lines without Host and the final empty line. */
void client_ask(const fixture *at, reply *got, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A metric of this server by its exact name and labels; -1 when it is absent. */
double fixture_metric(const fixture *at, const char *name);
/* Wait until a metric has the value: true within `seconds`. */
bool fixture_settles(const fixture *at, const char *name, double value, double seconds);

#endif

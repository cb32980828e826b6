/* A database of one's own on the PostgreSQL that DATABASE_URL names, and a data directory; both are removed at the end. */
#ifndef QN_TESTS_FIXTURE_H
#define QN_TESTS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <jansson.h>

#include "api/store.h"
#include "server/store/connection.h"
#include "server/store/store.h"

typedef struct fixture {
  char url[1024];      /* of the new database, which is empty unless migrated */
  char data[256];
  qn_store *store;
  qn_connection sql;   /* to look behind the store's back */
} fixture;

/* Fails the test, with a clear message, when DATABASE_URL is not set or cannot be used. */
void fixture_init(fixture *f, bool migrated);
void fixture_fini(fixture *f);

/* SQL on the server's own database. */
void fixture_server(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The first field of the first row, "" without one; the text is good until the next call. And the same as a number. */
const char *fixture_text(fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t fixture_number(fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ask until the query gives `wanted` or `seconds` are over, which fails the test. */
void fixture_await(fixture *f, double seconds, const char *wanted, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* POST through the API's own handlers; the status must be `expected`. The body's "id" of what was made comes back. */
int64_t fixture_post(fixture *f, const char *path, const char *body, int expected);

/* POST of a file to a route that wants one: `target` with its query, the body as the server spools it. */
int64_t fixture_upload(fixture *f, const char *target, const void *body, size_t size, int expected);

/* A simulation that takes about `ps` picoseconds at 500 atoms, different for each seed; with its analyses when asked. */
char *fixture_spec(int seed, double ps, bool analyses);

/* A submission with a spec that nobody will run: for tests of the queue. */
qn_status fixture_submit(fixture *f, int number, qn_idempotency *idempotency, qn_submitted *submitted, qn_error *error);

extern const qn_principal fixture_principal;

#define assert_status(expected, call, error)                                                                  \
  do {                                                                                                        \
    (error).message[0] = '\0';                                                                                \
    qn_status got_ = (call);                                                                                  \
    if (got_ != (expected)) print_error("%s: %s: %s\n", #call, qn_status_name(got_), (error).message);        \
    assert_int_equal(got_, expected);                                                                         \
  } while (0)

#endif

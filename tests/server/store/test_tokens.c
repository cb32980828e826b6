#include "server/store/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "api/operations.h"
#include "server/fixture.h"

static fixture f;

static int setup(void **state) {
  (void)state;
  fixture_init(&f, true);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fixture_fini(&f);
  return 0;
}

static const qn_principal operator = {.name = "os:tester", .scope = QN_SCOPE_ADMIN}, local = {.name = "local", .scope = QN_SCOPE_ADMIN, .request_id = "r-9"};

static qn_status create_as(const qn_principal *by, const char *name, qn_scope scope, double lifetime, char secret[QN_SECRET_SIZE], int64_t *id,
                           qn_error *error) {
  qn_token_row row;
  qn_status status = qn_store_create_token(f.store, name, scope, lifetime, by, secret, &row, error);
  if (status == QN_OK) *id = row.id;
  qn_token_row_fini(&row);
  return status;
}

static qn_status create(const char *name, qn_scope scope, double lifetime, char secret[QN_SECRET_SIZE], int64_t *id, qn_error *error) {
  return create_as(&operator, name, scope, lifetime, secret, id, error);
}

static qn_status revoke_as(const qn_principal *by, int64_t id, qn_error *error) {
  qn_token_row row;
  qn_status status = qn_store_revoke_token(f.store, id, by, &row, error);
  if (status == QN_OK) assert_string_not_equal(row.revoked_at, "");
  qn_token_row_fini(&row);
  return status;
}

static void test_life_of_a_token(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_SECRET_SIZE], other[QN_SECRET_SIZE];
  int64_t id = 0, id2 = 0, count;
  qn_principal who;
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 0);
  assert_status(QN_OK, create("lab", QN_SCOPE_SUBMIT, 0, secret, &id, &error), error);
  assert_int_equal(strlen(secret), 46);
  assert_status(QN_OK, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_string_equal(who.name, "lab");
  assert_int_equal(who.scope, QN_SCOPE_SUBMIT);
  assert_int_equal(who.token, id);
  assert_status(QN_CONFLICT, create("lab", QN_SCOPE_READ, 0, other, &id2, &error), error);
  assert_int_equal(other[0], '\0');

  /* Every character counts, and what is stored is not the token. */
  for (size_t i = 0; i < strlen(secret); i++) {
    char changed[QN_SECRET_SIZE];
    strcpy(changed, secret);
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, changed, &who, &error), error);
  }
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM tokens WHERE encode(sha256, 'escape') LIKE '%%%s%%'", secret + 3), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM tokens WHERE sha256 = sha256('%s'::bytea)", secret), 1);

  assert_status(QN_OK, revoke_as(&operator, id, &error), error);
  assert_status(QN_OK, revoke_as(&operator, id, &error), error);
  assert_status(QN_NOT_FOUND, revoke_as(&operator, 12345, &error), error);
  assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 0);
  assert_status(QN_OK, create("lab", QN_SCOPE_READ, 0, other, &id2, &error), error); /* the name is free again */
  assert_string_not_equal(secret, other);

  qn_token_page page;
  assert_status(QN_OK, qn_store_list_tokens(f.store, (qn_page_query){0, 10}, &page, &error), error);
  assert_int_equal(page.count, 2);
  assert_int_equal(page.rows[1].id, id);
  assert_string_not_equal(page.rows[1].revoked_at, "");
  assert_string_not_equal(page.rows[1].last_used_at, "");
  assert_string_equal(page.rows[0].revoked_at, "");
  assert_string_equal(page.rows[0].created_by, "os:tester");
  assert_int_equal(page.rows[0].scope, QN_SCOPE_READ);
  qn_token_page_fini(&page);
  assert_status(QN_OK, qn_store_list_tokens(f.store, (qn_page_query){id2, 10}, &page, &error), error);
  assert_int_equal(page.count, 1);
  qn_token_page_fini(&page);
}

/* Over HTTP nobody can lock everybody out; whoever has the command line knows what he does. */
static void test_an_administrator_remains(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_SECRET_SIZE];
  int64_t id = 0, first = 0, second = 0;
  fixture_text(&f, "UPDATE tokens SET revoked_at = now()");
  assert_status(QN_CONFLICT, create_as(&local, "reader", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_int_equal(secret[0], '\0');
  assert_status(QN_OK, create_as(&local, "boss", QN_SCOPE_ADMIN, 0, secret, &first, &error), error);
  assert_string_equal(fixture_text(&f, "SELECT principal || ' ' || request_id || ' ' || detail FROM audit ORDER BY id DESC LIMIT 1"),
                      "local r-9 {\"name\": \"boss\", \"scope\": \"admin\"}");
  assert_status(QN_OK, create_as(&local, "reader", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_CONFLICT, revoke_as(&local, first, &error), error);
  assert_status(QN_OK, create_as(&local, "deputy", QN_SCOPE_ADMIN, 60, secret, &second, &error), error);
  fixture_text(&f, "UPDATE tokens SET expires_at = now() WHERE id = %lld", (long long)second); /* its time is over: it does not count */
  assert_status(QN_CONFLICT, revoke_as(&local, first, &error), error);
  assert_status(QN_OK, create_as(&local, "deputy", QN_SCOPE_ADMIN, 0, secret, &second, &error), error);
  assert_status(QN_OK, revoke_as(&local, first, &error), error);
  assert_status(QN_OK, revoke_as(&local, first, &error), error); /* twice is no error */
  assert_status(QN_CONFLICT, revoke_as(&local, second, &error), error);
  assert_status(QN_OK, revoke_as(&local, id, &error), error);
  assert_status(QN_OK, revoke_as(&operator, second, &error), error);
  assert_status(QN_NOT_FOUND, revoke_as(&local, 123456, &error), error);
}

static void test_expiry(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_SECRET_SIZE];
  int64_t id;
  qn_principal who;
  assert_status(QN_OK, create("brief", QN_SCOPE_ADMIN, 60, secret, &id, &error), error);
  assert_status(QN_OK, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_string_equal(fixture_text(&f, "SELECT expires_at - created_at BETWEEN interval '59 s' AND interval '61 s' FROM tokens WHERE id = %lld",
                                   (long long)id), "t");
  fixture_text(&f, "UPDATE tokens SET expires_at = now() WHERE id = %lld", (long long)id);
  assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_status(QN_OK, create("brief", QN_SCOPE_ADMIN, 60, secret, &id, &error), error);
}

/* A server whose last token has run out does not become open to all. */
static void test_an_expired_token_is_one(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_SECRET_SIZE];
  int64_t id = 0, count;
  fixture_text(&f, "UPDATE tokens SET revoked_at = now()");
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 0);
  assert_status(QN_OK, create("last", QN_SCOPE_ADMIN, 60, secret, &id, &error), error);
  fixture_text(&f, "UPDATE tokens SET expires_at = now() - interval '1 s' WHERE id = %lld", (long long)id);
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 1);
}

static void test_refused(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_SECRET_SIZE];
  int64_t id;
  qn_principal who;
  assert_status(QN_INVALID, create("", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, create("local", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, create("os:root", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, create("two words", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, create("ok", QN_SCOPE_NONE, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, create("ok", QN_SCOPE_READ, -1, secret, &id, &error), error);
  const char *const bad[] = {"", "qn_", "'; DROP TABLE tokens; --", "qn_000000000000000000000000000000000000000000000"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, bad[i], &who, &error), error);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_life_of_a_token), cmocka_unit_test(test_expiry), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_an_administrator_remains), cmocka_unit_test(test_an_expired_token_is_one)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

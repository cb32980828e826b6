#include "server/store/tokens.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void test_life_of_a_token(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_TOKEN_SIZE], other[QN_TOKEN_SIZE];
  int64_t id, id2, count;
  qn_principal who;
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 0);
  assert_status(QN_OK, qn_token_create(f.store, "lab", QN_SCOPE_SUBMIT, 0, secret, &id, &error), error);
  assert_int_equal(strlen(secret), 46);
  assert_status(QN_OK, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_string_equal(who.name, "lab");
  assert_int_equal(who.scope, QN_SCOPE_SUBMIT);
  assert_int_equal(who.token, id);
  assert_status(QN_CONFLICT, qn_token_create(f.store, "lab", QN_SCOPE_READ, 0, other, &id2, &error), error);
  assert_int_equal(other[0], '\0');

  /* Every character counts, and what is stored is not the token. */
  for (size_t i = 0; i < strlen(secret); i++) {
    char changed[QN_TOKEN_SIZE];
    strcpy(changed, secret);
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, changed, &who, &error), error);
  }
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM tokens WHERE encode(sha256, 'escape') LIKE '%%%s%%'", secret + 3), 0);
  assert_int_equal(fixture_number(&f, "SELECT count(*) FROM tokens WHERE sha256 = sha256('%s'::bytea)", secret), 1);

  assert_status(QN_OK, qn_token_revoke(f.store, id, &error), error);
  assert_status(QN_OK, qn_token_revoke(f.store, id, &error), error);
  assert_status(QN_NOT_FOUND, qn_token_revoke(f.store, 12345, &error), error);
  assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_status(QN_OK, qn_token_count(f.store, &count, &error), error);
  assert_int_equal(count, 0);
  assert_status(QN_OK, qn_token_create(f.store, "lab", QN_SCOPE_READ, 0, other, &id2, &error), error); /* the name is free again */
  assert_string_not_equal(secret, other);

  qn_token_row *rows;
  int found;
  assert_status(QN_OK, qn_token_list(f.store, &rows, &found, &error), error);
  assert_int_equal(found, 2);
  assert_int_equal(rows[0].id, id);
  assert_string_not_equal(rows[0].revoked_at, "");
  assert_string_not_equal(rows[0].last_used_at, "");
  assert_string_equal(rows[1].revoked_at, "");
  assert_int_equal(rows[1].scope, QN_SCOPE_READ);
  free(rows);
}

static void test_expiry(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_TOKEN_SIZE];
  int64_t id;
  qn_principal who;
  assert_status(QN_OK, qn_token_create(f.store, "brief", QN_SCOPE_ADMIN, 0.3, secret, &id, &error), error);
  assert_status(QN_OK, qn_token_authenticate(f.store, secret, &who, &error), error);
  usleep(400000);
  assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, secret, &who, &error), error);
  assert_status(QN_OK, qn_token_create(f.store, "brief", QN_SCOPE_ADMIN, 60, secret, &id, &error), error);
}

static void test_refused(void **state) {
  (void)state;
  qn_error error;
  char secret[QN_TOKEN_SIZE];
  int64_t id;
  qn_principal who;
  assert_status(QN_INVALID, qn_token_create(f.store, "", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, qn_token_create(f.store, "two words", QN_SCOPE_READ, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, qn_token_create(f.store, "ok", QN_SCOPE_NONE, 0, secret, &id, &error), error);
  assert_status(QN_INVALID, qn_token_create(f.store, "ok", QN_SCOPE_READ, -1, secret, &id, &error), error);
  const char *const bad[] = {"", "qn_", "'; DROP TABLE tokens; --", "qn_000000000000000000000000000000000000000000000"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_status(QN_NOT_FOUND, qn_token_authenticate(f.store, bad[i], &who, &error), error);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_life_of_a_token), cmocka_unit_test(test_expiry), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* Errors: what a failed system call becomes. */
#include "engine/check.h"

#include <errno.h>
#include <string.h>

#include "engine/base/status.h"

static void test_the_file_system_is_to_blame(void **state) {
  (void)state;
  static const int refusals[] = {ENOSPC, EDQUOT, EROFS, EIO, ESTALE}, others[] = {ENOENT, EACCES, EFBIG, EMFILE, EISDIR};
  for (int i = 0; i < 5; i++) {
    qn_error error;
    assert_int_equal(qn_error_system(&error, refusals[i], "cannot write %s", "x"), QN_NO_STORAGE);
    assert_int_equal(error.status, QN_NO_STORAGE);
    assert_non_null(strstr(error.message, "cannot write x: "));
    assert_non_null(strstr(error.message, strerror(refusals[i])));
    assert_int_equal(qn_error_system(NULL, others[i], "x"), QN_IO);
  }
}

/* What people read, and PostgreSQL stores, is UTF-8, whatever is quoted and wherever it is cut. */
static void test_messages_are_utf8(void **state) {
  (void)state;
  qn_error error;
  qn_error_set(&error, QN_PARSE, "line 1: '%s'", "\xe9t\xe9 \xc0\x80 \xed\xa0\x80 \xf5 Zr\xe2\x82\xac");
  assert_string_equal(error.message, "line 1: '?t? ?? ??? ? Zr\xe2\x82\xac'");
  qn_error_set(&error, QN_PARSE, "%.6s", "abcd\xe2\x82\xac");
  assert_string_equal(error.message, "abcd");
  char text[2 * sizeof error.message];
  for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa5", 3);
  qn_error_set(&error, QN_PARSE, "%s", text);
  assert_int_equal(strlen(error.message), sizeof error.message - 2); /* an odd number of bytes would end within a letter */
  qn_error_prefix(&error, "its\xff");
  assert_int_equal(strlen(error.message), sizeof error.message - 2);
  assert_memory_equal(error.message, "its?: \xc3\xa5", 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_file_system_is_to_blame), cmocka_unit_test(test_messages_are_utf8)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

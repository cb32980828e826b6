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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_file_system_is_to_blame)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

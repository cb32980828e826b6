/* The document that the program carries: its version is that of the program, and it knows every analysis with all its parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "api/document.h"
#include "api/version.h"
#include "engine/analysis/analysis.h"

static void test_version(void **state) {
  (void)state;
  size_t size;
  char line[64];
  snprintf(line, sizeof line, "\n  version: %s\n", qn_api_version());
  const char *document = qn_document(&size);
  assert_true(size > 10000 && strlen(document) == size);
  assert_non_null(strstr(document, line));
}

static void test_analyses_are_documented(void **state) {
  (void)state;
  size_t size;
  const char *document = qn_document(&size);
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++) {
    char title[80], key[80];
    snprintf(title, sizeof title, "      title: %s\n", (*type)->name);
    const char *section = strstr(document, title);
    if (section == NULL) fail_msg("openapi.yaml has no analysis %s", (*type)->name);
    const char *end = strstr(section, "\n\n");
    assert_non_null(end);
    for (int p = 0; p < (*type)->parameter_count; p++) {
      snprintf(key, sizeof key, "\n        %s: ", (*type)->parameters[p].name);
      const char *found = strstr(section, key);
      if (found == NULL || found > end) fail_msg("openapi.yaml does not know %s of %s", (*type)->parameters[p].name, (*type)->name);
    }
  }
}

static void test_served(void **state) {
  (void)state;
  size_t size;
  const char *document = qn_document(&size);
  qn_store *store = fake_store_alloc();
  client_answer answer = client_get(store, "/openapi.yaml");
  assert_int_equal(answer.status, 200);
  assert_string_equal(answer.type, "application/yaml");
  assert_int_equal(answer.size, size);
  assert_memory_equal(answer.text, document, size);
  client_fini(&answer);
  fake_store_free(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_version),
      cmocka_unit_test(test_analyses_are_documented),
      cmocka_unit_test(test_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

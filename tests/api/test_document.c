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
#include "api/json.h"
#include "engine/analysis/analysis.h"

static void test_version(void **state) {
  (void)state;
  size_t size;
  char line[64];
  snprintf(line, sizeof line, "\n  version: %s\n", QN_VERSION);
  const char *document = qn_document(&size);
  assert_true(size > 10000 && strlen(document) == size);
  assert_non_null(strstr(document, line));
}

/* ---- the analyses: their schemas stand in the document as the program's own table gives them ---- */

static const char BEGIN[] = "    # analyses: begin\n", END[] = "    # analyses: end\n";

static void write_parameter(FILE *out, const qn_parameter *parameter) {
  char minimum[QN_NUMBER_SIZE], maximum[QN_NUMBER_SIZE], fallback[QN_NUMBER_SIZE];
  qn_number_spell(parameter->automatic ? 0.0 : parameter->minimum, minimum); /* 0 asks for the rule */
  qn_number_spell(parameter->maximum, maximum);
  qn_number_spell(parameter->fallback, fallback);
  fprintf(out,
          "        %s:\n          type: %s\n          minimum: %s\n          maximum: %s\n          default: %s\n      "
          "    description: \"%s\"\n",
          parameter->name, parameter->automatic ? "[number, \"null\"]" : "number", minimum, maximum,
          parameter->automatic ? "null" : fallback, parameter->meaning);
}

/* What results are called, and how far they may be believed. */
static void write_words(FILE *out) {
  fputs("\n    Quantity:\n      description: What was measured; each analysis lists its own.\n      enum:\n", out);
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    for (const char *const *name = (*type)->quantities; *name != NULL; name++) {
      bool twice = false;
      for (const qn_analysis_type *const *before = qn_analysis_types(); before != type; before++)
        for (const char *const *other = (*before)->quantities; *other != NULL; other++)
          twice = twice || strcmp(*other, *name) == 0;
      if (!twice) fprintf(out, "        - %s\n", *name);
    }
  fputs("\n    ResultStatus:\n      description: >-\n"
        "        How far a value may be believed. not_diffusive: the squared displacement grows linearly at no lag;\n"
        "        not_decayed: F_s stays above 1/e; too_few_samples: the run is too short for an error, or for a value "
        "at all;\n"
        "        unresolved: what is asked lies between two frames, they are too far apart in time.\n"
        "      enum: [",
        out);
  for (int s = 0; strcmp(qn_value_status_name((qn_value_status)s), "unknown") != 0; s++)
    fprintf(out, "%s%s", s > 0 ? ", " : "", qn_value_status_name((qn_value_status)s));
  fputs("]\n", out);
}

/* The section with its marks; malloc'ed. */
static char *section_of_table(void) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  fprintf(out,
          "%s    # From the program's own table: `api_test_document --write openapi.yaml` writes this section anew.\n"
          "    AnalysisSpec:\n      description: What to measure in the frames of one stage; GET /v1/analysis-types "
          "says the same.\n"
          "      type: object\n      required: [type]\n      oneOf:\n",
          BEGIN);
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++)
    fprintf(out, "        - $ref: \"#/components/schemas/analysis.%s\"\n", (*type)->name);
  for (const qn_analysis_type *const *type = qn_analysis_types(); *type != NULL; type++) {
    fprintf(out,
            "\n    analysis.%s:\n      description: \"%s\"\n      type: object\n      required: [type]\n      "
            "additionalProperties: false\n      properties:\n"
            "        type: {const: %s}\n        stage: {$ref: \"#/components/schemas/Stage\"}\n",
            (*type)->name, (*type)->meaning, (*type)->name);
    for (int p = 0; p < (*type)->parameter_count; p++) write_parameter(out, &(*type)->parameters[p]);
  }
  write_words(out);
  fputs(END, out);
  fclose(out);
  return text;
}

static void test_analyses_are_documented(void **state) {
  (void)state;
  size_t size;
  char *wanted = section_of_table();
  const char *begin = strstr(qn_document(&size), BEGIN), *end = begin != NULL ? strstr(begin, END) : NULL;
  assert_non_null(end);
  size_t length = (size_t)(end - begin) + strlen(END);
  if (length != strlen(wanted) || memcmp(begin, wanted, length) != 0)
    fail_msg("the analyses in openapi.yaml are not those of the program; run this test with: --write openapi.yaml");
  free(wanted);
}

/* Put the section into a file that has its marks. */
static int write_section(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return 1;
  char *text = calloc(1, 1 << 20), *section = section_of_table();
  size_t size = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  char *begin = strstr(text, BEGIN), *end = strstr(text, END);
  if (begin == NULL || end == NULL || size == (1 << 20) - 1 || (file = fopen(path, "w")) == NULL) return 1;
  fprintf(file, "%.*s%s%s", (int)(begin - text), text, section, end + strlen(END));
  free(section);
  free(text);
  return fclose(file);
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

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "--write") == 0) return write_section(arguments[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_version),
      cmocka_unit_test(test_analyses_are_documented),
      cmocka_unit_test(test_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

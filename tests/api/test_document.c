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
#include "api/filters.h"
#include "api/json.h"
#include "engine/analysis/sources.h"

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

static void write_words(FILE *out, const qn_parameter *parameter) {
  fprintf(out, "        %s:\n          enum: [", parameter->name);
  for (int w = 0; parameter->words[w] != NULL; w++) fprintf(out, "%s%s", w > 0 ? ", " : "", parameter->words[w]);
  fprintf(out, "]\n          default: %s\n          description: \"%s\"\n", parameter->words[(int)parameter->fallback - 1],
          parameter->meaning);
}

static void write_parameter(FILE *out, const qn_parameter *parameter) {
  if (parameter->words != NULL) {
    write_words(out, parameter);
    return;
  }
  const qn_parameter_source *source = qn_parameter_source_find(parameter->name);
  char minimum[QN_NUMBER_SIZE], maximum[QN_NUMBER_SIZE], fallback[QN_NUMBER_SIZE];
  qn_number_spell(parameter->automatic ? 0.0 : parameter->minimum, minimum); /* 0 asks for the rule */
  qn_number_spell(parameter->maximum, maximum);
  qn_number_spell(parameter->fallback, fallback);
  fprintf(out, "        %s:\n          type: %s%s%s%s\n", parameter->name, parameter->automatic || source != NULL ? "[number" : "number",
          source != NULL ? ", string, object" : "", parameter->automatic ? ", \"null\"" : "", parameter->automatic || source != NULL ? "]" : "");
  fprintf(out, "          minimum: %s\n          maximum: %s\n          default: %s\n          description: \"%s", minimum, maximum,
          parameter->automatic ? "null" : fallback, parameter->meaning);
  if (source != NULL)
    fprintf(out, "; or, measured: `%s` for the %s of such an analysis beside it, `{analysis: ID}` for that of one", source->type, source->quantity);
  fputs("\"\n", out);
}

/* ---- the filters of results ---- */

static const char BEGIN_FILTERS[] = "        # filters: begin\n", END_FILTERS[] = "        # filters: end\n";

static void write_filter(FILE *out, const qn_parameter *parameter) {
  const qn_parameter_source *source = qn_parameter_source_find(parameter->name);
  fprintf(out, "        - {name: %s, in: query, description: \"%s\", schema: ", parameter->name, parameter->meaning);
  if (parameter->words != NULL) {
    fputs("{enum: [", out);
    for (const char *const *word = parameter->words; *word != NULL; word++) fprintf(out, "%s%s", word > parameter->words ? ", " : "", *word);
    fputs("]}}\n", out);
  } else if (source == NULL && !parameter->automatic) {
    fputs("{type: number}}\n", out);
  } else {
    fprintf(out, "{anyOf: [{type: number}, {enum: [%s%s%s]}]}}\n", parameter->automatic ? "auto" : "",
            parameter->automatic && source != NULL ? ", " : "", source != NULL ? source->type : "");
  }
}

static char *filters_of_table(void) {
  char *text;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  qn_filter_list list;
  qn_filters_list(&list);
  fputs(BEGIN_FILTERS, out);
  for (int i = 0; i < list.count; i++) write_filter(out, list.parameter[i]);
  fputs(END_FILTERS, out);
  fclose(out);
  return text;
}

static void write_list(FILE *out, const qn_word_list *list) {
  for (int i = 0; i < list->count; i++) fprintf(out, "        - %s\n", list->word[i]);
}

/* What results are called, what gave them, and how far they may be believed. */
static void write_results(FILE *out) {
  qn_word_list list;
  qn_filters_quantities(&list);
  fputs("\n    Quantity:\n      description: What was measured, or fitted; GET /v1/analysis-types lists those of each analysis.\n      enum:\n", out);
  write_list(out, &list);
  qn_filters_types(&list);
  fputs("\n    ResultType:\n      description: The analysis that measured a number, or the law that was fitted.\n      enum:\n", out);
  write_list(out, &list);
  fputs("\n    ResultStatus:\n      description: >-\n"
        "        How far a value may be believed. not_diffusive: the squared displacement grows linearly at no lag;\n"
        "        not_decayed: F_s stays above 1/e; too_few_samples: the run is too short for an error, or for a value "
        "at all;\n"
        "        unresolved: what is asked lies between two frames, they are too far apart in time, or nothing of the kind\n"
        "        stands out; given: not measured, a parameter that was given, reported beside what rests on it.\n"
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
            "        type: {const: %s}\n        stage: {$ref: \"#/components/schemas/%s\"}\n%s",
            (*type)->name, (*type)->meaning, (*type)->name, (*type)->summarise != NULL ? "ThermoStage" : "Stage",
            (*type)->summarise != NULL ? "" : "        sampling: {$ref: \"#/components/schemas/Sampling\"}\n");
    for (int p = 0; p < (*type)->parameter_count; p++) write_parameter(out, &(*type)->parameters[p]);
  }
  write_results(out);
  fputs(END, out);
  fclose(out);
  return text;
}

typedef struct section {
  const char *begin, *end;
  char *(*write)(void);
} section;

static const section SECTIONS[] = {{BEGIN, END, section_of_table}, {BEGIN_FILTERS, END_FILTERS, filters_of_table}};
enum { SECTION_COUNT = sizeof SECTIONS / sizeof SECTIONS[0] };

static void test_analyses_are_documented(void **state) {
  (void)state;
  size_t size;
  for (int i = 0; i < SECTION_COUNT; i++) {
    char *wanted = SECTIONS[i].write();
    const char *begin = strstr(qn_document(&size), SECTIONS[i].begin), *end = begin != NULL ? strstr(begin, SECTIONS[i].end) : NULL;
    assert_non_null(end);
    size_t length = (size_t)(end - begin) + strlen(SECTIONS[i].end);
    if (length != strlen(wanted) || memcmp(begin, wanted, length) != 0)
      fail_msg("the analyses in openapi.yaml are not those of the program; run this test with: --write openapi.yaml");
    free(wanted);
  }
}

/* Put the sections into a file that has their marks. */
static int write_sections(const char *path) {
  for (int i = 0; i < SECTION_COUNT; i++) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return 1;
    char *text = calloc(1, 1 << 20), *made = SECTIONS[i].write();
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    char *begin = strstr(text, SECTIONS[i].begin), *end = strstr(text, SECTIONS[i].end);
    if (begin == NULL || end == NULL || size == (1 << 20) - 1 || (file = fopen(path, "w")) == NULL) return 1;
    fprintf(file, "%.*s%s%s", (int)(begin - text), text, made, end + strlen(SECTIONS[i].end));
    free(made);
    free(text);
    if (fclose(file) != 0) return 1;
  }
  return 0;
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
  if (count == 3 && strcmp(arguments[1], "--write") == 0) return write_sections(arguments[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_version),
      cmocka_unit_test(test_analyses_are_documented),
      cmocka_unit_test(test_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

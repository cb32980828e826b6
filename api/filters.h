/* Which results: the filters of GET /v1/results and of the query of a fit. Beside the fixed ones every parameter of every analysis is one, so that
 * numbers measured in different ways are told apart. */
#ifndef QN_API_FILTERS_H
#define QN_API_FILTERS_H

#include <jansson.h>

#include "api/composition.h"
#include "api/read.h"
#include "api/store.h"
#include "engine/analysis/analysis.h"

enum { QN_MOST_FILTERS = 64 };

/* Parameters of the analyses, each name once, in the order of the tables. NULL-terminated; the types' own, never freed. */
typedef struct qn_filter_list {
  int count;
  const qn_parameter *parameter[QN_MOST_FILTERS];
} qn_filter_list;
void qn_filters_list(qn_filter_list *list);

/* What analyses report and laws fit, and what they are called; each name once, NULL-terminated. */
enum { QN_MOST_WORDS = 128 };
typedef struct qn_word_list {
  int count;
  const char *word[QN_MOST_WORDS + 1];
} qn_word_list;
void qn_filters_quantities(qn_word_list *list);
void qn_filters_types(qn_word_list *list);

/* A query of results with what its texts point to: caller's storage, not to be moved, qn_filters_fini. */
typedef struct qn_filters {
  qn_result_query query;
  char *parameters, *inputs; /* what query.parameters and query.inputs point to */
  char composition[QN_COMPOSITION_SIZE];
} qn_filters;
void qn_filters_fini(qn_filters *filters);

/* From the query of a request, paging included. `faults` NULL: they were told before (api/query.h). */
void qn_filters_of_request(qn_filters *filters, const qn_request *request, qn_faults *faults);

/* "composition" of a request as results have it, in `name`; NULL when absent. */
const char *qn_filters_composition(const qn_request *request, char name[QN_COMPOSITION_SIZE], qn_faults *faults);

/* From the members of a JSON object; every key is read, so that qn_reader_end names the others. Texts may point into the object. */
void qn_filters_of_json(qn_filters *filters, qn_reader *reader);

#endif

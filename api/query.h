/* Query parameters and path identifiers, with every fault noted. The route table names the parameters that a route knows; what is not named
 * there never gets here. */
#ifndef QN_API_QUERY_H
#define QN_API_QUERY_H

#include <stdint.h>

#include "api/potential.h"
#include "api/problem.h"
#include "api/store.h"

enum {
  QN_QUERY_TEXT_SIZE = QN_POTENTIAL_NAME_MOST + 1,
  QN_QUERY_NUMBER_SIZE = 41,
  QN_USUAL_PAGE = 50,
  QN_MOST_PAGE = 1000
};

/* Faults go into `faults`: in a route's check. A handler, whose values have passed that, gives NULL.
 *
 * `fallback` is what an absent parameter means. */
int64_t qn_query_integer(const qn_request *request, const char *name, int64_t minimum, int64_t maximum,
                         int64_t fallback, qn_faults *faults);
/* Written with at most 40 characters. */
double qn_query_number(const qn_request *request, const char *name, double fallback, qn_faults *faults);
/* A text of 1 to 100 bytes, or NULL when absent. */
const char *qn_query_text(const qn_request *request, const char *name, qn_faults *faults);
/* Index of a word in `words` (NULL-terminated), -1 when absent or not among them. */
int qn_query_word(const qn_request *request, const char *name, const char *const *words, qn_faults *faults);
/* "limit" and "cursor"; and checks for routes that take these alone, or with "simulation". */
qn_page_query qn_query_page(const qn_request *request, qn_faults *faults);
void qn_query_check_page(const qn_request *request, qn_faults *faults);
void qn_query_check_page_of(const qn_request *request, qn_faults *faults);

/* Names of query parameters that are not in `known`, or come twice. */
void qn_query_check(const qn_request *request, const char *const *known, qn_faults *faults);

/* A path parameter as an identifier; 0 when it cannot be one. */
int64_t qn_path_id(const char *text);

#endif

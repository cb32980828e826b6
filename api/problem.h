/* Problem documents (RFC 9457): application/problem+json with a stable `code`, and for a bad body every fault at once, each with a JSON pointer
 * and what would be accepted. */
#ifndef QN_API_PROBLEM_H
#define QN_API_PROBLEM_H

#include "api/message.h"
#include "engine/base/status.h"

/* A growing list of faults. `pointer` is a JSON pointer into the body, or "?name" for a query parameter. Filling it never fails: what no
 * longer fits (QN_MAX_FAULTS, or memory) is counted. */
enum { QN_POINTER_SIZE = 160, QN_DETAIL_SIZE = 1280, QN_MAX_FAULTS = 100 };
typedef struct qn_fault {
  char pointer[QN_POINTER_SIZE];
  char detail[QN_DETAIL_SIZE];
} qn_fault;
typedef struct qn_faults {
  int count, capacity, dropped;
  bool syntax; /* the text is not JSON at all: 400 instead of 422 */
  qn_fault *items;
} qn_faults;

static inline int qn_faults_total(const qn_faults *faults) { return faults->count + faults->dropped; }
void qn_faults_fini(qn_faults *faults);
void qn_faults_add(qn_faults *faults, const char *pointer, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* `code`: a stable word such as "invalid_spec", "not_found", "conflict"; `detail` for a person. `faults` may be NULL. */
void qn_problem_render(qn_response *response, const qn_request *request, int status, const char *code,
                       const qn_faults *faults, const char *detail, ...) __attribute__((format(printf, 6, 7)));

/* A request with faults: 400 "invalid_parameter" when they lie in the query; for a body 400 "invalid_json" when it is not JSON, 422
 * "invalid_spec" otherwise. */
void qn_problem_from_faults(qn_response *response, const qn_request *request, const qn_faults *faults);

/* The HTTP status and code that a qn_status stands for. */
void qn_problem_from_error(qn_response *response, const qn_request *request, const qn_error *error);

#endif

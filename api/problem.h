/* Problem documents (RFC 9457): application/problem+json with a stable `code`, and for a bad body every fault at once, each with a JSON pointer
 * and what would be accepted. */
#ifndef QN_API_PROBLEM_H
#define QN_API_PROBLEM_H

#include "api/message.h"
#include "engine/base/status.h"

/* A growing list of faults. Filling it never fails: what no longer fits in memory is counted. */
typedef struct qn_faults {
  int count, capacity, dropped;
  struct qn_fault { char pointer[160]; char detail[256]; } *items;
} qn_faults;

void qn_faults_fini(qn_faults *faults);
void qn_faults_add(qn_faults *faults, const char *pointer, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* `code`: a stable word such as "invalid_spec", "not_found", "conflict"; `detail` for a person. `faults` may be NULL. */
void qn_problem_render(qn_response *response, const qn_request *request, int status, const char *code,
                       const qn_faults *faults, const char *detail, ...) __attribute__((format(printf, 6, 7)));

/* The HTTP status and code that a qn_status stands for. */
void qn_problem_from_error(qn_response *response, const qn_request *request, const qn_error *error);

#endif

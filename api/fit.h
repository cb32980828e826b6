/* Fits of laws: from the JSON of a request to typed points and options, and to the canonical form that pins the work; from what the engine found to JSON.
 *
 * The way of a fit: parse; when its points come from a query, qn_fit_choose them from results; settle; render. What was rendered is read by
 * qn_fit_parse_stored. Points that are not used stay in the spec, each with its reason. */
#ifndef QN_API_FIT_H
#define QN_API_FIT_H

#include "api/filters.h"
#include "api/spec.h"
#include "engine/fit/fit.h"

enum { QN_MOST_FIT_POINTS = 1000, QN_MOST_RESAMPLES = 10000, QN_MOST_MIXED = 32, QN_LABEL_SIZE = QN_COMPOSITION_SIZE /* the longest label */ };

typedef struct qn_fit_entry {
  qn_fit_point point;  /* standard_error NAN: unknown */
  int64_t result;      /* it is this result; 0: it was given */
  char reason[128];    /* why it is not used; "": it is */
} qn_fit_entry;

typedef struct qn_fit_spec {
  char name[QN_NAME_SIZE];
  const qn_fit_type *law;
  qn_fit_options options; /* right once it is settled */
  int rising, transform, against; /* as asked: index of the word or flag; -1: by the unit */
  /* What the points are; "" where it is not known or not one. */
  char quantity[QN_LABEL_SIZE], type[QN_LABEL_SIZE], species[QN_LABEL_SIZE], region[QN_LABEL_SIZE],
      composition[QN_LABEL_SIZE];
  json_t *parameters; /* object: those of the analyses that all points have alike; NULL: none */
  int count, capacity;
  qn_fit_entry *entries;
  json_t *query;     /* as it came; NULL: the points were given */
  bool query_faulty; /* what was read of it is not all that was meant */
  qn_filters filters;
  int mixed_count;
  char mixed[QN_MOST_MIXED][QN_LABEL_SIZE]; /* in what the results of a query may differ */
} qn_fit_spec;
void qn_fit_spec_fini(qn_fit_spec *spec); /* also fine on an all-zero object */

/* The body of POST /v1/fits. With faults the spec is good for finding more of them, by what its query finds, and for its _fini. */
void qn_fit_parse(const char *text, size_t size, qn_fit_spec *spec, qn_faults *faults);

/* Take one more result of the query, newest first: used, or dropped with its reason. False: no memory, or more than QN_MOST_FIT_POINTS. */
bool qn_fit_take(qn_fit_spec *spec, const qn_result_row *row);
/* After the last: faults for results that are unlike, so that they cannot be fitted together. `rows` are those that were taken. */
void qn_fit_judge(qn_fit_spec *spec, const qn_result_row *rows, int count, qn_faults *faults);

/* Choose what was left open by the unit of the values, drop the points outside the range, and see that enough are left. */
void qn_fit_settle(qn_fit_spec *spec, qn_faults *faults);

/* Canonical JSON (malloc'ed; NULL: no memory). The hash leaves out the name and the query: it is of law, options, points and dropped points. */
char *qn_fit_render(const qn_fit_spec *spec, char hash[QN_HASH_SIZE]);
void qn_fit_parse_stored(const char *text, size_t size, qn_fit_spec *spec, qn_faults *faults);

/* Fit the points that are used. */
qn_status qn_fit_run_spec(const qn_fit_spec *spec, qn_fit *fit, qn_error *error);

/* Values with their errors, covariance, chi square and what it was made of: new references. */
json_t *qn_fit_json(const qn_fit *fit);
/* The parameters of the values as results keep them: what the points are, and the range that was used. */
json_t *qn_fit_parameters_json(const qn_fit_spec *spec, const qn_fit *fit);

#endif

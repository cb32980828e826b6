/* Parameters of analyses that another analysis measures: the wave number of the maximum of S(q) for F_s, <u^2> for cage jumps. */
#ifndef QN_ANALYSIS_SOURCES_H
#define QN_ANALYSIS_SOURCES_H

#include "engine/analysis/analysis.h"

typedef struct qn_parameter_source {
  const char *parameter; /* of any analysis that has it, in the unit of the quantity */
  const char *type;      /* of the analysis that measures it */
  const char *quantity;  /* its value for the species "all" */
} qn_parameter_source;

enum { QN_MAX_SOURCES = 4 }; /* parameters of one analysis that that can have one, at most */

/* Where a parameter may come from, or NULL. */
const qn_parameter_source *qn_parameter_source_find(const char *parameter);

/* May an analysis of the source's type with these parameters be it? Not when it is of a layer: F_s and cage jumps take S(q) and <u^2> of the
 * whole system, as the paper does. */
bool qn_parameter_source_suits(const qn_parameter_source *source, const double *parameters);

/* The value for a parameter in the report of its source: *value (borrowed). QN_UNSUPPORTED, saying why, when it is not to be used: missing, of
 * another status than ok, or outside what the parameter takes. */
qn_status qn_parameter_source_take(const qn_parameter_source *source, const qn_parameter *parameter, const qn_report *report, const qn_value **value,
                                   qn_error *error);

/* The same judgement on a value that was stored. `status`: its name. */
qn_status qn_parameter_source_judge(const qn_parameter_source *source, const qn_parameter *parameter, double value, const char *status, qn_error *error);

#endif

/* Parameters of analyses that another analysis measures: the wave number of the maximum of S(q) for F_s, <u^2> for cage jumps. */
#ifndef QN_ANALYSIS_FEEDS_H
#define QN_ANALYSIS_FEEDS_H

#include "engine/analysis/analysis.h"

typedef struct qn_analysis_feed {
  const char *parameter; /* of any analysis that has it, in the unit of the quantity */
  const char *type;      /* of the analysis that measures it */
  const char *quantity;  /* its value for the species "all" */
} qn_analysis_feed;

enum { QN_MAX_FEEDS = 4 }; /* parameters of one analysis that can be fed, at most */

/* What feeds a parameter, or NULL. */
const qn_analysis_feed *qn_analysis_feed_find(const char *parameter);

/* The value that feeds a parameter from the report of its source: *value (borrowed). QN_UNSUPPORTED, saying why, when it is not to be used: missing, of
 * another status than ok, or outside what the parameter takes. */
qn_status qn_analysis_feed_take(const qn_analysis_feed *feed, const qn_parameter *parameter, const qn_report *report, const qn_value **value,
                                qn_error *error);

/* The same judgement on a value that was stored. `status`: its name. */
qn_status qn_analysis_feed_judge(const qn_analysis_feed *feed, const qn_parameter *parameter, double value, const char *status, qn_error *error);

#endif

/* Building a report: values and curves one after the other. */
#ifndef QN_ANALYSIS_REPORT_H
#define QN_ANALYSIS_REPORT_H

#include "engine/analysis/analysis.h"

/* A new value or curve at the end, zeroed but for its names; NULL (and QN_NO_MEMORY in `error`) when memory is out. The pointer is good
 * until the next addition. A curve's column names are those of the NULL-terminated list. */
qn_value *qn_report_add_value(qn_report *report, const char *quantity, const char *unit, const char *species, const char *region, qn_error *error);
qn_curve *qn_report_add_curve(qn_report *report, const char *name, const char *species, const char *region, const char *const *columns,
                              int64_t rows, qn_error *error);

#endif

/* What the analyses made of one window share: a qn_analysis that holds the window, its parameters and the kernel's context. */
#ifndef QN_ANALYSIS_CORRELATION_H
#define QN_ANALYSIS_CORRELATION_H

#include <stddef.h>

#include "engine/analysis/analysis.h"
#include "engine/analysis/report.h"
#include "engine/analysis/window.h"

typedef struct qn_correlation {
  qn_window window;
  double parameter[QN_MAX_PARAMETERS];
  void *context;
} qn_correlation;

/* The layer of `options` comes from the first parameters (QN_LAYER_PARAMETERS), its context is `context`, which is freed with free() then, and
 * on an error here. */
qn_status qn_correlation_alloc(qn_analysis **analysis, const double *parameters, int parameter_count, const qn_window_options *options,
                               void *context, const qn_analysis_input *input, qn_error *error);
void qn_correlation_free(qn_analysis *analysis);

/* Zero the report and see that frames came. */
qn_status qn_correlation_begin_reduce(qn_correlation *self, qn_report *report, qn_error *error);

/* Symbol of a species, "all" for QN_WINDOW_ALL; NULL for one without atoms. Loop from QN_WINDOW_ALL up to species_count. */
const char *qn_correlation_symbol(const qn_window *window, int species);

/* A curve over all lags: lag, value(lag), its jackknife error, and over how many pairs of an atom and an origin; `columns` names the first three.
 * `quantity` gets `context`, whose first member is an int: the lag. */
qn_status qn_correlation_curve(const qn_window *window, qn_report *report, const char *name, int species, const char *const columns[3],
                               qn_window_quantity quantity, void *context, qn_error *error);

#endif

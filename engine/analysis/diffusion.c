/* Mean-squared displacement and diffusion coefficient, by species and for all.
 *
 *   MSD(t) = < |r(t0 + t) - r(t0)|^2 >,  D = slope / 2d   (paper, equation 1; d = 3, in a layer d = 2; the fit's rule is in slope.h) */
#include "engine/analysis/correlation.h"
#include "engine/analysis/slope.h"
#include "engine/analysis/types.h"

enum { MAX_LAG = QN_LAYER_COUNT, FIT_START, FIT_END, PARAMETERS };
static const qn_parameter parameters[PARAMETERS] = {
    QN_LAYER_PARAMETERS,
    {"max_lag_ps", "longest lag of the mean-squared displacement; by default a quarter of the run", 0, 0, 1e9, true, NULL},
    {"fit_start_ps", "first lag of the linear fit; by default the first that is out of the cage and diffusive", 0, 0, 1e9, true, NULL},
    {"fit_end_ps", "last lag of the linear fit; by default five times the first, at most 1/16 of the run", 0, 0, 1e9, true, NULL},
};

static qn_window_options options_of(const double *values) {
  return (qn_window_options){.longest = values[MAX_LAG], .moments = 1, .kernel = qn_slope_kernel};
}

static qn_status check(const double *values, const qn_analysis_prospect *prospect, qn_error *error) {
  qn_window_options options = options_of(values);
  if (values[FIT_END] > 0 && !(values[FIT_START] < values[FIT_END]))
    return qn_error_set(error, QN_INVALID, "fit_start_ps must lie before fit_end_ps");
  return qn_window_check(&options, prospect, error);
}

static qn_status alloc(qn_analysis **analysis, const double *values, const qn_analysis_input *input, qn_error *error) {
  qn_window_options options = options_of(values);
  return qn_correlation_alloc(analysis, values, PARAMETERS, &options, NULL, input, error);
}

typedef struct at {
  int lag, species;
} at;

static double msd(const qn_window *window, const void *context, int level, int without) {
  const at *a = context;
  return qn_window_average(window, a->lag, a->species, 0, level, without, NULL);
}

static qn_status reduce(qn_analysis *analysis, qn_report *report, qn_error *error) {
  static const char *const columns[3] = {"lag_ps", "msd_a2", "standard_error_a2"};
  qn_correlation *self = (qn_correlation *)analysis;
  const qn_window *window = &self->window;
  qn_status status = qn_correlation_begin_reduce(self, report, error);
  for (int species = QN_WINDOW_ALL; status == QN_OK && species < window->species_count; species++) {
    const char *symbol = qn_correlation_symbol(window, species);
    if (symbol == NULL) continue;
    qn_value *value = qn_report_add_value(report, "diffusion_coefficient", "m2/s", symbol, window->region, error);
    if (value == NULL) {
      status = QN_NO_MEMORY;
      break;
    }
    qn_slope_options options = {.species = species,
                                .cage_square = qn_slope_cage(window),
                                .start = self->parameter[FIT_START],
                                .end = self->parameter[FIT_END]};
    qn_slope_measure(window, &options, value, NULL);
    status = qn_correlation_curve(window, report, "mean_squared_displacement", species, columns, msd, &(at){0, species}, error);
  }
  if (status != QN_OK) qn_report_fini(report);
  return status;
}

static const char *const quantities[] = {"diffusion_coefficient", NULL};

const qn_analysis_type qn_diffusion = {.name = "diffusion",
                                       .meaning = "mean-squared displacement and diffusion coefficient, by species and for all",
                                       .parameter_count = PARAMETERS,
                                       .parameters = parameters,
                                       .quantities = quantities,
                                       .sampling = QN_SAMPLING_LONGEST,
                                       .displacements = true,
                                       .layered = true,
                                       .check = check,
                                       .alloc = alloc,
                                       .reduce = reduce,
                                       .free = qn_correlation_free};

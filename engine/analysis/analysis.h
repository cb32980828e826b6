/* The shape of every analysis: parameters -> accumulate(frame) ... -> reduce -> values and curves.
 *
 * A type describes its parameters as data, so that the API validates and documents them without knowing the analysis.
 * Positions come in unwrapped; the analysis removes the drift of the centre of mass itself (the shared helper does).
 * Memory is bounded by the longest lag, not by the length of the trajectory. */
#ifndef QN_ANALYSIS_ANALYSIS_H
#define QN_ANALYSIS_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/trajectory/frame.h"

/* How far a value may be believed; names as in the API are qn_value_status_name. */
typedef enum qn_value_status {
  QN_VALUE_OK,
  QN_VALUE_NOT_DIFFUSIVE,   /* the MSD does not grow linearly in any window of the data */
  QN_VALUE_NOT_DECAYED,     /* F_s stays above 1/e */
  QN_VALUE_TOO_FEW_SAMPLES, /* fewer independent blocks than an error needs */
  QN_VALUE_UNRESOLVED       /* the quantity lies between samples: the frames are too far apart in time */
} qn_value_status;
const char *qn_value_status_name(qn_value_status status); /* "unknown" beyond the last */

/* One number with what is needed to trust it. NAN value when the status leaves nothing to report. */
typedef struct qn_value {
  char quantity[48];      /* "diffusion_coefficient", "relaxation_time", ... */
  char species[QN_SYMBOL_SIZE]; /* symbol, or "all" */
  char region[16];        /* "bulk", "surface" */
  char unit[16];          /* "m2/s", "ps", ... */
  double value, standard_error;
  double window_start_ps, window_end_ps; /* the lags that the value rests on */
  int64_t samples;        /* independent blocks behind the standard error */
  qn_value_status status;
} qn_value;

/* A curve: `rows` x `columns`, row-major, column 0 is the abscissa. */
enum { QN_CURVE_COLUMNS = 4 };
typedef struct qn_curve {
  char name[48];          /* "mean_squared_displacement" */
  char species[QN_SYMBOL_SIZE];
  char region[16];
  int columns;
  char column_name[QN_CURVE_COLUMNS][32]; /* keys with units: "lag_ps", "msd_a2", "standard_error_a2" */
  int64_t rows;
  double *data;           /* [rows][columns] */
} qn_curve;

typedef struct qn_report {
  int value_count, curve_count;
  qn_value *values;
  qn_curve *curves;
} qn_report;
void qn_report_fini(qn_report *report);

/* A number that a user may set; 0 or absent means "by the stated rule" when `automatic` is set. */
typedef struct qn_parameter {
  const char *name;       /* key with unit: "q_inv_a", "max_lag_ps" */
  const char *meaning;    /* one line, for the API document */
  double fallback, minimum, maximum;
  bool automatic;         /* fallback is chosen from the data by a stated rule, and reported */
} qn_parameter;

enum { QN_MAX_PARAMETERS = 16 };

typedef struct qn_analysis qn_analysis;

typedef struct qn_analysis_type {
  const char *name;       /* "diffusion" */
  const char *meaning;
  int parameter_count;
  const qn_parameter *parameters;
  /* `parameters` in the order above. `frame_interval_ps` and `frame_count` describe what will come; the first frame tells atoms and species. */
  qn_status (*alloc)(qn_analysis **analysis, const double *parameters, int64_t frame_count,
                     double frame_interval_ps, int threads, qn_error *error);
  qn_status (*accumulate)(qn_analysis *analysis, const qn_frame *frame, qn_error *error);
  qn_status (*reduce)(qn_analysis *analysis, qn_report *report, qn_error *error); /* caller owns the report */
  void (*free)(qn_analysis *analysis);
  const char *const *quantities; /* names of the values that it reports, NULL-terminated */
  bool fixed_box;                /* it refuses frames whose box changes */
} qn_analysis_type;

/* Every type, NULL-terminated; and one by name, or NULL. */
const qn_analysis_type *const *qn_analysis_types(void);
const qn_analysis_type *qn_analysis_find(const char *name);

#endif

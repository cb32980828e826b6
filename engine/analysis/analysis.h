/* The shape of every analysis: parameters -> check -> alloc -> accumulate(frame) ... -> reduce -> values and curves.
 *
 * A type describes its parameters and needs as data, so that the API validates and documents them without knowing the analysis. Analyses of
 * time correlations do not keep frames of their own: they attach a window to the history of the reading, which all of them share
 * (history.h). Memory is bounded by the longest lag, not by the length of the trajectory. */
#ifndef QN_ANALYSIS_ANALYSIS_H
#define QN_ANALYSIS_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"
#include "engine/potential/eam.h"
#include "engine/trajectory/frame.h"

/* How far a value may be believed; names as in the API are qn_value_status_name. */
typedef enum qn_value_status {
  QN_VALUE_OK,
  QN_VALUE_NOT_DIFFUSIVE,   /* the MSD does not grow linearly in any window of the data */
  QN_VALUE_NOT_DECAYED,     /* F_s stays above 1/e */
  QN_VALUE_TOO_FEW_SAMPLES, /* fewer independent blocks than an error needs */
  QN_VALUE_UNRESOLVED,      /* the quantity lies between samples: the frames are too far apart in time; or nothing of the kind stands out */
  QN_VALUE_GIVEN            /* not measured: a parameter that was given, reported beside what rests on it */
} qn_value_status;
const char *qn_value_status_name(qn_value_status status); /* "unknown" beyond the last */

/* One number with what is needed to trust it. NAN value when the status leaves nothing to report. */
typedef struct qn_value {
  char quantity[48];      /* "diffusion_coefficient", "relaxation_time", ... */
  char species[QN_SYMBOL_SIZE]; /* symbol, or "all" */
  char region[16];        /* "bulk", "surface" */
  char unit[16];          /* "m2/s", "ps", ... */
  double value, standard_error; /* value +- 1.96 standard_error is the 95 % interval (jackknife.h) */
  double window_start_ps, window_end_ps; /* the lags that the value rests on; of observables of single frames the times of the first and last */
  double temperature_k;   /* K; NAN: that of the stage that was analysed */
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

/* A number that a user may set; 0 or absent means "by the stated rule" when `automatic` is set. With `words` it is one of them, and the
 * number is its place in the list, from 1. */
typedef struct qn_parameter {
  const char *name;       /* key with unit: "q_inv_a", "max_lag_ps" */
  const char *meaning;    /* one line, for the API document */
  double fallback, minimum, maximum;
  bool automatic;         /* fallback is chosen from the data by a stated rule, and reported */
  const char *const *words; /* NULL-terminated; NULL: a number */
} qn_parameter;

enum { QN_MAX_PARAMETERS = 16 };

/* What is known of a reading before a frame is seen; the API asks with it when a spec comes in, long before there are frames. */
typedef enum qn_knowledge { QN_UNKNOWN, QN_NO, QN_YES } qn_knowledge;
typedef struct qn_analysis_prospect {
  int64_t frames;           /* that will come */
  double interval;          /* ps between them; NAN: they have no times, or are not evenly spaced */
  int64_t atoms;            /* 0: not known */
  bool box_changes;         /* known to: a stage at constant pressure */
  qn_wrapping wrapping;     /* refused only when it is known */
  qn_knowledge surfaces;    /* free surfaces */
  qn_knowledge potential;   /* is there one for the energies? */
} qn_analysis_prospect;

typedef struct qn_history qn_history;

/* What an analysis is given to work with; borrowed for as long as the analysis lives. */
typedef struct qn_analysis_input {
  qn_analysis_prospect prospect;
  const qn_frame *opening;  /* [opening_count], the first frames, at least one: they will come through accumulate too */
  int opening_count;
  qn_history *history;      /* gets every frame before accumulate does */
  const qn_eam *potential;  /* NULL: none */
  const qn_value *fed;      /* what the type's feed asks for; NULL: there is none */
  int threads;
} qn_analysis_input;

/* Which of a stage's samplings an analysis takes unless told. */
typedef enum qn_analysis_sampling { QN_SAMPLING_FINEST, QN_SAMPLING_LONGEST } qn_analysis_sampling;

/* A value of another analysis that this one can use, measured with its default parameters on the finest sampling of the same stage. */
typedef struct qn_analysis_feed {
  const char *type, *quantity; /* of all species */
  const char *parameter;       /* the value is not used when this one is given */
} qn_analysis_feed;

typedef struct qn_analysis qn_analysis;
typedef struct qn_thermo_table qn_thermo_table;

typedef struct qn_analysis_type {
  const char *name;       /* "diffusion" */
  const char *meaning;
  int parameter_count;
  const qn_parameter *parameters;
  const char *const *quantities; /* names of the values that it reports, NULL-terminated */
  qn_analysis_sampling sampling;
  bool displacements;     /* needs unwrapped positions, evenly spaced in time, in a box that does not change */
  bool layered;           /* the parameters begin with those of a layer (layer.h) */
  bool potential;         /* needs one */
  const qn_analysis_feed *feed; /* NULL: none */

  /* What the parameters and the prospect rule out, beyond what the fields above say; NULL: nothing. */
  qn_status (*check)(const double *parameters, const qn_analysis_prospect *prospect, qn_error *error);
  /* `parameters` in the order above; they and the input have been checked. */
  qn_status (*alloc)(qn_analysis **analysis, const double *parameters, const qn_analysis_input *input, qn_error *error);
  qn_status (*accumulate)(qn_analysis *analysis, const qn_frame *frame, qn_error *error); /* NULL: its window does all */
  qn_status (*reduce)(qn_analysis *analysis, qn_report *report, qn_error *error); /* caller owns the report; on an error it is empty */
  void (*free)(qn_analysis *analysis); /* NULL is fine */

  /* Instead of all these, for a type that looks at the thermo series of a run and at no frame (thermo.h); NULL otherwise. */
  qn_status (*summarise)(const double *parameters, const qn_thermo_table *table, qn_report *report, qn_error *error);
} qn_analysis_type;

/* QN_INVALID or QN_UNSUPPORTED, with the reason, when an analysis cannot be made of what will come. */
qn_status qn_analysis_check(const qn_analysis_type *type, const double *parameters, const qn_analysis_prospect *prospect, qn_error *error);

/* Every type, NULL-terminated; and one by name, or NULL. */
const qn_analysis_type *const *qn_analysis_types(void);
const qn_analysis_type *qn_analysis_find(const char *name);

/* Place of a parameter in the type's list, or -1. */
int qn_analysis_parameter(const qn_analysis_type *type, const char *name);

#endif

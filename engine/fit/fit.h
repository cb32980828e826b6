/* Laws fitted to values against temperature. One file a law; all share this shape.
 *
 * Fits are weighted by 1/error^2; when any point has no error all weigh the same. The covariance is that of the weighted least squares,
 * multiplied by chi^2 / degrees of freedom when the points scatter by more than their errors say (always, when they have none): an error is
 * never smaller than the scatter shows. The bootstrap error is the standard deviation over fits to points drawn with replacement. */
#ifndef QN_FIT_FIT_H
#define QN_FIT_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/status.h"

enum { QN_FIT_VALUES = 8, QN_FIT_PARAMETERS = 4, QN_FIT_MAX_POINTS = 4096 };

typedef struct qn_fit_point {
  double temperature;    /* K, > 0 */
  double value;          /* in any unit; > 0 for laws in its logarithm */
  double standard_error; /* same unit; 0 or NAN: unknown */
} qn_fit_point;

typedef struct qn_fit_options {
  double lowest_k, highest_k; /* only points with temperatures in this range; 0: no bound */
  bool rising;                /* Arrhenius, VFT: the quantity falls with temperature, as a relaxation time does: the sign of the exponent is + */
  bool logarithmic;           /* glass_transition: lines in ln y */
  bool inverse;               /* glass_transition: lines against 1/T */
  int resamples;              /* bootstrap; 0: none */
  uint64_t seed;
  qn_status (*check)(void *context, double progress, qn_error *error); /* called between resamples; a status other than QN_OK ends the fit with it.
                                                                        * NULL: none */
  void *context;
  char unit[16];              /* of the values; carried into the result */
} qn_fit_options;

typedef enum qn_fit_outcome {
  QN_FIT_OK,
  QN_FIT_TOO_FEW_POINTS, /* fewer points in the range than the law has parameters, or too few temperatures */
  QN_FIT_NOT_CONVERGED   /* the best parameters lie at the edge of what the law allows: the data do not show it */
} qn_fit_outcome;
const char *qn_fit_outcome_name(qn_fit_outcome outcome); /* "ok", "too_few_points", "not_converged" */

typedef struct qn_fit_value {
  char name[32];          /* "activation_energy" */
  char unit[24];          /* "eV" */
  double value, standard_error;
  double bootstrap_error; /* NAN when none was made */
} qn_fit_value;

typedef struct qn_fit {
  qn_fit_outcome outcome;
  int value_count;        /* 0 unless ok */
  qn_fit_value values[QN_FIT_VALUES];
  int parameter_count;    /* the first values are the law's parameters, with this covariance */
  double covariance[QN_FIT_PARAMETERS][QN_FIT_PARAMETERS];
  double chi_square;      /* sum of squared weighted residuals; unweighted, of the residuals themselves */
  bool weighted;
  int points, degrees;    /* points used; points less parameters */
  double lowest_k, highest_k; /* temperatures of the points used */
} qn_fit;

typedef struct qn_fit_type {
  const char *name;       /* "arrhenius" */
  const char *meaning;
  int parameters;         /* and as many points, at as many temperatures, are the least that it can be fitted to */
  bool logarithmic;       /* one in the logarithm of the values, whatever the options */
  const char *const *quantities; /* names of the values that it gives, NULL-terminated */
  /* QN_INVALID for points that no law can use (temperature or value not positive or not finite), naming the point. */
  qn_status (*fit)(const qn_fit_point *points, int count, const qn_fit_options *options, qn_fit *fit, qn_error *error);
} qn_fit_type;

/* Every law, NULL-terminated; and one by name, or NULL. */
const qn_fit_type *const *qn_fit_types(void);
const qn_fit_type *qn_fit_find(const char *name);

#endif

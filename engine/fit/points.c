#include "engine/fit/points.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"

static int by_temperature(const void *left, const void *right) {
  double a = ((const qn_fit_point *)left)->temperature, b = ((const qn_fit_point *)right)->temperature;
  return (a > b) - (a < b);
}

static qn_status reserve(qn_fit_data *data, int count, qn_error *error) {
  *data = (qn_fit_data){0};
  data->temperature = qn_memory_alloc((size_t)count, sizeof(double));
  data->y = qn_memory_alloc((size_t)count, sizeof(double));
  data->weight = qn_memory_alloc((size_t)count, sizeof(double));
  if (data->temperature != NULL && data->y != NULL && data->weight != NULL) return QN_OK;
  return qn_error_set(error, QN_NO_MEMORY, "out of memory");
}

static void count_temperatures(qn_fit_data *data) {
  data->temperatures = 0;
  for (int i = 0; i < data->count; i++) data->temperatures += i == 0 || data->temperature[i] > data->temperature[i - 1];
}

qn_status qn_fit_data_init(qn_fit_data *data, const qn_fit_point *points, int count, const qn_fit_options *options, bool logarithmic,
                           qn_error *error) {
  *data = (qn_fit_data){0};
  if (count < 1 || count > QN_FIT_MAX_POINTS) return qn_error_set(error, QN_INVALID, "a fit takes 1 to %d points, not %d", QN_FIT_MAX_POINTS, count);
  qn_fit_point *sorted = qn_memory_alloc((size_t)count, sizeof *sorted);
  qn_status status = reserve(data, count, error);
  if (sorted == NULL && status == QN_OK) status = qn_error_set(error, QN_NO_MEMORY, "out of memory");
  int used = 0;
  data->weighted = true;
  for (int i = 0; i < count && status == QN_OK; i++) {
    const qn_fit_point *p = &points[i];
    if (!(p->temperature > 0) || !isfinite(p->temperature) || !isfinite(p->value) || (logarithmic && !(p->value > 0)))
      status = qn_error_set(error, QN_INVALID, "point %d: %g at %g K: temperatures must be positive%s", i + 1, p->value, p->temperature,
                            logarithmic ? ", and values too, as the law is one in their logarithm" : " and values finite");
    if ((options->lowest_k > 0 && p->temperature < options->lowest_k) || (options->highest_k > 0 && p->temperature > options->highest_k)) continue;
    data->weighted = data->weighted && p->standard_error > 0 && isfinite(p->standard_error);
    sorted[used++] = *p;
  }
  if (status == QN_OK) {
    qsort(sorted, (size_t)used, sizeof *sorted, by_temperature);
    data->count = used;
    for (int i = 0; i < used; i++) {
      data->temperature[i] = sorted[i].temperature;
      data->y[i] = logarithmic ? log(sorted[i].value) : sorted[i].value;
      data->weight[i] = data->weighted ? (logarithmic ? sorted[i].value : 1) / sorted[i].standard_error : 1;
    }
    count_temperatures(data);
  }
  free(sorted);
  return status;
}

void qn_fit_data_fini(qn_fit_data *data) {
  free(data->temperature);
  free(data->y);
  free(data->weight);
  *data = (qn_fit_data){0};
}

void qn_fit_add(qn_fit *fit, const char *name, const char *unit, double value, double standard_error) {
  qn_fit_value *added = &fit->values[fit->value_count++];
  snprintf(added->name, sizeof added->name, "%s", name);
  snprintf(added->unit, sizeof added->unit, "%s", unit);
  added->value = value;
  added->standard_error = standard_error;
  added->bootstrap_error = NAN;
}

void qn_fit_scale(const qn_fit_data *data, double chi_square, int parameters, qn_fit *fit) {
  fit->parameter_count = parameters;
  fit->chi_square = chi_square;
  fit->degrees = data->count - parameters;
  double scatter = fit->degrees > 0 ? chi_square / fit->degrees : NAN;
  double factor = data->weighted ? fmax(1, isnan(scatter) ? 1 : scatter) : scatter;
  for (int a = 0; a < parameters; a++)
    for (int b = 0; b < parameters; b++) fit->covariance[a][b] *= factor;
}

qn_status qn_fit_run(const qn_fit_data *data, const qn_fit_options *options, qn_fit_core core, qn_fit *fit, qn_error *error) {
  memset(fit, 0, sizeof *fit);
  fit->points = data->count;
  fit->weighted = data->weighted;
  fit->lowest_k = data->count > 0 ? data->temperature[0] : NAN;
  fit->highest_k = data->count > 0 ? data->temperature[data->count - 1] : NAN;
  core(data, options, fit);
  if (fit->outcome != QN_FIT_OK || options->resamples < 2) return QN_OK;

  qn_fit_data sample;
  qn_status status = reserve(&sample, data->count, error);
  double mean[QN_FIT_VALUES] = {0}, square[QN_FIT_VALUES] = {0}, good = 0;
  sample.count = data->count;
  sample.weighted = data->weighted;
  for (int r = 0; r < options->resamples && status == QN_OK; r++) {
    if (options->check != NULL) status = options->check(options->context, (double)r / options->resamples, error);
    if (status != QN_OK) break;
    qn_rng rng;
    qn_rng_init(&rng, options->seed, QN_RNG_BOOTSTRAP, (uint32_t)r);
    int *times = qn_memory_alloc((size_t)data->count, sizeof *times);
    if (times == NULL) {
      status = qn_error_set(error, QN_NO_MEMORY, "out of memory");
      break;
    }
    for (int i = 0; i < data->count; i++) times[qn_rng_below(&rng, (uint64_t)data->count)]++;
    for (int i = 0, at = 0; i < data->count; i++)
      for (int k = 0; k < times[i]; k++, at++) {
        sample.temperature[at] = data->temperature[i];
        sample.y[at] = data->y[i];
        sample.weight[at] = data->weight[i];
      }
    free(times);
    count_temperatures(&sample);
    qn_fit one = {0};
    core(&sample, options, &one);
    if (one.outcome != QN_FIT_OK) continue;
    good += 1;
    for (int v = 0; v < fit->value_count; v++) {
      double off = one.values[v].value - mean[v];
      mean[v] += off / good;
      square[v] += off * (one.values[v].value - mean[v]);
    }
  }
  qn_fit_data_fini(&sample);
  /* Resamples with too few temperatures, or without the law's shape, have no parameters; when most are such the rest say little. */
  if (good >= 0.5 * options->resamples)
    for (int v = 0; v < fit->value_count; v++) fit->values[v].bootstrap_error = sqrt(square[v] / (good - 1));
  return status;
}

const char *qn_fit_outcome_name(qn_fit_outcome outcome) {
  switch (outcome) {
    case QN_FIT_OK: return "ok";
    case QN_FIT_TOO_FEW_POINTS: return "too_few_points";
    case QN_FIT_NOT_CONVERGED: return "not_converged";
  }
  return "unknown";
}

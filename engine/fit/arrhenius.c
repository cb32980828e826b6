#include "engine/fit/arrhenius.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"
#include "engine/fit/least_squares.h"
#include "engine/fit/points.h"

double qn_fit_lognormal_mean(double mu, double s, double *deviation) {
  double mean = exp(mu + s * s / 2);
  *deviation = mean * sqrt(expm1(s * s));
  return mean;
}

static void core(const qn_fit_data *data, const qn_fit_options *options, qn_fit *fit) {
  fit->outcome = QN_FIT_TOO_FEW_POINTS;
  if (data->temperatures < qn_fit_arrhenius.parameters) return;
  double *design = qn_memory_alloc((size_t)data->count, 2 * sizeof *design), solution[2], chi_square;
  if (design == NULL) return;
  for (int i = 0; i < data->count; i++) {
    design[2 * i] = 1;
    design[2 * i + 1] = (options->rising ? 1 : -1) / (QN_BOLTZMANN * data->temperature[i]);
  }
  bool solved = qn_least_squares(data->count, 2, design, data->y, data->weight, solution, &chi_square, fit->covariance);
  free(design);
  if (!solved) return;
  fit->outcome = QN_FIT_OK;
  qn_fit_scale(data, chi_square, 2, fit);
  double error = sqrt(fit->covariance[0][0]), deviation, mean = qn_fit_lognormal_mean(solution[0], error, &deviation);
  char unit[24];
  snprintf(unit, sizeof unit, "ln(%s)", options->unit);
  qn_fit_add(fit, "ln_prefactor", unit, solution[0], error);
  qn_fit_add(fit, "activation_energy", "eV", solution[1], sqrt(fit->covariance[1][1]));
  qn_fit_add(fit, "prefactor", options->unit, exp(solution[0]), exp(solution[0]) * error);
  qn_fit_add(fit, "prefactor_mean", options->unit, mean, deviation);
}

static qn_status fit_arrhenius(const qn_fit_point *points, int count, const qn_fit_options *options, qn_fit *fit, qn_error *error) {
  qn_fit_data data;
  qn_status status = qn_fit_data_init(&data, points, count, options, true, error);
  if (status == QN_OK) status = qn_fit_run(&data, options, core, fit, error);
  qn_fit_data_fini(&data);
  return status;
}

static const char *const quantities[] = {"ln_prefactor", "activation_energy", "prefactor", "prefactor_mean", NULL};

const qn_fit_type qn_fit_arrhenius = {"arrhenius", "Arrhenius's law: ln y = ln y0 - Q/kT", 2, true, quantities, fit_arrhenius};

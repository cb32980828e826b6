#include "engine/fit/vft.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/memory.h"
#include "engine/base/units.h"
#include "engine/fit/least_squares.h"
#include "engine/fit/points.h"
#include "engine/fit/search.h"

/* T0 between these shares of the lowest temperature. */
static const double LOWEST = 0.02, HIGHEST = 0.995;

typedef struct profile {
  const qn_fit_data *data;
  double sign;
  double *design; /* [count][3] */
  double line[2]; /* ln y0 and D* T0 at the last T0 */
} profile;

static double chi_square_at(void *context, double vogel) {
  profile *p = context;
  for (int i = 0; i < p->data->count; i++) {
    p->design[2 * i] = 1;
    p->design[2 * i + 1] = p->sign / (p->data->temperature[i] - vogel);
  }
  double chi_square;
  bool solved = qn_least_squares(p->data->count, 2, p->design, p->data->y, p->data->weight, p->line, &chi_square, NULL);
  return solved ? chi_square : INFINITY;
}

static void core(const qn_fit_data *data, const qn_fit_options *options, qn_fit *fit) {
  fit->outcome = QN_FIT_TOO_FEW_POINTS;
  if (data->temperatures < qn_fit_vft.parameters) return;
  profile p = {.data = data, .sign = options->rising ? 1 : -1};
  p.design = qn_memory_alloc((size_t)data->count, 3 * sizeof *p.design);
  double *residual = qn_memory_alloc((size_t)data->count, sizeof *residual);
  if (p.design != NULL && residual != NULL) {
    double coldest = data->temperature[0], vogel = qn_fit_search(chi_square_at, &p, 0, coldest, 200), chi_square = chi_square_at(&p, vogel);
    double strength = p.line[1] / vogel, ignored[3], unused;
    for (int i = 0; i < data->count; i++) {
      double distance = data->temperature[i] - vogel;
      p.design[3 * i] = 1;
      p.design[3 * i + 1] = p.sign * vogel / distance;
      p.design[3 * i + 2] = p.sign * strength * data->temperature[i] / (distance * distance);
    }
    bool solved = qn_least_squares(data->count, 3, p.design, residual, data->weight, ignored, &unused, fit->covariance);
    fit->outcome = solved && vogel > LOWEST * coldest && vogel < HIGHEST * coldest && strength > 0 ? QN_FIT_OK : QN_FIT_NOT_CONVERGED;
    if (fit->outcome == QN_FIT_OK) {
      qn_fit_scale(data, chi_square, 3, fit);
      const double (*c)[QN_FIT_PARAMETERS] = (const double (*)[QN_FIT_PARAMETERS])fit->covariance;
      char unit[24];
      snprintf(unit, sizeof unit, "ln(%s)", options->unit);
      qn_fit_add(fit, "ln_prefactor", unit, p.line[0], sqrt(c[0][0]));
      qn_fit_add(fit, "strength", "1", strength, sqrt(c[1][1]));
      qn_fit_add(fit, "vogel_temperature", "K", vogel, sqrt(c[2][2]));
      double variance = vogel * vogel * c[1][1] + strength * strength * c[2][2] + 2 * vogel * strength * c[1][2];
      qn_fit_add(fit, "energy", "eV", QN_BOLTZMANN * vogel * strength, QN_BOLTZMANN * sqrt(fmax(0, variance)));
      qn_fit_add(fit, "prefactor", options->unit, exp(p.line[0]), exp(p.line[0]) * sqrt(c[0][0]));
    }
  }
  free(p.design);
  free(residual);
}

static qn_status fit_vft(const qn_fit_point *points, int count, const qn_fit_options *options, qn_fit *fit, qn_error *error) {
  qn_fit_data data;
  qn_status status = qn_fit_data_init(&data, points, count, options, true, error);
  if (status == QN_OK) status = qn_fit_run(&data, options, core, fit, error);
  qn_fit_data_fini(&data);
  return status;
}

static const char *const quantities[] = {"ln_prefactor", "strength", "vogel_temperature", "energy", "prefactor", NULL};

const qn_fit_type qn_fit_vft = {"vft", "the law of Vogel, Fulcher and Tammann: ln y = ln y0 - D* T0/(T - T0)", 3, true, quantities, fit_vft};

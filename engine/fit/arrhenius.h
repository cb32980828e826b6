/* Arrhenius's law, ln y = ln y0 - Q/kT (+ Q/kT for a quantity that falls with temperature).
 *
 * Values: ln_prefactor and activation_energy (eV), the parameters; prefactor = exp(ln y0), what a prediction uses; and prefactor_mean, the mean
 * and standard deviation of the log-normal distribution of the prefactor, which the paper's Table 1 prints. */
#ifndef QN_FIT_ARRHENIUS_H
#define QN_FIT_ARRHENIUS_H

#include "engine/fit/fit.h"

extern const qn_fit_type qn_fit_arrhenius;

/* Mean exp(mu + s^2/2) of exp(x), x normal with mean mu and deviation s; its standard deviation is mean sqrt(exp(s^2) - 1). */
double qn_fit_lognormal_mean(double mu, double s, double *deviation);

#endif

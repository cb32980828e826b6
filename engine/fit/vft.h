/* The law of Vogel, Fulcher and Tammann, ln y = ln y0 - D* T0 / (T - T0) (+ for a quantity that falls with temperature).
 *
 * Values: ln_prefactor, strength D* (no unit: what Table 1 of the paper prints as 2.13 eV) and vogel_temperature T0 (K), the parameters;
 * energy = k T0 D* (eV); prefactor = exp(ln y0).
 *
 * For a given T0 the law is linear in ln y0 and D* T0, so only T0 is searched, between 0 and the lowest temperature: no start has to be
 * guessed and no local minimum can hold the search. not_converged when T0 goes to 0 (the data follow Arrhenius's law) or to the lowest
 * temperature, or D* is not positive. */
#ifndef QN_FIT_VFT_H
#define QN_FIT_VFT_H

#include "engine/fit/fit.h"

extern const qn_fit_type qn_fit_vft;

#endif

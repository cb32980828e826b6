/* The glass transition as the kink between two lines that meet:
 *
 *   y = a + b (x - x_g) + c max(0, x - x_g),  x = T or 1/T, y the value (volume, enthalpy) or its logarithm (ln D, ln tau)
 *
 * Values: glass_transition_temperature (K) and kink_value a, the parameters with slope_below b and slope_above b + c (below and above
 * in temperature, per K or, against 1/T, times K). Lines need at least two temperatures on either side.
 * not_converged when the slopes differ by less than two standard errors: the data show no kink. */
#ifndef QN_FIT_GLASS_TRANSITION_H
#define QN_FIT_GLASS_TRANSITION_H

#include "engine/fit/fit.h"

extern const qn_fit_type qn_fit_glass_transition;

#endif
